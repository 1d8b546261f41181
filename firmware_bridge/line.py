"""One line to one or more cabinets: a request at a time, in turn, and never for long.

Built on pymodbus' asynchronous clients, whose own time-outs, repetitions and reconnection are for
machines that have seconds to spare: here a request has 0.3 s (and its time on a slow wire), is
never repeated by the line, and a lost connection is made again with the next request, at most
every half second to two, at random moments so that a thousand edges don't come at once.

Requests wait in the order in which they were made, so cabinets that share a line get equal turns.
One that does not answer loses its turns for a while, growing to ``SILENT_MAX_S``, so that it does
not cost the others a time-out each time round.
"""

from __future__ import annotations

import asyncio
import logging
import random
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusTlsClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.pdu import ModbusPDU

from firmware_bridge.codes import Refusal
from firmware_bridge.ends import End, SerialEnd, TlsEnd
from firmware_bridge.errors import LinkError, RefusedError, SetupError
from firmware_bridge.serial_port import open_port
from firmware_bridge.tls import client_context

TIMEOUT_S = 0.3
CONNECT_TIMEOUT_S = 1.0
RECONNECT_S = (0.5, 2.0)
SILENT_AFTER = 3
"""Time-outs in a row before a unit on a shared line loses turns."""
SILENT_MAX_S = 5.0
_FRAMES_BYTES = 2 * 256
"""A request and its response, at most."""
_EXCEPTIONS = {
    1: "the function is not known",
    2: "the registers are not there",
    3: "the value is not taken",
    4: "the device failed",
    6: "the device is busy",
    0x0B: "no such unit answers there",
}


logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
"""Whatever it has to say of a line, the line says itself, with the name of the cabinet."""


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


@dataclass(slots=True)
class _Silence:
    """What a line knows of one unit."""

    missed: int = 0
    until_s: float = 0.0
    rest_s: float = field(default=TIMEOUT_S)


