"""What stands in front of every request: the right host, a bounded body, headers that protect.

A page elsewhere can make a browser send requests to 127.0.0.1, under a name of its own that it
has turned to there (DNS rebinding): so the ``Host`` has to be one of ours. Of what is kept back
here the application hears nothing. What fails in it, and nobody there has a word for, is answered
here as well.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

import structlog
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenband.console.problems import ProblemError, from_http

BODY_BYTES_MAX = 262_144
BODY_S = 10.0
"""Who has not sent all of a request by then does not hold a place any longer."""
CONTENT_POLICY = (
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), camera=(), microphone=()",
}
_STATIC = "/static/"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
FAILED = ProblemError(
    500,
    "failed",
    "The console could not do that: try again, and if it stays so, tell whoever runs it.",
)
_log = structlog.get_logger("greenband.console")


class Guard:
    """The outermost layer around *app*; *hosts* are the names that it answers to."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, tls: bool = False) -> None:
        self._app = app
        self._hosts = frozenset(host.lower() for host in hosts)
        self._tls = tls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer here what must not come through, and pass on the rest."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        problem = self._fault(scope, headers)
        begun = False

        async def protected(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                self._protect(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if problem is not None:
            await problem.response()(scope, receive, protected)
            return
        try:
            await self._app(scope, _bounded(receive), protected)
        except Exception:
            if begun:
                raise
            _log.exception("a request failed", method=scope["method"], path=scope["path"])
            await FAILED.response()(scope, receive, protected)

    def _fault(self, scope: Scope, headers: Headers) -> ProblemError | None:
        host = headers.get("host", "")
        if host_name(host) not in self._hosts:
            return ProblemError(
                421,
                "wrong-host",
                "This console does not answer to that host name: use its own address, or start it "
                "with --host-name for further ones.",
            )
        origin = headers.get("origin")
        if scope["method"] not in _SAFE and origin is not None:
            scheme = "https" if self._tls else "http"
            if origin.lower() != f"{scheme}://{host.lower()}":
                return ProblemError(
                    403, "wrong-origin", "Another site's page sent this request; nothing was done."
                )
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > BODY_BYTES_MAX:
            return from_http(HTTPException(413))
        return None

    def _protect(self, headers: MutableHeaders, path: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._tls:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-cache" if path.startswith(_STATIC) else "no-store"


def _bounded(receive: Receive) -> Receive:
    """*receive*, for bodies that come in pieces: not for ever, and no more than a bounded one.

    What it raises FastAPI lets pass where it reads a body itself.
    """
    left, is_whole = BODY_BYTES_MAX, False
    until_s = asyncio.get_running_loop().time() + BODY_S

    async def bounded() -> Message:
        nonlocal left, is_whole
        if is_whole:
            return await receive()  # it waits for the end of the connection
        try:
            async with asyncio.timeout_at(until_s):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408) from None
        left -= len(message.get("body", b""))
        is_whole = not message.get("more_body", False)
        if left < 0:
            raise HTTPException(413)
        return message

    return bounded


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
