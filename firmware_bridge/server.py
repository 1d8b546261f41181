"""The device's end of the line: who asks what over TCP, TLS or a serial port, and gets answers.

Our own, on asyncio: pymodbus' server knows no peer and no order of events between its tasks, and
takes twice the time. Every request is answered as it comes, in one piece, so that what two masters
do to a cabinet never interleaves.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable, Mapping

from serial import Serial

from firmware_bridge.ends import SerialEnd, TcpEnd, TlsEnd
from firmware_bridge.errors import SetupError
from firmware_bridge.frames import (
    FrameError,
    MbapDecoder,
    Request,
    RtuDecoder,
    mbap_frame,
    rtu_frame,
)
from firmware_bridge.pdu import NO_SUCH_UNIT, Registers, answer, refusal
from firmware_bridge.serial_port import open_port
from firmware_bridge.tls import server_context
from firmware_bridge.tls_door import TlsDoor

SESSIONS_MAX = 64
"""Connections to one port; one more, and the one that was silent for longest is closed."""
AT_ONCE = 4
"""Requests of one connection that are answered before the controller and others have their turn."""
OUTGOING_MAX = 4_096
"""Bytes that wait for a serial line; whoever asks more than it carries gets no more answers."""
SILENCE_S = 0.05
"""A pause on a serial line after which a frame is not continued."""
REOPEN_S = 1.0
"""How often a serial port that has disappeared is looked for."""
_READ_BYTES = 4_096
_ITSELF = frozenset({0, 255})
"""Units that mean whoever answers at this address, over TCP."""

Units = Mapping[int, Registers]
After = Callable[[], None]
"""Called once the requests that came together are answered."""
Tell = Callable[[str], None]


class TcpServer:
    """Serves *units* on a host and port, with TLS if it is a :class:`TlsEnd`.

    *tell* gets a line about who is refused for his certificate.
    """

    def __init__(
        self, end: TcpEnd | TlsEnd, units: Units, after: After, tell: Tell = lambda line: None
    ) -> None:
        self._end = end
        self._units = units
        self._after = after
        self._tell = tell
        self._sessions: dict[_Session, None] = {}
        self._door: TlsDoor | None = None
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen; raises :class:`~firmware_bridge.errors.SetupError`."""
        end, serve = self._end, self._session
        if isinstance(end, TlsEnd):
            self._door = TlsDoor(server_context(end), self._session, self._tell)
            serve = self._door.visitor
        try:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(serve, end.host, end.port)
        except OSError as error:
            raise SetupError(f"cannot listen on {end}: {_why(error)}") from None

    @property
    def address(self) -> str:
        """``tcp HOST:PORT`` with the port that was given or found."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        return f"{str(self._end).rpartition(':')[0]}:{port}"

    async def close(self) -> None:
        """Close the port and every connection."""
        if self._server is not None:
            self._server.close()
            if self._door is not None:
                self._door.close()
            for session in tuple(self._sessions):
                session.end()
            await self._server.wait_closed()

    def _session(self) -> asyncio.Protocol:
        if len(self._sessions) >= SESSIONS_MAX:
            next(iter(self._sessions)).end()
        return _Session(self._units, self._after, self._sessions)


class _Session(asyncio.Protocol):
    """One connection. *sessions* are all of the port, the longest silent first."""

    def __init__(self, units: Units, after: After, sessions: dict[_Session, None]) -> None:
        self._units = units
        self._after = after
        self._sessions = sessions
        self._decoder = MbapDecoder()
        self._transport: asyncio.Transport | None = None
        self._is_full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._sessions[self] = None

    def connection_lost(self, exc: Exception | None) -> None:
        self._sessions.pop(self, None)

    def pause_writing(self) -> None:
        """Whoever asks without listening is not heard any more until it listens."""
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        if self in self._sessions:
            self._sessions[self] = self._sessions.pop(self)
            self._go_on(data)

    def end(self) -> None:
        """Close this connection, whether or not the other end still takes what was sent."""
        self._sessions.pop(self, None)
        if self._transport is not None:
            self._transport.abort()

    def _go_on(self, data: bytes = b"") -> None:
        """Answer some requests; nothing more is heard before the rest has had its turn."""
        transport = self._transport
        if transport is None or self not in self._sessions:
            return
        try:
            requests = self._decoder.feed(data, AT_ONCE)
        except FrameError:
            self.end()
            return
        if requests:
            transport.write(b"".join(self._response(request) for request in requests))
            self._after()
        if self._is_full or len(requests) == AT_ONCE:
            transport.pause_reading()
            if not self._is_full:
                asyncio.get_running_loop().call_soon(self._go_on)
        else:
            transport.resume_reading()

    def _response(self, request: Request) -> bytes:
        registers = self._units.get(request.unit)
        if registers is None and request.unit in _ITSELF and len(self._units) == 1:
            registers = next(iter(self._units.values()))
        if registers is None:
            return mbap_frame(request, refusal(request.pdu[0], NO_SUCH_UNIT))
        return mbap_frame(request, answer(request.pdu, registers))


class SerialServer:
    """Serves *units* on a serial port, among whatever else is on the same line."""

    def __init__(self, end: SerialEnd, units: Units, after: After) -> None:
        self._end = end
        self._units = units
        self._after = after
        self._decoder = RtuDecoder()
        self._heard_s = 0.0
        self._outgoing = b""
        self._port: Serial | None = None
        self._reopening: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Open the port; raises :class:`~firmware_bridge.errors.SetupError`.

        A port that disappears later (an adapter that is pulled out) is opened again when it is
        back.
        """
        self._port = open_port(self._end)
        asyncio.get_running_loop().add_reader(self._port.fileno(), self._readable, self._port)

    @property
    def address(self) -> str:
        """``serial PORT``."""
        return str(self._end)

    async def close(self) -> None:
        """Close the port."""
        if self._reopening is not None:
            self._reopening.cancel()
        self._hang_up()

    def _hang_up(self) -> None:
        if self._port is None:
            return
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._port.fileno())
        loop.remove_writer(self._port.fileno())
        self._port.close()
        self._port, self._outgoing = None, b""

    def _lost(self) -> None:
        self._hang_up()
        loop = asyncio.get_running_loop()
        self._reopening = loop.call_later(REOPEN_S, self._reopen)

    def _reopen(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            self._port = open_port(self._end)
        except SetupError:
            self._reopening = loop.call_later(REOPEN_S, self._reopen)
        else:
            loop.add_reader(self._port.fileno(), self._readable, self._port)

    def _readable(self, port: Serial) -> None:
        loop = asyncio.get_running_loop()
        try:
            data = port.read(_READ_BYTES)
        except OSError:
            self._lost()
            return
        if loop.time() - self._heard_s > SILENCE_S:
            self._decoder.silence()
        self._heard_s = loop.time()
        for request in self._decoder.feed(data):
            registers = self._units.get(request.unit)
            if registers is not None and len(self._outgoing) < OUTGOING_MAX:
                self._outgoing += rtu_frame(request.unit, answer(request.pdu, registers))
        self._writable(port)
        self._after()

    def _writable(self, port: Serial) -> None:
        loop = asyncio.get_running_loop()
        try:
            # Not port.write: on a line that takes nothing now it tries without end.
            sent = os.write(port.fileno(), self._outgoing) if self._outgoing else 0
        except BlockingIOError:
            sent = 0
        except OSError:
            self._lost()
            return
        self._outgoing = self._outgoing[sent:]
        if self._outgoing:
            loop.add_writer(port.fileno(), self._writable, port)
        else:
            loop.remove_writer(port.fileno())


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another program listens there"
    if error.errno == errno.EACCES:
        return "ports below 1024 need permission, choose one above"
    return error.strerror or str(error)
