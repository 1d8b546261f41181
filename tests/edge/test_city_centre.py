"""A centre over a real broker, a real edge and real cabinets: corridors, plans, and their loss."""

import asyncio
import itertools
import json
import sqlite3
from dataclasses import replace

import aiomqtt
import pytest

from controller.violations import InvalidError
from edge.centre.city import CityCentre, CityPlan
from edge.centre.link import CentreLink, Heard
from edge.centre.record import CentreRecord
from edge.centre.values import SiteFacts
from edge.centre.views import site_view
from edge.corridors.streets import Street, Streets, Turn
from edge.corridors.values import CorridorState, PassageState, Position, Wish
from edge.errors import EdgeError, StoreError
from edge.messages import MessageError, log_message
from edge.outbox import OutMessage
from edge.settings import BrokerSettings
from edge.topics import Topics
from tests.controller.crossroads import crossroads
from tests.edge.fleet import Edge, until
from tests.edge.mosquitto import Mosquitto
from tests.edge.sites import KEY, plan
from tests.edge.test_daemon import ADAPTIVE, STORE, boxes, running

SITES = ("J1", "J2")


def street(name, before, after):
    return Street(
        name=name,
        label=name,
        from_node=before,
        to_node=after,
        length_m=200.0,
        speed_m_per_s=13.9,
        lanes=1,
        shape=((0.0, 0.0), (200.0, 0.0)),
    )


def turn(before, after, site):
    """Straight on over *site*, green in stage A."""
    found = Turn(
        from_street=before,
        to_street=after,
        crossing_m=20.0,
        site=site,
        groups=("NS",),
        stages=("A",),
        lanes=(0,),
    )
    return before, (found,)


def city_streets():
    streets = {
        name: street(name, *ends)
        for name, ends in {"in": "wJ", "middle": "Jj", "out": "je"}.items()
    }
    turns = dict([turn("in", "middle", "J1"), turn("middle", "out", "J2")])
    return Streets(name="city", streets=streets, turns=turns)


def city_plan(folder, broker, edges=("north-1", "north-1")):
    sites = {
        name: SiteFacts(
            name=name,
            label=name,
            position=(200.0 * k, 0.0),
            intersection=crossroads(name=name, startup_red_ms=0),
        )
        for k, name in enumerate(SITES)
    }
    return CityPlan(
        name="city",
        streets=city_streets(),
        sites=sites,
        edge_of=dict(zip(SITES, edges, strict=True)),
        vehicles={},
        broker=BrokerSettings(url=f"mqtt://127.0.0.1:{broker.port}"),
        orders_key=bytes.fromhex(KEY),
        folder=folder,
    )


def test_a_corridor_and_a_plan_go_all_the_way_and_their_loss_is_told(tmp_path):
    with Mosquitto(tmp_path) as broker:
        asyncio.run(_city(tmp_path, broker))


async def _city(folder, broker):
    (folder / "orders.key").write_text(KEY)
    more = STORE + f'[broker]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
    more += 'orders_key_file = "orders.key"\n'
    ids = map(str, itertools.count(1))
    async with (
        boxes(folder, *SITES) as (one, two),
        running(Edge(folder, {"J1": one.port, "J2": two.port}, more)) as edge,
    ):
        await edge.wait_rungs(30.0, J1=ADAPTIVE, J2=ADAPTIVE)
        plan = city_plan(folder, broker)
        async with CityCentre(plan, lambda: next(ids)) as centre:
            await until(
                lambda: all(site.rung == "adaptive" for site in centre.live.values()),
                10.0,
                lambda: str(centre.live),
            )
            await _see_live(centre)
            await _open_and_close(centre, one, two)
            await _change_plans(centre, one)
            doctor = Wish(vehicle="doctor", role="rescue", level=9, origin="in", destination="out")
            left = await centre.open(doctor, "fire")
        await _with_another_key(folder, broker, ids)
        async with CityCentre(plan, lambda: next(ids)) as centre:
            await _go_on(centre, left.id)
            await _lose(centre, edge, broker)


