"""A small MQTT broker inside the process, for demos and tests: no system package, no set-up.

It is amqtt, which takes some 2,000 messages a second and speaks MQTT 3.1.1. A city takes mosquitto.
"""

from __future__ import annotations

import asyncio
import importlib
import logging
import socket
import threading
from typing import Any

from edge.errors import BrokerError

START_S = 15.0
HOST = "127.0.0.1"


class EmbeddedBroker:
    """A context manager; the broker listens on *port* (0: a free one) of this machine only.

    It runs in a thread with its own event loop, so that it and the edge are as far apart as with a
    real one. Raises :class:`~edge.errors.BrokerError`.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self._thread = threading.Thread(target=self._run, name="broker", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._failure: Exception | None = None

    @property
    def url(self) -> str:
        """Where it is reached."""
        return f"mqtt://{HOST}:{self.port}"

    def __enter__(self) -> EmbeddedBroker:
        _amqtt("amqtt.broker")
        if self.port == 0:
            self.port = _free_port()
        self._thread.start()
        if not self._ready.wait(START_S) or self._failure is not None:
            reason = self._failure or "it took too long"
            raise BrokerError(f"the embedded broker can't start on port {self.port}: {reason}")
        return self

    def __exit__(self, *_: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(START_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except Exception as error:  # told to who waits for the start
            self._failure = error
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.CRITICAL)
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        broker = _amqtt("amqtt.broker").Broker(
            {
                "listeners": {"default": {"type": "tcp", "bind": f"{HOST}:{self.port}"}},
                "plugins": {
                    "amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}
                },
            }
        )
        await broker.start()
        self._ready.set()
        await self._stop.wait()
        await broker.shutdown()


def _amqtt(module: str) -> Any:  # noqa: ANN401 - an optional library without type hints
    try:
        return importlib.import_module(module)
    except ImportError:
        raise BrokerError(
            "the embedded broker is not installed: pip install 'greenband[broker]', "
            "or name the URL of a broker"
        ) from None


def _free_port() -> int:
    with socket.socket() as line:
        line.bind((HOST, 0))
        port: int = line.getsockname()[1]
        return port
