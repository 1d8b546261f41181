"""The broker of a run: one of our own inside the bench, one that is there already, or none."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from edge.broker import EmbeddedBroker
from edge.broker_check import check_broker
from edge.errors import BrokerError
from sim.hil.daemon import HOST, free_port
from sim.hil.errors import HilError
from sim.hil.spec import EMBEDDED, NO_BROKER

PORT = 1883


@contextmanager
def broker_at(wanted: str) -> Iterator[tuple[str, int]]:
    """Host and port of the broker that *wanted* names.

    Raises :class:`HilError` or :class:`~edge.errors.BrokerError`.
    """
    if wanted == NO_BROKER:
        yield HOST, free_port()
    elif wanted == EMBEDDED:
        with EmbeddedBroker() as broker:
            yield HOST, broker.port
    else:
        yield _reachable(wanted)


def _reachable(url: str) -> tuple[str, int]:
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or PORT
    except ValueError:
        host, port = "", 0
    if not host or parts.scheme != "mqtt":
        raise HilError(f"--broker {url}: give embedded, none, or mqtt://HOST:PORT")
    if parts.username is not None:
        raise HilError(
            f"--broker mqtt://{host}:{port}: the bench comes without name and password, "
            "leave them out"
        )
    try:
        asyncio.run(check_broker(host, port))
    except BrokerError as error:
        raise HilError(f"--broker {url}: {error}, or take --broker embedded") from None
    return host, port
