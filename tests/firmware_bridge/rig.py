"""Cabinets of the small crossroads, streets and lines for these tests."""

from __future__ import annotations

import asyncio
import os
import pty
import random
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

from controller.clock import Instant
from controller.core import start, step
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.plan import ScheduledStage, StageSchedule, TimingPlan
from controller.sequence import Sequence
from controller.signals import Aspect, Inputs, Outputs
from firmware_bridge.cabinet import Cabinet
from firmware_bridge.client import CabinetClient
from firmware_bridge.day_plans import all_day
from firmware_bridge.device import Device
from firmware_bridge.edge_space import EdgeSpace
from firmware_bridge.ends import End, SerialEnd, TcpEnd, host_and_port
from firmware_bridge.field_client import FieldClient
from firmware_bridge.line import Line
from firmware_bridge.store import PlanStore
from tests.controller.crossroads import UTC_MS, crossroads, plan
from tests.controller.oracle import Shown

KEY = bytes(range(32))
SITE = crossroads()
FACTORY = plan(SITE, sequence_no=0, side={"actuated": True, "skippable": True})
NOW = Instant(1_000, UTC_MS)
Trace = list[tuple[tuple[int | None, int, int, int], tuple[Aspect, ...]]]
"""Per tick: stage, its green time in s, called and green groups before it; aspects after it."""


def new_plan(number: int, site: Intersection = SITE, **changes: object) -> TimingPlan:
    """A plan that differs from the factory's, valid for an hour around the start."""
    base = plan(site, sequence_no=number, splits_ms=(30_000, 30_000)).plan
    base = replace(base, valid_from_utc_ms=UTC_MS - 60_000, valid_to_utc_ms=UTC_MS + 3_600_000)
    return replace(base, **changes)


def cabinet(
    site: Intersection = SITE,
    *,
    key: bytes = KEY,
    store: PlanStore | None = None,
    lockstep: bool = False,
    boot_no: int = 1,
) -> Cabinet:
    plans = all_day(FACTORY if site is SITE else None)
    return Cabinet(site, plans, key, NOW, store=store, lockstep=lockstep, boot_no=boot_no)


class Street:
    """A cabinet ticked by hand."""

    def __init__(self, there: Cabinet, tick_ms: int = 100) -> None:
        self.cabinet = there
        self.space = EdgeSpace(there)
        self.tick_ms = tick_ms
        self.inputs = there.inputs
        self.trace: list[Shown] = []
        self.mono_ms = there.now.mono_ms
        self.utc_ms = there.now.utc_ms

    def tick(self, seconds: float = 0.1) -> Outputs:
        for _ in range(max(1, round(seconds * 1_000 / self.tick_ms))):
            self.mono_ms += self.tick_ms
            self.utc_ms += self.tick_ms
            self.cabinet.see(Instant(self.mono_ms, self.utc_ms), self.inputs)
            outputs = self.cabinet.step()
            state = self.cabinet.state
            self.trace.append(
                Shown(
                    self.cabinet.now,
                    state.clock_ms,
                    Inputs(),
                    outputs,
                    outputs.aspects(self.cabinet.site),
                    state,
                )
            )
        return self.cabinet.outputs


class Decider:
    """Stands for an edge: what it asks for hangs on every bit that it is shown."""

    def __init__(self, site: Intersection) -> None:
        self._site = site
        self._number = 0

    def decide(
        self, now: Instant, readings: SiteReadings, view: tuple[int | None, int, int, int]
    ) -> StageSchedule | None:
        self._number += 1
        rng = random.Random(repr((now, readings, view)))
        if rng.random() < 0.1:
            return None
        entries = tuple(
            ScheduledStage(
                stage=rng.choice(self._site.stages).name, duration_ms=rng.randrange(1, 9_000)
            )
            for _ in range(rng.randrange(1, 4))
        )
        return StageSchedule(
            site=self._site.name,
            start_mono_ms=now.mono_ms,
            entries=entries,
            ttl_ms=rng.choice((1_000, 5_000)),
            sequence_no=self._number,
        )


def days_readings(site: Intersection, count: int, seed: int) -> list[SiteReadings]:
    """What *count* seconds bring: traffic, pauses, detectors that come and go."""
    rng = random.Random(seed)
    broken: set[int] = set()
    found = []
    for _ in range(count):
        columns: list[tuple[int | None, int | None, bool | None]] = []
        for d in range(len(site.detectors)):
            if rng.random() < 0.01:
                broken ^= {d}
            if d in broken:
                columns.append((None, None, None))
            else:
                columns.append(
                    (rng.choice((0, 0, 0, 1, 2)), rng.choice((0, 0, 1)), rng.random() < 0.3)
                )
        found.append(SiteReadings(*(tuple(column) for column in zip(*columns, strict=True))))
    return found


