"""One run of the fault campaign: ``python -m benchmarks.fault_run JOB RECORD``.

A process of its own, as SUMO allows one simulation in each. The street is SUMO, everything else is
the hardware-in-the-loop bench without its reference run: cabinets, daemon, wires, and a broker
with a centre that listens on it, which the wires that are cut don't lead to.
"""

from __future__ import annotations

import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.fault_events import (
    Centre,
    compare_with_cabinet,
    compare_with_centre,
    mosquitto,
    overflown,
    read_store,
)
from benchmarks.fault_job import Job
from benchmarks.fault_record import Recovery, RunRecord, allowed_s, write_record
from controller.clock import Instant
from edge.broker import EmbeddedBroker
from edge.errors import EdgeError
from firmware_bridge.errors import BridgeError
from sim.convention import FIELD
from sim.errors import BenchError
from sim.hil.bench import TICK_MS
from sim.hil.cabinets import HOST
from sim.hil.drive import Drive, Driven, lockstep, real_time, wait_until_adaptive
from sim.hil.faults import Fault, FaultKind, parse_fault
from sim.hil.injector import Injector
from sim.hil.plant import Plant, raise_plant
from sim.hil.programs import Programs
from sim.hil.spec import HilSpec, parse_speed
from sim.hil.street import Street
from sim.hil.trace_check import OWN_CLOCK_MS, Sample, check_trace, unseen_share
from sim.hil.watch import Seen, Watch, first_back, seen_by
from sim.network import Network, derive_network
from sim.scenario import load_scenario

EDGE = "bench"
"""As the bench calls it in its site file."""
LOOK_S = 0.2
"""How often somebody looks whose word a cabinet runs on, in real time."""
STEADY_S = 3.0
MOMENT_S = 0.35
"""In real time a fault comes up to so long after the full second: faults are to find cabinets and
daemon at any point of their work."""
DAY_MS = 86_400_000


class _PresentStreet(Street):
    """SUMO's time of day, on this day: a daemon does not believe that it is 1970."""

    @property
    def now(self) -> Instant:
        """See :class:`Street`."""
        now = super().now
        return Instant(now.mono_ms, now.utc_ms + self._today_ms)

    _today_ms = time.time_ns() // 1_000_000 // DAY_MS * DAY_MS


@dataclass(slots=True)
class Moments:
    """When each fault began at each junction and was over, by *clock*, which the looks go by."""

    clock: Callable[[], float] = time.monotonic
    begun_s: dict[tuple[Fault, str], float] = field(default_factory=dict)
    over_s: dict[tuple[Fault, str], float] = field(default_factory=dict)

    def note(self, fault: Fault, junction: str, broken: bool) -> None:
        """See :data:`sim.hil.injector.OnChange`."""
        (self.begun_s if broken else self.over_s)[fault, junction] = self.clock()


class _CampaignInjector(Injector):
    """Comes a moment late, each time another one, and hits nobody who is not back yet."""

    def __init__(
        self, job: Job, spec: HilSpec, plant: Plant, names: tuple[str, ...], moments: Moments
    ) -> None:
        super().__init__(
            [(fault, spec.hit(fault, names)) for fault in spec.faults],
            plant.virtual,
            plant.daemon,
            plant.wiring,
            wait=spec.speed.lockstep,
            seed=spec.seed,
            on_change=moments.note,
        )
        self._moments = moments
        self._rng = random.Random(f"{job.seed} {job.number}")

    async def pass_to(self, second: int, detectors: Mapping[str, int]) -> None:
        """See :class:`Injector`."""
        if not self._wait and any(second in (f.at_s, f.end_s) for f, _ in self._faults):
            await asyncio.sleep(self._rng.uniform(0.0, MOMENT_S))
        await super().pass_to(second, detectors)

    async def _break(
        self, fault: Fault, junctions: Sequence[str], detectors: Mapping[str, int]
    ) -> None:
        away = self._moments.begun_s.keys() - self._moments.over_s.keys()
        if not any(junction in junctions for _, junction in away):
            await super()._break(fault, junctions, detectors)

    async def _mend(self, fault: Fault, junctions: Sequence[str]) -> None:
        if (fault, junctions[0]) in self._moments.begun_s:
            await super()._mend(fault, junctions)


