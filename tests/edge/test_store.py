import json
import multiprocessing
import random
import resource
import sqlite3
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from controller.signals import Event
from edge import audit_chain, store_schema
from edge.alarms import Alarms
from edge.audit_chain import AuditEntry
from edge.errors import StoreError
from edge.records import (
    AcceptedOrder,
    AcceptedPlan,
    Audited,
    Confirmed,
    Count,
    Events,
    Message,
    MinuteCounts,
)
from edge.retention import DAY_MS, prune
from edge.store import Retention, Store
from edge.write_queue import WriteQueue
from tests.edge import store_writer

ROOT = Path(__file__).resolve().parents[2]
KILLS = 60
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.edge.store_writer"])
UTC_MS = 1_700_000_000_000


@pytest.fixture
def alarms():
    return Alarms()


@pytest.fixture
def opened(tmp_path, alarms):
    """Open the store of this test, again and again if wanted; all are closed at the end."""
    stores = []

    def open_store(**retention):
        for each in stores:
            each.close()
        store = Store(tmp_path / "edge.db", Retention(**retention), alarms)
        stores.append(store)
        return store

    yield open_store
    for each in stores:
        each.close()


def rows(path, query):
    with sqlite3.connect(path) as db:
        return db.execute(query).fetchall()


def events(number, at_ms=UTC_MS, cabinet="J1"):
    return Events(at_ms, {cabinet: tuple(Event(at_ms + k, 82, k) for k in range(number))})


def entry(number, at_ms=UTC_MS):
    return Audited(AuditEntry(at_ms, "centre", "plan accepted", "J1", json.dumps({"n": number})))


def kinds(alarms):
    return {each.kind for each in alarms.standing()}


def wait_for(what, timeout_s=10.0):
    until = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < until, "waited too long"
        time.sleep(0.01)


def test_everything_is_there_after_a_restart(opened, tmp_path):
    store = opened()
    store.add(events(3))
    counts = (Count("loop NS", 7, 2_300), Count("loop EW", None, None, 60_000))
    store.add(MinuteCounts(28_333_333, {"J1": counts}))
    store.add(entry(1))
    store.add(Message("reply", UTC_MS, {"accepted": True}))
    store.add(AcceptedOrder("J1", "plan", 7, b"x"))
    store.add(AcceptedOrder("J1", "plan", 6, b"late"))
    store.add(AcceptedPlan("J1", 6, UTC_MS, "old"))
    store.add(AcceptedPlan("J1", 7, UTC_MS, "new"))
    store.flush()
    first_boot = store.boot
    store = opened()
    assert store.boot > first_boot
    assert store.accepted_orders() == ({("J1", "plan"): (7, b"x")}, 0)
    assert store.latest_plan("J1") == "new"
    assert store.latest_plan("J2") is None
    messages = store.messages_after(0, 10)
    assert [(each.seq, each.kind) for each in messages] == [
        (1, "events"),
        (2, "counts"),
        (3, "audit"),
        (4, "reply"),
    ]
    assert json.loads(messages[0].body)["events"]["J1"][2] == [2, 82, 2]
    assert json.loads(messages[1].body)["counts"]["J1"]["loop EW"] == [None, None, 60_000]
    assert store.waiting[0] == 4
    path = tmp_path / "edge.db"
    assert rows(path, "SELECT count(*) FROM events") == [(3,)]
    assert rows(
        path, "SELECT name, entered, missing_ms FROM counts JOIN names ON detector = id ORDER BY 1"
    ) == [("J1/loop EW", None, 60_000), ("J1/loop NS", 7, 0)]


def test_numbers_go_on_after_all_was_confirmed(opened):
    store = opened()
    for _ in range(3):
        store.add(events(1))
    store.flush()
    boot = store.boot
    store.add(Confirmed(boot, 3))
    store.flush()
    assert store.waiting == (0, 0)
    store = opened()
    store.add(events(1))
    store.flush()
    (message,) = store.messages_after(0, 10)
    assert (message.seq, message.boot) == (4, store.boot)


def test_a_confirmation_of_an_earlier_start_forgets_nothing_of_a_later_one(opened):
    store = opened()
    store.add(events(1))
    store.flush()
    old = store.boot
    store = opened()
    store.add(events(1))
    store.add(Confirmed(old, 2))
    store.flush()
    assert [each.seq for each in store.messages_after(0, 10)] == [2]


