"""A virtual cabinet as a running program: its ports, its clock, and the disk behind it.

A free-running cabinet steps ten times a second. One in lock-step only steps when the street's port
says so.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

from controller.clock import Instant
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.edge_space import EdgeSpace
from firmware_bridge.ends import End, SerialEnd, TcpEnd
from firmware_bridge.field_space import FieldSpace
from firmware_bridge.server import SerialServer, TcpServer, Units

TICK_S = 0.1
BEHIND_MAX_S = 1.0
"""A cabinet that could not keep up for longer than this gives up the lost ticks."""


def clock_now() -> Instant:
    """This machine's clocks."""
    return Instant(time.monotonic_ns() // 1_000_000, time.time_ns() // 1_000_000)


class Device:
    """*cabinet* as unit *unit* behind *ends*, with the street on *field*.

    *tell* gets a line for each thing that happens.
    """

    def __init__(
        self,
        cabinet: Cabinet,
        ends: Sequence[End],
        *,
        unit: int = 1,
        field: TcpEnd | None = None,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.cabinet = cabinet
        self._tell = tell
        self._street = FieldSpace(cabinet)
        self._syncing: asyncio.Task[None] | None = None
        registers = {unit: EdgeSpace(cabinet)}
        self._servers = [_server(end, registers, self._after, tell) for end in ends]
        self._fields = (
            [] if field is None else [TcpServer(field, {unit: self._street}, self._after, tell)]
        )
        self._unit = unit

    async def start(self) -> None:
        """Open every port; raises :class:`~firmware_bridge.errors.SetupError`."""
        for server in (*self._servers, *self._fields):
            await server.start()
        for server in self._servers:
            self._tell(f"listening: {server.address} unit {self._unit}")
        for server in self._fields:
            self._tell(f"listening: field {server.address.partition(' ')[2]} unit {self._unit}")
        self._after()

    async def run(self, stop: asyncio.Event) -> None:
        """Be a cabinet until *stop* is set; the ports are open and are closed at the end."""
        try:
            if self.cabinet.lockstep:
                await stop.wait()
            else:
                await self._tick_until(stop)
        finally:
            await self.close()

    async def close(self) -> None:
        """Close every port, once the disk is done."""
        for server in (*self._servers, *self._fields):
            await server.close()
        if self._syncing is not None:
            await self._syncing

    @property
    def addresses(self) -> tuple[str, ...]:
        """Where the line is served, such as ``tcp 127.0.0.1:1502``."""
        return tuple(server.address for server in self._servers)

    @property
    def field_address(self) -> str:
        """Where the street is served."""
        return self._fields[0].address

    async def _tick_until(self, stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due_s = loop.time()
        while not stop.is_set():
            self.cabinet.see(clock_now(), self._street.inputs())
            self.cabinet.step()
            self._after()
            due_s += TICK_S
            if loop.time() - due_s > BEHIND_MAX_S:
                due_s = loop.time()
            await _until(stop, due_s - loop.time())

    def _after(self) -> None:
        """What is due after anything happened: tell it, and make the disk safe."""
        notes = self.cabinet.notes
        while notes:
            self._tell(notes.popleft())
        if self.cabinet.uploads.unsaved and (self._syncing is None or self._syncing.done()):
            self._syncing = asyncio.get_running_loop().create_task(self._sync())

    async def _sync(self) -> None:
        try:
            await asyncio.to_thread(self.cabinet.uploads.sync)
        except OSError as error:
            self.cabinet.saved(error)
        else:
            self.cabinet.saved()


async def _until(stop: asyncio.Event, delay_s: float) -> None:
    """Wait for *delay_s*, or until *stop* is set."""
    with suppress(TimeoutError):
        async with asyncio.timeout(max(0.0, delay_s)):
            await stop.wait()


def _server(
    end: End, units: Units, after: Callable[[], None], tell: Callable[[str], None]
) -> TcpServer | SerialServer:
    if isinstance(end, SerialEnd):
        return SerialServer(end, units, after)
    return TcpServer(end, units, after, tell)
