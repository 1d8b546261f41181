"""Messages that are too large, in both directions and on real brokers."""

import asyncio
import json
import subprocess
import sys
import tracemalloc

import aiomqtt

from controller.signals import Event
from edge.alarms import Alarms
from edge.message_limit import MESSAGE_BYTES_MAX
from edge.records import Count, Events, Message, MinuteCounts
from edge.store import Retention, Store
from tests.edge.centre import Centre
from tests.edge.mosquitto import DEPLOY, Mosquitto
from tests.edge.test_mqtt import TOPICS, Edge, broker, context, running, secure, until, url

__all__ = ["broker"]

HUGE_BYTES = 20_000_000
PUBLISH = """
import sys
import paho.mqtt.publish as publish
port, topic, size, retain = sys.argv[1:]
publish.single(topic, b"x" * int(size), 1, retain == "1", "127.0.0.1", int(port))
"""


async def send(port, topic, size, retain=False):
    words = (sys.executable, "-c", PUBLISH, str(port), topic, str(size), str(int(retain)))
    await asyncio.to_thread(subprocess.run, words, check=True, timeout=30)


def test_a_huge_message_is_refused_and_never_kept(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "nobody")
        edge, topic = Edge(tmp_path, url(broker)), TOPICS.order("J1", "plan")
        async with running(centre), edge:
            await until(lambda: edge.bus.connected)
            await centre.publish(topic, b"first")
            await until(lambda: edge.orders)
            if isinstance(broker, Mosquitto):  # the embedded broker is in this process
                tracemalloc.start()
            await send(broker.port, topic, HUGE_BYTES, retain=True)
            await until(lambda: "input" in edge.alarm())
            (fault,) = edge.alarms.standing()
            assert topic in fault.message
            assert "1048576 are the most" in fault.message
            if tracemalloc.is_tracing():
                assert tracemalloc.get_traced_memory()[1] < 5_000_000
                tracemalloc.stop()
            await centre.publish(topic, b"x" * 60_000)
            await until(lambda: len(edge.orders) == 2)
            assert edge.orders == [(topic, b"first"), (topic, b"x" * 60_000)]
            assert edge.bus.connections == 1  # nor is it sent again and again
            edge.log()
            await until(lambda: edge.bus.connected)

    asyncio.run(run())


def test_our_mosquitto_takes_what_an_edge_sends_and_keeps_nothing_larger(tmp_path):
    limits = dict(
        line.split(" ", 1)
        for line in DEPLOY.joinpath("mosquitto.conf").read_text().splitlines()
        if "_size" in line and not line.startswith("#")
    )
    assert int(limits["message_size_limit"]) == MESSAGE_BYTES_MAX
    assert int(limits["max_packet_size"]) > MESSAGE_BYTES_MAX + 65_535

    async def run(broker):
        centre = Centre(broker.port, "north-1", tls_context=context(tmp_path, "centre"))
        edge = Edge(tmp_path, **secure(tmp_path, broker))
        tls = context(tmp_path, "centre")
        async with running(centre), edge:
            await until(lambda: edge.bus.connected)
            edge.store.add(Message("events", 1, {"n": 1, "text": "x" * 900_000}))
            await until(lambda: centre.numbers() == [1])
            topic = TOPICS.order("J1", "plan")
            async with aiomqtt.Client("127.0.0.1", broker.port, tls_context=tls) as other:
                await other.publish(topic, b"x" * (MESSAGE_BYTES_MAX + 1), qos=1, timeout=10)
                await other.publish(topic, b"small", qos=1)
            await until(lambda: edge.orders)
            assert edge.orders == [(topic, b"small")]
            assert not edge.alarm()

    with Mosquitto(tmp_path, "north-1", "centre") as broker:
        asyncio.run(run(broker))


def test_what_an_edge_writes_always_fits_into_a_message(tmp_path):
    alarms = Alarms()
    store = Store(tmp_path / "edge.db", Retention(), alarms)
    events = tuple(Event(1_700_000_000_000 + k, 82, 30_000 + k) for k in range(400))
    by_cabinet = {f"a cabinet with a long name {k}": events for k in range(200)}
    store.add(Events(1_700_000_000_000, by_cabinet))
    counts = tuple(Count(f"a detector with a long name {k}", 100, 59_000, 100) for k in range(64))
    store.add(MinuteCounts(28_333_333, dict.fromkeys(by_cabinet, counts)))
    store.add(Message("reply", 1, {"text": "x" * MESSAGE_BYTES_MAX}))
    store.flush(60)
    sent = store.messages_after(0, 1_000)
    assert max(len(each.body) for each in sent) < MESSAGE_BYTES_MAX - 60_000
    for kind, total in (("events", 400), ("counts", 64)):
        found = {}
        for each in sent:
            if each.kind == kind:
                found |= json.loads(each.body)[kind]
        assert {name: len(rows) for name, rows in found.items()} == dict.fromkeys(by_cabinet, total)
    assert store.lost == {"reply": 1}
    assert "store refused" in {each.kind for each in alarms.standing()}
    store.close()


def test_a_status_that_is_too_large_is_said_and_not_sent(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "north-1")
        edge = Edge(tmp_path, url(broker))
        async with running(centre), edge:
            await until(lambda: edge.bus.connected)
            edge.bus.show_status(b"x" * (MESSAGE_BYTES_MAX + 1))
            assert edge.alarm() == {"status too large"}
            edge.bus.show_status(b"small")
            await until(lambda: (TOPICS.status, b"small") in centre.others)
            assert not edge.alarm()
            assert edge.bus.connections == 1

    asyncio.run(run())
