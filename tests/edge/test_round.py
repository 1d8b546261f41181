"""A turn that never ends, and a line with too much to carry: one cabinet's, and nobody else's."""

import asyncio
import gc
import weakref
from contextlib import asynccontextmanager
from types import SimpleNamespace

from structlog.testing import capture_logs

from controller import site_json
from controller.clock import Instant
from controller.plan import SCHEDULE_TTL_MAX_MS, ScheduledStage, StageSchedule, check_plan
from edge.alarms import Alarms
from edge.beat import Beat
from edge.config import load
from edge.daemon import Daemon
from edge.garbage import Garbage
from edge.health import HealthServer
from edge.ladder import Reason, Rung
from edge.loop import RealClock, Ticker
from edge.round import HUNG_S
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.day_plans import all_day
from firmware_bridge.edge_space import EdgeSpace
from firmware_bridge.ends import TcpEnd
from firmware_bridge.server import TcpServer
from tests.edge.fleet import Wire, laned_crossroads
from tests.edge.sites import cabinet_table, plan, write_cabinet_files

BEGIN = Instant(50_000, 1_800_000_000_000)
NAMES = ("J1", "J2", "J3")


class Hand:
    """A clock that the test moves."""

    def __init__(self):
        self.instant = BEGIN

    def now(self):
        return self.instant


def step(there, now):
    there.see(now, there.inputs)
    there.step()


@asynccontextmanager
async def served(sites, now):
    """Running cabinets of *sites* as units 1, 2, … of one port; (port, cabinets)."""
    plans = [all_day(check_plan(plan(site.name), site)) for site in sites]
    pairs = zip(sites, plans, strict=True)
    cabinets = [Cabinet(site, its, b"", now, boot_no=1) for site, its in pairs]
    spaces = {1 + k: EdgeSpace(each) for k, each in enumerate(cabinets)}
    server = TcpServer(TcpEnd("127.0.0.1", 0), spaces, lambda: None)
    await server.start()
    try:
        yield int(server.address.rpartition(":")[2]), cabinets
    finally:
        await server.close()


def daemon_of(folder, sites, links, clock):
    tables = []
    for k, (site, link) in enumerate(zip(sites, links, strict=True)):
        write_cabinet_files(folder, site.name)
        (folder / f"{site.name}.site.json").write_text(site_json.to_json(site))
        tables.append(cabinet_table(site.name, link, 1 + k))
    path = folder / "site.toml"
    path.write_text('name = "north-1"\n[control]\nbudget_ms = 50\n' + "".join(tables))
    return Daemon(load(path), clock, Alarms())


class Seconds:
    """Seconds of *daemon* and *cabinets* as fast as they can; J1 is the one that things happen to.

    How late the others were is what their cabinets say: when they last heard of their writer.
    """

    def __init__(self, daemon, cabinets, clock):
        self.daemon, self.cabinets, self.clock = daemon, cabinets, clock
        self.late = []

    async def run(self, seconds):
        for _ in range(seconds):
            for _ in range(10):
                self.clock.instant = self.clock.instant.after(100)
                for there in self.cabinets:
                    step(there, self.clock.instant)
            await self.daemon.turn(Beat(self.clock.instant))
            now_ms = self.clock.instant.mono_ms
            self.late += [a.name for a in self.daemon.agents[1:] if a.silent_ms(now_ms) != 0]

    def rungs(self):
        return [agent.rung for agent in self.daemon.agents]


@asynccontextmanager
async def three(folder):
    """All adaptive, each on a line of its own."""
    sites, clock = [laned_crossroads(name) for name in NAMES], Hand()
    async with served(sites, BEGIN) as (port, cabinets):
        wires = [Wire(port) for _ in NAMES]
        await asyncio.gather(*(wire.start() for wire in wires))
        links = [f"tcp://127.0.0.1:{wire.port}" for wire in wires]
        daemon = daemon_of(folder, sites, links, clock)
        try:
            found = Seconds(daemon, cabinets, clock)
            await found.run(20)
            assert found.rungs() == [Rung.ADAPTIVE] * 3
            yield found
        finally:
            await daemon.close(clock.now())
            await asyncio.gather(*(wire.close() for wire in wires))


def test_a_cabinet_whose_detectors_are_all_missing_is_not_adaptive_for_a_second(tmp_path):
    asyncio.run(_blind(tmp_path))


async def _blind(folder):
    site, clock = laned_crossroads("J1"), Hand()
    async with served([site], BEGIN) as (port, cabinets):
        (there,) = cabinets
        there.see(BEGIN, there.inputs._replace(missing=(1 << len(site.detectors)) - 1))
        daemon = daemon_of(folder, [site], [f"tcp://127.0.0.1:{port}"], clock)
        try:
            with capture_logs() as logs:
                await Seconds(daemon, cabinets, clock).run(10)
            (agent,) = daemon.agents
            assert agent.why == "too few detectors work (0%)"
            assert not [each for each in logs if each["event"] == "rung"]
            (reached,) = [each for each in logs if each["event"] == "reached"]
            assert (reached["rung"], reached["why"]) == ("coordinated", agent.why)
        finally:
            await daemon.close(clock.now())


