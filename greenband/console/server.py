"""Runs a console: a socket, TLS if wanted, and uvicorn."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from edge.errors import EdgeError
from greenband.console.app import build_app
from greenband.console.guard import host_name
from greenband.console.hub import Hub

GRACE_S = 4
HEAD_S = 5.0
"""So long the head of a request may take to come."""
LOCAL = ("127.0.0.1", "localhost", "[::1]")
_ADVICE = {
    errno.EADDRINUSE: "choose another --port",
    errno.EACCES: "choose a --port above 1023, or allow this program to take it",
}
NOBODY_KNOWS = "?"
"""The password of keys that have one: they are an error, and not a question at a terminal."""
EVERYWHERE = frozenset({"0.0.0.0", "::", ""})


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Where to listen, and under which names; *client_ca*: only who has a certificate of it."""

    host: str = "127.0.0.1"
    port: int = 8080
    names: tuple[str, ...] = ()
    tls_cert: Path | None = None
    tls_key: Path | None = None
    client_ca: Path | None = None

    def __post_init__(self) -> None:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise EdgeError("--tls-cert and --tls-key belong together: give both, or neither")
        if self.client_ca is not None and self.tls_cert is None:
            raise EdgeError("--client-ca needs TLS: give --tls-cert and --tls-key as well")
        for file in (self.tls_cert, self.tls_key, self.client_ca):
            if file is not None and not file.is_file():
                raise EdgeError(f"{file} is not there, or is no file: name one in PEM")
        needs_name = self.tls_cert is None or self.host in EVERYWHERE
        if not self._is_local and needs_name and not self.names:
            raise EdgeError(
                f"listening on {self.host or 'every address'} needs --host-name, the name that it "
                "is called by, and should have --tls-cert and --tls-key"
            )
        for name in self.names:
            if host_name(name) != name.lower() or not name:
                raise EdgeError(f"--host-name: {name!r} is no name such as traffic.example")

    @property
    def _is_local(self) -> bool:
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"

    @property
    def tls(self) -> bool:
        """Whether it speaks TLS."""
        return self.tls_cert is not None

    @property
    def hosts(self) -> tuple[str, ...]:
        """The names that it answers to."""
        own = () if self.host in EVERYWHERE else (_bracketed(self.host),)
        return (*LOCAL, *own, *self.names)


async def run_server(
    hub: Hub, settings: ServerSettings, ready: Callable[[str], None] = lambda address: None
) -> None:
    """Serve until the process is told to stop; *ready* is called with the address.

    Raises :class:`~edge.errors.EdgeError` if it can't listen, or for files that are no certificate.
    """
    app = build_app(hub, settings.hosts, tls=settings.tls)
    config = uvicorn.Config(
        app,
        http=_Impatient,
        log_config=None,
        access_log=False,  # addresses may carry the code of a sign-in link
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=GRACE_S,
        ssl_certfile=settings.tls_cert,
        ssl_keyfile=settings.tls_key,
        ssl_keyfile_password=NOBODY_KNOWS,
        ssl_ca_certs=None if settings.client_ca is None else str(settings.client_ca),
        ssl_cert_reqs=ssl.CERT_REQUIRED if settings.client_ca else ssl.CERT_NONE,
    )
    with _listening(settings) as listener:
        try:
            config.load()
        except (OSError, ssl.SSLError) as error:
            raise EdgeError(
                f"the certificate or its key can't be used ({error}): both have to be PEM, and the "
                "key without a password"
            ) from None
        if config.ssl is not None:
            config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
        port = listener.getsockname()[1]
        scheme = "https" if settings.tls else "http"
        name = settings.names[0] if settings.names else _bracketed(settings.host)
        ready(f"{scheme}://{name}:{port}")
        with _told_to_end():
            await _Server(config, hub).serve(sockets=[listener])


@contextmanager
def _told_to_end() -> Iterator[None]:
    """A service that is stopped (SIGTERM) ends in order, by its own end.

    uvicorn repeats the signal when it has ended, which would end the process before anything that
    is still open is closed, written or removed.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


class _Impatient(H11Protocol):
    """A connection that is let go if no whole request comes on it.

    Else whoever opens connections and says nothing takes all that the process may have.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEAD_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._patience.cancel()
        elif self._patience.cancelled():
            self._patience = self.loop.call_later(HEAD_S, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)


class _Server(uvicorn.Server):
    """Ends the event streams before it waits for what is under way."""

    def __init__(self, config: uvicorn.Config, hub: Hub) -> None:
        super().__init__(config)
        self._hub = hub

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._hub.stopping = True
        await super().shutdown(sockets)


def _listening(settings: ServerSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(128)
    except OSError as error:
        listener.close()
        advice = _ADVICE.get(error.errno or 0, "check --host")
        raise EdgeError(
            f"can't listen on {settings.host}:{settings.port} ({error.strerror}): {advice}"
        ) from None
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
