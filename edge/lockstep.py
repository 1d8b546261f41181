r"""Driven by a bench instead of a clock: an instant comes, its turn is done, the answer goes back.

One JSON object to a line, over TCP::

    bench -> {"mono_ms": 25201000, "utc_ms": 25201000}
    edge  -> {"done": 25201000}

Until the next instant comes, time stands still: the same instants and the same cabinets give the
same schedules. What can't be done is answered by ``{"error": "..."}`` and changes nothing.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable

from controller.clock import Instant
from edge.errors import EdgeError

LINE_BYTES_MAX = 4_096

TakeTurn = Callable[[Instant], Awaitable[None]]


class BenchClock:
    """Shows the last instant of the bench."""

    def __init__(self) -> None:
        self._now = Instant(0, 0)
        self.begun = False
        """Whether there has been an instant."""

    def now(self) -> Instant:
        """See :class:`edge.loop.TimeSource`."""
        return self._now

    def set(self, now: Instant) -> None:
        """It is *now*; raises :class:`ValueError` if that is no later than before."""
        if self.begun and now.mono_ms <= self._now.mono_ms:
            raise ValueError(f"mono_ms {now.mono_ms} is not after {self._now.mono_ms}")
        self._now, self.begun = now, True


class LockStepServer:
    """Serves one bench after the other on a host and port; an async context manager."""

    def __init__(self, host: str, port: int, clock: BenchClock, turn: TakeTurn) -> None:
        self._host = host
        self._port = port
        self._clock = clock
        self._turn = turn
        self._busy = asyncio.Lock()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """``HOST:PORT``."""
        assert self._server is not None
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def __aenter__(self) -> LockStepServer:
        try:
            self._server = await asyncio.start_server(
                self._serve, self._host, self._port, limit=LINE_BYTES_MAX
            )
        except OSError as error:
            raise EdgeError(
                f"no bench can be served on {self._host}:{self._port} ({error.strerror}): "
                "choose another --lockstep"
            ) from None
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while line := await reader.readline():
                writer.write(json.dumps(await self._answer(line)).encode() + b"\n")
                await writer.drain()
        except (ValueError, OSError, asyncio.CancelledError):
            pass  # a line without an end, a bench that has gone, or an edge that stops
        finally:
            writer.close()

    async def _answer(self, line: bytes) -> dict[str, object]:
        if self._busy.locked():
            return {"error": "another bench is in the middle of an instant"}
        async with self._busy:
            try:
                self._clock.set(_instant(line))
            except ValueError as error:
                return {"error": str(error)}
            now = self._clock.now()
            await self._turn(now)
            return {"done": now.mono_ms}


def _instant(line: bytes) -> Instant:
    try:
        content = json.loads(line)
        mono_ms, utc_ms = content["mono_ms"], content["utc_ms"]
    except (ValueError, TypeError, KeyError, RecursionError):
        mono_ms = utc_ms = None
    if type(mono_ms) is not int or type(utc_ms) is not int:
        raise ValueError('give {"mono_ms": ..., "utc_ms": ...}, whole numbers')
    return Instant(mono_ms, utc_ms)