def write_and_kill(path, first, chance):
    """Let a process of its own write for a moment; returns what it had said to be committed."""
    heard, said = PROCESSES.Pipe(duplex=False)
    writer = PROCESSES.Process(target=store_writer.write, args=(path, first, said))
    writer.start()
    said.close()
    committed = [heard.recv()]  # it is under way
    time.sleep(chance.uniform(0.0, 0.05))
    writer.kill()
    writer.join()
    while True:
        try:
            committed.append(heard.recv())
        except EOFError:
            return committed


def test_killed_at_any_moment_nothing_committed_is_lost_and_the_chain_holds(tmp_path):
    path = tmp_path / "edge.db"
    chance = random.Random(4)
    committed, numbers = [], []
    for _ in range(KILLS):
        committed += write_and_kill(path, 1 + (numbers[-1] if numbers else 0), chance)
        with sqlite3.connect(path) as db:
            assert db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            numbers = [json.loads(each)["n"] for (each,) in db.execute("SELECT detail FROM audit")]
            assert audit_chain.verify(db) == len(numbers)
            per_number = "SELECT parameter, count(*) FROM events GROUP BY parameter"
            # An audit entry and its events are two records, and may be in two transactions.
            counted = dict(db.execute(per_number))
        assert set(committed) <= set(numbers)
        assert set(counted) - set(numbers) <= {numbers[-1] + 1}
        assert set(counted.values()) == {20}
    assert len(committed) > KILLS
    outbox = rows(path, "SELECT seq, boot FROM outbox ORDER BY seq")
    assert outbox == sorted(outbox)
    assert [boot for _, boot in outbox] == sorted(boot for _, boot in outbox)


def test_a_changed_a_removed_and_an_inserted_entry_break_the_chain(opened, tmp_path):
    store = opened()
    for k in range(5):
        store.add(entry(k))
    store.flush()
    store.close()
    db = sqlite3.connect(tmp_path / "edge.db")
    assert audit_chain.verify(db) == 5
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.execute("UPDATE audit SET actor = 'nobody'")
    for damage in (
        "DROP TRIGGER audit_stays; UPDATE audit SET actor = 'nobody' WHERE id = 3",
        "DELETE FROM audit WHERE id = 3",
        "DELETE FROM audit WHERE id = 1",
        "INSERT INTO audit SELECT 6, utc_ms, actor, action, subject, detail, digest, digest "
        "FROM audit WHERE id = 5",
    ):
        db.executescript(f"BEGIN; {damage};")
        with pytest.raises(StoreError, match="audit entry"):
            audit_chain.verify(db)
        db.rollback()
    assert audit_chain.verify(db) == 5


