"""Corridors asked for over a real broker: forged, replayed, too many; and one that is granted."""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import ssl

import pytest

from edge.centre.city import CityCentre
from edge.centre.requests import Agency, sign_request
from edge.centre.requests_link import RequestLink
from edge.centre.values import Vehicle
from edge.corridors.values import PassageState
from edge.order_numbers import OrderNumbers
from edge.settings import BrokerSettings
from greenband.console.hub import Hub
from greenband.console.limits import Kind, Rate
from greenband.console.request_desk import RequestDesk
from tests.console.mqtt_agency import mqtt_agency
from tests.edge.fleet import Edge, until
from tests.edge.mosquitto import Mosquitto
from tests.edge.sites import KEY
from tests.edge.test_city_centre import SITES, city_plan
from tests.edge.test_daemon import ADAPTIVE, STORE, boxes, running

FIRE, POLICE = bytes(range(32)), bytes(range(1, 33))
AGENCIES = (
    Agency(name="fire", keys=(FIRE,)),
    Agency(name="police", keys=(POLICE,), verbs=frozenset({"preview", "cancel"})),
)
WISH = {"vehicle": "engine-1", "to": "out", "reason": "incident 1"}
BURST = 4
RATES = {Kind.REQUEST: Rate(1, BURST), Kind.PREVIEW: Rate(1, BURST)}
VEHICLES = {
    name: Vehicle(name=name, label=name, role="fire", level=10, street="in")
    for name in ("engine-1", "engine-2")
}


@contextlib.asynccontextmanager
async def office(folder, broker):
    """A centre that takes requests, and its audit."""
    plan = city_plan(folder, broker)
    if broker.is_tls:
        plan = dataclasses.replace(plan, broker=_secured(folder, broker))
    plan.vehicles.update(VEHICLES)
    ids = map(str, itertools.count(1))
    async with CityCentre(plan, lambda: next(ids)) as centre:
        hub = Hub(centre, folder, RATES)
        numbers = OrderNumbers(folder / "requests.numbers")
        numbers.load()
        handler = RequestDesk(hub, [agency.name for agency in AGENCIES]).handler()
        link = RequestLink(plan.broker, AGENCIES, numbers, handler)
        task = asyncio.create_task(link.run())
        try:
            await until(lambda: link.connected, 10.0, lambda: "no link to the broker")
            yield hub
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            hub.close()


def _secured(folder, broker):
    return BrokerSettings(
        url=f"mqtts://127.0.0.1:{broker.port}",
        ca_file=folder / "ca.pem",
        cert_file=folder / "centre.pem",
        key_file=folder / "centre.key",
    )


def _papers(folder, name):
    context = ssl.create_default_context(cafile=folder / "ca.pem")
    context.load_cert_chain(folder / f"{name}.pem", folder / f"{name}.key")
    return context


@pytest.fixture
def broker(tmp_path):
    with Mosquitto(tmp_path) as running_broker:
        yield running_broker


def audited(hub, action):
    return [each for each in hub.audit.read(most=1_000) if each.entry.action == action]


def test_a_corridor_is_asked_for_granted_and_given_back(tmp_path, broker):
    asyncio.run(_whole_way(tmp_path, broker))


def _all_hold(update):
    states = [each["state"] for each in update["corridor"]["junctions"]]
    return len(states) == len(SITES) and {"granted", "held"}.issuperset(states)


