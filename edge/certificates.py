"""Whether a certificate still counts, found out as the other end finds it out."""

from __future__ import annotations

import ssl
from pathlib import Path

_ROUNDS = 8
"""More than any handshake takes."""
_ON_TIME = {9: "does not count yet", 10: "has expired"}
"""OpenSSL's numbers of the verdicts that hang on the date (X509_V_ERR_CERT_…)."""


def out_of_date(cert: Path, key: Path) -> str:
    """What is wrong with the dates of *cert*, in words; empty if nothing is.

    Both ends of a handshake in memory show it, and the one that checks trusts it as it stands.
    Raises :class:`OSError` for files that are no certificate and its key.
    """
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    for context in (server, client):
        context.load_cert_chain(cert, key, password="")
    server.verify_mode = ssl.CERT_REQUIRED
    server.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    server.load_verify_locations(cert)
    return _verdict(server, client)


def _verdict(server: ssl.SSLContext, client: ssl.SSLContext) -> str:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (client.wrap_bio(back, there), server.wrap_bio(there, back, server_side=True))
    for _ in range(_ROUNDS):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLCertVerificationError as error:
                return _ON_TIME.get(error.verify_code, "")
            except ssl.SSLError:
                return ""  # of another kind, which the dates have nothing to do with
    return ""


def authorities_out_of_date(ca: Path, now_s: float) -> str:
    """That all certificates in *ca* have expired at *now_s* (UTC), in words; empty if not."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(ca)
    ends = [str(each["notAfter"]) for each in context.get_ca_certs()]
    if not ends or any(ssl.cert_time_to_seconds(end) > now_s for end in ends):
        return ""
    return "has expired"
