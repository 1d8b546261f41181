"""What the daemon keeps and tells of a turn, however long the turn took."""

import asyncio
from types import SimpleNamespace

from controller.clock import Instant
from controller.detection import SiteReadings
from edge.alarms import Alarms
from edge.beat import Beat
from edge.config import load
from edge.counting import MINUTE_MS
from edge.daemon import Daemon
from edge.loop import RealClock
from edge.store import Retention, Store
from tests.edge.sites import cabinet_table, write_site

UTC_MS = 1_700_000_040_000


def test_vehicles_of_a_turn_that_took_long_are_counted(tmp_path):
    site = write_site(tmp_path, 'name = "north-1"\n' + cabinet_table("J1"), "J1")
    store = Store(tmp_path / "edge.db", Retention(), Alarms())
    daemon = Daemon(load(site), RealClock(), Alarms(), store)
    (agent,) = daemon.agents
    count = len(agent.site.detectors)
    readings = SiteReadings((3,) * count, (3,) * count, (False,) * count)
    agent.status = SimpleNamespace(readings=readings)
    agent._answered_ms, agent.since_ms = 0, 1_000
    begin = Instant(0, UTC_MS)
    for seconds in (5, 6):  # its poll was in the first second, its orders waited for a slow line
        daemon._counter.turn(begin.after(seconds * 1_000))
        daemon._keep(Beat(begin.after(seconds * 1_000)), [agent])
    counts = daemon._counter.turn(begin.after(MINUTE_MS))
    assert [each.entered for each in counts.by_cabinet["J1"]] == [3] * count
    store.close()


def test_a_turn_without_end_is_told(tmp_path):
    site = write_site(tmp_path, 'name = "north-1"\n' + cabinet_table("J1"), "J1")

    async def never():
        await asyncio.Event().wait()

    async def main():
        daemon = Daemon(load(site), RealClock(), Alarms())
        (agent,) = daemon.agents
        agent._poll = never
        daemon._left_s = lambda beat: 0.01
        now = RealClock().now()
        agent._answered_ms = now.mono_ms
        for seconds in range(5):
            assert not daemon.alarms.standing()
            await daemon.turn(Beat(now.after(seconds * 1_000)))
        (reason,) = (each for each in daemon.reporter.reasons() if each.startswith("cabinet J1"))
        assert "takes over 3 s" in reason
        await daemon.close(now)

    asyncio.run(main())
