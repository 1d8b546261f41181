import asyncio
import contextlib
import json
import ssl
import time

import aiomqtt
import pytest

from controller.clock import Instant
from edge import mqtt
from edge.alarms import Alarms
from edge.announcement_json import decode, encode
from edge.back_off import BackOff
from edge.broker import EmbeddedBroker
from edge.mqtt import Bus, Inbound
from edge.order_desk import OrderDesk
from edge.orders import OrderGate, sign
from edge.records import Message
from edge.settings import BrokerSettings
from edge.store import Retention, Store
from edge.topics import Topics
from tests.controller.crossroads import crossroads
from tests.edge.centre import Centre
from tests.edge.mosquitto import Mosquitto
from tests.edge.test_announcements import example, same
from tests.edge.test_orders import KEY, NOW_MS, OTHER, claim

TOPICS = Topics("north-1")


class Edge:
    """A bus with its store; an async context manager."""

    def __init__(self, folder, url, name="north-1", neighbours=(), **settings):
        self.alarms = Alarms()
        self.store = Store(folder / f"{name}.db", Retention(), self.alarms)
        self.orders, self.heard, self.sent = [], [], 0
        inbound = Inbound(
            lambda topic, payload: self.orders.append((topic, payload)),
            lambda edge, payload: self.heard.append((edge, payload)),
            neighbours,
        )
        settings = BrokerSettings(url=url, keepalive_s=5, **settings)
        self.bus = Bus(name, settings, self.store, self.alarms, inbound, resend_s=1.0)
        self._task = None

    async def __aenter__(self):
        self._task = asyncio.create_task(self.bus.run())
        return self

    async def __aexit__(self, *_):
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await asyncio.to_thread(self.store.close)

    def log(self, count=1):
        for _ in range(count):
            self.sent += 1
            self.store.add(Message("events", NOW_MS + self.sent, {"n": self.sent}))

    def alarm(self):
        return {each.kind for each in self.alarms.standing()}

    @property
    def done(self):
        return self.store.waiting[0] == 0


async def until(what, timeout_s=20.0):
    async with asyncio.timeout(timeout_s):
        while not what():
            await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def running(*centres):
    tasks = [asyncio.create_task(each.run()) for each in centres]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """The first tries of a connection come sooner than in the street."""
    monkeypatch.setattr(mqtt, "BackOff", lambda: BackOff(0.1, 0.5))
    monkeypatch.setattr(mqtt, "TIMEOUT_S", 1.0)


@pytest.fixture(params=["mosquitto", "embedded"])
def broker(request, tmp_path):
    make = Mosquitto(tmp_path) if request.param == "mosquitto" else EmbeddedBroker()
    with make as broker:
        yield broker


def url(broker):
    return f"mqtt://127.0.0.1:{broker.port}"


def test_the_log_arrives_in_order_and_is_forgotten_once_confirmed(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "north-1")
        edge = Edge(tmp_path, url(broker))
        edge.log(120)  # before there is a connection at all
        async with running(centre), edge:
            await until(lambda: len(centre.stored) == 120)
            edge.log(5)
            await until(lambda: len(centre.stored) == 125 and edge.done)
        assert centre.numbers() == list(range(1, 126))
        assert centre.receiver.missing("north-1") == 0
        assert not edge.alarm()
        assert [each.seq for each in centre.stored] == list(range(1, 126))

    asyncio.run(run())


def test_the_newest_status_is_sent_and_the_state_is_retained(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "north-1")
        edge = Edge(tmp_path, url(broker))
        edge.bus.show_status(b"nobody hears this")
        async with running(centre):
            async with edge:
                await until(lambda: edge.bus.connected)
                await until(lambda: (TOPICS.state, True) in states(centre))
                for k in range(3):
                    edge.bus.show_status(b'{"k": %d}' % k)
                await until(lambda: (TOPICS.status, b'{"k": 2}') in centre.others)
                assert (TOPICS.status, b"nobody hears this") not in centre.others
            await until(lambda: (TOPICS.state, False) in states(centre))

    asyncio.run(run())


def states(centre):
    return {
        (topic, json.loads(payload)["state"] == "online")
        for topic, payload in centre.others
        if topic == TOPICS.state
    }


