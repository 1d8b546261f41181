"""The way into a TLS port: a certificate is shown in time, by not too many at once, or it is shut.

asyncio's own server would hand over only those who are through; until then nobody counts them, and
a few thousand connections that never speak would take all that a process may open.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable

HANDSHAKE_S = 5.0
"""Who has not shown a certificate by then is no edge."""
HANDSHAKES_MAX = 64
"""At the door at a time; one more, and the one that has stood there for longest is sent away."""
TOLD_EVERY_S = 10.0
"""However many are refused, one line is told in this time."""


class TlsDoor:
    """Lets those in whose certificate *context* accepts, each to a protocol from *inside*.

    *tell* gets a line about those who are refused, with the reason.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        inside: Callable[[], asyncio.Protocol],
        tell: Callable[[str], None],
    ) -> None:
        self._context = context
        self._inside = inside
        self._tell = tell
        self._waiting: dict[asyncio.Transport, asyncio.Task[None]] = {}
        self._untold = 0
        self._tell_at_s = 0.0

    def visitor(self) -> asyncio.Protocol:
        """What a server gives a new connection to."""
        return _Visitor(self)

    def close(self) -> None:
        """Send everybody away who waits."""
        for transport in tuple(self._waiting):
            self._send_away(transport)

    def knock(self, transport: asyncio.Transport) -> None:
        """Somebody is there."""
        if len(self._waiting) >= HANDSHAKES_MAX:
            self._send_away(next(iter(self._waiting)))
        task = asyncio.get_running_loop().create_task(self._open(transport))
        self._waiting[transport] = task

    def _send_away(self, transport: asyncio.Transport) -> None:
        self._waiting.pop(transport).cancel()
        transport.abort()

    async def _open(self, transport: asyncio.Transport) -> None:
        loop, threshold = asyncio.get_running_loop(), _Threshold()
        try:
            secured = await loop.start_tls(
                transport,
                threshold,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_S,
            )
        except OSError as error:
            transport.abort()
            self._note(transport, error)
            return
        finally:
            self._waiting.pop(transport, None)
        if secured is not None and not threshold.gone:
            session = self._inside()
            secured.set_protocol(session)
            session.connection_made(secured)
            if threshold.said:
                session.data_received(bytes(threshold.said))

    def _note(self, transport: asyncio.Transport, error: OSError) -> None:
        if not isinstance(error, ssl.SSLError | ConnectionAbortedError):
            return  # it hung up by itself
        now_s = asyncio.get_running_loop().time()
        if now_s < self._tell_at_s:
            self._untold += 1
            return
        host = (transport.get_extra_info("peername") or ("somebody",))[0]
        others = f", and {self._untold} others before" if self._untold else ""
        self._untold, self._tell_at_s = 0, now_s + TOLD_EVERY_S
        self._tell(f"tls: {host} is refused: {_why(error)}{others}")


class _Visitor(asyncio.Protocol):
    """A connection before its handshake: nothing of what it sends is read outside of TLS."""

    def __init__(self, door: TlsDoor) -> None:
        self._door = door

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        self._door.knock(transport)


class _Threshold(asyncio.Protocol):
    """Keeps what comes with the last of the handshake, until there is a session to hear it."""

    def __init__(self) -> None:
        self.said = bytearray()
        self.gone = False

    def data_received(self, data: bytes) -> None:
        self.said += data

    def connection_lost(self, exc: Exception | None) -> None:
        self.gone = True


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return (error.reason or str(error)).lower().replace("_", " ")
    return f"it shows no certificate within {HANDSHAKE_S:g} s"
