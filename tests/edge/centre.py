"""A centre as small as can be: it stores the logs of its edges in a list, and confirms them."""

from __future__ import annotations

import asyncio
import contextlib
import socket

import aiomqtt

from edge.messages import LogMessage
from edge.receiver import LogReceiver
from edge.topics import Topics


class Centre:
    """Connects again whenever the broker is back; confirms unless told not to."""

    def __init__(self, port: int, *edges: str, **connection: object) -> None:
        self._port = port
        self._edges = edges
        self._connection = connection
        self.confirms = True
        self.receiver = LogReceiver()
        self.stored: list[LogMessage] = []
        self.twice = 0
        self.early = 0
        self.others: list[tuple[str, bytes]] = []
        self._client: aiomqtt.Client | None = None

    async def run(self) -> None:
        while True:
            with contextlib.suppress(aiomqtt.MqttError):
                await self._session()
            self._client = None
            await asyncio.sleep(0.05)

    async def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        while self._client is None:
            await asyncio.sleep(0.01)
        await self._client.publish(topic, payload, qos=1, retain=retain)

    def numbers(self, kind: str = "events") -> list[int]:
        return [each.body["n"] for each in self.stored if each.kind == kind]

    async def _session(self) -> None:
        client = aiomqtt.Client(
            "127.0.0.1",
            self._port,
            identifier="centre",
            timeout=0.5,
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
            **self._connection,
        )
        async with client:
            for edge in self._edges:
                await client.subscribe(f"greenband/v1/{edge}/#", qos=1)
            self._client = client
            async for message in client.messages:
                edge = str(message.topic).split("/")[2]
                if str(message.topic) != Topics(edge).log:
                    self.others.append((str(message.topic), bytes(message.payload)))
                    continue
                new, confirmation = self.receiver.take(bytes(message.payload))
                if new is not None:
                    self.stored.append(new)
                elif confirmation is None:
                    self.early += 1
                else:
                    self.twice += 1
                if self.confirms and confirmation is not None:
                    await client.publish(Topics(edge).received, confirmation, qos=1)
