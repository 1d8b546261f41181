"""One line to one or more cabinets: a request at a time, in turn, and never for long.

Built on pymodbus' asynchronous clients, whose own time-outs, repetitions and reconnection are for
machines that have seconds to spare: here a request has 0.3 s (and its time on a slow wire), is
never repeated by the line, and a lost connection is made again with the next request, at most
every half second to one, at random moments so that a thousand edges don't come at once.

Of the requests that wait, those of the cabinet go first whose last turn is longest ago, so cabinets
that share a line get equal turns, also when there is no time for all of them every second. On a
serial line one that does not answer costs the others little (:mod:`firmware_bridge.silence`) and is
found again soon. Whether all of them fit into a second is counted
(:mod:`firmware_bridge.line_load`), and said once when it changes.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ModbusPDU

from firmware_bridge.codes import Refusal
from firmware_bridge.ends import End, SerialEnd, TlsEnd
from firmware_bridge.errors import LinkError, RefusedError
from firmware_bridge.line_load import LineLoad
from firmware_bridge.ranked_lock import RankedLock
from firmware_bridge.silence import SilentUnits
from firmware_bridge.tls import client_context
from firmware_bridge.wire import Wire

TIMEOUT_S = 0.3
RECONNECT_S = (0.5, 1.0)
_EXCEPTIONS = {
    1: "the function is not known",
    2: "the registers are not there",
    3: "the value is not taken",
    4: "the device failed",
    6: "the device is busy",
    0x0B: "no such unit answers there",
}
_log = logging.getLogger(__name__)


@dataclass(slots=True)
class LineMetrics:
    """What has happened on a line so far; times in seconds."""

    requests: int = 0
    failures: int = 0
    connections: int = 0
    busy_s: float = 0.0
    """Sum of the times that answered requests took."""
    last_s: float = 0.0
    """The last of them."""
    worst_s: float = 0.0


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked of a unit, and the bytes of the frames there and back on a serial line."""

    unit: int
    send: Callable[[ModbusBaseClient], Awaitable[ModbusPDU]]
    sent_bytes: int
    answer_bytes: int


