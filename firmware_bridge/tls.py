"""TLS with certificates on both sides, as the Modbus/TCP Security specification wants it."""

from __future__ import annotations

import ssl
from pathlib import Path

from firmware_bridge.ends import TlsEnd
from firmware_bridge.errors import SetupError


def server_context(end: TlsEnd) -> ssl.SSLContext:
    """For a cabinet: nobody is served without a certificate of the authority.

    Raises :class:`~firmware_bridge.errors.SetupError` that names the file that cannot be used.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.verify_mode = ssl.CERT_REQUIRED
    return _with_files(context, end)


def client_context(end: TlsEnd) -> ssl.SSLContext:
    """For an edge: the cabinet's certificate has to be the authority's and name its host."""
    return _with_files(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), end)


def _with_files(context: ssl.SSLContext, end: TlsEnd) -> ssl.SSLContext:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    for what, path in (("certificate", end.cert), ("key", end.key), ("authority", end.ca)):
        _check_readable(what, path)
    try:
        context.load_verify_locations(end.ca)
    except ssl.SSLError:
        raise SetupError(f"authority {end.ca} is no certificate in PEM form") from None
    try:
        context.load_cert_chain(end.cert, end.key, password="")
    except ssl.SSLError as error:
        why = error.reason or "not in PEM form"
        raise SetupError(
            f"certificate {end.cert} and key {end.key} cannot be used together "
            f"({why.replace('_', ' ').lower()})"
        ) from None
    return context


def _check_readable(what: str, path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise SetupError(f"{what} {path} cannot be read: {error.strerror}") from None