async def _whole_way(folder, broker):
    (folder / "orders.key").write_text(KEY)
    more = STORE + f'[broker]\nurl = "mqtt://127.0.0.1:{broker.port}"\n'
    more += 'orders_key_file = "orders.key"\n'
    async with (
        boxes(folder, *SITES) as (one, two),
        running(Edge(folder, {"J1": one.port, "J2": two.port}, more)) as edge,
        office(folder, broker) as hub,
        mqtt_agency(broker.port, "fire", FIRE) as fire,
    ):
        await edge.wait_rungs(30.0, J1=ADAPTIVE, J2=ADAPTIVE)
        live = hub.centre.live
        await until(lambda: all(each.reachable for each in live.values()), 10.0, lambda: str(live))
        shown = (await fire.ask("preview", WISH))["result"]
        answer = await fire.ask("open", {"preview_id": shown["preview_id"], "reason": "fire"})
        assert answer["ok"], answer
        name = answer["result"]["id"]
        answered = {PassageState.GRANTED, PassageState.HELD}
        await until(
            lambda: answered.issuperset(p.state for p in hub.centre.corridors[name].passages),
            10.0,
            lambda: str(hub.centre.corridors[name]),
        )
        await until(lambda: any(map(_all_hold, fire.updates)), 5.0, lambda: str(fire.updates))
        where = {"corridor": name, "street": "in", "at_m": 150.0, "speed_m_per_s": 10.0}
        told = (await fire.ask("position", where))["result"]
        assert told["state"] in {"granted", "active"}
        assert told["position"]["at_m"] == 150.0
        other = await fire.ask("reroute", {"corridor": name, "route": ["in", "middle"]})
        assert [each["site"] for each in other["result"]["junctions"]] == ["J1"], other
        ended = (await fire.ask("end", {"corridor": name}))["result"]
        assert ended["state"] in {"recovering", "closed"}
        await until(
            lambda: fire.updates[-1]["corridor"]["state"] in {"recovering", "closed"},
            5.0,
            lambda: str(fire.updates[-1]),
        )
        (asked,) = audited(hub, "corridor requested")
        assert asked.entry.actor == "fire, mqtt"
        assert asked.detail["reason"] == "fire"
        assert asked.detail["junctions"] == list(SITES)


def test_forged_replayed_and_stale_requests_change_nothing(tmp_path, broker):
    asyncio.run(_attacked(tmp_path, broker))


async def _attacked(folder, broker):
    async with (
        office(folder, broker) as hub,
        mqtt_agency(broker.port, "fire", FIRE) as fire,
        mqtt_agency(broker.port, "police", POLICE) as police,
    ):
        asked = fire.request("open", {"wish": WISH})
        await fire.send(sign_request(asked, POLICE))
        forged = await fire.answer(lambda each: not each["ok"])
        assert forged["code"] == "signature"
        assert forged["sequence_no"] is None
        await police.send(sign_request(asked, POLICE))
        assert (await police.answer(lambda each: True))["code"] == "agency"
        stale = await fire.ask("open", {"wish": WISH}, issued_utc_ms=asked.issued_utc_ms - 60_000)
        assert stale["code"] == "stale"
        assert "clock" in stale["error"]
        forbidden = await police.ask("open", {"wish": WISH})
        assert forbidden["code"] == "missing-scope"
        assert not hub.centre.corridors
        payload = sign_request(fire.request("open", {"wish": WISH}), FIRE)
        await fire.send(payload)
        opened = await fire.answer(lambda each: each["ok"])
        await fire.send(payload)
        assert (await fire.answer(lambda each: not each["ok"]))["code"] == "replay"
        name = opened["result"]["id"]
        assert list(hub.centre.corridors) == [name]
        theirs = await police.ask("cancel", {"corridor": name})
        assert theirs["code"] == "another-agency"
        assert not hub.centre.corridors[name].state.is_over
        codes = {each.detail["code"] for each in audited(hub, "request refused")}
        assert codes == {
            *("signature", "agency", "stale", "missing-scope", "replay", "another-agency"),
        }
        for content, code in (
            ({"wish": {**WISH, "vehicle": "none"}}, "unknown-vehicle"),
            ({"wish": {**WISH, "to": "moon"}}, "unknown-street"),
            ({"wish": WISH, "hat": 1}, "bad-request"),
        ):
            answer = await fire.ask("open", content)
            assert answer["code"] == code, answer
            assert answer["error"].endswith((".", "…")), answer
    text = json.dumps([each.detail for each in _all(folder)])
    assert FIRE.hex() not in text


