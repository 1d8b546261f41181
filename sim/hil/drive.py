"""From second to second: detectors to the cabinets, lamps to the street."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from edge.ladder import Rung
from firmware_bridge.errors import BridgeError
from sim.hil.cabinets import DARK, Cabinet
from sim.hil.errors import HilError
from sim.hil.injector import Injector
from sim.hil.latencies import Changes, StepTimes
from sim.hil.plant import Plant
from sim.hil.results import BEHIND, Latency
from sim.hil.street import Street
from sim.hil.trace_check import Sample
from sim.hil.watch import Watch
from sim.network import Network

LOOK_S = 0.05
"""How often the lamps of a cabinet with its own clock are looked at: twice in each of its steps."""
READY_S = 30.0
READY_AGAIN_S = 0.5
WATCH_EVERY_S = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: *done* of *total* seconds."""

    done: int
    total: int


@dataclass(slots=True)
class Drive:
    """What both ways of driving work with. ``samples`` are the lamps by junction."""

    street: Street
    plant: Plant
    network: Network
    injector: Injector
    watch: Watch
    watch_every_s: int
    on_progress: Callable[[Progress], None]
    samples: list[list[Sample]] = field(default_factory=list)
    stopped: bool = False
    """Somebody wants it to end: asking is not enough, as a request that is just being answered
    may swallow the cancellation of its task (asyncio.wait_for before Python 3.12)."""

    def __post_init__(self) -> None:
        self.samples = [[] for _ in self.plant.cabinets]

    @property
    def detectors(self) -> dict[str, int]:
        """The number of detectors of each junction."""
        return {j.id: len(j.intersection.detectors) for j in self.network.junctions}

    def read(self) -> list[SiteReadings]:
        """What the detectors report, with those that are broken."""
        readings = zip(self.plant.cabinets, self.street.read(), strict=True)
        return [self.injector.spoil(cabinet.name, seen) for cabinet, seen in readings]

    async def feed_nobody(self) -> None:
        """Show every cabinet an empty street."""
        for cabinet, junction in zip(self.plant.cabinets, self.network.junctions, strict=True):
            count = len(junction.intersection.detectors)
            nobody = (0,) * count
            await cabinet.see(self.street.now, SiteReadings(nobody, nobody, (False,) * count))

    def progress(self) -> None:
        """Tell how far it is; raises :class:`asyncio.CancelledError` when it is to end."""
        if self.stopped:
            raise asyncio.CancelledError
        self.on_progress(Progress(self.street.second, self.street.steps))


@dataclass(frozen=True, slots=True)
class Driven:
    """What driving has measured beside the street's own record."""

    samples: Sequence[Sequence[Sample]]
    latencies: tuple[Latency, ...]
    wall_s: float
    edge_s: float
    """Spent waiting for the edge, in all."""


async def lockstep(drive: Drive, factor: float) -> Driven:
    """Drive to the end, no faster than *factor* simulated seconds a second."""
    street, plant, injector = drive.street, drive.plant, drive.injector
    times, begun_s = StepTimes(), time.perf_counter()
    for _ in range(street.steps):
        second = street.second
        await injector.pass_to(second, drive.detectors)
        now, readings = street.now, drive.read()
        marks = [time.perf_counter()]
        await asyncio.gather(
            *(
                cabinet.see(_shifted(now, injector.shift_ms(cabinet.name)), seen)
                for cabinet, seen in zip(plant.cabinets, readings, strict=True)
            )
        )
        marks.append(time.perf_counter())
        await plant.daemon.tick(_shifted(now, injector.daemon_shift_ms))
        marks.append(time.perf_counter())
        shown = await asyncio.gather(*(cabinet.step(now) for cabinet in plant.cabinets))
        marks.append(time.perf_counter())
        _note_samples(drive, now, shown)
        street.step(shown)
        marks.append(time.perf_counter())
        _note_times(times, marks)
        if second % drive.watch_every_s == 0:
            await drive.watch.look(second, injector.away)
        drive.progress()
        await _pace(begun_s, street.second, factor)
    wall_s = time.perf_counter() - begun_s
    return Driven(drive.samples, times.latencies(), wall_s, sum(times.edge) / 1_000)


def _shifted(now: Instant, utc_ms: int) -> Instant:
    return Instant(now.mono_ms, now.utc_ms + utc_ms)