def test_a_schedule_outlasts_three_rounds_of_a_line_that_cannot_keep_up(tmp_path):
    async def main():
        daemon = daemon_of(tmp_path, [laned_crossroads("J1")], ["tcp://127.0.0.1:1"], Hand())
        (agent,) = daemon.agents
        entry = ScheduledStage(stage="A", duration_ms=5_000)
        schedule = StageSchedule(site="J1", start_mono_ms=0, entries=(entry,))
        for overload, round_s, ttl_ms in (
            ("", 2.5, 5_000),
            ("it cannot keep up", 2.5, 7_500),
            ("it cannot keep up", 1.2, 5_000),
            ("it cannot keep up", 60.0, SCHEDULE_TTL_MAX_MS),
        ):
            load = SimpleNamespace(round_s=round_s)
            agent.line = SimpleNamespace(overload=overload, load=load)
            assert agent._ttl_ms(schedule) == ttl_ms

    asyncio.run(main())


def test_a_turn_that_never_returns_is_cut_off_and_steps_its_own_cabinet_down(tmp_path):
    asyncio.run(_hung(tmp_path))


async def _hung(folder):
    async with three(folder) as found:
        agent = found.daemon.agents[0]
        ended, read = [], agent.events.read

        async def never(*_, **__):
            try:
                await asyncio.Event().wait()
            finally:
                ended.append(True)

        agent.events.read = never
        await found.run(5)
        assert found.rungs() == [Rung.COORDINATED, Rung.ADAPTIVE, Rung.ADAPTIVE]
        assert "silent for 4 s" in agent.why
        assert not ended
        await found.run(int(HUNG_S) - 3)  # and what its line takes for a round, twice
        assert ended
        assert Reason.HUNG in {each.reason for each in agent._ladder.reasons}
        assert "did not end (after 6 s)" in agent.why
        agent.events.read = read
        await found.run(2)
        assert not found.daemon.alarms.standing()
        await found.run(10)
        assert found.rungs() == [Rung.ADAPTIVE] * 3
        assert not found.late


def test_a_decision_that_never_returns_is_broken_off_and_begun_anew(tmp_path):
    asyncio.run(_endless(tmp_path))


async def _endless(folder):
    async with three(folder) as found:
        agent = found.daemon.agents[0]
        control = agent.control

        def endless(*_):
            while True:
                pass

        control.decide = endless
        with capture_logs():  # a traceback in colours takes longer than a cabinet waits
            await found.run(2)
        first, *others = found.rungs()
        assert first < Rung.ADAPTIVE
        assert others == [Rung.ADAPTIVE] * 2
        assert "TimeoutError" in agent.why
        assert agent.control is not control
        await found.run(11)
        assert found.rungs() == [Rung.ADAPTIVE] * 3
        assert not found.late


def test_a_line_that_cannot_keep_up_lowers_the_rung_and_says_so(tmp_path):
    asyncio.run(_overloaded(tmp_path))


async def _overloaded(folder):
    clock = RealClock()
    sites = [laned_crossroads(name) for name in (*NAMES, "J4", "J5")]
    async with served(sites, clock.now()) as (port, cabinets):
        wire = Wire(port)
        await wire.start()
        links = [f"tcp://127.0.0.1:{wire.port}"] * len(sites)
        daemon = daemon_of(folder, sites, links, clock)
        stepping = asyncio.create_task(_stepping(cabinets, clock))
        try:
            await _turns(daemon, lambda: _all(daemon, Rung.ADAPTIVE), 20)
            wire.delay_s = 0.12  # both ways: five polls and five orders take 2.4 s
            await _turns(daemon, lambda: _all(daemon, Rung.COORDINATED), 60)
            for agent in daemon.agents:
                assert "the line of the cabinet has too much to carry (" in agent.why
                assert " polled " in f" {agent.why.partition('(')[2]}"
                assert f"127.0.0.1:{wire.port} cannot keep up" in agent.why
                assert agent.silent_ms(clock.now().mono_ms) < 10_000  # asked less often, but asked
        finally:
            stepping.cancel()
            await daemon.close(clock.now())
            await wire.close()


async def _stepping(cabinets, clock):
    while True:
        for there in cabinets:
            step(there, clock.now())
        await asyncio.sleep(0.1)


async def _turns(daemon, wanted, seconds):
    async for tick in Ticker(RealClock()):
        await daemon.turn(Beat(tick.now.after(-tick.late_ms)))
        if wanted():
            return
        assert tick.number < seconds, [(agent.rung, agent.why) for agent in daemon.agents]


def _all(daemon, rung):
    return all(agent.rung is rung for agent in daemon.agents)


def test_the_metrics_are_written_when_no_cabinet_waits_and_the_pulse_is_told_at_once():
    asyncio.run(_pages())


async def _pages():
    over = asyncio.Event()

    async def rest():
        await over.wait()

    pages = {"alive": tuple, "ready": tuple, "metrics": lambda: b"some\n", "rest": rest}
    async with HealthServer("127.0.0.1", 0, **pages) as health:
        metrics = asyncio.create_task(_page(health.port, "/metrics"))
        assert (await _page(health.port, "/healthz")).endswith(b"ok\n")
        assert not metrics.done()
        over.set()
        assert (await metrics).endswith(b"some\n")


async def _page(port, path):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {path} HTTP/1.1\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer


class Node:
    """One of two that hold each other, as only the collector can find out."""


def test_garbage_is_collected_when_it_is_asked_for_and_not_in_between():
    threshold, garbage = gc.get_threshold(), Garbage()
    try:
        garbage.settle()
        node = Node()
        node.itself, gone = node, weakref.ref(node)
        del node
        kept = [[] for _ in range(10 * threshold[0])]
        assert gone() is not None
        garbage.clear()
        assert gone() is None
        assert len(kept) == 10 * threshold[0]
    finally:
        gc.set_threshold(*threshold)
        gc.unfreeze()