class _Lookout(Watch):
    """Looks at cabinets several times a second of real time, each in its own time."""

    def __init__(self, plant: Plant, injector: Injector) -> None:
        super().__init__({})
        self.notes: dict[str, list[Seen]] = {name: [] for name in plant.virtual}
        self._cabinets = plant.virtual
        self._injector = injector
        self._ended = False
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin."""
        self._tasks = [asyncio.create_task(self._keep_looking(name)) for name in self._cabinets]

    async def close(self) -> None:
        """See :class:`Watch`; asking the tasks is enough, and a cancellation may be swallowed."""
        self._ended = True
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _keep_looking(self, name: str) -> None:
        client = None
        while not self._ended:
            if name in self._injector.away:
                self.notes[name].append(Seen(time.monotonic(), scheduled=False))
                client = None  # a new line: the old one waits before it tries again
            else:
                try:
                    if client is None:
                        client = self._cabinets[name].observer()
                        await client.identify()
                    seen = replace(await seen_by(client, 0.0), at_s=time.monotonic())
                except BridgeError:
                    seen, client = Seen(time.monotonic(), scheduled=False), None
                self.notes[name].append(seen)
            await asyncio.sleep(LOOK_S)


class _StepLookout(Watch):
    """Looks once in each second of the simulation."""

    def __init__(self, plant: Plant) -> None:
        super().__init__({name: each.observer() for name, each in plant.virtual.items()})

    @property
    def notes(self) -> Mapping[str, Sequence[Seen]]:
        """All that was seen."""
        return self._seen


@dataclass(slots=True)
class Run:
    """What a run leaves to be judged."""

    moments: Moments
    samples: Sequence[Sequence[Sample]] = ()
    notes: Mapping[str, Sequence[Seen]] = field(default_factory=dict)
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    stored: int = 0
    repeated: int = 0


def perform(job: Job, folder: Path) -> RunRecord:
    """Make the run of *job*, with its files in *folder*.

    Raises :class:`BenchError`, :class:`EdgeError` or :class:`BridgeError`.
    """
    begin_s = 600.0 + 97 * job.number % 1_800
    window = load_scenario(job.scenario)
    begin_s = min(window.begin_s + begin_s, window.end_s - job.seconds)
    scenario = load_scenario(job.scenario, begin_s=begin_s, end_s=begin_s + job.seconds)
    network = derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)
    names = [junction.id for junction in network.junctions]
    faults = job.faults(names)
    spec = HilSpec(
        scenario=scenario,
        speed=parse_speed(job.speed),
        seed=job.number + 1,
        link=job.link,
        faults=tuple(parse_fault(str(fault), names) for fault in faults),
    )
    with _broker(job, folder) as port, Programs() as programs:
        run = asyncio.run(_drive(job, spec, network, folder, programs, port))
    return judge(job, network, run)


@contextmanager
def _broker(job: Job, folder: Path) -> Iterator[int]:
    if job.broker == "embedded":
        with EmbeddedBroker() as broker:
            yield broker.port
    else:
        with mosquitto(folder) as port:
            yield port


async def _drive(
    job: Job, spec: HilSpec, network: Network, folder: Path, programs: Programs, port: int
) -> Run:
    centre = Centre(EDGE)
    await centre.listen(port)
    plant = await raise_plant(spec, network, folder, programs, (HOST, port))
    _let_the_centre_confirm(folder / "site.toml")
    (folder / "sumo").mkdir()
    street = _PresentStreet(
        spec.scenario, network, FIELD, folder / "sumo", seed=spec.seed, scale=spec.scale
    )
    moments = Moments(lambda: float(street.second)) if spec.speed.lockstep else Moments()
    names = tuple(junction.id for junction in network.junctions)
    injector = _CampaignInjector(job, spec, plant, names, moments)
    watch = _StepLookout(plant) if spec.speed.lockstep else _Lookout(plant, injector)
    drive = Drive(street, plant, network, injector, watch, 1, lambda progress: None)
    run = Run(moments, notes=watch.notes)
    try:
        run.samples = (await _driven(drive, watch)).samples
        await watch.close()
        await plant.daemon.stop()
        await _account(run, plant, folder, centre)
    finally:
        street.abandon()
        await injector.close()
        await watch.close()
        await plant.close()
        await centre.close()
    return run


async def _driven(drive: Drive, watch: _StepLookout | _Lookout) -> Driven:
    daemon = drive.plant.daemon
    if isinstance(watch, _StepLookout):
        await daemon.start()
        return await lockstep(drive, math.inf)
    await drive.feed_nobody()
    await daemon.start()
    await wait_until_adaptive(drive)
    watch.start()
    return await real_time(drive)


def _let_the_centre_confirm(site_toml: Path) -> None:
    text = site_toml.read_text(encoding="utf-8")
    asked, wanted = 'confirmed_by = "broker"', 'confirmed_by = "centre"'
    if text.count(asked) != 1:
        raise BenchError(f"{site_toml} has no {asked}: the campaign needs a centre that confirms")
    site_toml.write_text(text.replace(asked, wanted), encoding="utf-8")


async def _account(run: Run, plant: Plant, folder: Path, centre: Centre) -> None:
    """Hold the store against the centre and the cabinets; the daemon has ended."""
    kept = await asyncio.to_thread(read_store, folder / "edge.db")
    run.stored, run.repeated = len(kept.events), centre.repeated
    lost, twice = compare_with_centre(kept, centre.taken)
    killed = {place for fault, place in run.moments.begun_s if fault.kind is FaultKind.KILL}
    for name, cabinet in plant.virtual.items():
        client = cabinet.observer()
        found = await compare_with_cabinet(kept, name, client, restarted=name in killed)
        await client.line.close()
        lost, twice = lost + found[0], twice + found[1]
    log = (folder / "edge.log").read_text(encoding="utf-8", errors="replace")
    run.lost, run.twice = lost + overflown(log), twice


def judge(job: Job, network: Network, run: Run) -> RunRecord:
    """What *run* comes to."""
    step_ms = 1_000 if job.speed == "lockstep" else OWN_CLOCK_MS
    sites = [junction.intersection for junction in network.junctions]
    pairs = list(zip(sites, run.samples, strict=True))
    violations = [
        f"{each.junction} at {each.at_ms}: {each.rule.value}: {each.message}"
        for site, samples in pairs
        for each in check_trace(site, samples, step_ms)
    ]
    unseen = 0.0
    if job.speed != "lockstep":
        unseen = max(unseen_share(samples, TICK_MS) for _, samples in pairs)
    starts_s = {site.name: (site.startup_flash_ms + site.opening_red_ms) / 1_000 for site in sites}
    recoveries = tuple(recoveries_of(run.moments, run.notes, starts_s))
    return RunRecord(
        kind=job.kind,
        number=job.number,
        link=job.link,
        speed="lock-step" if job.speed == "lockstep" else "real time",
        scenario=job.scenario,
        times=len({each.fault for each in recoveries}),
        looks=sum(map(len, run.samples)),
        unseen_share=unseen,
        violations=tuple(violations),
        stored=run.stored,
        lost=tuple(run.lost),
        twice=tuple(run.twice),
        repeated=run.repeated,
        recoveries=recoveries,
    )


def recoveries_of(
    moments: Moments, notes: Mapping[str, Sequence[Seen]], starts_s: Mapping[str, float]
) -> Iterator[Recovery]:
    """How each fault at each junction ended; *starts_s* is what a cabinet's own start takes.

    One that had no time to end, as the run did, is left out.
    """
    for (fault, junction), over_s in moments.over_s.items():
        begun_s = moments.begun_s[fault, junction]
        others = (at_s for (_, place), at_s in moments.begun_s.items() if place == junction)
        next_s = min((at_s for at_s in others if at_s > begun_s), default=math.inf)
        seen = [each for each in notes[junction] if each.at_s < next_s]
        back = first_back(seen, over_s, STEADY_S)
        start_s = starts_s[junction] if fault.kind is FaultKind.KILL else 0.0
        if seen[-1].at_s < over_s + allowed_s(fault.kind, start_s) + STEADY_S and back is None:
            continue
        end_s = next_s if back is None else back.at_s
        yield Recovery(
            fault=str(fault),
            junction=junction,
            left=any(begun_s <= n.at_s < end_s and not n.scheduled for n in seen),
            back_s=None if back is None else round(back.at_s - over_s, 2),
            start_s=start_s,
        )


def main() -> None:
    """Make the run that the file of the first word describes, its record into the second."""
    job = Job(**json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    with tempfile.TemporaryDirectory(prefix="greenband-faults-") as folder:
        try:
            record = perform(job, Path(folder))
        except (BenchError, EdgeError, BridgeError) as error:
            sys.exit(str(error))
    write_record(Path(sys.argv[2]), record)


if __name__ == "__main__":
    main()