def _note_samples(drive: Drive, now: Instant, shown: Sequence[Outputs]) -> None:
    for cabinet, outputs, samples in zip(drive.plant.cabinets, shown, drive.samples, strict=True):
        if outputs is DARK or cabinet.name not in drive.injector.away:
            samples.append(Sample(now.mono_ms, outputs))


def _note_times(times: StepTimes, marks: Sequence[float]) -> None:
    parts = (times.detectors, times.edge, times.cabinets, times.street)
    for values, before, after in zip(parts, marks[:-1], marks[1:], strict=True):
        values.append(1_000 * (after - before))


async def _pace(begun_s: float, second: int, factor: float) -> None:
    if not math.isinf(factor):
        await asyncio.sleep(max(0.0, begun_s + second / factor - time.perf_counter()))


async def real_time(drive: Drive) -> Driven:
    """Drive to the end by this computer's clock, the cabinets and the daemon by theirs.

    What the loops saw in a second reaches the cabinets at its end. The lamps are looked at in its
    middle and stand for all of it: a change comes half a second late or early, and late no more
    often than early.
    """
    changes, late = Changes(), list[float]()
    looks = _Looks(drive)
    try:
        begun_s = time.perf_counter()
        for _ in range(drive.street.steps):
            late.append(await _one_second(drive, begun_s, changes))
            looks.require()
            drive.plant.daemon.require()
            drive.progress()
        wall_s = time.perf_counter() - begun_s
    finally:
        await looks.end()
    wiring = drive.plant.wiring
    latencies = changes.latencies([] if wiring is None else wiring.exchanges())
    behind = Latency.of(BEHIND, late)
    return Driven(drive.samples, (*latencies, behind), wall_s, 0.0)


async def _one_second(drive: Drive, begun_s: float, changes: Changes) -> float:
    """Returns how late the lamps were looked at, in ms."""
    street, plant, second = drive.street, drive.plant, drive.street.second
    await _pace(begun_s, second, 1.0)
    await drive.injector.pass_to(second, drive.detectors)
    readings = drive.read()
    await asyncio.gather(
        *(
            _feed(cabinet, street.now, seen, changes)
            for cabinet, seen in zip(plant.cabinets, readings, strict=True)
        )
    )
    await drive.watch.look(second, drive.injector.away)
    due_s = begun_s + second + 0.5
    await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
    late_ms = 1_000 * (time.perf_counter() - due_s)
    street.step([cabinet.shown for cabinet in plant.cabinets])
    return late_ms


async def _feed(cabinet: Cabinet, now: Instant, seen: SiteReadings, changes: Changes) -> None:
    try:
        await cabinet.see(now, seen)
    except BridgeError:
        return  # of hardware, or on its way out: the lamps say what becomes of it
    changes.note(cabinet.name, seen, time.monotonic_ns())


class _Looks:
    """Looks at all lamps again and again, each cabinet in its own time."""

    def __init__(self, drive: Drive) -> None:
        self._injector = drive.injector
        self._ended = False
        self._tasks = [
            asyncio.create_task(self._keep_looking(cabinet, samples))
            for cabinet, samples in zip(drive.plant.cabinets, drive.samples, strict=True)
        ]

    def require(self) -> None:
        """Raise what has gone wrong with one of the cabinets."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Look no more."""
        self._ended = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_looking(self, cabinet: Cabinet, samples: list[Sample]) -> None:
        while not self._ended:
            sample = await self._look(cabinet)
            if sample is not None and (not samples or sample != samples[-1]):
                samples.append(sample)
            await asyncio.sleep(LOOK_S)

    async def _look(self, cabinet: Cabinet) -> Sample | None:
        try:
            sample = await cabinet.look()
        except (BridgeError, HilError):
            if cabinet.name not in self._injector.away:
                raise
            sample = None
        if sample is None and cabinet.shown is DARK:
            return Sample(time.monotonic_ns() // 1_000_000, DARK)
        return sample


async def wait_until_adaptive(drive: Drive) -> None:
    """Before the traffic begins: empty streets on all detectors, until every cabinet is adaptive.

    Goes on without those that are not after a while; the result says so. One that is not wired to
    the street may have no detectors at all, and is not waited for.
    """
    loop = asyncio.get_running_loop()
    wired = {cabinet.name for cabinet in drive.plant.cabinets if cabinet.wired}
    end_s = loop.time() + READY_S
    while loop.time() < end_s:
        await drive.feed_nobody()
        rungs = await drive.plant.daemon.rungs()
        if all(rungs.get(name) == Rung.ADAPTIVE for name in wired) and rungs:
            return
        await asyncio.sleep(READY_AGAIN_S)
