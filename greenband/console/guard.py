"""What stands in front of every request: the right host, a bounded body, headers that protect.

A page elsewhere can make a browser send requests to 127.0.0.1, under a name of its own that it
has turned to there (DNS rebinding): so the ``Host`` has to be one of ours. Of what is kept back
here the application hears nothing.
"""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from greenband.console.problems import ProblemError

BODY_BYTES_MAX = 262_144
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

        async def protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._protect(MutableHeaders(scope=message), scope["path"])
            await send(message)

        if problem is not None:
            await problem.response()(scope, receive, protected)
            return
        await self._app(scope, _bounded(receive), protected)

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
            return ProblemError(
                413, "too-large", f"A request has at most {BODY_BYTES_MAX} bytes: send less."
            )
        return None

    def _protect(self, headers: MutableHeaders, path: str) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        if self._tls:
            headers["Strict-Transport-Security"] = "max-age=31536000"
        if "Cache-Control" not in headers:
            headers["Cache-Control"] = "no-cache" if path.startswith(_STATIC) else "no-store"


def _bounded(receive: Receive) -> Receive:
    """*receive*, for bodies that come in pieces and don't say how long they are."""
    left = BODY_BYTES_MAX

    async def bounded() -> Message:
        nonlocal left
        message = await receive()
        left -= len(message.get("body", b""))
        if left < 0:
            raise ProblemError(
                413, "too-large", f"A request has at most {BODY_BYTES_MAX} bytes: send less."
            )
        return message

    return bounded


def host_name(host: str) -> str:
    """The name in a ``Host`` header, without its port."""
    if host.startswith("["):
        return host.partition("]")[0].lower() + "]"
    return host.partition(":")[0].lower()
