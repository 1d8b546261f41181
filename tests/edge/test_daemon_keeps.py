"""What the daemon keeps and tells of a turn, however long the turn took."""

import asyncio
import contextlib
import sqlite3
from types import SimpleNamespace

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Event
from edge import store as store_module
from edge.alarms import Alarms
from edge.beat import Beat
from edge.config import load
from edge.counting import MINUTE_MS
from edge.daemon import Daemon
from edge.lockstep import BenchClock
from edge.loop import RealClock
from edge.records import Events
from edge.retention import DAY_MS
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


def test_what_is_old_is_told_by_the_clock_of_the_turns(tmp_path, monkeypatch):
    """In lock-step that is the bench's, whatever the computer shows."""
    monkeypatch.setattr(store_module, "CHECKPOINT_S", 0.0)
    site = write_site(tmp_path, 'name = "north-1"\n' + cabinet_table("J1"), "J1")
    store = Store(tmp_path / "edge.db", Retention(events_days=2), Alarms())
    now = Instant(25_200_000, 25_200_000)
    daemon = Daemon(load(site), BenchClock(), Alarms(), store, lockstep=True)
    store.add(Events(now.utc_ms, {"J1": [Event(now.utc_ms, 1, 1)]}))

    def kept(beat):
        daemon._tell(beat)
        for _ in range(2):  # the second time, the house has been kept after the first
            store.flush()
        with contextlib.closing(sqlite3.connect(tmp_path / "edge.db")) as db:
            return db.execute("SELECT count(*) FROM events").fetchone()[0]

    assert kept(Beat(now)) == 1
    later = now.after(3 * DAY_MS)
    assert kept(Beat(later, clock_trusted=False)) == 1
    assert kept(Beat(later)) == 0
    store.close()
