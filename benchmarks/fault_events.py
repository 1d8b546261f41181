"""Every event that an edge accepted: held against its cabinets' own logs and what a centre got."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sqlite3
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from subprocess import DEVNULL, Popen

import aiomqtt

from controller.signals import Event
from edge.messages import LogMessage
from edge.receiver import LogReceiver
from edge.topics import Topics
from firmware_bridge.client import CabinetClient
from firmware_bridge.registers import EVENTS_KEPT
from sim.hil.daemon import HOST, free_port
from sim.hil.errors import HilError

ROOT = Path(__file__).resolve().parents[1]
MARGIN = 24
"""A cabinet that goes on logging overwrites its oldest events while they are read."""
START_S = 10.0
_BOOT_SHIFT = 32
_AGAIN_S = 0.1
Stored = tuple[str, Event]
"""Cabinet and event."""


@contextmanager
def mosquitto(folder: Path) -> Iterator[int]:
    """A mosquitto of our own on a free port, which is given; its file is in *folder*."""
    port = free_port()
    settings = folder / "mosquitto.conf"
    lines = (f"listener {port} {HOST}", "allow_anonymous true", "max_queued_messages 100000")
    settings.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if shutil.which("mosquitto") is None:
        raise HilError("there is no mosquitto: install it, or take --broker embedded")
    leash = (sys.executable, "-m", "sim.hil.leash", str(os.getpid()))
    process = Popen(
        [*leash, "mosquitto", "-c", str(settings)], cwd=ROOT, stdout=DEVNULL, stderr=DEVNULL
    )
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


class Centre:
    """A centre on the broker: takes the log of one edge in order, and says what it has stored."""

    def __init__(self, edge: str) -> None:
        self.taken: list[LogMessage] = []
        self.repeated = 0
        """Messages that it had already, or that came before those they follow on."""
        self._topics = Topics(edge)
        self._receiver = LogReceiver()
        self._task: asyncio.Task[None] | None = None

    async def listen(self, port: int) -> None:
        """Connect, and go on until :meth:`close`; raises :class:`HilError` without a broker."""
        listening = asyncio.Event()
        self._task = asyncio.create_task(self._run(port, listening))
        waiting = asyncio.create_task(listening.wait())
        await asyncio.wait(
            {self._task, waiting}, timeout=START_S, return_when=asyncio.FIRST_COMPLETED
        )
        waiting.cancel()
        if not listening.is_set():
            await self.close()
            raise HilError(f"the broker on port {port} does not answer")

    async def close(self) -> None:
        """Hang up; raises what went wrong meanwhile."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self, port: int, listening: asyncio.Event) -> None:
        async with await self._connected(port) as client:
            await client.subscribe(self._topics.log, qos=1)
            listening.set()
            async for packet in client.messages:
                message, answer = self._receiver.take(bytes(packet.payload))
                if message is None:
                    self.repeated += 1
                else:
                    self.taken.append(message)
                if answer is not None:
                    await client.publish(self._topics.received, answer, qos=1)

    async def _connected(self, port: int) -> aiomqtt.Client:
        """A client of a broker that may still be starting."""
        loop = asyncio.get_running_loop()
        end_s = loop.time() + START_S
        while True:
            try:
                _, writer = await asyncio.open_connection(HOST, port)
            except OSError:
                if loop.time() > end_s:
                    raise
                await asyncio.sleep(_AGAIN_S)
            else:
                writer.close()
                return aiomqtt.Client(HOST, port, identifier="centre")


@dataclass(frozen=True, slots=True)
class Kept:
    """What the edge's store holds: events, how far each cabinet was read, and what still waits."""

    events: tuple[Stored, ...]
    places: Mapping[str, tuple[int, int]]
    """By cabinet: number of its start, and of the next event."""
    waiting: tuple[tuple[tuple[int, int], tuple[Stored, ...]], ...]
    """(boot, seq) of each message of events in the outbox, and what is in it."""


def read_store(path: Path) -> Kept:
    """What is in the database at *path*."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db:
        rows = db.execute(
            "SELECT name, utc_ms, code, parameter FROM events "
            "JOIN names ON names.id = events.cabinet ORDER BY events.id"
        )
        events = tuple((name, Event(*event)) for name, *event in rows)
        query = "SELECT substr(key, 11), value FROM meta WHERE key LIKE 'events of %'"
        places = {
            name: (place >> _BOOT_SHIFT, place & ((1 << _BOOT_SHIFT) - 1))
            for name, place in db.execute(query)
        }
        rows = db.execute("SELECT boot, seq, body FROM outbox WHERE kind = 'events'")
        waiting = tuple(
            ((boot, seq), tuple(_in_body(json.loads(zlib.decompress(body)))))
            for boot, seq, body in rows
        )
    return Kept(events, places, waiting)


def compare_with_centre(kept: Kept, taken: Iterable[LogMessage]) -> tuple[list[str], list[str]]:
    """(events of the store that the centre never gets, those that it got more often)."""
    told: Counter[Stored] = Counter()
    known = set()
    for message in taken:
        known.add((message.boot, message.seq))
        if message.kind == "events":
            told.update(_in_body(message.body))
    for place, events in kept.waiting:
        if place not in known:
            told.update(events)
    stored = Counter(kept.events)
    return _words(stored - told, "the centre"), _words(told - stored, "the centre")


async def compare_with_cabinet(
    kept: Kept, name: str, client: CabinetClient, *, restarted: bool
) -> tuple[list[str], list[str]]:
    """(events of the cabinet *name* that the store has not, those that it has more often).

    Where it never *restarted* their number is compared, too: a cabinet counts them.
    """
    await client.identify()
    status = await client.poll()
    boot, next_no = kept.places.get(name, (status.boot_no, 0))
    if boot != status.boot_no:
        return [], []  # it had just been started again, and nothing was read of it yet
    oldest_no = max(0, status.event_no - EVENTS_KEPT + MARGIN)
    own = await client.events(min(oldest_no, next_no), next_no)
    ours = [event for cabinet, event in kept.events if cabinet == name]
    lost, twice = _difference(name, own, ours[len(ours) - len(own) :] if own else [])
    if not restarted and len(ours) != next_no:
        excess = len(ours) - next_no
        (twice if excess > 0 else lost).append(f"{abs(excess)} events of {name}, of {next_no}")
    return lost, twice


def overflown(log: str) -> list[str]:
    """What the daemon says in *log* that its cabinets did not keep for long enough."""
    found = []
    for line in log.splitlines():
        if '"events lost"' in line:
            found.append(line)
    return found


def _difference(
    name: str, own: Sequence[Event], ours: Sequence[Event]
) -> tuple[list[str], list[str]]:
    have, had = Counter((name, each) for each in ours), Counter((name, each) for each in own)
    return _words(had - have, "the store"), _words(have - had, "the store")


def _in_body(body: Mapping[str, object]) -> Iterator[Stored]:
    begin_ms, by_cabinet = body["utc_ms"], body["events"]
    assert isinstance(begin_ms, int) and isinstance(by_cabinet, dict)
    for cabinet, events in by_cabinet.items():
        for after_ms, code, parameter in events:
            yield cabinet, Event(begin_ms + after_ms, code, parameter)


def _words(found: Counter[Stored], where: str) -> list[str]:
    times: dict[str, list[str]] = defaultdict(list)
    for (cabinet, event), count in found.items():
        times[cabinet] += [f"{event.code}/{event.parameter} at {event.utc_ms}"] * count
    return [f"{cabinet}, {where}: {each}" for cabinet, all_of in times.items() for each in all_of]