def in_process(site: Intersection, readings: list[SiteReadings], tick_ms: int) -> Trace:
    """What is seen and shown by the controller driven directly, as a bench does."""
    from controller.plan import check_schedule

    decider, shown, trace = Decider(site), Outputs(0, 0), []
    now = NOW
    state = start(site, now)
    stage_of = {mask: s for s, mask in enumerate(site.stage_masks)}
    for seen in readings:
        since_ms, sequence = state.stage_since_ms, state.sequence
        stage = stage_of.get(sequence.mask) if isinstance(sequence, Sequence) else None
        running = (None, 0) if since_ms is None else (stage, (state.clock_ms - since_ms) // 1_000)
        view = (*running, state.calls.called, shown.green)
        schedule = decider.decide(now, seen, view)
        checked = None if schedule is None else check_schedule(schedule, site)
        inputs = Inputs(*seen.masks(len(site.detectors)), FACTORY, checked)
        state, shown = step(site, state, now, inputs)
        trace.append((view, shown.aspects(site)))
        now = now.after(tick_ms)
    return trace


async def over_the_wire(
    client: CabinetClient,
    street: FieldClient,
    site: Intersection,
    readings: list[SiteReadings],
    tick_ms: int,
) -> Trace:
    """The same through a cabinet in lock-step: inputs, poll, order, step."""
    decider, trace, now = Decider(site), [], NOW
    await client.identify()
    for seen in readings:
        await street.see(now, seen)
        status = await client.poll()
        assert status.now == now
        assert status.readings == seen
        view = (status.stage, status.green_ms // 1_000, status.called, status.outputs.green)
        await client.send_schedule(decider.decide(status.now, status.readings, view))
        outputs = await street.step(now)
        trace.append((view, outputs.aspects(site)))
        now = now.after(tick_ms)
    return trace


@asynccontextmanager
async def running(
    there: Cabinet, *ends: End, unit: int = 1, field: bool = False, notes: list[str] | None = None
) -> AsyncIterator[Device]:
    """A device with open ports; in lock-step it only moves when its street says so."""
    device = Device(
        there,
        ends or (TcpEnd("127.0.0.1", 0),),
        unit=unit,
        field=TcpEnd("127.0.0.1", 0) if field else None,
        tell=(lambda line: None) if notes is None else notes.append,
    )
    await device.start()
    stop = asyncio.Event()
    task = asyncio.create_task(device.run(stop))
    try:
        yield device
    finally:
        stop.set()
        await task


def tcp_end(address: str) -> TcpEnd:
    """The end at a device's address such as ``tcp 127.0.0.1:1502``."""
    return TcpEnd(*host_and_port(address.rpartition(" ")[2], 0))


@contextmanager
def serial_pair() -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: the descriptor of one end, the name of the other."""
    master, slave = pty.openpty()
    tty.setraw(slave)
    os.set_blocking(master, False)
    try:
        yield master, os.ttyname(slave)
    finally:
        os.close(slave)
        os.close(master)


class Bus:
    """A two-wire line: what one of *ports* sends, all others hear. Can garble or swallow.

    With *baud* it takes the time that a line of this speed takes: a pseudo-terminal has none.
    """

    def __init__(self, masters: list[int], baud: int | None = None) -> None:
        self._masters = masters
        self._baud = baud
        self._free_s = 0.0
        self.spoil = lambda data: data
        self.deaf: set[int] = set()
        """Positions of the ports whose wire is cut."""

    def __enter__(self) -> Bus:
        for master in self._masters:
            asyncio.get_running_loop().add_reader(master, self._carry, master)
        return self

    def __exit__(self, *_: object) -> None:
        for master in self._masters:
            asyncio.get_running_loop().remove_reader(master)
        self._masters = []

    def _carry(self, speaker: int) -> None:
        data = self.spoil(os.read(speaker, 4_096))
        if self._masters.index(speaker) in self.deaf:
            return
        if self._baud is None:
            self._deliver(speaker, data)
            return
        loop = asyncio.get_running_loop()
        self._free_s = max(self._free_s, loop.time()) + SerialEnd("", self._baud).seconds(len(data))
        loop.call_at(self._free_s, self._deliver, speaker, data)

    def _deliver(self, speaker: int, data: bytes) -> None:
        for at, master in enumerate(self._masters):
            if master != speaker and data and at not in self.deaf:
                os.write(master, data)


def client_for(device: Device, site: Intersection = SITE, **more: object) -> CabinetClient:
    return CabinetClient(Line(tcp_end(device.addresses[0])), 1, site, KEY, **more)
