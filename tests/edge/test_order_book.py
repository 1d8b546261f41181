"""Orders whose time has not come, and those in force: in turn, and over every restart."""

import contextlib
import json
import sqlite3
import time
from dataclasses import replace

import pytest

from controller import plan_json
from controller.clock import Instant
from edge.alarms import Alarms
from edge.config import load
from edge.daemon import Daemon
from edge.errors import OrderRefusedError
from edge.order_book import WAITING_MAX, OrderBook
from edge.orders import sign
from edge.store import Retention, Store
from tests.edge.sites import KEY, cabinet_table, plan, write_site
from tests.edge.test_orders import KEY as GATE_KEY
from tests.edge.test_orders import NOW_MS, OTHER, bounds_claim, call, claim, gate

HOUR_MS = 3_600_000
SIGNING = bytes.fromhex(KEY)


class Time:
    def __init__(self):
        self.utc_ms = NOW_MS

    def now(self):
        return Instant(self.utc_ms - NOW_MS, self.utc_ms)


class Edge:
    """A daemon with its store and without its clock and its wires."""

    def __init__(self, folder, time):
        self.folder, self.time, self.alarms = folder, time, Alarms()
        text = 'name = "north-1"\n[store]\npath = "edge.db"\n' + (
            '[broker]\nurl = "mqtt://127.0.0.1:1"\norders_key_file = "orders.key"\n'
        )
        (folder / "orders.key").write_text(KEY)
        (folder / "orders.key").chmod(0o600)
        greens = "greens_s = { A = [8, 45] }\n"
        self.site = write_site(folder, text + cabinet_table("J1") + greens, "J1")
        self.store = self.daemon = None
        self.blocked = False

    def __enter__(self):
        config = load(self.site)
        if self.blocked:  # nothing can be opened there
            (self.folder / "edge.db").symlink_to(self.folder / "nowhere" / "edge.db")
        self.store = Store(self.folder / "edge.db", Retention(), self.alarms)
        self.daemon = Daemon(config, self.time, self.alarms, self.store)
        (self.agent,) = self.daemon.agents
        return self

    def __exit__(self, *_):
        self.store.close()

    def order(self, order):
        kind = order.kind
        return self.daemon.desk.take(
            self.time.now(), f"greenband/v1/north-1/orders/J1/{kind}", sign(order, SIGNING)
        )

    def at(self, utc_ms):
        self.time.utc_ms = utc_ms
        self.daemon.desk.turn(self.time.now())

    @property
    def bounds_no(self):
        bounds = self.daemon.desk.bounds("J1")
        ordered = self.agent.control._ordered
        assert (bounds is None) == (ordered is None)
        assert ordered is None or ordered == bounds
        return None if bounds is None else bounds.sequence_no

    @property
    def plan_no(self):
        wanted = self.agent.plans._wanted
        return None if wanted is None else wanted.sequence_no

    def audited(self):
        self.store.flush()
        with contextlib.closing(sqlite3.connect(self.folder / "edge.db")) as db:
            rows = db.execute("SELECT action, detail FROM audit ORDER BY id").fetchall()
        return [(action, json.loads(detail)) for action, detail in rows]


def bounds(number, begins=-1_000, ends=2 * HOUR_MS, **content):
    return replace(
        bounds_claim(**content),
        sequence_no=number,
        not_before_utc_ms=NOW_MS + begins,
        not_after_utc_ms=NOW_MS + ends,
    )


def planned(number, begins=-1_000, **changes):
    content = plan_json.document(plan("J1", sequence_no=number, **changes))
    return replace(
        claim(sequence_no=number, content=content),
        not_before_utc_ms=NOW_MS + begins,
        not_after_utc_ms=NOW_MS + 2 * HOUR_MS,
    )


@pytest.fixture
def edge(tmp_path):
    return Edge(tmp_path, Time())


