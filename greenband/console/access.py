"""Who is calling, and whether they may: by a bearer token, or by the session of a page.

A session only reads by itself. Whatever changes something has to carry the session's second secret
in ``X-CSRF-Token``, which no page elsewhere can know.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from fastapi import Request
from fastapi.security import HTTPBearer

from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.problems import ProblemError, too_many
from greenband.console.sessions import COOKIE, Session, same
from greenband.console.tokens import Scope, Token

CSRF_HEADER = "x-csrf-token"
_SAFE = frozenset({"GET", "HEAD"})
BEARER = HTTPBearer(auto_error=False, description="A token, as greenband token create makes it")
"""For the description of the interface; who may is found out by :func:`allowed`."""
_BEARER = {"WWW-Authenticate": 'Bearer realm="greenband"'}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks, as a token says; *session* where a page does."""

    token: Token
    session: Session | None = None

    @property
    def agency(self) -> str:
        """Whose limits count."""
        return self.token.agency

    @property
    def actor(self) -> str:
        """As the audit writes it."""
        return f"{self.token.actor}, console" if self.session else self.token.actor

    def may(self, scope: Scope) -> bool:
        """Whether the token is good for *scope*."""
        return self.token.allows(scope)


def hub_of(request: Request) -> Hub:
    """What the application works with."""
    hub = request.app.state.hub
    assert isinstance(hub, Hub)
    return hub


def allowed(scope: Scope) -> Callable[[Request], Awaitable[Caller]]:
    """A dependency: the caller, if they may do what *scope* names; 401 or 403 otherwise."""

    async def caller(request: Request) -> Caller:
        found = caller_of(request)
        if found is None:
            raise ProblemError(
                401,
                "no-token",
                "Send a token that counts: Authorization: Bearer …; whoever runs the console makes "
                "one with greenband token create.",
                _BEARER,
            )
        if not found.may(scope):
            where = f"{request.method} {request.url.path}"
            note_refusal(hub_of(request), found, where, {"missing_scope": scope.value})
            raise ProblemError(
                403,
                "missing-scope",
                f"This token is not good for {scope.value}: ask whoever runs the console for one "
                "that is.",
                scope=scope.value,
            )
        return found

    return caller


def caller_of(request: Request) -> Caller | None:
    """Who asks; None if nobody that we know. Raises for a session without its second secret."""
    hub = hub_of(request)
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        token = hub.tokens.check(text.strip(), hub.utc_ms())
        return None if token is None else Caller(token)
    found = session_of(request)
    if found is not None and request.method not in _SAFE:
        check_csrf(found, request.headers.get(CSRF_HEADER, ""))
    return found


def session_of(request: Request) -> Caller | None:
    """Who is signed in with this browser, without a look at what they send."""
    hub = hub_of(request)
    session = hub.sessions.find(request.cookies.get(COOKIE, ""), hub.utc_ms())
    if session is None:
        return None
    token = hub.tokens.find(session.token_id)
    if token is None or not token.counts_at(hub.utc_ms()):
        return None
    return Caller(token, session)


def check_csrf(caller: Caller, secret: str) -> None:
    """Raise 403 unless *secret* is the one of the caller's session."""
    if caller.session is None or not same(caller.session.csrf, secret):
        raise ProblemError(
            403, "wrong-page", "This did not come from a page of the console: load it anew."
        )


def note_refusal(hub: Hub, caller: Caller, where: str, detail: Mapping[str, object]) -> None:
    """Put on record that somebody may not; not so often that it fills the disk."""
    if hub.limits.take(caller.agency, Kind.REFUSAL, hub.mono_ms()) == 0.0:
        hub.note(caller.actor, "not allowed", where, detail)


def still_allowed(request: Request, caller: Caller) -> Callable[[], bool]:
    """Whether the token still counts, for what goes on after the first answer."""
    hub, token_id, session = hub_of(request), caller.token.id, caller.session

    def check() -> bool:
        now_utc_ms = hub.utc_ms()
        token = hub.tokens.find(token_id)
        if session is not None and not hub.sessions.lasts(session, now_utc_ms):
            return False
        return token is not None and token.counts_at(now_utc_ms)

    return check


def count(request: Request, caller: Caller, kind: Kind) -> None:
    """Raise 429 if the caller's agency has asked too often."""
    hub = hub_of(request)
    wait_s = hub.limits.take(caller.agency, kind, hub.mono_ms())
    if wait_s > 0.0:
        raise too_many(kind.value, wait_s)
