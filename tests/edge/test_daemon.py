"""One edge and its cabinets, as programs: adaptive, and back again after whatever happens."""

import asyncio
import json
import signal
import sqlite3
from contextlib import asynccontextmanager
from dataclasses import replace

from controller import plan_json, site_json
from edge.orders import Claim, sign
from edge.topics import Topics
from firmware_bridge.codes import Command
from tests.edge.centre import Centre
from tests.edge.fleet import Box, Edge, Wire, until
from tests.edge.mosquitto import Mosquitto
from tests.edge.sites import KEY, plan

ADAPTIVE, COORDINATED = 3, 2
BACK_S = 5.0
"""From the return of the link to adaptive control."""
STORE = '[store]\npath = "edge.db"\n'
FAR_MS = 4_000_000_000_000


@asynccontextmanager
async def boxes(folder, *names):
    found = [Box(folder, name) for name in names]
    await asyncio.gather(*(box.start() for box in found))
    try:
        yield found
    finally:
        await asyncio.gather(*(box.kill() for box in found))


@asynccontextmanager
async def running(edge):
    await edge.start()
    try:
        yield edge
    finally:
        await edge.end()


def test_every_cabinet_bears_its_own_faults_and_comes_back(tmp_path):
    """Cut, garbled, frozen, killed, another one: at the same time, and one that has nothing."""
    asyncio.run(_faults(tmp_path))


async def _faults(folder):
    async with boxes(folder, "good", "cut", "garbled", "frozen", "killed", "wrong") as found:
        good, cut, garbled, frozen, killed, wrong = found
        longer = tuple(tuple(ms and ms + 1_000 for ms in row) for row in wrong.site.intergreen_ms)
        (folder / "wrong.site.json").write_text(
            site_json.to_json(replace(wrong.site, intergreen_ms=longer))
        )
        wires = {box.name: Wire(box.port) for box in (cut, garbled)}
        await asyncio.gather(*(wire.start() for wire in wires.values()))
        ports = {box.name: box.port for box in found}
        ports |= {name: wire.port for name, wire in wires.items()}
        async with running(Edge(folder, ports, STORE)) as edge:
            healthy = {name: ADAPTIVE for name in ports if name != "wrong"}
            await edge.wait_rungs(20.0, **healthy)
            wires["cut"].set_cut(True)
            wires["garbled"].garble = 1.0
            frozen.program.send(signal.SIGSTOP)
            await killed.kill()
            broken = dict.fromkeys(("cut", "garbled", "frozen", "killed"), COORDINATED)
            await edge.wait_rungs(6.0, **broken)
            assert (await edge.rungs())["good"] == ADAPTIVE
            status, text = await edge.page("/readyz")
            assert status == 503
            assert "wrong: coordinated" in text
            assert "cabinet cut" in text
            assert (await edge.page("/healthz"))[0] == 200
            wires["cut"].set_cut(False)
            wires["garbled"].garble = 0.0
            frozen.program.send(signal.SIGCONT)
            await killed.start()
            took_s = await edge.wait_rungs(BACK_S + 2.0, **healthy)
            assert took_s <= BACK_S + 1.0  # what a rung may be old here, and the lines' own wait
            wires["cut"].delay_s = 0.05  # slow, and still in time
            await asyncio.sleep(3.0)
            assert (await edge.rungs())["cut"] == ADAPTIVE
            for box in (good, cut, garbled, frozen):
                assert (await box.status()).command is Command.SCHEDULE
            await _until_on_a_schedule(killed)
            assert not edge.logged("rung", cabinet="good", after="coordinated")
            assert (await wrong.status()).schedule_no == 0
            assert any("other groups, stages or times" in line for line in edge.lines)
            assert not edge.logged("a turn failed")
            assert not edge.logged("failed")
            assert await edge.end(signal.SIGTERM) == 0
        for box in found:
            assert box.samples > 20
            assert not box.illegal, (box.name, box.illegal[:3])
        await _until_on_its_own_plan(good)
        await asyncio.gather(*(wire.close() for wire in wires.values()))


async def _until_on_a_schedule(box):
    """It starts up first: red until whoever was walking when it was killed is across."""
    async with asyncio.timeout(30.0):
        while (await box.status()).command is not Command.SCHEDULE:
            await asyncio.sleep(0.1)


async def _until_on_its_own_plan(box):
    """The schedule is gone at once; the plan is taken up at the next legal switch point."""
    async with asyncio.timeout(10.0):
        while (command := (await box.status()).command) is not Command.FACTORY_PLAN:
            assert command is not Command.SCHEDULE
            await asyncio.sleep(0.1)


def test_killed_at_any_moment_it_goes_on_where_its_store_ends(tmp_path):
    asyncio.run(_kills(tmp_path))