def test_bounds_for_later_leave_those_in_force_until_their_time(edge):
    with edge:
        assert edge.order(bounds(1))
        assert edge.order(bounds(2, begins=HOUR_MS))
        assert edge.bounds_no == 1
        edge.at(NOW_MS + HOUR_MS - 1)
        assert edge.bounds_no == 1
        edge.at(NOW_MS + HOUR_MS)
        assert edge.bounds_no == 2
        actions = [action for action, _ in edge.audited()]
        assert actions == ["bounds accepted", "bounds accepted", "bounds begun"]
        edge.at(NOW_MS + 2 * HOUR_MS)
        assert edge.daemon.desk.bounds("J1") is None


def test_a_plan_for_later_leaves_the_one_in_force_whichever_validity_says_so(edge):
    with edge:
        assert edge.order(planned(1))
        assert edge.order(planned(2, begins=HOUR_MS))
        assert edge.order(planned(3, valid_from_utc_ms=NOW_MS + 90 * 60_000))
        assert edge.plan_no == 1
        edge.at(NOW_MS + HOUR_MS)
        assert edge.plan_no == 2
        edge.at(NOW_MS + 2 * HOUR_MS)
        assert edge.plan_no == 3
        edge.store.flush()
        assert plan_json.from_json(edge.store.latest_plan("J1")).sequence_no == 3


def test_orders_in_force_and_to_come_survive_a_restart(edge):
    with edge:
        edge.order(bounds(1))
        edge.order(bounds(2, begins=HOUR_MS))
        edge.order(planned(1))
        edge.order(planned(2, begins=HOUR_MS))
    with edge:
        assert (edge.bounds_no, edge.plan_no) == (1, 1)
        assert [each.claim.sequence_no for each in edge.daemon.desk.waiting("J1")] == [2, 2]
    edge.time.utc_ms = NOW_MS + HOUR_MS  # while it was not running
    with edge:
        edge.at(NOW_MS + HOUR_MS)
        assert (edge.bounds_no, edge.plan_no) == (2, 2)
    with edge:
        assert (edge.bounds_no, edge.plan_no) == (2, 2)
        assert not edge.daemon.desk.waiting("J1")
        edge.at(NOW_MS + 3 * HOUR_MS)
        assert edge.daemon.desk.bounds("J1") is None
        edge.store.flush()
        assert [begun for signed, begun in edge.store.kept_orders()] == [True]  # the plan's


def test_a_later_number_goes_before_what_waits_with_an_earlier_one(edge):
    with edge:
        edge.order(bounds(5, begins=HOUR_MS))
        edge.order(bounds(6))
        assert edge.bounds_no == 6
        assert edge.audited()[-1] == (
            "bounds accepted",
            {"sequence_no": 6, "content_sha256": edge.audited()[-1][1]["content_sha256"]}
            | {"outdone": [5]},
        )
        edge.at(NOW_MS + HOUR_MS)
        assert edge.bounds_no == 6


def test_bounds_for_later_that_leave_no_green_are_refused_at_once(edge):
    with edge:
        assert not edge.order(bounds(1, begins=HOUR_MS, min_green_s={"A": 60.0}))
        assert edge.audited()[-1][1]["rule"] == "content"
        assert edge.order(bounds(1, begins=HOUR_MS))


def test_a_control_that_is_begun_anew_keeps_the_bounds_in_force(edge):
    with edge:
        edge.order(bounds(4))
        edge.agent._fail(RuntimeError("the optimizer broke"))
        assert edge.bounds_no == 4


def test_the_retained_copy_of_an_order_that_waits_or_holds_changes_nothing(edge):
    with edge:
        for _ in range(2):
            edge.order(planned(1))
            edge.order(bounds(2, begins=HOUR_MS))
        assert len(edge.audited()) == 2
    with edge:
        edge.order(planned(1))
        edge.order(bounds(2, begins=HOUR_MS))
        assert len(edge.audited()) == 2


def test_only_so_many_wait_and_a_call_never_does():
    book, at = OrderBook(), gate()
    for k in range(WAITING_MAX):
        book.wait(at.check(sign(bounds(k, begins=HOUR_MS), GATE_KEY), NOW_MS))
    with pytest.raises(OrderRefusedError) as caught:
        book.wait(at.check(sign(bounds(99, begins=HOUR_MS), GATE_KEY), NOW_MS))
    assert caught.value.rule == "queue"
    with pytest.raises(OrderRefusedError) as caught:
        at.check(sign(replace(call(), not_before_utc_ms=NOW_MS + 1), GATE_KEY), NOW_MS)
    assert caught.value.rule == "validity"
    with pytest.raises(OrderRefusedError):
        at.check(sign(bounds(7, begins=HOUR_MS), OTHER), NOW_MS)


