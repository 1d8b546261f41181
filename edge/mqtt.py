"""The line to the broker: comes back by itself, and nothing counts as sent before it is confirmed.

The broker can take a message and drop it without a word: a publish that its access list forbids
looks like any other, and so does one that finds a queue full. So the numbered messages of the
outbox stay there until the centre has confirmed them by number, and are sent again from the first
unconfirmed one if it doesn't. Status and announcements are worth something only while they are new:
of those the newest is sent, or none.

Before an edge speaks it makes sure that no other of its name does: see :mod:`edge.rivals`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import aiomqtt
import structlog

from edge import messages, rivals
from edge.alarms import Alarms
from edge.back_off import BackOff
from edge.message_limit import MESSAGE_BYTES_MAX, limit_incoming
from edge.outbox import OutMessage
from edge.outbox_window import WINDOW, OutboxWindow
from edge.records import Confirmed
from edge.rivals import Instance, Question, RivalError, Word
from edge.settings import BrokerSettings
from edge.store import Store
from edge.topics import Topics

TIMEOUT_S = 5.0
INCOMING_MAX = 1_000
ANSWERS_MAX = 1_000
RESEND_S = 10.0
RESEND_MOST_S = 60.0
PROVEN_S = 10.0
"""A connection that has lasted so long is no longer a try."""
ANSWER_S = 3.0
"""How long another edge of our name may take to say that it is there."""
RIVAL_WAIT_S = 30.0
"""Until we ask it again."""
REFUSED = 128
_log = structlog.get_logger("edge.mqtt")


@dataclass(frozen=True, slots=True)
class Inbound:
    """Who gets what comes in; called from the event loop, and expected to be quick.

    ``order``: topic and payload. ``announcements``: the edge that sent them, and the payload; it
    has to be one of *neighbours*.
    """

    order: Callable[[str, bytes], None]
    announcements: Callable[[str, bytes], None]
    neighbours: Sequence[str] = ()


class Bus:
    """One edge on its broker; :meth:`run` until cancelled."""

    def __init__(
        self,
        edge: str,
        settings: BrokerSettings,
        store: Store,
        alarms: Alarms,
        inbound: Inbound,
        *,
        version: str = "",
        resend_s: float = RESEND_S,
    ) -> None:
        self._edge = edge
        self._settings = settings
        self._store = store
        self._alarms = alarms
        self._inbound = inbound
        self._topics = Topics(edge)
        self._edge_of = {Topics(name).neighbours: name for name in inbound.neighbours}
        self._version = version
        self._resend_s = resend_s
        self._newest: dict[str, bytes] = {}
        self._has_newest = asyncio.Event()
        self._answers: asyncio.Queue[bytes] = asyncio.Queue(ANSWERS_MAX)
        self._outbox = OutboxWindow()
        self._outbox_changed = asyncio.Event()
        self._me = Instance.here()
        self._rival_gone: asyncio.TimerHandle | None = None
        self.connected = False
        self.connections = 0
        """How often it has been connected."""

    def show_status(self, payload: bytes) -> None:
        """Send *payload* as the status, unless a newer one comes before that."""
        self._show(self._topics.status, payload)

    def announce(self, payload: bytes) -> None:
        """Send *payload* to the neighbours, unless a newer one comes before that."""
        self._show(self._topics.neighbours, payload)

    def answer(self, payload: bytes) -> None:
        """Send *payload* as an answer, at once or never: it is worth something while it is new."""
        if self.connected:
            with contextlib.suppress(asyncio.QueueFull):
                self._answers.put_nowait(payload)

    def _show(self, topic: str, payload: bytes) -> None:
        alarm = f"{topic.rpartition('/')[2]} too large"
        if len(payload) > MESSAGE_BYTES_MAX:
            self._alarms.sound(alarm, f"{len(payload)} bytes are too many to send under {topic}")
            return
        self._alarms.clear(alarm)
        if self.connected:
            self._newest[topic] = payload
            self._has_newest.set()

    async def run(self) -> None:
        """Connect, and connect again, for ever."""
        loop = asyncio.get_running_loop()
        back_off = BackOff()

        def wake() -> None:
            with contextlib.suppress(RuntimeError):  # the loop has ended: nobody to wake
                loop.call_soon_threadsafe(self._outbox_changed.set)

        self._store.on_message = wake
        while True:
            began_s, wait_s = loop.time(), 0.0
            try:
                await self._session()
            except* RivalError as group:
                self._stay_away(group)
                wait_s = RIVAL_WAIT_S
            except* Exception as group:  # whatever it is, the control goes on without a broker
                self._complain(group)
            finally:
                self.connected = False
                self._newest.clear()
            if loop.time() - began_s > PROVEN_S:
                back_off.reset()
            await asyncio.sleep(wait_s or back_off.next_s())

    def _complain(self, group: BaseExceptionGroup[Exception]) -> None:
        first = _first(group)
        where = f"{self._settings.host}:{self._settings.port}"
        if not isinstance(first, aiomqtt.MqttError | OSError):
            _log.error("unexpected", exc_info=first)
        self._alarms.sound("broker", f"no connection to the broker at {where}: {first}")

    async def _session(self) -> None:
        """One connection, from beginning to end."""
        made = self._client()
        limit_incoming(made, self._refuse)
        async with made as client:
            client.pending_calls_threshold = 2 * WINDOW + ANSWERS_MAX
            try:
                await self._begin(client)
                async with asyncio.TaskGroup() as tasks:
                    tasks.create_task(self._receive(client))
                    tasks.create_task(self._send_newest(client))
                    tasks.create_task(self._send_answers(client))
                    tasks.create_task(self._drain(client))
            except asyncio.CancelledError:
                with contextlib.suppress(aiomqtt.MqttError):
                    await self._say(client, Word.OFFLINE)
                raise

    def _client(self) -> aiomqtt.Client:
        settings = self._settings
        password = None
        if settings.password_file is not None:
            password = settings.password_file.read_text(encoding="utf-8").strip()
        return aiomqtt.Client(
            settings.host,
            settings.port,
            # Not the name alone: a broker throws out whoever has the same one.
            identifier=f"{self._edge}.{self._me.id}",
            username=settings.username,
            password=password,
            tls_context=_tls(settings) if settings.is_tls else None,
            will=aiomqtt.Will(self._topics.state, self._state(Word.OFFLINE), qos=1, retain=True),
            keepalive=settings.keepalive_s,
            timeout=TIMEOUT_S,
            max_queued_incoming_messages=INCOMING_MAX,
            # Small messages that wait for each other: Nagle would hold each one for 40 ms.
            socket_options=[(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)],
        )

    def _state(self, word: Word) -> bytes:
        return rivals.state(self._edge, word, self._version, self._me)

    async def _say(self, client: aiomqtt.Client, word: Word) -> None:
        stays = word is not Word.ASKING
        topic, payload = self._topics.state, self._state(word)
        await client.publish(topic, payload, qos=1, retain=stays, timeout=TIMEOUT_S)

    async def _begin(self, client: aiomqtt.Client) -> None:
        self._alarms.clear("broker refuses")
        await self._subscribe(client, self._topics.state, 1)
        await self._claim(client)
        for topic in (self._topics.received, self._topics.orders):
            await self._subscribe(client, topic, 1)
        for topic in self._edge_of:
            await self._subscribe(client, topic, 0)
        await self._say(client, Word.ONLINE)
        self._outbox.start_over()
        self.connected = True
        self.connections += 1
        self._alarms.clear("broker")
        _log.info("connected", broker=self._settings.host)

    async def _subscribe(self, client: aiomqtt.Client, topic: str, qos: int) -> None:
        granted = await client.subscribe(topic, qos=qos)
        # Plain numbers in MQTT 3.1.1, objects in MQTT 5.
        if any((code if isinstance(code, int) else code.value) >= REFUSED for code in granted):
            self._alarms.sound("broker refuses", f"the broker does not let us read {topic}")

    async def _claim(self, client: aiomqtt.Client) -> None:
        """Return once no other edge of our name is there; raises :class:`RivalError`."""
        await self._say(client, Word.ASKING)
        question = Question(self._me)
        try:
            async with asyncio.timeout(ANSWER_S):
                async for message in client.messages:
                    word, who = self._read_state(bytes(message.payload))
                    if question.is_settled_by(word, who, retained=message.retain):
                        break
        except TimeoutError:
            if not question.is_heard:
                fault = f"the broker does not let us read {self._topics.state}"
                self._alarms.sound("broker refuses", fault)
        if question.before is not None and self.connections:
            self._warn(question.before)  # it came while we were away
        elif self._rival_gone is None:
            self._alarms.clear(rivals.ALARM)

    def _read_state(self, payload: bytes) -> tuple[Word | None, Instance | None]:
        try:
            return rivals.read_state(payload)
        except messages.MessageError as error:
            self._alarms.sound("input", f"a message under {self._topics.state}: {error}")
            return None, None

    async def _hear_state(self, client: aiomqtt.Client, message: aiomqtt.Message) -> None:
        """Somebody says something in our name: we are here, unless it was here before."""
        word, who = self._read_state(bytes(message.payload))
        if who is None or who == self._me or message.retain:
            return
        if word is not Word.OFFLINE:
            if word is Word.ONLINE and who.is_older_than(self._me):
                raise RivalError(who)
            self._warn(who)
        await self._say(client, Word.ONLINE)

    def _warn(self, rival: Instance) -> None:
        """We stay; the alarm stands until nothing is heard of *rival* any more."""
        message = rivals.warning(self._edge, self._me, rival, stays=True)
        self._alarms.sound(rivals.ALARM, message)
        if self._rival_gone is not None:
            self._rival_gone.cancel()
        loop = asyncio.get_running_loop()
        self._rival_gone = loop.call_later(3 * RIVAL_WAIT_S, self._forget_rival)

    def _forget_rival(self) -> None:
        self._rival_gone = None
        self._alarms.clear(rivals.ALARM)

    def _stay_away(self, group: BaseExceptionGroup[RivalError]) -> None:
        error = _first(group)
        assert isinstance(error, RivalError)
        message = rivals.warning(self._edge, self._me, error.rival, stays=False)
        self._alarms.sound(rivals.ALARM, message)

    def _refuse(self, topic: str, size: int) -> None:
        message = f"a message of {size} bytes under {topic[-200:]} was refused"
        self._alarms.sound("input", f"{message}: {MESSAGE_BYTES_MAX} are the most")
        _log.warning("message refused", topic=topic[-200:], bytes=size)

    async def _receive(self, client: aiomqtt.Client) -> None:
        async for message in client.messages:
            if str(message.topic) == self._topics.state:
                await self._hear_state(client, message)
                continue
            try:
                self._take(message.topic, bytes(message.payload))
            except Exception:
                # A retained message that we stumble over would come again with each connection.
                _log.exception("a message could not be dealt with", topic=str(message.topic))
                self._alarms.sound("input", f"a message under {message.topic} was not dealt with")

    def _take(self, topic: aiomqtt.Topic, payload: bytes) -> None:
        name = str(topic)
        if name == self._topics.received:
            self._confirm(payload)
        elif name in self._edge_of:
            self._inbound.announcements(self._edge_of[name], payload)
        elif topic.matches(self._topics.orders):
            # Some brokers also hand out what was never asked for.
            self._inbound.order(name, payload)

    async def _send_newest(self, client: aiomqtt.Client) -> None:
        while True:
            await self._has_newest.wait()
            self._has_newest.clear()
            while self._newest:
                topic, payload = self._newest.popitem()
                await client.publish(topic, payload, qos=0)

    async def _send_answers(self, client: aiomqtt.Client) -> None:
        while True:
            batch = [await self._answers.get()]
            while not self._answers.empty():
                batch.append(self._answers.get_nowait())
            topic = self._topics.answers
            await asyncio.gather(*(client.publish(topic, each, qos=1) for each in batch))

    async def _drain(self, client: aiomqtt.Client) -> None:
        """Send what waits, in order; send it again where no confirmation comes."""
        outbox, patience_s = self._outbox, self._resend_s
        while True:
            self._outbox_changed.clear()
            outbox.follow(self._store.boot)
            batch: list[OutMessage] = []
            if outbox.room > 0:
                batch = await asyncio.to_thread(
                    self._store.messages_after, outbox.sent, outbox.room
                )
            if batch:
                await self._send(client, batch)
                continue
            try:
                async with asyncio.timeout(patience_s):
                    await self._outbox_changed.wait()
                patience_s = self._resend_s
            except TimeoutError:
                if outbox.unconfirmed:
                    self._miss_confirmation()
                    patience_s = min(2 * patience_s, RESEND_MOST_S)

    async def _send(self, client: aiomqtt.Client, batch: Sequence[OutMessage]) -> None:
        payloads = []
        for each in batch:
            after = self._outbox.before
            payloads.append(messages.log_message(self._edge, each, after, self._store.dropped))
            self._outbox.note_sent(each)
        # Each is handed to the socket when its turn comes, so they stay in order.
        await asyncio.gather(*(client.publish(self._topics.log, each, qos=1) for each in payloads))
        if self._settings.confirmed_by == "broker":
            self._take_confirmation(batch[-1].boot, batch[-1].seq)

    def _miss_confirmation(self) -> None:
        waiting = len(self._outbox.unconfirmed)
        message = f"the centre has not confirmed {waiting} messages; they are sent again"
        self._alarms.sound("unconfirmed", message)
        self._outbox.start_over()

    def _confirm(self, payload: bytes) -> None:
        try:
            boot, seq = messages.read_received(payload)
        except messages.MessageError as error:
            self._alarms.sound("centre", f"a confirmation can't be read: {error}")
            return
        if self._settings.confirmed_by == "centre":
            self._take_confirmation(boot, seq)

    def _take_confirmation(self, boot: int, seq: int) -> None:
        if self._outbox.confirm(boot, seq):
            self._store.add(Confirmed(boot, seq))
            self._alarms.clear("unconfirmed")
            self._outbox_changed.set()


def _first(group: BaseExceptionGroup[Exception]) -> BaseException:
    first: BaseException = group
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def _tls(settings: BrokerSettings) -> ssl.SSLContext:
    """Read anew for each connection, so that certificates can be replaced while it runs."""
    context = ssl.create_default_context(cafile=settings.ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.cert_file is not None and settings.key_file is not None:
        context.load_cert_chain(settings.cert_file, settings.key_file)
    return context
