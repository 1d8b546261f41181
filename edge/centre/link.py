"""The centre on its broker: it hears every edge, and sends them signed orders.

Success is never that a publish returned: an edge replies to what it was asked, and says of calls
what its cabinets did with them. The logs of the edges are confirmed once they are stored.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiomqtt
import structlog

from edge import messages
from edge.back_off import BackOff
from edge.centre.record import CentreRecord
from edge.errors import EdgeError
from edge.message_limit import limit_incoming
from edge.messages import LogMessage, MessageError
from edge.orders import Claim, sign
from edge.settings import BrokerSettings
from edge.topics import ROOT, Topics

TIMEOUT_S = 5.0
ORDERS_WAITING_MAX = 10_000
HEARD_LAST_MAX = 1_000
VALID_BEFORE_MS = 5_000
"""An edge whose clock is behind ours by less takes an order at once."""
_log = structlog.get_logger("edge.centre")


@dataclass(frozen=True, slots=True)
class Heard:
    """Who gets what the edges say; called from the event loop, and expected to be quick.

    ``status``: edge and the object of its status. ``reply``: edge and what it says to an order.
    ``answer``: edge and what one of its cabinets does with a priority call.
    ``gone``: an edge that went away, by its own word or its last will.
    """

    status: Callable[[str, Mapping[str, Any]], None]
    reply: Callable[[str, Mapping[str, Any]], None]
    answer: Callable[[str, Mapping[str, Any]], None]
    gone: Callable[[str], None]


class CentreLink:
    """One centre on its broker; :meth:`run` until cancelled.

    *edge_of*: by site, the edge that drives its cabinet. *key* signs the orders of all edges.
    """

    def __init__(
        self,
        settings: BrokerSettings,
        key: bytes,
        edge_of: Mapping[str, str],
        record: CentreRecord,
        heard: Heard,
        *,
        name: str = "centre",
    ) -> None:
        self._settings = settings
        self._key = key
        self._edge_of = dict(edge_of)
        self._record = record
        self._heard = heard
        self._name = name
        self._outgoing: asyncio.Queue[tuple[str, bytes, bool]] = asyncio.Queue(ORDERS_WAITING_MAX)
        self._last_no = 0
        self._heard_last: deque[tuple[str, int, int]] = deque(maxlen=HEARD_LAST_MAX)
        """Replies; those that came before they could be stored come once more."""
        self.connected = False

    def order(
        self,
        kind: str,
        site: str,
        content: Mapping[str, object],
        now_utc_ms: int,
        valid_ms: int,
        *,
        number: int | None = None,
    ) -> int:
        """Sign an order for *site* and have it sent; its number.

        Without a *number* of its own it gets one above all before, also those of an earlier start.
        Raises :class:`EdgeError` while there is no broker, and for a site that no edge drives.
        """
        edge = self._edge_of.get(site)
        if edge is None:
            raise EdgeError(f"no edge drives {site}: name it in the centre's file")
        if not self.connected:
            raise EdgeError(f"the broker at {self._settings.url} can't be reached: try again soon")
        if number is None:
            number = self._last_no = max(self._last_no + 1, now_utc_ms)
        claim = Claim(
            kind=kind,
            site=site,
            sequence_no=number,
            not_before_utc_ms=now_utc_ms - VALID_BEFORE_MS,
            not_after_utc_ms=now_utc_ms + valid_ms,
            content=dict(content),
        )
        try:
            self._outgoing.put_nowait(
                (Topics(edge).order(site, kind), sign(claim, self._key), kind == "plan")
            )
        except asyncio.QueueFull:
            raise EdgeError("too many orders wait for the broker: try again soon") from None
        return number

    async def run(self) -> None:
        """Connect, and connect again, for ever."""
        back_off = BackOff()
        while True:
            try:
                await self._session()
            except* (aiomqtt.MqttError, OSError) as group:
                _log.warning("no broker", url=self._settings.url, why=str(group.exceptions[0]))
            finally:
                if self.connected:
                    back_off.reset()
                self.connected = False
                for edge in dict.fromkeys(self._edge_of.values()):
                    self._heard.gone(edge)
            await asyncio.sleep(back_off.next_s())

    async def _session(self) -> None:
        client = broker_client(self._settings, f"{self._name}.{id(self):x}")
        limit_incoming(client, _refuse)
        client.pending_calls_threshold = ORDERS_WAITING_MAX
        async with client:
            for edge in dict.fromkeys(self._edge_of.values()):
                topics = Topics(edge)
                for topic in (topics.state, topics.log, topics.answers):
                    await client.subscribe(topic, qos=1)
                await client.subscribe(topics.status, qos=0)
            self._drop_waiting()
            self.connected = True
            _log.info("connected", broker=self._settings.url)
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._receive(client))
                tasks.create_task(self._send(client))

    def _drop_waiting(self) -> None:
        """What waited while there was no broker is older than who asked for it believes."""
        while not self._outgoing.empty():
            self._outgoing.get_nowait()

    async def _send(self, client: aiomqtt.Client) -> None:
        """Each order is handed to the socket in its turn; their receipts are awaited together."""
        async with asyncio.TaskGroup() as tasks:
            while True:
                topic, payload, retain = await self._outgoing.get()
                tasks.create_task(_publish(client, topic, payload, retain=retain))

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            edge, _, leaf = str(message.topic).removeprefix(f"{ROOT}/").rpartition("/")
            try:
                confirmation = self._take(edge, leaf, bytes(message.payload))
            except MessageError as error:
                _log.warning("a message that can't be read", topic=str(message.topic), why=error)
                continue
            except Exception:  # what one edge says must not end the line to all others
                _log.exception("a message that could not be taken", topic=str(message.topic))
                continue
            if confirmation is not None:
                await client.publish(Topics(edge).received, confirmation, qos=1)

    def _hear_reply(self, edge: str, message: LogMessage) -> None:
        """Hand on a reply, once; who waits for it does not wait for all that it follows on."""
        place = edge, message.boot, message.seq
        if message.kind == "reply" and place not in self._heard_last:
            self._heard_last.append(place)
            self._heard.reply(edge, message.body)

    def _take(self, edge: str, leaf: str, payload: bytes) -> bytes | None:
        if leaf == "log":
            new, confirmation = self._record.take(edge, payload)
            if new is not None:
                self._hear_reply(edge, new)
            elif confirmation is None:  # too early to be stored, not to be heard
                self._hear_reply(edge, messages.read_log_message(payload))
            return confirmation
        content = messages.read_object(payload)
        if leaf == "status" and isinstance(content.get("cabinets"), dict):
            self._heard.status(edge, content)
        elif leaf == "answers":
            self._heard.answer(edge, content)
        elif leaf == "state" and content.get("state") == "offline":
            self._heard.gone(edge)
        return None


def broker_client(settings: BrokerSettings, identifier: str) -> aiomqtt.Client:
    """A client for the broker of *settings*; raises :class:`OSError` for files it can't read."""
    password = None
    if settings.password_file is not None:
        password = settings.password_file.read_text(encoding="utf-8").strip()
    return aiomqtt.Client(
        settings.host,
        settings.port,
        identifier=identifier,
        username=settings.username,
        password=password,
        tls_context=_tls(settings) if settings.is_tls else None,
        keepalive=settings.keepalive_s,
        timeout=TIMEOUT_S,
        # Small messages that wait for each other: Nagle would hold each one for 40 ms.
        socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
    )


async def _publish(client: aiomqtt.Client, topic: str, payload: bytes, *, retain: bool) -> None:
    with contextlib.suppress(aiomqtt.MqttCodeError):  # its reply is missing then, which tells
        await client.publish(topic, payload, qos=1, retain=retain)


def _refuse(topic: str, size: int) -> None:
    _log.warning("message refused", topic=topic[-200:], bytes=size)


def _tls(settings: BrokerSettings) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None and settings.key_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