async def _kills(folder):
    async with boxes(folder, "J1", "J2") as found:
        edge = Edge(folder, {box.name: box.port for box in found}, STORE)
        for pause_s in (1.3, 0.1):
            await edge.start()
            await edge.wait_rungs(20.0, J1=ADAPTIVE, J2=ADAPTIVE)
            await asyncio.sleep(pause_s)
            await edge.end(signal.SIGKILL)
        database = folder / "edge.db"
        stored_before = _events(database)
        async with running(edge):
            await edge.wait_rungs(20.0, J1=ADAPTIVE, J2=ADAPTIVE)
            database.write_bytes(b"rubbish" * 1_000)  # while it writes there
            await asyncio.sleep(3.0)
            assert await edge.rungs() == {"J1": ADAPTIVE, "J2": ADAPTIVE}
            assert await edge.end(signal.SIGTERM) == 0
        assert stored_before
        for box in found:
            assert not box.illegal
            kept = await box.events()
            mine = [row[1:] for row in stored_before if row[0] == box.name]
            assert mine == [tuple(event) for event in kept[: len(mine)]]


def _events(database):
    db = sqlite3.connect(database)
    query = "SELECT name, utc_ms, code, parameter FROM events JOIN names ON names.id = cabinet"
    rows = db.execute(f"{query} ORDER BY events.id").fetchall()
    db.close()
    return rows


def order(kind, number, content):
    claim = Claim(kind, "J1", number, 0, FAR_MS, content)
    return Topics("north-1").order("J1", kind), sign(claim, bytes.fromhex(KEY))


def test_orders_and_news_go_over_the_broker_and_control_goes_on_without_it(tmp_path):
    with Mosquitto(tmp_path) as broker:
        asyncio.run(_broker(tmp_path, broker))


async def _broker(folder, broker):
    (folder / "orders.key").write_text(KEY)
    (folder / "links.json").write_text(
        '[{"upstream": "J1", "exit": "east", "downstream": "J9", "approach": "w", "travel_s": 20}]'
    )
    more = STORE + (
        f'[broker]\nurl = "mqtt://127.0.0.1:{broker.port}"\norders_key_file = "orders.key"\n'
        '[neighbours]\nlinks_file = "links.json"\nedges = { south-2 = ["J9"] }\n'
    )
    centre = Centre(broker.port, "north-1")
    listening = asyncio.create_task(centre.run())
    async with boxes(folder, "J1") as (box,), running(Edge(folder, {"J1": box.port}, more)) as edge:
        await edge.wait_rungs(20.0, J1=ADAPTIVE)
        wanted = plan("J1", name="evening", sequence_no=7)
        content = json.loads(plan_json.to_json(wanted))
        await centre.publish(*order("plan", 7, content), retain=True)
        await centre.publish(*order("bounds", 3, {"max_green_s": {"A": 20.0}}))
        await centre.publish(
            *order("priority", 1, {"call": 5, "level": 9, "stage": "B", "ttl_ms": 5_000})
        )
        forged = order("plan", 8, content)[1].replace(b"evening", b"morning")
        await centre.publish(Topics("north-1").order("J1", "plan"), forged)
        await until(lambda: _replies(centre, in_cabinet=True), 8.0, lambda: str(centre.stored))
        assert (await box.report()).accepted_no == 7
        assert len(_replies(centre, accepted=True)) == 3
        assert _replies(centre, accepted=False)[0]["rule"] == "signature"
        assert any("priority call 5 is served" in line for line in box.program.lines)
        answers = [json.loads(p) for t, p in centre.others if t == Topics("north-1").answers]
        assert [(each["call"], each["state"]) for each in answers] == [(5, "activated")]
        actions = [m.body["action"] for m in centre.stored if m.kind == "audit"]
        assert "plan uploaded" in actions
        status = _statuses(centre)[-1]
        assert status["cabinets"]["J1"]["rung"] == "adaptive"
        assert [m for m in centre.stored if m.kind == "events"]

        broker.kill()
        await asyncio.sleep(3.0)
        assert (await edge.rungs())["J1"] == ADAPTIVE
        assert "broker: not connected" in (await edge.page("/readyz"))[1]
        seen = len(centre.stored)
        broker.start()
        await until(lambda: len(centre.stored) > seen, 12.0, lambda: "no log after the return")
        assert not edge.logged("rung", after="coordinated")
        await edge.end(signal.SIGTERM)
        await asyncio.sleep(0.3)
    listening.cancel()
    numbers = [(m.boot, m.seq) for m in centre.stored]
    assert numbers == sorted(set(numbers))
    states = [payload for topic, payload in centre.others if topic == Topics("north-1").state]
    assert b'"offline"' in states[-1]
    assert not box.illegal


def _replies(centre, **having):
    bodies = [m.body for m in centre.stored if m.kind == "reply"]
    return [body for body in bodies if having.items() <= body.items()]


def _statuses(centre):
    topic = Topics("north-1").status
    return [json.loads(payload) for name, payload in centre.others if name == topic]