async def _with_another_key(folder, broker, ids):
    """Why an edge obeys no order is told to the dispatcher."""
    other = folder / "other"
    other.mkdir()
    plan = replace(city_plan(other, broker), orders_key=bytes(32))
    wish = Wish(vehicle="engine", role="fire", level=10, origin="in", destination="out")
    async with CityCentre(plan, lambda: next(ids)) as centre:
        await until(lambda: centre.live["J1"].reachable, 10.0, lambda: str(centre.live))
        opened = await centre.open(wish, "dispatch")
        await until(
            lambda: all(
                "edge north-1 refuses our orders (" in passage.why
                for passage in centre.corridors[opened.id].passages
            ),
            10.0,
            lambda: str(centre.corridors[opened.id]),
        )


async def _go_on(centre, corridor):
    """A centre that has started anew asks again for what was under way."""
    assert centre.corridors[corridor].caller == "fire"
    await until(
        lambda: centre.corridors[corridor].state is CorridorState.GRANTED,
        10.0,
        lambda: str(centre.corridors[corridor]),
    )
    assert "started anew" in centre.corridors[corridor].note
    place = Position(street="in", at_m=190.0, speed_m_per_s=5.0, utc_ms=centre.now_utc_ms())
    await centre.report(corridor, place)
    await until(
        lambda: centre.corridors[corridor].passages[0].state is PassageState.HELD,
        5.0,
        lambda: str(centre.corridors[corridor]),
    )


async def _see_live(centre):
    site = centre.live["J1"]
    assert site.reachable and site.detection == 1.0
    assert len(site.aspects) == len(centre.sites["J1"].intersection.groups)
    assert centre.note == ""


async def _open_and_close(centre, one, two):
    wish = Wish(
        vehicle="ambulance", role="ambulance", level=12, origin="in", destination="out", reason="x"
    )
    opened = await centre.open(wish, "dispatch")
    assert opened.state is CorridorState.PENDING

    def now():
        return centre.corridors[opened.id]

    def states():
        return [passage.state for passage in now().passages]

    answered = {PassageState.GRANTED, PassageState.HELD}
    await until(lambda: answered.issuperset(states()), 10.0, lambda: str(now()))
    for at_m, street_name in ((150.0, "in"), (150.0, "middle"), (100.0, "out")):
        for _ in range(3):
            position = Position(
                street=street_name, at_m=at_m, speed_m_per_s=13.9, utc_ms=centre.now_utc_ms()
            )
            await centre.report(opened.id, position)
            await asyncio.sleep(0.5)
    assert states() == [PassageState.PASSED] * 2
    assert any("is served" in line for line in one.program.lines)
    assert any("is served" in line for line in two.program.lines)
    await centre.end(opened.id)
    await until(lambda: "no priority call left" in "".join(two.program.lines), 10.0, lambda: "")
    assert centre.corridors[opened.id].state in {CorridorState.RECOVERING, CorridorState.CLOSED}


async def _change_plans(centre, one):
    first = await centre.push_plan(plan("J1", name="evening"), "engineer", "trial")
    assert first.state == "in force"
    second = await centre.push_plan(plan("J1", name="night"), "engineer", "")
    back = await centre.roll_back("J1", first.sequence_no, "engineer", "")
    assert back.sequence_no > second.sequence_no > first.sequence_no
    history = await centre.plans("J1")
    assert [(each.plan.name, each.state) for each in history] == [
        ("evening", "in force"),
        ("night", "earlier"),
        ("evening", "earlier"),
    ]
    assert (await one.report()).accepted_no == back.sequence_no
    with pytest.raises(InvalidError):
        await centre.push_plan(plan("J1", cycle_ms=1_000), "engineer", "")
    with pytest.raises(EdgeError, match="never had"):
        await centre.roll_back("J2", 4, "engineer", "")


async def _lose(centre, edge, broker):
    await edge.end()
    await until(lambda: not centre.live["J1"].reachable, 10.0, lambda: str(centre.live))
    assert "not connected" in centre.live["J1"].rung_why or "heard" in centre.live["J1"].rung_why
    broker.kill()
    await until(lambda: not centre.link.connected, 10.0, lambda: "still connected")
    assert "No connection" in centre.note
    wish = Wish(vehicle="engine", role="fire", level=10, origin="in", destination="out")
    opened = await centre.open(wish, "dispatch")
    await until(
        lambda: (
            {p.state for p in centre.corridors[opened.id].passages} == {PassageState.UNREACHABLE}
        ),
        15.0,
        lambda: str(centre.corridors[opened.id]),
    )


