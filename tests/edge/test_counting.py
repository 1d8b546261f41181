import contextlib
import sqlite3

from controller.clock import Instant
from controller.detection import SiteReadings
from edge.alarms import Alarms
from edge.counting import SAVE_MS, MinuteCounter
from edge.records import Count, CountsSoFar, MinuteCounts
from edge.store import Retention, Store
from edge.write_queue import WriteQueue
from tests.controller.crossroads import crossroads

SITE = crossroads(name="J1")
MINUTE = 28_333_333


def at(second):
    return Instant(second * 1_000, MINUTE * 60_000 + second * 1_000)


def readings(*values):
    """One value a detector: None missing, else (entered, occupied)."""
    return SiteReadings(
        tuple(None if each is None else each[0] for each in values),
        tuple(None if each is None else each[0] for each in values),
        tuple(None if each is None else each[1] for each in values),
    )


def test_a_minute_is_handed_out_when_it_is_over_and_missing_is_not_zero():
    counter = MinuteCounter()
    for second in range(60):
        assert counter.turn(at(second)) is None
        half = None if second < 30 else (1, False)
        counter.add("J1", SITE, readings((1, second % 2 == 0), (0, False), None, half), 1_000)
    over = counter.turn(at(60))
    assert over.minute == MINUTE
    assert over.by_cabinet == {
        "J1": (
            Count("loop NS", 60, 30_000),
            Count("loop EW", 0, 0),
            Count("button NS", None, None, 60_000),
            Count("button EW", 30, 0, 30_000),
        )
    }
    assert counter.turn(at(61)) is None
    assert counter.turn(at(300)) is None


def test_a_clock_that_steps_back_adds_to_the_minute_and_loses_nothing(tmp_path):
    counter, store = MinuteCounter(), Store(tmp_path / "edge.db", Retention(), Alarms())
    one = readings((1, True), None, (0, False), None)
    for second in (*range(10, 70), *range(20, 80), 140):
        over = counter.turn(at(second))
        if over is not None:
            store.add(over)
        counter.add("J1", SITE, one, 1_000)
    store.flush()
    store.close()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        rows = db.execute(
            "SELECT minute, entered, occupied_ms, missing_ms FROM counts JOIN names "
            "ON id = detector WHERE name = 'J1/loop NS' ORDER BY 1"
        ).fetchall()
        missing = db.execute(
            "SELECT entered, sum(missing_ms) FROM counts JOIN names "
            "ON id = detector WHERE name = 'J1/loop EW'"
        ).fetchone()
    assert rows == [(MINUTE, 90, 90_000, 0), (MINUTE + 1, 30, 30_000, 0)]
    assert missing == (None, 120_000)


def test_counts_that_come_in_two_parts_are_added(tmp_path):
    store = Store(tmp_path / "edge.db", Retention(), Alarms())
    for part in (Count("a", None, None, 9_000), Count("a", 4, 2_000, 1_000), Count("a", 3, 10)):
        store.add(MinuteCounts(5, {"J1": (part,)}))
    store.flush()
    store.close()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        assert db.execute("SELECT * FROM counts").fetchall() == [(5, 1, 7, 2_010, 10_000)]


def kept(path):
    with contextlib.closing(sqlite3.connect(path)) as db:
        query = "SELECT minute - ?, entered, occupied_ms, missing_ms FROM counts JOIN names ON id ="
        found = db.execute(f"{query} detector WHERE name = 'J1/loop NS' ORDER BY minute", (MINUTE,))
        return found.fetchall()


def test_a_daemon_that_is_killed_loses_a_few_seconds_and_counts_none_twice(tmp_path):
    path = tmp_path / "edge.db"
    for begin in (0, 30):  # killed twice within a minute, and the third sees its end
        counter, store = MinuteCounter(), Store(path, Retention(), Alarms())
        for second in range(begin, begin + 23):
            assert counter.turn(at(second)) is None
            counter.add("J1", SITE, readings((1, True), None, None, None), 1_000)
            so_far = counter.so_far(at(second))
            assert (so_far is None) == (second % (SAVE_MS // 1_000) != 0)
            if so_far is not None:
                store.add(so_far)
        store.close()  # and nobody handed out the minute
    store = Store(path, Retention(), Alarms())
    store.flush()
    assert kept(path) == [(0, 42, 42_000, 0)]  # of 46 seconds
    sent = [each for each in store.messages_after(0, 10) if each.kind == "counts"]
    assert len(sent) == 2
    store.add(MinuteCounts(MINUTE, {"J1": (Count("loop NS", 8, 8_000),)}))
    store.close()
    Store(path, Retention(), Alarms()).close()
    assert kept(path) == [(0, 50, 50_000, 0)]


def test_what_there_is_of_a_minute_goes_with_its_end(tmp_path):
    path = tmp_path / "edge.db"
    store = Store(path, Retention(), Alarms())
    minute = MinuteCounts(MINUTE, {"J1": (Count("loop NS", 9, 9_000),)})
    later = MinuteCounts(MINUTE + 1, {"J1": (Count("loop NS", 2, 2_000),)})
    for record in (CountsSoFar(minute), minute, CountsSoFar(later)):
        store.add(record)
        store.flush()
    store.close()
    Store(path, Retention(), Alarms()).close()
    assert kept(path) == [(0, 9, 9_000, 0), (1, 2, 2_000, 0)]


def test_of_counts_that_wait_for_the_disk_only_the_newest_are_kept():
    queue = WriteQueue()
    minutes = [MinuteCounts(k, {}) for k in range(4)]
    for each in minutes[:3]:
        queue.put(CountsSoFar(each))
    taken = queue.take(0)
    assert [entry.record.counts for entry in taken] == [minutes[2]]
    queue.put(CountsSoFar(minutes[3]))
    queue.put_back(taken)
    assert [entry.record.counts for entry in queue.take(0)] == [minutes[3]]
    assert not queue.lost


def test_counts_that_can_not_be_read_cost_nothing_else(tmp_path):
    path = tmp_path / "edge.db"
    Store(path, Retention(), Alarms()).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("INSERT INTO meta VALUES ('counts so far', x'00')")
    store = Store(path, Retention(), Alarms())
    store.add(MinuteCounts(MINUTE, {"J1": (Count("loop NS", 9, 9_000),)}))
    store.close()
    assert kept(path) == [(0, 9, 9_000, 0)]