@pytest.mark.parametrize("damage", ["rubbish", "middle", "cut"])
def test_a_damaged_file_is_moved_aside_and_named(damage, opened, alarms, tmp_path):
    store = opened()
    for k in range(50):
        store.add(events(50))
        store.add(entry(k))
    store.flush()
    old_boot = store.boot
    store.close()
    path = tmp_path / "edge.db"
    content = bytearray(path.read_bytes())
    if damage == "rubbish":
        content = bytearray(random.Random(1).randbytes(20_000))
    elif damage == "middle":
        content[8_192:-8_192] = b"\xff" * (len(content) - 16_384)
    else:
        content = content[: len(content) // 2]
    path.write_bytes(content)
    store = opened()
    store.add(events(1))
    store.flush()
    (fault,) = alarms.standing()
    assert fault.kind == "store damaged"
    (aside,) = [each for each in tmp_path.iterdir() if "damaged" in each.name]
    assert aside.name in fault.message
    assert aside.read_bytes() == content
    assert store.boot > old_boot
    assert rows(path, "SELECT action FROM audit") == [("begun anew",)]
    assert rows(path, "SELECT count(*) FROM events") == [(1,)]


def test_damage_while_it_runs_costs_no_record_that_is_still_to_be_written(opened, alarms, tmp_path):
    store = opened()
    for _ in range(40):
        store.add(events(100))
    store.flush()
    path = tmp_path / "edge.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with path.open("r+b") as file:
        file.seek(4_096)
        file.write(b"\xff" * (path.stat().st_size - 4_096))
    for k in range(5):
        store.add(events(1, UTC_MS + k))
    store.flush(20)
    assert rows(path, "SELECT count(*) FROM events") == [(5,)]
    assert "store damaged" in kinds(alarms)
    wait_for(lambda: "store" not in kinds(alarms))
    assert len(store.messages_after(0, 100)) >= 5


FULL_DISK = """
    import resource, signal, sys, time
    from pathlib import Path
    from edge.alarms import Alarms
    from edge.store import Retention, Store
    from tests.edge.test_store import entry, events, kinds, wait_for

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    alarms = Alarms()
    store = Store(Path(sys.argv[1]), Retention(queue_rows=3_000), alarms)
    store.add(events(100))
    store.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
    number = 0
    while "store" not in kinds(alarms):
        store.add(events(500))
        number += 1
        assert number < 10_000
        time.sleep(0.002)
    for k in range(200):
        store.add(entry(k))
    for _ in range(20):
        store.add(events(500))
    assert store.lost["events"] >= 6_000, store.lost
    assert "audit" not in store.lost, store.lost
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    store.flush(20)
    wait_for(lambda: "store" not in kinds(alarms))
    assert "store lost" in kinds(alarms)
    store.close()
    print(store.lost["events"], number)
"""


def test_a_full_disk_stops_nothing_and_is_said(tmp_path):
    path = tmp_path / "edge.db"
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lost, number = map(int, done.stdout.split()[-2:])
    assert rows(path, "SELECT count(*) FROM events") == [(100 + 500 * (number + 20) - lost,)]
    with sqlite3.connect(path) as db:
        assert audit_chain.verify(db) == 200


def test_adding_never_waits_for_the_disk(opened, tmp_path):
    store = opened(queue_rows=500)
    store.flush()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        db.execute("BEGIN EXCLUSIVE")
        slowest = 0.0
        for k in range(300):
            began = time.perf_counter()
            store.add(events(5))
            store.add(entry(k))
            slowest = max(slowest, time.perf_counter() - began)
        db.rollback()
    assert slowest < 1.0
    store.flush(20)
    assert store.lost["events"] > 0
    assert "audit" not in store.lost
    assert rows(tmp_path / "edge.db", "SELECT count(*) FROM audit") == [(300,)]


def test_a_record_that_can_not_be_written_takes_no_other_with_it(opened, alarms, tmp_path):
    store = opened()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        db.execute("BEGIN EXCLUSIVE")  # so that all come in one transaction
        store.add(events(1))
        store.add(Events(UTC_MS, {"J1": (Event(2**70, 1, 1),)}))
        store.add(Message("reply", UTC_MS, {"value": float("nan")}))
        store.add(entry(1))
        time.sleep(0.1)
        db.rollback()
    store.flush()
    assert store.lost == {"events": 1, "reply": 1}
    assert "store refused" in kinds(alarms)
    assert rows(tmp_path / "edge.db", "SELECT count(*) FROM events") == [(1,)]
    assert [each.kind for each in store.messages_after(0, 9)] == ["events", "audit"]


def test_a_full_outbox_drops_counts_first_then_events_and_counts_what_it_drops(opened, alarms):
    store = opened(outbox_bytes=8_000)
    noise = random.Random(3)

    def some_events():
        parameters = [noise.getrandbits(15) for _ in range(100)]
        store.add(Events(UTC_MS, {"J1": tuple(Event(UTC_MS, 82, each) for each in parameters)}))

    def some_counts(minute):
        counts = tuple(Count(str(k), noise.getrandbits(15), 0) for k in range(60))
        store.add(MinuteCounts(minute, {"J1": counts}))

    for k in range(20):
        some_counts(k)
        some_events()
        store.add(entry(k))
        store.flush()
        assert store.waiting[1] <= 8_000
    assert store.dropped["counts"] == 20
    assert "audit" not in store.dropped
    assert 0 < store.dropped["events"] < 20
    (fault,) = alarms.standing()
    assert fault.kind == "outbox full"
    assert f"{store.dropped['events']} events" in fault.message
    left = store.messages_after(0, 100)
    assert [each.kind for each in left].count("audit") == 20
    oldest = next(each.seq for each in left if each.kind == "events")
    assert oldest > 2 * store.dropped["events"]
    before = store.dropped
    store = opened(outbox_bytes=8_000)
    assert store.dropped == before
    store.add(Confirmed(store.boot, left[-1].seq))
    wait_for(lambda: not alarms.standing())


def test_what_is_old_goes_and_the_chain_holds(opened, tmp_path):
    store = opened()
    now_ms = UTC_MS
    for days in range(40, -1, -1):
        at_ms = now_ms - days * DAY_MS
        store.add(events(300, at_ms))
        store.add(entry(days, at_ms))
        store.add(MinuteCounts(at_ms // 60_000, {"J1": (Count("a", days, 0),)}))
        store.add(AcceptedPlan("J1", 41 - days, at_ms, str(days)))
    store.add(AcceptedPlan("J2", 1, now_ms - 99 * DAY_MS, "the only one"))
    store.flush()
    store.close()
    db, _, _ = store_schema.open_database(tmp_path / "edge.db")
    kept = Retention(counts_days=20, events_days=10, audit_days=30)
    prune(db, kept, now_ms)
    oldest = "SELECT count(*), min({}) FROM {}"
    assert db.execute(oldest.format("utc_ms", "events")).fetchone() == (
        *(11 * 300, now_ms - 10 * DAY_MS),
    )
    assert db.execute(oldest.format("minute * 60000", "counts")).fetchone()[0] == 21
    assert db.execute(oldest.format("utc_ms", "audit")).fetchone() == (31, now_ms - 30 * DAY_MS)
    assert audit_chain.verify(db) == 31
    plans = db.execute("SELECT cabinet, count(*) FROM plans GROUP BY cabinet").fetchall()
    assert plans == [("J1", 31), ("J2", 1)]
    db.close()
    store = opened()
    store.add(entry(99))
    store.flush()
    with sqlite3.connect(tmp_path / "edge.db") as db:
        assert audit_chain.verify(db) == 32


def test_one_old_time_takes_nothing_with_it_and_hides_nowhere(opened, tmp_path):
    store = opened()
    store.add(events(300, UTC_MS))
    store.add(events(1, UTC_MS - 20 * DAY_MS))
    store.add(events(300, UTC_MS))
    store.flush()
    store.close()
    db, _, _ = store_schema.open_database(tmp_path / "edge.db")
    prune(db, Retention(events_days=10), UTC_MS)
    left = db.execute("SELECT count(*), min(utc_ms) FROM events").fetchone()
    db.close()
    assert left == (600, UTC_MS)


def test_two_edges_can_not_share_a_store(opened, tmp_path):
    opened()
    with pytest.raises(StoreError, match="in use by another edge"):
        Store(tmp_path / "edge.db", Retention(), Alarms())


def test_a_folder_that_is_not_there_yet_is_an_alarm_and_then_not(tmp_path, alarms):
    store = Store(tmp_path / "later" / "edge.db", Retention(), alarms)
    try:
        store.add(events(1))
        wait_for(lambda: "store" in kinds(alarms))
        assert store.messages_after(0, 10) == []
        (tmp_path / "later").mkdir()
        store.flush(20)
        wait_for(lambda: not kinds(alarms))
        assert len(store.messages_after(0, 10)) == 1
    finally:
        store.close()


def test_the_database_of_a_later_version_is_left_alone(opened, alarms, tmp_path):
    opened().close()
    path = tmp_path / "edge.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    store = opened()
    wait_for(lambda: "store" in kinds(alarms))
    assert "later version" in alarms.standing()[0].message
    store.close()
    assert rows(path, "PRAGMA user_version") == [(99,)]


def test_a_day_of_outage_fits_into_the_outbox(opened):
    """A busy edge of 20 junctions; 24 h of it measured by 10 min."""
    store = opened()
    noise = random.Random(2)
    seconds = 600
    for k in range(seconds):
        at_ms = UTC_MS + 1_000 * k
        store.add(
            Events(
                at_ms,
                {
                    f"J{j}": tuple(
                        Event(at_ms + 100 * noise.randrange(10), code, noise.randrange(24))
                        for code in noise.choices((81, 82, 1, 7, 8, 10), k=5)
                    )
                    for j in range(20)
                },
            )
        )
    store.flush(30)
    size_mb = store.waiting[1] / 1e6 * 86_400 / seconds
    assert size_mb < 0.5 * Retention().outbox_bytes / 1e6, size_mb


def test_a_queue_that_is_full_is_as_quick_as_an_empty_one():
    queue = WriteQueue(rows_max=20_000)
    records = [entry(k) if k % 10 == 0 else events(1) for k in range(60_000)]
    began = time.perf_counter()
    for record in records:
        queue.put(record)
    assert time.perf_counter() - began < 5
    assert queue.lost == {"events": 40_000}
    taken = queue.take(0)
    assert [each.number for each in taken] == sorted(each.number for each in taken)
    assert sum(each.rows for each in taken) == 20_000
    queue.put_back(taken)
    queue.put(events(30_000))
    assert queue.lost["events"] == 40_000 + 14_000 + 30_000
    assert len(queue.take(0)) == 6_000


def test_limits_of_this_process_are_as_they_were():
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