# What was accepted is remembered twice.

DAMAGE = {"rubbish": b"rubbish" * 1_000, "gone": None, "empty": b""}


def spoil(path, content):
    """Put *content* in the place of the database at *path*; None: there is none."""
    for suffix in ("-wal", "-shm", ""):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    if content is not None:
        path.write_bytes(content)


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_lost_database_opens_no_door_to_a_replay(damage, edge, tmp_path):
    with edge:
        edge.order(bounds(1))
        edge.order(bounds(2))
        edge.order(planned(7))
    spoil(tmp_path / "edge.db", DAMAGE[damage])
    with edge:
        assert not edge.order(bounds(1))
        assert edge.bounds_no is None
        action, detail = edge.audited()[-1]
        assert (action, detail["rule"]) == ("order refused", "replay")
        assert edge.order(bounds(2)), "the last one may come again: it is lost here"
        assert edge.bounds_no == 2
        assert edge.order(planned(7))
        assert edge.plan_no == 7
        assert edge.order(bounds(3))
    with edge:  # and by now the new database knows it as well
        (tmp_path / "edge.db.orders").unlink()
    with edge:
        assert not edge.order(bounds(1))


def test_damage_while_it_runs_loses_no_order(edge, tmp_path):
    with edge:
        edge.order(bounds(1))
        edge.order(bounds(2, begins=HOUR_MS))
        edge.store.flush()
        path = tmp_path / "edge.db"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        with path.open("r+b") as file:
            file.seek(4_096)
            file.write(b"\xff" * (path.stat().st_size - 4_096))
        edge.order(planned(7))
        edge.store.flush()
        assert not edge.order(bounds(1))
    with edge:
        assert not edge.order(bounds(1))
        assert edge.bounds_no == 1
        assert len(edge.daemon.desk.waiting("J1")) == 1
        assert any(name.startswith("edge.db.damaged") for name in names(tmp_path))


def names(folder):
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("second", [b"rubbish", None])
def test_where_both_memories_are_lost_only_orders_of_later_pass(second, edge, tmp_path):
    with edge:
        edge.order(bounds(1))
    spoil(tmp_path / "edge.db", b"rubbish" * 1_000)
    beside = tmp_path / "edge.db.orders"
    beside.unlink() if second is None else beside.write_bytes(second)
    for _ in range(2):
        with edge:
            assert not edge.order(bounds(1))
            assert not edge.order(bounds(9))
            detail = edge.audited()[-1][1]
            assert detail["rule"] == "replay"
            floor_ms = int(detail["reason"].split("not_before_utc_ms ")[1].split()[0])
    edge.time.utc_ms = floor_ms
    with edge:
        early_ms = floor_ms - NOW_MS
        assert edge.order(bounds(1, begins=early_ms, ends=early_ms + HOUR_MS))
        assert edge.bounds_no == 1


def test_the_first_start_remembers_nothing_and_takes_everything(edge):
    with edge:
        assert edge.order(bounds(1))


def test_while_the_store_can_not_be_read_no_order_is_taken(edge, tmp_path):
    with edge:
        edge.order(bounds(3))
    folder = tmp_path / "away"
    hidden = [path for path in tmp_path.iterdir() if path.name.startswith("edge.db")]
    folder.mkdir()
    for path in hidden:
        path.rename(folder / path.name)
    edge.blocked = True
    with edge:
        assert not edge.order(bounds(2))
        assert not edge.order(bounds(4))
        # The database last: the writer tries all the time, and finds all of it or nothing.
        for path in sorted(folder.iterdir(), reverse=True):
            path.replace(tmp_path / path.name)
        edge.store.flush(10)
        end_s = time.monotonic() + 10
        while not edge.daemon.desk.knows and time.monotonic() < end_s:
            edge.daemon._pursue_orders(edge.time.now())
        assert edge.bounds_no == 3
        assert not edge.order(bounds(2))
        assert edge.order(bounds(4))