def test_orders_and_announcements_come_in_and_go_across(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "north-1")
        north = Edge(tmp_path, url(broker), neighbours=["south-2"])
        south = Edge(tmp_path, url(broker), "south-2", neighbours=["north-1"])
        done = []
        gate = OrderGate([KEY], {"J1": crossroads(name="J1")}, {})
        desk = OrderDesk(gate, north.store.add, done.append)
        topic = TOPICS.order("J1", "plan")
        async with running(centre), north, south:
            await until(lambda: north.bus.connected and south.bus.connected)
            await centre.publish(topic, sign(claim(), OTHER))
            await centre.publish(topic, sign(claim(), KEY), retain=True)
            await centre.publish(topic, sign(claim(), KEY))
            await until(lambda: len(north.orders) == 3)
            now = Instant(0, NOW_MS)
            assert [desk.take(now, *each) for each in north.orders] == [False, True, True]
            assert len(done) == 1
            await until(lambda: len(replies(centre)) == 2)
            assert [each["accepted"] for each in replies(centre)] == [False, True]
            assert [each["action"] for each in bodies(centre, "audit")] == [
                "order refused",
                "plan accepted",
            ]
            north.bus.announce(encode([example()]))
            south.bus.announce(encode([]))
            await until(lambda: north.heard and south.heard)
            edge, payload = south.heard[0]
            assert edge == "north-1"
            same(decode(payload)[0][0], example())
        # A retained plan is there for who comes back.
        north = Edge(tmp_path, url(broker))
        async with north:
            await until(lambda: north.orders)
            assert set(north.orders) == {(topic, sign(claim(), KEY))}
            assert north.store.accepted_orders()[0]["J1", "plan"][0] == 7

    asyncio.run(run())


def bodies(centre, kind):
    return [each.body for each in centre.stored if each.kind == kind]


def replies(centre):
    return bodies(centre, "reply")


