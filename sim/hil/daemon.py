"""The bench's end of the edge daemon: started, stepped, asked how it is."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from pathlib import Path

from controller.clock import Instant
from sim.hil.errors import HilError
from sim.hil.programs import START_S, Program, Programs

HOST = "127.0.0.1"
ANSWER_S = 60.0
"""A tick takes a few milliseconds, and some seconds with cabinets that don't answer."""
_AGAIN_S = 0.1
_ASK_S = 2.0
_RUNG = re.compile(r'^greenband_rung\{cabinet="((?:[^"\\]|\\.)*)"\} (\S+)$', re.MULTILINE)


class Daemon:
    """``greenband edge run`` on *site_toml*, one of *programs*."""

    def __init__(
        self, programs: Programs, site_toml: Path, *, http_port: int, lockstep: bool
    ) -> None:
        self._programs = programs
        self._http_port = http_port
        self._lockstep = lockstep
        words = ["greenband", "edge", "run", str(site_toml)]
        if lockstep:
            words += ["--lockstep", f"{HOST}:0"]
        self.program = Program("the edge daemon", words, site_toml.with_name("edge.log"))
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._killed = False

    async def start(self) -> None:
        """Start it, and wait until it can be stepped, or serves its health."""
        self._programs.add(self.program)
        await self._ready()

    async def tick(self, now: Instant) -> None:
        """In lock-step: it is *now*; returns when it has done what is to be done."""
        if self._reader is None or self._writer is None:
            return
        message = json.dumps({"mono_ms": now.mono_ms, "utc_ms": now.utc_ms})
        try:
            self._writer.write(message.encode() + b"\n")
            async with asyncio.timeout(ANSWER_S):
                line = await self._reader.readline()
        except (OSError, TimeoutError):
            line = b""
        try:
            answer = json.loads(line)
        except ValueError:
            self.program.require()
            raise HilError(f"the edge daemon answers {line[:80]!r} in lock-step") from None
        if answer.get("done") != now.mono_ms:
            raise HilError(f"the edge daemon says {answer} at {now.mono_ms} ms")

    def require(self) -> None:
        """Raise :class:`HilError` if it has ended without having been killed on purpose."""
        if not self._killed:
            self.program.require()

    async def rungs(self) -> dict[str, int]:
        """By cabinet, the rung of the ladder it is on (3: adaptive); empty if it can't be asked."""
        try:
            async with asyncio.timeout(_ASK_S):
                text = await _get(self._http_port, "/metrics")
        except (OSError, TimeoutError, EOFError):
            return {}
        return {json.loads(f'"{name}"'): round(float(value)) for name, value in _RUNG.findall(text)}

    async def stop(self) -> None:
        """Let it take leave of its cabinets, while they are still there."""
        await self.hang_up()
        self.program.stop()
        await asyncio.to_thread(self.program.end)

    async def kill(self) -> None:
        """End it without a word."""
        self._killed = True
        await self.hang_up()
        self.program.kill()

    async def revive(self) -> None:
        """Start it again."""
        self.program.start()
        await self._ready()
        self._killed = False

    async def hang_up(self) -> None:
        """Close the connection that steps it."""
        if self._writer is not None:
            self._writer.close()
        self._reader = self._writer = None

    async def _ready(self) -> None:
        if self._lockstep:
            line = await self.program.line(r"listening: lockstep .*:(\d+)$")
            self._reader, self._writer = await asyncio.open_connection(HOST, int(line[1]))
            return
        loop = asyncio.get_running_loop()
        end_s = loop.time() + START_S
        while not await self._answers():
            self.program.require()
            if loop.time() > end_s:
                said = self.program.last_words()
                raise HilError(f"the edge daemon is not ready after {START_S:g} s: {said}")
            await asyncio.sleep(_AGAIN_S)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(_ASK_S):
                await _get(self._http_port, "/healthz")
        except (OSError, TimeoutError):
            return False
        return True


async def _get(port: int, path: str) -> str:
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        writer.write(f"GET {path} HTTP/1.1\r\nHost: {HOST}\r\n\r\n".encode())
        return (await reader.read()).decode(errors="replace")
    finally:
        writer.close()


def free_port() -> int:
    """A port of this machine that nobody listens on just now."""
    with socket.socket() as line:
        line.bind((HOST, 0))
        port: int = line.getsockname()[1]
        return port
