"""Two edges of one name, on real brokers."""

import asyncio
import contextlib
import json
import time

import pytest

from edge import mqtt, rivals
from edge.back_off import BackOff
from edge.cabinet_rules import this_computer, writer_of
from edge.rivals import Instance, Question, RivalError, Word
from tests.edge.centre import Centre
from tests.edge.fleet import Wire
from tests.edge.mosquitto import Mosquitto
from tests.edge.test_mqtt import TOPICS, Edge, broker, running, until, url

__all__ = ["broker"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(mqtt, "BackOff", lambda: BackOff(0.05, 0.2))
    monkeypatch.setattr(mqtt, "RIVAL_WAIT_S", 0.6)
    monkeypatch.setattr(mqtt, "ANSWER_S", 1.0)


def twins(folder, broker):
    for name in ("a", "b"):
        (folder / name).mkdir()
    return Edge(folder / "a", url(broker)), Edge(folder / "b", url(broker))


def text(edge):
    return next((f.message for f in edge.alarms.standing() if f.kind == rivals.ALARM), "")


def test_the_second_stays_away_and_both_name_both_and_take_turns(broker, tmp_path):
    async def run():
        first, second = twins(tmp_path, broker)
        centre = Centre(broker.port, "north-1")
        async with running(centre), contextlib.AsyncExitStack() as later:
            async with first:
                await until(lambda: first.bus.connected)
                await later.enter_async_context(second)
                await until(lambda: text(first) and text(second))
                for edge in (first, second):
                    assert str(first.bus._me) in text(edge)
                    assert str(second.bus._me) in text(edge)
                assert "keeps the broker" in text(first)
                assert "stays off" in text(second)
                for k in range(20):  # no fight: one speaks all the time, the other never
                    first.log()
                    await asyncio.sleep(0.1)
                    assert first.bus.connected, k
                    assert not second.bus.connected, k
                assert (first.bus.connections, second.bus.connections) == (1, 0)
                await until(lambda: len(centre.stored) == 20)
            await until(lambda: second.bus.connected)
            await until(lambda: not text(second))
            second.log()
            await until(lambda: second.done)

    asyncio.run(run())


def test_of_two_that_come_at_once_one_speaks(broker, tmp_path):
    async def run():
        first, second = twins(tmp_path, broker)
        async with first, second:
            await until(lambda: first.bus.connected or second.bus.connected)
            await until(lambda: text(first) or text(second))
            await until(lambda: first.bus.connected != second.bus.connected)
            await asyncio.sleep(1.5)
            assert first.bus.connected != second.bus.connected

    asyncio.run(run())


def said(word, me):
    return rivals.state("north-1", word, "", me)


OTHER = Instance("0ther", "elsewhere", 7, 1_700_000_000_000)


def test_an_edge_that_was_killed_holds_up_its_successor_for_a_moment_only(broker, tmp_path):
    async def run():
        centre = Centre(broker.port, "north-1")
        async with running(centre):
            await centre.publish(TOPICS.state, said(Word.ONLINE, OTHER), retain=True)
            edge = Edge(tmp_path, url(broker))
            began_s = time.monotonic()
            async with edge:
                await until(lambda: edge.bus.connected)
                assert time.monotonic() - began_s < 2.5
                assert not edge.alarm()
                # The broker finds out now that the other has gone, and says its last will.
                await centre.publish(TOPICS.state, said(Word.OFFLINE, OTHER), retain=True)
                await until(lambda: states(centre)[-1] == ("online", edge.bus._me.id))
                assert edge.bus.connected
                assert not edge.alarm()

    asyncio.run(run())


def states(centre):
    found = [json.loads(payload) for topic, payload in centre.others if topic == TOPICS.state]
    return [(each["state"], each["instance"]["id"]) for each in found]


def test_who_came_while_we_were_away_is_named(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            wire = Wire(broker.port)
            await wire.start()
            centre = Centre(broker.port, "north-1")
            edge = Edge(tmp_path, f"mqtt://127.0.0.1:{wire.port}")
            async with running(centre), edge:
                await until(lambda: edge.bus.connected)
                wire.set_cut(True)
                await until(lambda: ("offline", edge.bus._me.id) in states(centre))
                await centre.publish(TOPICS.state, said(Word.OFFLINE, OTHER), retain=True)
                wire.set_cut(False)
                await until(lambda: edge.bus.connections == 2)
                assert "0ther on elsewhere" in text(edge)
                await until(lambda: not text(edge))  # it does not come again
            await wire.close()

    asyncio.run(run())


def test_what_is_no_state_is_an_alarm_and_nothing_more(tmp_path):
    async def run():
        with Mosquitto(tmp_path) as broker:
            centre = Centre(broker.port, "north-1")
            edge = Edge(tmp_path, url(broker))
            async with running(centre):
                await centre.publish(TOPICS.state, b"rubbish", retain=True)
                async with edge:
                    await until(lambda: edge.bus.connected)
                    wrong = said(Word.ONLINE, OTHER).replace(b"1700000000000", b"-1")
                    await centre.publish(TOPICS.state, wrong)
                    await until(lambda: "input" in edge.alarm())
                    edge.log(3)
                    await until(lambda: edge.done)
                    assert edge.bus.connections == 1

    asyncio.run(run())


ME = Instance("me", "here", 1, OTHER.since_utc_ms + 1)


def test_what_the_broker_remembers_is_no_answer():
    at = Question(ME)
    assert not at.is_settled_by(Word.ONLINE, OTHER, retained=False)  # before we had asked
    assert not at.is_settled_by(Word.ASKING, ME, retained=False)
    assert not at.is_settled_by(Word.ONLINE, OTHER, retained=True)
    with pytest.raises(RivalError):
        at.is_settled_by(Word.ONLINE, OTHER, retained=False)
    assert Question(ME).is_settled_by(Word.ASKING, ME, retained=False)
    assert OTHER.is_older_than(ME)
    assert not ME.is_older_than(OTHER)


def test_cabinets_tell_two_of_one_name_apart(tmp_path):
    for computer, address in (("a", "02:00:00:00:00:01"), ("b", "02:00:00:00:00:02")):
        card = tmp_path / computer / "eth0"
        (card / "device").mkdir(parents=True)
        (card / "address").write_text(f"{address}\n")
        (tmp_path / computer / "lo").mkdir()
    ours, copied = (this_computer(tmp_path / name) for name in ("a", "b"))
    assert writer_of("north-1", ours) == writer_of("north-1", this_computer(tmp_path / "a"))
    assert writer_of("north-1", ours) != writer_of("north-1", copied)
    assert writer_of("north-1", ours) != writer_of("south-2", ours)
    assert writer_of("north-1") == writer_of("north-1")


class OneForEachUser(Mosquitto):
    """A broker that throws out whoever has the same user name."""

    def _settings(self):
        return f"{super()._settings()}use_username_as_clientid true\n"


def test_where_the_broker_throws_one_out_for_the_other_both_say_so(tmp_path):
    (tmp_path / "password").write_text("none")
    login = {"username": "north-1", "password_file": tmp_path / "password"}

    async def run():
        with OneForEachUser(tmp_path) as broker:
            for name in ("a", "b"):
                (tmp_path / name).mkdir()
            first, second = (Edge(tmp_path / name, url(broker), **login) for name in ("a", "b"))
            async with first:
                await until(lambda: first.bus.connected)
                async with second:
                    await until(lambda: text(first) and text(second))
                    for edge in (first, second):
                        assert str(first.bus._me) in text(edge)
                        assert str(second.bus._me) in text(edge)

    asyncio.run(run())
