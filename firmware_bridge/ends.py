"""Where a line leads to, or a cabinet listens: TCP, TLS, or a serial port."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from firmware_bridge.errors import SetupError

TCP_PORT = 502
TLS_PORT = 802
BAUD = 19_200
BITS_PER_BYTE = 11
"""On a serial line: start, eight data, parity or second stop, stop."""
PAUSE_MIN_S = 0.00175
PARITIES = ("N", "E", "O")


@dataclass(frozen=True, slots=True)
class TcpEnd:
    """A host and port."""

    host: str
    port: int = TCP_PORT

    def __str__(self) -> str:
        return f"tcp {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class TlsEnd:
    """A host and port, and the files that prove who is who (PEM)."""

    host: str
    port: int
    cert: Path
    key: Path
    ca: Path

    def __str__(self) -> str:
        return f"tls {self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class SerialEnd:
    """A serial port and its speed."""

    port: str
    baud: int = BAUD
    parity: str = "N"

    def __str__(self) -> str:
        return f"serial {self.port}"

    def seconds(self, n_bytes: int) -> float:
        """How long *n_bytes* are on the line."""
        return n_bytes * BITS_PER_BYTE / self.baud

    @property
    def pause_s(self) -> float:
        """The silence between two frames: 3.5 bytes, and 1.75 ms on a fast line."""
        return max(self.seconds(7) / 2, PAUSE_MIN_S)


End = TcpEnd | TlsEnd | SerialEnd


def host_and_port(text: str, default_port: int) -> tuple[str, int]:
    """``HOST:PORT``, ``HOST`` or ``[IPV6]:PORT``; raises :class:`SetupError`."""
    try:
        parts = urlsplit(f"//{text}")
        port = default_port if parts.port is None else parts.port
    except ValueError:
        parts, port = None, 0
    if parts is None or not parts.hostname or parts.path or parts.username is not None:
        raise SetupError(f"{text!r} is no address: give HOST:PORT, such as 127.0.0.1:1502")
    return parts.hostname, port


def parse_end(url: str, tls: tuple[Path, Path, Path] | None = None) -> End:
    """``tcp://HOST:PORT``, ``tls://HOST:PORT`` or ``rtu:///dev/ttyS0?baud=19200&parity=E``.

    *tls*: certificate, key and authority for ``tls://``. Raises :class:`SetupError`.
    """
    scheme, _, rest = url.partition("://")
    if scheme == "tcp" and rest:
        return TcpEnd(*host_and_port(rest, TCP_PORT))
    if scheme == "tls" and rest:
        if tls is None:
            raise SetupError(f"{url}: TLS needs a certificate, its key and an authority")
        return TlsEnd(*host_and_port(rest, TLS_PORT), *tls)
    if scheme == "rtu" and rest:
        path, _, query = rest.partition("?")
        given = {name: values[-1] for name, values in parse_qs(query).items()}
        return serial_end(path, given.pop("baud", str(BAUD)), given.pop("parity", "N"))
    raise SetupError(
        f"{url!r} leads nowhere: give tcp://HOST:PORT, tls://HOST:PORT or rtu:///dev/PORT"
    )


def serial_end(port: str, baud: str, parity: str) -> SerialEnd:
    """A serial port from words; raises :class:`SetupError`."""
    if not baud.isdigit() or int(baud) < 1 or parity not in PARITIES:
        raise SetupError(f"{port}: {baud} baud, parity {parity!r} is no setting of a serial port")
    return SerialEnd(port, int(baud), parity)