def _all(folder):
    from greenband.console.audit_book import open_audit, read

    db = open_audit(folder / "console.db")
    try:
        return read(db, most=1_000)
    finally:
        db.close()


def test_a_restart_does_not_let_an_old_request_in(tmp_path, broker):
    asyncio.run(_restarted(tmp_path, broker))


async def _restarted(folder, broker):
    async with mqtt_agency(broker.port, "fire", FIRE) as fire:
        payload = sign_request(fire.request("open", {"wish": WISH}), FIRE)
        async with office(folder, broker):
            await fire.send(payload)
            assert (await fire.answer(lambda each: True))["ok"]
        async with office(folder, broker) as hub:
            await fire.send(payload)
            assert (await fire.answer(lambda each: True))["code"] == "replay"
            (resumed,) = hub.centre.corridors.values()
            assert (resumed.wish.vehicle, resumed.caller) == ("engine-1", "fire")
            said = {"corridor": resumed.id, "reason": "it is over"}
            assert (await fire.ask("cancel", said))["ok"], "it is still the agency's own"


def test_a_flood_is_held_back_and_a_cancellation_never(tmp_path, broker):
    asyncio.run(_flooded(tmp_path, broker))


async def _flooded(folder, broker):
    async with (
        office(folder, broker) as hub,
        mqtt_agency(broker.port, "fire", FIRE) as fire,
        mqtt_agency(broker.port, "police", POLICE) as police,
    ):
        opened = await fire.ask("open", {"wish": WISH})
        name = opened["result"]["id"]
        second = {"wish": {**WISH, "vehicle": "engine-2"}}
        codes = [(await fire.ask("open", second)).get("code") for _ in range(2 * BURST)]
        assert codes[0] is None
        assert codes.count("too-many-requests") == BURST + 1
        # Somebody without a key floods the topic meanwhile; the audit does not grow with it.
        noise = sign_request(fire.request("open", second), POLICE)
        await asyncio.gather(*(fire.send(noise) for _ in range(300)))
        for _ in range(3 * BURST):
            assert (await fire.ask("cancel", {"corridor": name}))["ok"]
        assert hub.centre.corridors[name].state.value in {"recovering", "cancelled"}
        assert len(audited(hub, "corridor cancelled")) == 1
        assert (await police.ask("preview", WISH))["ok"]
        told = [each for each in fire.answers if each["code"] == "signature"]
        assert 0 < len(told) < 60
        assert len(audited(hub, "request refused")) < 60
        await asyncio.sleep(2.5)  # one more refusal may be told by now
        await fire.ask("open", {"hat": 1})
        left_out = sum(each.detail["left_out_before"] for each in audited(hub, "request refused"))
        assert left_out > 200


def test_the_broker_keeps_agencies_apart_before_any_signature_is_looked_at(tmp_path):
    with Mosquitto(tmp_path, "centre", "fire", "police") as broker:
        asyncio.run(_apart(tmp_path, broker))


async def _apart(folder, broker):
    async with (
        office(folder, broker) as hub,
        mqtt_agency(broker.port, "fire", FIRE, _papers(folder, "fire")) as fire,
        # By its certificate this one is the police, whatever it calls itself.
        mqtt_agency(broker.port, "fire", FIRE, _papers(folder, "police")) as spy,
        mqtt_agency(broker.port, "police", POLICE, _papers(folder, "police")) as police,
    ):
        await spy.send(sign_request(spy.request("open", {"wish": WISH}), FIRE))
        assert (await police.ask("preview", WISH))["ok"]
        assert (await fire.ask("open", {"wish": WISH}))["ok"]
        assert not spy.answers
        assert not spy.updates
        assert not police.updates
        await until(lambda: fire.updates, 5.0, lambda: "no update")
        assert len(hub.centre.corridors) == 1