def test_a_broker_that_is_killed_again_and_again_loses_nothing(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            edge = Edge(tmp_path, url(broker))
            async with running(centre), edge:
                for k in range(8):
                    edge.log(40)
                    await until(lambda k=k: len(centre.stored) > 40 * k, 20)
                    broker.kill()
                    edge.log(40)
                    await asyncio.sleep(0.05 * (k % 3))
                    broker.start()
                await until(lambda: len(set(centre.numbers())) == 640 and edge.done, 30)
            assert centre.numbers() == list(range(1, 641))
            assert centre.receiver.missing("north-1") == 0
            assert edge.bus.connections >= 8

    asyncio.run(run())


def test_an_edge_that_is_killed_sends_what_is_left_after_its_restart(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            centre.confirms = False
            edge = Edge(tmp_path, url(broker))
            edge.log(70)
            async with running(centre):
                async with edge:
                    await until(lambda: len(centre.stored) >= 20)
                    assert edge.store.waiting[0] == 70
                centre.confirms = True
                again = Edge(tmp_path, url(broker))
                async with again:
                    await until(lambda: len(centre.stored) == 70 and again.done)
            assert centre.numbers() == list(range(1, 71))

    asyncio.run(run())


def test_what_nobody_confirms_is_an_alarm_and_is_sent_again(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            centre.confirms = False
            edge = Edge(tmp_path, url(broker))
            edge.log(3)
            async with running(centre), edge:
                await until(lambda: "unconfirmed" in edge.alarm())
                await until(lambda: centre.twice >= 3)
                assert edge.store.waiting[0] == 3
                centre.confirms = True
                await until(lambda: edge.done and not edge.alarm())
            assert centre.numbers() == [1, 2, 3]

    asyncio.run(run())


def test_a_confirmation_of_what_was_never_sent_is_not_believed(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            centre.confirms = False
            edge = Edge(tmp_path, url(broker))
            async with running(centre), edge:
                await until(lambda: edge.bus.connected)
                for wrong in (
                    b'{"schema": 1, "boot": 99999999999999, "seq": 1000}',
                    b'{"schema": 1, "boot": 0, "seq": -1}',
                    b"rubbish",
                ):
                    await centre.publish(TOPICS.received, wrong)
                edge.log(3)
                await until(lambda: len(centre.stored) == 3)
                await asyncio.sleep(0.2)
                assert edge.store.waiting[0] == 3
                assert "centre" in edge.alarm()
                centre.confirms = True
                await until(lambda: edge.done)

    asyncio.run(run())


def test_a_message_that_nobody_can_deal_with_ends_no_connection(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            edge = Edge(tmp_path, url(broker))
            edge.orders = None  # so that taking an order fails
            async with running(centre), edge:
                await centre.publish(TOPICS.order("J1", "plan"), b"poison", retain=True)
                await until(lambda: "input" in edge.alarm())
                edge.log(3)
                await until(lambda: len(centre.stored) == 3 and edge.done)
                assert edge.bus.connections == 1

    asyncio.run(run())


def test_where_there_is_no_centre_the_word_of_the_broker_is_enough(broker, tmp_path):
    async def run():
        edge = Edge(tmp_path, url(broker), confirmed_by="broker")
        edge.log(130)
        async with edge:
            await until(lambda: edge.done)
        assert not edge.alarm()

    asyncio.run(run())


def test_a_frozen_broker_is_left_and_found_again(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            edge = Edge(tmp_path, url(broker))
            async with running(centre), edge:
                edge.log(10)
                await until(lambda: edge.done)
                broker.freeze()
                edge.log(10)
                slowest = 0.0
                for _ in range(150):
                    began = time.perf_counter()
                    edge.bus.show_status(b"x" * 10_000)
                    await asyncio.sleep(0.01)
                    slowest = max(slowest, time.perf_counter() - began)
                await until(lambda: "broker" in edge.alarm())
                assert slowest < 0.9
                broker.thaw()
                await until(lambda: len(centre.stored) == 20 and edge.done, 30)
                assert "broker" not in edge.alarm()
            assert centre.numbers() == list(range(1, 21))

    asyncio.run(run())


def test_no_broker_and_a_wrong_certificate_are_alarms_with_a_reason(tmp_path):
    async def run():
        edge = Edge(tmp_path, "mqtt://127.0.0.1:1")
        async with edge:
            await until(lambda: "broker" in edge.alarm())
            assert "127.0.0.1:1: " in edge.alarms.standing()[0].message
        (tmp_path / "b").mkdir()
        with Mosquitto(tmp_path / "b", "north-1", "centre") as broker:
            (tmp_path / "other").mkdir()
            Mosquitto(tmp_path / "other", "north-1")
            for folder, ca in (("other", "b"), ("b", "other")):
                edge = Edge(tmp_path, **secure(tmp_path / folder, broker, ca=tmp_path / ca))
                async with edge:
                    await until(lambda edge=edge: "broker" in edge.alarm())
                    assert not edge.bus.connected

    asyncio.run(run())


def secure(folder, broker, name="north-1", ca=None):
    return {
        "url": f"mqtts://127.0.0.1:{broker.port}",
        "ca_file": (ca or folder) / "ca.pem",
        "cert_file": folder / f"{name}.pem",
        "key_file": folder / f"{name}.key",
    }


def context(folder, name):
    made = ssl.create_default_context(cafile=folder / "ca.pem")
    made.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return made


def test_with_certificates_and_our_access_list_all_works_and_spoofing_does_not(tmp_path):
    names = ("north-1", "south-2", "centre")

    async def run(broker):
        centre = Centre(broker.port, *names[:2], tls_context=context(tmp_path, "centre"))
        north = Edge(tmp_path, neighbours=["south-2"], **secure(tmp_path, broker))
        south = Edge(
            tmp_path,
            name="south-2",
            neighbours=["north-1"],
            **secure(tmp_path, broker, "south-2"),
        )
        async with running(centre), north, south:
            north.log(10)
            await until(lambda: len(centre.stored) == 10 and north.done)
            await until(lambda: south.bus.connected)
            await centre.publish(TOPICS.order("J/1", "plan"), b"an order")
            north.bus.announce(b"north")
            south.bus.announce(b"south")
            await until(lambda: north.orders and north.heard and south.heard)
            assert north.orders == [("greenband/v1/north-1/orders/J%2F1/plan", b"an order")]
            assert not south.orders
            await spoof(broker, centre, north)
            assert not north.alarm() | south.alarm()

    async def spoof(broker, centre, north):
        """Somebody with the certificate of south-2 writes and reads what is north-1's."""
        tls = context(tmp_path, "south-2")
        async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=tls) as thief:
            await thief.subscribe("greenband/v1/north-1/#")
            for topic in (TOPICS.status, TOPICS.log, TOPICS.neighbours, TOPICS.received):
                await thief.publish(topic, b"spoofed", qos=1)
            await thief.publish(TOPICS.order("J1", "plan"), b"spoofed", qos=1)
            north.bus.show_status(b"secret")
            await until(lambda: (TOPICS.status, b"secret") in centre.others)
            await asyncio.sleep(0.2)
            assert len(thief.messages) == 0
        heard = [payload for _, payload in (*centre.others, *north.orders, *north.heard)]
        assert b"spoofed" not in heard
        assert b"north" in heard

    with Mosquitto(tmp_path, *names) as broker:
        asyncio.run(run(broker))


def test_a_log_that_the_broker_does_not_let_pass_is_not_taken_for_sent(tmp_path):
    async def run(broker):
        edge = Edge(tmp_path, name="north-1", **secure(tmp_path, broker, "stranger"))
        edge.log(3)
        async with edge:
            await until(lambda: "unconfirmed" in edge.alarm())
            assert edge.store.waiting[0] == 3

    with Mosquitto(tmp_path, "stranger") as broker:
        asyncio.run(run(broker))


def test_back_off_grows_has_a_limit_and_is_not_in_step():
    waits = []
    for _ in range(50):
        back_off = BackOff(1.0, 30.0)
        waits.append([back_off.next_s() for _ in range(8)])
    for each in waits:
        assert all(0.5 * 2**k <= wait <= 2**k for k, wait in enumerate(each[:5]))
        assert all(15.0 <= wait <= 30.0 for wait in each[5:])
    assert len({each[0] for each in waits}) == 50