class Line:
    """A line to *end*, for the cabinets on it; made connected by the first request.

    *timeout_s* is what a device has for its answer, besides the time of both on a serial line.
    *rng* spreads the attempts to reconnect. Raises :class:`~firmware_bridge.errors.SetupError` at
    once if a certificate cannot be used.
    """

    def __init__(
        self, end: End, *, timeout_s: float = TIMEOUT_S, rng: random.Random | None = None
    ) -> None:
        self.end = end
        self.metrics = LineMetrics()
        self.load = LineLoad()
        self._timeout_s = timeout_s
        self._probe_s = timeout_s / 2
        self._tls = client_context(end) if isinstance(end, TlsEnd) else None
        self._rng = rng or random.Random()
        self._queue = RankedLock()
        self._wire: Wire | None = None
        self._next_try_s = 0.0
        self._reconnect_s = RECONNECT_S[0]
        self._silent = SilentUnits()
        self._quiet_until_s = 0.0
        self._pause_s = end.pause_s if isinstance(end, SerialEnd) else 0.0

    @property
    def overload(self) -> str:
        """That the line has more to do than time for it, and how much; empty if it has not."""
        if not self.load.too_much:
            return ""
        round_s, cabinets = self.load.round_s, self.load.cabinets
        return f"{self.end} cannot keep up: {round_s:.1f} s per round, {cabinets} cabinets"

    def begin_turn(self, unit: int) -> None:
        """A new turn of *unit* begins: it is polled, and told what follows from that."""
        before = self.load.too_much
        self.load.begin(unit, perf_counter())
        if self.load.too_much and not before:
            _log.warning(self.overload)
        elif before and not self.load.too_much:
            _log.warning("%s keeps up again: %.1f s per round", self.end, self.load.round_s)

    async def read(self, unit: int, address: int, count: int) -> list[int]:
        """*count* registers of *unit*."""
        response = await self._ask(_read(unit, address, count))
        return self._registers(response, count, unit)

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None:
        """Write *words* to *unit*."""

        def send(client: ModbusBaseClient) -> Awaitable[ModbusPDU]:
            return client.write_registers(address, list(words), device_id=unit)

        await self._ask(_Request(unit, send, 9 + 2 * len(words), 8))

    async def exchange(
        self, unit: int, write_address: int, words: Sequence[int], address: int, count: int
    ) -> list[int]:
        """Write *words*, then read *count* registers, in one request."""

        def send(client: ModbusBaseClient) -> Awaitable[ModbusPDU]:
            return client.readwrite_registers(
                read_address=address,
                read_count=count,
                write_address=write_address,
                values=list(words),
                device_id=unit,
            )

        request = _Request(unit, send, 13 + 2 * len(words), 5 + 2 * count)
        return self._registers(await self._ask(request), count, unit)

    async def close(self) -> None:
        """Hang up. The next request connects again."""
        async with self._queue.held(0.0):
            self._hang_up()

    def _registers(self, response: ModbusPDU, count: int, unit: int) -> list[int]:
        words = list(response.registers)
        if len(words) != count:
            self._hang_up()
            raise LinkError(f"unit {unit} on {self.end} answers with {len(words)} registers")
        return words

    async def _ask(self, request: _Request) -> ModbusPDU:
        unit = request.unit
        async with self._queue.held(self.load.rank(unit, perf_counter())):
            is_silent = self._silent.is_silent(unit)
            if is_silent:
                self._check_turn(unit)
            wire = await self._connected()
            try:
                if is_silent:
                    await self._probe(wire, unit)
                response = await self._send(wire, request, self._timeout_s)
            except asyncio.CancelledError:
                self._hang_up()  # what is still on its way would answer the next request
                raise
            if response is None:
                raise self._missed(wire, unit)
            self._silent.answered(unit)
        if response.isError():
            code = getattr(response, "exception_code", 0)
            why = _EXCEPTIONS.get(code, f"exception {code}")
            raise RefusedError(f"unit {unit} on {self.end} refuses: {why}", Refusal.NONE)
        return response

    async def _send(self, wire: Wire, request: _Request, patience_s: float) -> ModbusPDU | None:
        """The answer; None if there is none."""
        await self._pause()
        end, begin_s = self.end, perf_counter()
        self.metrics.requests += 1
        if isinstance(end, SerialEnd):
            patience_s += end.seconds(request.sent_bytes + request.answer_bytes)
        response = await wire.ask(request.send(wire.client), patience_s)
        if response is not None:
            took_s = perf_counter() - begin_s
            self._note_time(took_s)
            self.load.spend(request.unit, took_s + self._pause_s)
        else:
            self.metrics.failures += 1
            if isinstance(end, SerialEnd):  # what is late must not meet the next request
                await asyncio.sleep(end.seconds(request.answer_bytes))
        self._quiet_until_s = perf_counter() + self._pause_s
        return response

    async def _pause(self) -> None:
        """Leave the silence on a serial line by which its devices tell frames apart."""
        left_s = self._quiet_until_s - perf_counter()
        if left_s > 0:
            await asyncio.sleep(left_s)

    def _note_time(self, took_s: float) -> None:
        metrics = self.metrics
        metrics.last_s = took_s
        metrics.busy_s += took_s
        metrics.worst_s = max(metrics.worst_s, took_s)

    def _check_turn(self, unit: int) -> None:
        room = 1.0 - self.load.without(self._silent.units)
        if not self._silent.may_probe(unit, perf_counter(), self._probe_s, room):
            self.metrics.failures += 1
            raise LinkError(f"unit {unit} on {self.end} is silent, and is asked less often")

    async def _probe(self, wire: Wire, unit: int) -> None:
        """Ask a silent unit for one register, whatever that says; raises :class:`LinkError`."""
        patience_s = self._timeout_s if self._silent.is_patient(unit) else self._probe_s
        if await self._send(wire, _read(unit, 0, 1), patience_s) is None:
            self._silent.probed(unit, self._probe_s)
            raise LinkError(f"unit {unit} on {self.end} is silent")
        self._silent.answered(unit)

    def _missed(self, wire: Wire, unit: int) -> LinkError:
        """Nothing came in time; over TCP, what is late must not meet the next request."""
        why = wire.why_missed()
        if isinstance(self.end, SerialEnd):
            self._silent.missed(unit)
        else:
            self._hang_up()
        reason = f": {why}" if why else ""
        return LinkError(f"unit {unit} on {self.end} does not answer{reason}")

    async def _connected(self) -> Wire:
        if self._wire is not None and self._wire.connected:
            return self._wire
        self._hang_up()
        loop = asyncio.get_running_loop()
        if loop.time() < self._next_try_s:
            self.metrics.failures += 1
            raise LinkError(f"{self.end} cannot be reached, and is tried again soon")
        wire = Wire(self.end, self._tls)
        try:
            await wire.connect()
        except LinkError:
            self.metrics.failures += 1
            wait_s = self._reconnect_s * self._rng.uniform(0.5, 1.0)
            self._next_try_s = loop.time() + wait_s
            self._reconnect_s = min(2 * self._reconnect_s, RECONNECT_S[1])
            raise
        self._wire, self._reconnect_s = wire, RECONNECT_S[0]
        self.metrics.connections += 1
        return wire

    def _hang_up(self) -> None:
        if self._wire is not None:
            self._wire.close()
            self._wire = None


def _read(unit: int, address: int, count: int) -> _Request:
    def send(client: ModbusBaseClient) -> Awaitable[ModbusPDU]:
        return client.read_holding_registers(address, count=count, device_id=unit)

    return _Request(unit, send, 8, 5 + 2 * count)
