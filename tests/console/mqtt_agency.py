"""An agency that asks for corridors over a broker, as dispatch software would."""

from __future__ import annotations

import asyncio
import itertools
import time
from contextlib import asynccontextmanager

import aiomqtt

from edge.centre.requests import Request, read_answer, sign_request
from edge.centre.requests_link import answer_topic, request_topic, update_topic

ANSWER_S = 10.0


class MqttAgency:
    def __init__(self, client, name, key):
        self.client = client
        self.name = name
        self.key = key
        self.answers = []
        self.updates = []
        self._numbers = itertools.count(time.time_ns() // 1_000_000)
        self._new = asyncio.Event()

    async def listen(self):
        async for message in self.client.messages:
            said = read_answer(bytes(message.payload), (self.key,))
            (self.updates if "corridor" in said else self.answers).append(said)
            self._new.set()

    def request(self, verb, content, **changes):
        said = {
            "agency": self.name,
            "sequence_no": next(self._numbers),
            "issued_utc_ms": time.time_ns() // 1_000_000,
            "verb": verb,
            "content": content,
        }
        return Request(**(said | changes))

    async def send(self, payload):
        await self.client.publish(request_topic(self.name), payload, qos=1)

    async def ask(self, verb, content, **changes):
        """The answer to one request."""
        asked = self.request(verb, content, **changes)
        await self.send(sign_request(asked, self.key))
        return await self.answer(lambda each: each["sequence_no"] == asked.sequence_no)

    async def answer(self, is_it):
        async with asyncio.timeout(ANSWER_S):
            while True:
                for k, each in enumerate(self.answers):
                    if is_it(each):
                        return self.answers.pop(k)
                self._new.clear()
                await self._new.wait()


@asynccontextmanager
async def mqtt_agency(port, name, key, tls=None):
    async with aiomqtt.Client("127.0.0.1", port, tls_context=tls) as client:
        for topic in (answer_topic(name), update_topic(name)):
            await client.subscribe(topic, qos=1)
        agency = MqttAgency(client, name, key)
        listening = asyncio.create_task(agency.listen())
        try:
            yield agency
        finally:
            listening.cancel()
            await asyncio.gather(listening, return_exceptions=True)
