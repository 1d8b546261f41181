"""Signing in to the pages, with a token or by the link that a demo prints, and out again."""

from __future__ import annotations

from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from greenband.console.access import check_csrf, hub_of, session_of
from greenband.console.limits import Kind
from greenband.console.pages import page
from greenband.console.sessions import COOKIE, SESSION_MS

router = APIRouter(include_in_schema=False)
_SEE_OTHER = 303


@router.get("/login", response_class=HTMLResponse)
async def sign_in_page(request: Request, code: str = "") -> Response:
    """The form; with the *code* of a printed link, straight in."""
    hub = hub_of(request)
    if code:
        token_id = hub.sessions.accept(code, hub.utc_ms())
        if token_id is not None:
            return _signed_in(request, token_id)
    wrong = "This link was used already, or is too old. Sign in with a token." if code else ""
    return page(request, "login.html.j2", {"title": "Sign in", "wrong": wrong})


@router.post("/login", response_class=HTMLResponse)
async def sign_in(request: Request) -> Response:
    """A token for a session."""
    hub = hub_of(request)
    token = await _field(request, "token")
    found = hub.tokens.check(token.strip(), hub.utc_ms())
    if found is None:
        wrong = "That token does not count: it is mistyped, revoked or has expired."
        return page(request, "login.html.j2", {"title": "Sign in", "wrong": wrong}, 401)
    wait_s = hub.limits.take(found.agency, Kind.SIGN_IN, hub.mono_ms())
    if wait_s > 0.0:
        wrong = f"{found.agency} has signed in too often: wait {wait_s:.0f} s, then try again."
        return page(request, "login.html.j2", {"title": "Sign in", "wrong": wrong}, 429)
    return _signed_in(request, found.id)


@router.post("/logout")
async def sign_out(request: Request) -> Response:
    """End the session."""
    caller = session_of(request)
    if caller is not None:
        check_csrf(caller, await _field(request, "csrf"))
        hub_of(request).sessions.end(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", _SEE_OTHER)
    answer.delete_cookie(COOKIE, path="/")
    return answer


async def _field(request: Request, name: str) -> str:
    """One field of a form; empty if it is not there."""
    body = (await request.body()).decode("utf-8", "replace")
    return parse_qs(body, max_num_fields=20).get(name, [""])[0]


def _signed_in(request: Request, token_id: str) -> Response:
    hub = hub_of(request)
    token = hub.tokens.find(token_id)
    hub.note(token.actor if token else token_id, "signed in", "console")
    hub.sessions.end(request.cookies.get(COOKIE, ""))
    secret = hub.sessions.begin(token_id, hub.utc_ms())
    answer = RedirectResponse("/", _SEE_OTHER)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=SESSION_MS // 1_000,
        path="/",
        secure=bool(request.app.state.tls),
        httponly=True,
        samesite="strict",
    )
    return answer
