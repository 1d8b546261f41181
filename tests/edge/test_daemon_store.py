"""The daemon and its disk, as programs: killed in the middle of a minute, and out of room."""

import asyncio
import contextlib
import resource
import signal
import sqlite3

from tests.edge.fleet import Edge, until
from tests.edge.test_daemon import ADAPTIVE, STORE, boxes, running

LOST_MS = 7_000
"""What is saved every 5 s, and the time that it takes to come to that."""


def ask(path, query):
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


def counted(path):
    ((total,),) = ask(path, "SELECT coalesce(sum(entered), 0) FROM counts")
    return total


def arrivals(path, until_ms):
    """What the cabinet itself logged of its detectors: each event is kept once."""
    query = f"SELECT count(*) FROM events WHERE code = 82 AND utc_ms < {until_ms}"
    return ask(path, query)[0][0]


def test_a_daemon_that_is_killed_has_counted_all_but_the_last_seconds(tmp_path):
    asyncio.run(_killed(tmp_path))


async def _killed(folder):
    database = folder / "edge.db"
    async with boxes(folder, "J1") as (box,):
        edge = Edge(folder, {"J1": box.port}, STORE)
        await edge.start()
        await edge.wait_rungs(20.0, J1=ADAPTIVE)
        await asyncio.sleep(12.0)
        await edge.end(signal.SIGKILL)
        ((killed_ms,),) = ask(database, "SELECT max(utc_ms) FROM events")
        async with running(edge):
            await edge.wait_rungs(20.0, J1=ADAPTIVE)
            assert counted(database) >= arrivals(database, killed_ms - LOST_MS) > 0
            assert await edge.end(signal.SIGTERM) == 0


def test_without_room_on_the_disk_the_control_goes_on_and_the_log_later(tmp_path):
    asyncio.run(_full(tmp_path))


async def _full(folder):
    database = folder / "edge.db"
    async with (
        boxes(folder, "J1") as (box,),
        running(Edge(folder, {"J1": box.port}, STORE)) as edge,
    ):
        await edge.wait_rungs(20.0, J1=ADAPTIVE)
        await asyncio.sleep(3.0)
        set_room(edge.pid, 4_096)
        await until(lambda: edge.logged("alarm", kind="store"), 15.0, lambda: str(edge.lines))
        schedule = (await box.status()).schedule_no
        await asyncio.sleep(6.0)
        assert (await edge.rungs())["J1"] == ADAPTIVE
        assert (await box.status()).schedule_no - schedule >= 4
        assert (await edge.page("/healthz"))[0] == 200
        status, text = await edge.page("/readyz")
        assert (status, "store: " in text, "can't be written" in text) == (503, True, True)
        ((before,),) = ask(database, "SELECT count(*) FROM events")
        set_room(edge.pid, resource.RLIM_INFINITY)
        await until(lambda: edge.logged("alarm over", kind="store"), 15.0, lambda: str(edge.lines))
        await until(
            lambda: ask(database, "SELECT count(*) FROM events")[0][0] > before, 10.0, lambda: "log"
        )
        assert not edge.logged("alarm", kind="store lost")
        assert not edge.logged("rung", after="coordinated")
        assert await edge.end(signal.SIGTERM) == 0
        rows = ask(database, "SELECT utc_ms, code, parameter FROM events ORDER BY id")
        assert rows == [tuple(event) for event in await box.events()][: len(rows)]


def set_room(pid, most_bytes):
    """No file of the process may grow beyond *most_bytes*."""
    _, hard = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (most_bytes, hard))
