"""pymodbus' client as a line uses it: one attempt to connect, one answer to a request, no patience.

What it would log, repeat or swallow is the line's business: the line knows the cabinets' names.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import struct
from collections.abc import Awaitable
from typing import TypeVar

from pymodbus import FramerType, ModbusException
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient, AsyncModbusTlsClient
from pymodbus.client.base import ModbusBaseClient
from pymodbus.exceptions import ModbusIOException
from pymodbus.pdu import ModbusPDU
from pymodbus.pdu.register_message import ReadHoldingRegistersResponse

from firmware_bridge.ends import End, SerialEnd, TlsEnd
from firmware_bridge.errors import LinkError, SetupError
from firmware_bridge.serial_port import open_port

CONNECT_TIMEOUT_S = 1.0

T = TypeVar("T")

# Its own logger, not its parent's: that one a program may set to a level of its own, and every
# request without an answer would be logged with the last twenty frames.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


class Wire:
    """A connection to *end*; *context* is that of a TLS end."""

    def __init__(self, end: End, context: ssl.SSLContext | None) -> None:
        self._end = end
        self.client = _client(end, context)
        self.client.register(_Registers)
        self._is_cut = self._was_answered = False
        self._cut_by: Exception | None = None
        self._was_heard = False
        manager = self.client.ctx
        self._create, self._decode = manager.call_create, manager.framer.handleFrame
        self._disconnected = manager.callback_disconnected
        self._received = manager.datagram_received
        self._failure: OSError | None = None
        manager.call_create = self._noted
        manager.framer.handleFrame = self._forgiving  # type: ignore[method-assign, assignment]
        manager.datagram_received = self._hear  # type: ignore[method-assign]
        manager.callback_disconnected = self._cut  # type: ignore[method-assign, assignment]

    @property
    def connected(self) -> bool:
        """Whether requests can be sent."""
        return bool(self.client.connected)

    async def connect(self) -> None:
        """Connect; raises :class:`~firmware_bridge.errors.LinkError` that says why not."""
        end = self._end
        if isinstance(end, SerialEnd):
            try:
                open_port(end).close()
            except SetupError as error:
                why = str(error).partition(": ")[2]
                raise LinkError(f"{end} cannot be reached: {why}") from None
        connected = False
        try:
            connected = await uncancelled(self.client.connect())
        finally:
            if not connected:
                self.client.close()
        if not connected:
            why = "no answer" if self._failure is None else _why(self._failure)
            raise LinkError(f"{end} cannot be reached: {why}")

    async def ask(self, asking: Awaitable[ModbusPDU], timeout_s: float) -> ModbusPDU | None:
        """The answer to a request of :attr:`client`; None if there is none in time."""
        self.client.ctx.comm_params.timeout_connect = timeout_s  # in pymodbus, also a request's
        self._was_heard = False
        try:
            answer = await uncancelled(asking)
        except ModbusException:
            return None
        self._was_answered = True
        return answer

    def why_missed(self) -> str:
        """Why the last request has no answer, in words; empty if there is nothing to say of it."""
        if self._was_heard:
            return "garbage comes back"
        return self._why_cut()

    def _why_cut(self) -> str:
        if not isinstance(self._end, TlsEnd) or not self._is_cut or self._was_answered:
            return ""
        error = self._cut_by
        if isinstance(error, ssl.SSLError) and "ALERT" in (error.reason or ""):
            return f"it refuses this certificate ({_alert(error)})"
        # In TLS 1.3 a certificate is refused after the handshake, and not everybody says why.
        return "it hangs up at once, as if it refuses this certificate"

    def close(self) -> None:
        """Hang up."""
        self.client.close()

    async def _noted(self) -> object:
        try:
            return await self._create()
        except OSError as error:
            self._failure = error
            raise

    def _forgiving(self, data: bytes, unit: int, transaction: int) -> tuple[int, ModbusPDU | None]:
        # Garbage is no answer; the request that waits for one runs into its time-out.
        try:
            return self._decode(data, unit, transaction)
        except (ModbusException, ValueError, IndexError, struct.error):
            return len(data), None

    def _hear(self, data: bytes, addr: tuple[str, int] | None) -> None:
        self._was_heard = True  # also of what is too much for pymodbus to look at
        self._received(data, addr)

    def _cut(self, error: Exception | None) -> None:
        self._is_cut, self._cut_by = True, error
        self._disconnected(error)


class _Registers(ReadHoldingRegistersResponse):
    """Decoded in one go: pymodbus takes a fifth of a poll's time for one register after another."""

    def decode(self, data: bytes) -> None:
        """Take the registers out of *data*; raises :class:`ModbusException` if some are missing."""
        count = data[0] // 2
        if data[0] >= len(data):
            raise ModbusIOException("the answer is shorter than it says", self.function_code)
        self.registers = list(struct.unpack_from(f">{count}H", data, 1))


async def uncancelled(asking: Awaitable[T]) -> T:
    """What *asking* gives, unless this task was cancelled meanwhile.

    ``asyncio.wait_for``, which pymodbus is built on, swallows a cancellation before Python 3.12 if
    the answer is there at the same moment.
    """
    task = asyncio.current_task()
    assert task is not None
    before = task.cancelling()
    answer = await asking
    if task.cancelling() > before:
        raise asyncio.CancelledError
    return answer


def _client(end: End, context: ssl.SSLContext | None) -> ModbusBaseClient:
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
    if context is not None:
        return AsyncModbusTlsClient(
            end.host,
            port=end.port,
            sslctx=context,
            timeout=CONNECT_TIMEOUT_S,
            retries=0,
            reconnect_delay=0,
        )
    return AsyncModbusTcpClient(
        end.host, port=end.port, timeout=CONNECT_TIMEOUT_S, retries=0, reconnect_delay=0
    )


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"no TLS with it ({_alert(error)})"
    return error.strerror or str(error)


def _alert(error: ssl.SSLError) -> str:
    """An OpenSSL reason in words, such as ``certificate expired``."""
    words = (error.reason or str(error)).lower().replace("_", " ")
    return words.rpartition(" alert ")[2]