UNREADABLE = (
    b"\xff\x00",
    b'{"schema": 1, "utc_ms": "x", "cabinets": {}}',
    b'{"schema": 1, "utc_ms": 5, "cabinets": {"J1": 7, "J2": []}}',
    b'{"schema": 1, "utc_ms": 5, "cabinets": {"J1": {"silent_ms": "soon"}}}',
    b'{"schema": 1, "utc_ms": 5, "cabinets": {"J1": {"priority": {"\xc2\xb2": "held"}}}}',
    b'{"schema": 1, "utc_ms": NaN, "cabinets": {"J1": {}}}',
)


def test_what_no_edge_should_say_costs_nobody_the_line(tmp_path):
    with Mosquitto(tmp_path) as broker:
        asyncio.run(_garbage(tmp_path, broker))


async def _garbage(folder, broker):
    topics = Topics("north-1")
    good = {"schema": 1, "utc_ms": 5, "cabinets": {"J1": {"silent_ms": 0, "stage": "A"}}}
    async with CityCentre(city_plan(folder, broker), lambda: "1") as centre:
        await until(lambda: centre.link.connected, 10.0, lambda: "no line")
        async with aiomqtt.Client("127.0.0.1", broker.port) as client:
            for payload in UNREADABLE:
                for topic in (topics.status, topics.answers, topics.log, topics.state):
                    await client.publish(topic, payload, qos=1)
            await client.publish(topics.status, json.dumps(good), qos=1)
        await until(lambda: centre.live["J1"].reachable, 10.0, lambda: str(centre.live))
        assert centre.live["J1"].stage == "A"
        assert not centre.live["J2"].reachable


def said(edge, seq, after=None, kind="reply"):
    message = OutMessage(boot=1, seq=seq, kind=kind, utc_ms=5, body=b'{"site":"J1"}')
    return log_message(edge, message, after, {})


def test_what_an_edge_logs_is_stored_once_over_restarts_and_confirmed_only_then(tmp_path):
    path = tmp_path / "centre.db"
    record = CentreRecord(path)
    new, confirmation = record.take("north", said("north", 1))
    assert new is not None and confirmation is not None
    assert record.take("north", said("north", 1))[0] is None
    with pytest.raises(MessageError):
        record.take("north", said("south", 2))
    with sqlite3.connect(path) as locked:
        locked.execute("DROP TABLE log")
    assert record.take("north", said("north", 2, (1, 1))) == (None, None)
    record.close()
    again = CentreRecord(path)
    assert again.take("north", said("north", 2))[0] is not None
    assert again.take("north", said("north", 2))[0] is None
    assert [each.edge for each in again.newest("reply", 5)] == ["north"]
    again.close()


def test_the_desk_is_told_what_the_lamps_show_and_where_a_change_leads():
    site = crossroads(name="J1")
    rest = "r" * (len(site.groups) - 2)
    row = {"silent_ms": 0, "stage": None, "next_stage": "A", "lamps": f"ge{rest}"}
    view = site_view(site, row)
    assert (view.green, view.ending, view.next_stage) == (1, 2, "A")
    old = site_view(site, {"silent_ms": 0, "stage": "A"})
    assert (old.green, old.ending, old.next_stage) == (None, None, None)
    with pytest.raises(MessageError):
        site_view(site, {**row, "lamps": 7})


def _replies(link, *numbered):
    """What *link* hands on of replies that come in this order."""
    for seq, after in numbered:
        link._take("north", "log", said("north", seq, after))


def test_a_reply_is_heard_once_and_without_what_it_follows_on(tmp_path):
    record, heard = CentreRecord(tmp_path / "centre.db"), []
    nothing = Heard(
        lambda *_: None, lambda edge, body: heard.append((edge, body)), lambda *_: None, print
    )
    link = CentreLink(BrokerSettings(url="mqtt://nowhere"), b"", {}, record, nothing)
    _replies(link, (3, (1, 2)), (4, (1, 3)))
    assert len(heard) == 2, "1 and 2 came before there was a centre"
    _replies(link, (1, None), (2, (1, 1)), (3, (1, 2)), (4, (1, 3)))
    assert len(heard) == 4, "3 and 4 have been heard"
    record.close()


def test_a_centre_whose_folder_is_not_there_says_so(tmp_path):
    with pytest.raises(StoreError, match="can't be opened"):
        CentreRecord(tmp_path / "nowhere" / "centre.db")