class Line:
    """A line to *end*, for the cabinets on it; made connected by the first request.

    *rng* spreads the attempts to reconnect. Raises :class:`~firmware_bridge.errors.SetupError` at
    once if a certificate cannot be used.
    """

    def __init__(
        self, end: End, *, timeout_s: float = TIMEOUT_S, rng: random.Random | None = None
    ) -> None:
        self.end = end
        self.metrics = LineMetrics()
        self._timeout_s = timeout_s
        if isinstance(end, SerialEnd):
            self._timeout_s += end.seconds(_FRAMES_BYTES)
        self._tls = client_context(end) if isinstance(end, TlsEnd) else None
        self._rng = rng or random.Random()
        self._lock = asyncio.Lock()
        self._client: ModbusBaseClient | None = None
        self._next_try_s = 0.0
        self._reconnect_s = RECONNECT_S[0]
        self._silence: dict[int, _Silence] = {}
        self._quiet_until_s = 0.0

    async def read(self, unit: int, address: int, count: int) -> list[int]:
        """*count* registers of *unit*."""
        response = await self._ask(
            unit,
            lambda client: client.read_holding_registers(address, count=count, device_id=unit),
        )
        return self._registers(response, count, unit)

    async def write(self, unit: int, address: int, words: Sequence[int]) -> None:
        """Write *words* to *unit*."""
        await self._ask(
            unit, lambda client: client.write_registers(address, list(words), device_id=unit)
        )

    async def exchange(
        self, unit: int, write_address: int, words: Sequence[int], address: int, count: int
    ) -> list[int]:
        """Write *words*, then read *count* registers, in one request."""
        response = await self._ask(
            unit,
            lambda client: client.readwrite_registers(
                read_address=address,
                read_count=count,
                write_address=write_address,
                values=list(words),
                device_id=unit,
            ),
        )
        return self._registers(response, count, unit)

    async def close(self) -> None:
        """Hang up. The next request connects again."""
        async with self._lock:
            self._hang_up()

    def _registers(self, response: ModbusPDU, count: int, unit: int) -> list[int]:
        words = list(response.registers)
        if len(words) != count:
            self._hang_up()
            raise LinkError(f"unit {unit} on {self.end} answers with {len(words)} registers")
        return words

    async def _ask(
        self, unit: int, request: Callable[[ModbusBaseClient], Awaitable[ModbusPDU]]
    ) -> ModbusPDU:
        async with self._lock:
            self._check_turn(unit)
            client = await self._connected()
            await self._pause()
            self.metrics.requests += 1
            begin_s = perf_counter()
            try:
                response = await request(client)
            except ModbusException:
                await self._missed(unit)
                raise LinkError(f"unit {unit} on {self.end} does not answer") from None
            except asyncio.CancelledError:
                self._hang_up()  # what is still on its way would answer the next request
                raise
            self._answered(unit, perf_counter() - begin_s)
        if response.isError():
            code = getattr(response, "exception_code", 0)
            why = _EXCEPTIONS.get(code, f"exception {code}")
            raise RefusedError(f"unit {unit} on {self.end} refuses: {why}", Refusal.NONE)
        return response

    async def _pause(self) -> None:
        """Leave the silence on a serial line by which its devices tell frames apart."""
        if isinstance(self.end, SerialEnd):
            left_s = self._quiet_until_s - perf_counter()
            if left_s > 0:
                await asyncio.sleep(left_s)

    def _check_turn(self, unit: int) -> None:
        silence = self._silence.get(unit)
        if silence is not None and asyncio.get_running_loop().time() < silence.until_s:
            self.metrics.failures += 1
            raise LinkError(f"unit {unit} on {self.end} is silent, and is asked less often")

    def _answered(self, unit: int, took_s: float) -> None:
        self._silence.pop(unit, None)
        if isinstance(self.end, SerialEnd):
            self._quiet_until_s = perf_counter() + self.end.pause_s
        metrics = self.metrics
        metrics.last_s = took_s
        metrics.busy_s += took_s
        metrics.worst_s = max(metrics.worst_s, took_s)

    async def _missed(self, unit: int) -> None:
        """Nothing came in time. On a serial line a late answer must not meet the next request."""
        self.metrics.failures += 1
        silence = self._silence.setdefault(unit, _Silence())
        silence.missed += 1
        if not isinstance(self.end, SerialEnd):
            self._hang_up()
            return
        await asyncio.sleep(self.end.seconds(_FRAMES_BYTES // 2))
        if silence.missed >= SILENT_AFTER:
            silence.rest_s = min(2 * silence.rest_s, SILENT_MAX_S)
            silence.until_s = asyncio.get_running_loop().time() + silence.rest_s

    async def _connected(self) -> ModbusBaseClient:
        if self._client is not None and self._client.connected:
            return self._client
        self._hang_up()
        loop = asyncio.get_running_loop()
        if loop.time() < self._next_try_s:
            self.metrics.failures += 1
            raise LinkError(f"{self.end} cannot be reached, and is tried again soon")
        client = self._new_client()
        why = await _connect(client, self.end)
        if why:
            client.close()
            self.metrics.failures += 1
            wait_s = self._reconnect_s * self._rng.uniform(0.5, 1.0)
            self._next_try_s = loop.time() + wait_s
            self._reconnect_s = min(2 * self._reconnect_s, RECONNECT_S[1])
            raise LinkError(f"{self.end} cannot be reached: {why}")
        client.ctx.comm_params.timeout_connect = self._timeout_s  # from now on that of a request
        self._client, self._reconnect_s = client, RECONNECT_S[0]
        self.metrics.connections += 1
        return client

    def _new_client(self) -> ModbusBaseClient:
        end = self.end
        if isinstance(end, SerialEnd):
            return AsyncModbusSerialClient(
                end.port,
                framer=FramerType.RTU,
                baudrate=end.baud,
                parity=end.parity,
                timeout=CONNECT_TIMEOUT_S,
                retries=0,
                reconnect_delay=0,
            )
        if self._tls is not None:
            return AsyncModbusTlsClient(
                end.host,
                port=end.port,
                sslctx=self._tls,
                timeout=CONNECT_TIMEOUT_S,
                retries=0,
                reconnect_delay=0,
            )
        return AsyncModbusTcpClient(
            end.host, port=end.port, timeout=CONNECT_TIMEOUT_S, retries=0, reconnect_delay=0
        )

    def _hang_up(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None


async def _connect(client: ModbusBaseClient, end: End) -> str:
    """Connect *client*; why it could not, or an empty text."""
    if isinstance(end, SerialEnd):
        try:
            open_port(end).close()
        except SetupError as error:
            return str(error).partition(": ")[2]
    manager, failures = client.ctx, list[OSError]()
    create, decode = manager.call_create, manager.framer.handleFrame

    async def noted() -> object:
        try:
            return await create()
        except OSError as error:
            failures.append(error)
            raise

    def forgiving(data: bytes, unit: int, transaction: int) -> tuple[int, ModbusPDU | None]:
        # Garbage is no answer; the request that waits for one runs into its time-out.
        try:
            return decode(data, unit, transaction)
        except (ModbusException, ValueError, IndexError, struct.error):
            return len(data), None

    manager.call_create = noted
    manager.framer.handleFrame = forgiving  # type: ignore[method-assign, assignment]
    if await client.connect():
        return ""
    if not failures:
        return "no answer"
    return failures[0].strerror or str(failures[0])
