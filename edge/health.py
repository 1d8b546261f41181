"""``/healthz``, ``/readyz`` and ``/metrics`` over plain HTTP, for the machine itself by default.

``/healthz`` is about the process (does the control loop turn?), ``/readyz`` about the work (what
keeps it from being as it should?). Both answer 200 or 503 with one reason to a line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from edge.errors import EdgeError
from edge.loop import PERIOD_MS, Clock

HEAD_BYTES_MAX = 8_192
REQUEST_S_MAX = 5.0
CONNECTIONS_MAX = 16
SILENCE_MS_MAX = 5 * PERIOD_MS
METRICS = b"/metrics"

Reasons = Callable[[], tuple[str, ...]]


class Pulse:
    """When the control loop last turned; what the health and nothing else goes by."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last_ms: int | None = None

    def beat(self) -> None:
        """To be called by the control loop, once a tick."""
        self._last_ms = self._clock.now().mono_ms

    def faults(self) -> tuple[str, ...]:
        """Why the process can't be called alive; empty if it can."""
        if self._last_ms is None:
            return ("the control loop has not begun",)
        silent_ms = self._clock.now().mono_ms - self._last_ms
        if silent_ms > SILENCE_MS_MAX:
            return (f"the control loop has not turned for {silent_ms / 1_000:.1f} s",)
        return ()


@dataclass(frozen=True, slots=True)
class _Answer:
    status: str
    body: bytes
    kind: str = "text/plain; charset=utf-8"

    def to_bytes(self, *, with_body: bool) -> bytes:
        head = (
            f"HTTP/1.1 {self.status}\r\n"
            f"Content-Type: {self.kind}\r\n"
            f"Content-Length: {len(self.body)}\r\n"
            "Cache-Control: no-store\r\nConnection: close\r\n\r\n"
        )
        return head.encode() + (self.body if with_body else b"")


class HealthServer:
    """The small server; an async context manager. ``alive`` and ``ready`` say what is wrong.

    To write the metrics takes longer than a cabinet may wait: *rest* returns when none does.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        alive: Reasons,
        ready: Reasons,
        metrics: Callable[[], bytes],
        rest: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._alive = alive
        self._ready = ready
        self._metrics = metrics
        self._rest = rest
        self._open = 0
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that it listens on."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> HealthServer:
        try:
            self._server = await asyncio.start_server(
                self._serve, self._host, self._port, limit=HEAD_BYTES_MAX
            )
        except OSError as error:
            raise EdgeError(
                f"health can't be served on {self._host}:{self._port} ({error.strerror}): "
                "choose another http.bind"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open += 1
        try:
            if self._open <= CONNECTIONS_MAX:
                async with asyncio.timeout(REQUEST_S_MAX):
                    head = await reader.readuntil(b"\r\n\r\n")
                    if self._rest is not None and _path(head) == METRICS:
                        await self._rest()
                    writer.write(self._answer(head))
                    await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass  # whoever does not ask properly gets no answer
        except asyncio.CancelledError:
            pass  # the edge stops: nobody waits for this task, and it ends here
        finally:
            self._open -= 1
            writer.close()

    def _answer(self, head: bytes) -> bytes:
        method = head.partition(b" ")[0]
        if method not in (b"GET", b"HEAD"):
            return _Answer("405 Method Not Allowed", b"only GET\n").to_bytes(with_body=True)
        return self._page(_path(head)).to_bytes(with_body=method == b"GET")

    def _page(self, path: bytes) -> _Answer:
        if path == METRICS:
            kind = "text/plain; version=0.0.4; charset=utf-8"
            return _Answer("200 OK", self._metrics(), kind)
        if path == b"/healthz":
            return _verdict(self._alive())
        if path == b"/readyz":
            return _verdict((*self._alive(), *self._ready()))
        return _Answer("404 Not Found", b"here are /healthz, /readyz and /metrics\n")


def _path(head: bytes) -> bytes:
    _, _, rest = head.split(b"\r\n", 1)[0].partition(b" ")
    return rest.split(b" ", 1)[0].split(b"?", 1)[0]


def _verdict(reasons: tuple[str, ...]) -> _Answer:
    if not reasons:
        return _Answer("200 OK", b"ok\n")
    return _Answer("503 Service Unavailable", ("\n".join(reasons) + "\n").encode())
