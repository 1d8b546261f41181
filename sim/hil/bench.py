"""One run: everything is started, driven second by second, ended, and judged."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sim.hil.brokers import broker_at
from sim.hil.drive import (
    WATCH_EVERY_S,
    Drive,
    Driven,
    Progress,
    lockstep,
    real_time,
    wait_until_adaptive,
)
from sim.hil.errors import HilError
from sim.hil.injector import Injector
from sim.hil.plant import Plant, raise_plant
from sim.hil.programs import Programs
from sim.hil.reference import Reference, ReferenceSpec
from sim.hil.results import HilResult, Recovery, TraceCheck
from sim.hil.spec import HilSpec
from sim.hil.street import Street, StreetRecord
from sim.hil.trace_check import OWN_CLOCK_MS, check_trace, unseen_share
from sim.hil.watch import Watch
from sim.network import Network
from sim.simulation import sumo_version

TICK_MS = 100
"""A step of a cabinet with its own clock."""
Tell = Callable[[str], None]
OnProgress = Callable[[Progress], None]


def run_bench(spec: HilSpec, network: Network, tell: Tell, on_progress: OnProgress) -> HilResult:
    """Run *spec* on *network*, which is its scenario's; *tell* gets a line for each stage of it.

    Nothing is left behind, whatever happens: no program, no port, and no file unless asked for.
    Raises :class:`~sim.errors.BenchError`, :class:`~edge.errors.EdgeError` or
    :class:`~firmware_bridge.errors.BridgeError`.
    """
    with _folder(spec.keep) as folder, broker_at(spec.broker) as broker, Programs() as programs:
        bench = _Bench(spec, network, folder, programs)
        try:
            return asyncio.run(bench.run(broker, tell, on_progress))
        except asyncio.CancelledError:
            if bench.signal is signal.SIGINT:
                raise KeyboardInterrupt from None
            raise HilError("the bench was asked to end") from None


@contextmanager
def _folder(keep: Path | None) -> Iterator[Path]:
    """The folder of a run; nothing of an earlier one is in it."""
    if keep is None:
        folder = Path(tempfile.mkdtemp(prefix="greenband-hil-"))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    else:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise HilError(f"{keep} is not an empty folder: choose another for the run's files")
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.absolute()


class _Bench:
    def __init__(self, spec: HilSpec, network: Network, folder: Path, programs: Programs) -> None:
        self._spec = spec
        self._network = network
        self._folder = folder
        self._programs = programs
        self._names = tuple(junction.id for junction in network.junctions)
        self._drive: Drive | None = None
        self.signal: signal.Signals | None = None
        """The one that asked it to end."""

    async def run(self, broker: tuple[str, int], tell: Tell, on_progress: OnProgress) -> HilResult:
        self._stop_on_signals()
        spec = self._spec
        count = len(self._names) - len(spec.devices)
        tell(f"starting {count} cabinet{'' if count == 1 else 's'} and the edge daemon")
        plant = await raise_plant(spec, self._network, self._folder, self._programs, broker)
        street = self._street()
        injector = self._injector(plant)
        watch = Watch(plant.observers())
        every_s = 1 if spec.faults else WATCH_EVERY_S
        drive = Drive(street, plant, self._network, injector, watch, every_s, on_progress)
        self._drive = drive
        try:
            if not spec.speed.lockstep:
                await drive.feed_nobody()
            await plant.daemon.start()
            reference = self._reference()
            tell(f"running {spec.scenario.name}, {spec.speed}")
            driven = await self._driven(drive)
            record = street.finish(driven.edge_s)
        except BaseException:
            street.abandon()
            raise
        finally:
            await injector.close()
            await watch.close()
            await plant.close()
        tell("waiting for the reference run")
        return self._result(record, await reference.record(), driven, watch)

    def _stop_on_signals(self) -> None:
        task = asyncio.current_task()
        assert task is not None

        def stop(number: signal.Signals) -> None:
            self.signal = number
            if self._drive is not None:
                self._drive.stopped = True
            task.cancel()

        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop, number)

    async def _driven(self, drive: Drive) -> Driven:
        if self._spec.speed.lockstep:
            return await lockstep(drive, self._spec.speed.factor)
        await wait_until_adaptive(drive)
        return await real_time(drive)

    def _street(self) -> Street:
        spec = self._spec
        folder = self._folder / "sumo"
        folder.mkdir()
        return Street(
            spec.scenario,
            self._network,
            spec.convention,
            folder,
            seed=spec.seed,
            scale=spec.scale,
        )

    def _injector(self, plant: Plant) -> Injector:
        spec = self._spec
        return Injector(
            [(fault, spec.hit(fault, self._names)) for fault in spec.faults],
            plant.virtual,
            plant.daemon,
            plant.wiring,
            wait=spec.speed.lockstep,
            seed=spec.seed,
        )

    def _reference(self) -> Reference:
        spec = self._spec
        what = ReferenceSpec(spec.scenario, spec.convention, spec.seed, spec.scale)
        return Reference(self._programs, what, self._folder / "reference")

    def _result(
        self, run: StreetRecord, reference: StreetRecord, driven: Driven, watch: Watch
    ) -> HilResult:
        spec, scenario = self._spec, self._spec.scenario
        return HilResult(
            scenario=scenario.name,
            convention=spec.convention.name,
            sumo=sumo_version(),
            speed=str(spec.speed),
            lockstep=spec.speed.lockstep,
            link=spec.link,
            broker=spec.broker,
            seed=spec.seed,
            scale=spec.scale,
            begin_s=scenario.begin_s,
            end_s=scenario.end_s,
            junctions=self._names,
            foreign=tuple(device.junction for device in spec.devices),
            run=run,
            reference=reference,
            wall_s=driven.wall_s,
            adaptive_share=watch.adaptive_share,
            trace=self._trace(run, reference, driven),
            latencies=driven.latencies,
            faults=spec.faults,
            recoveries=tuple(self._recoveries(run, reference, watch)),
        )

    def _trace(self, run: StreetRecord, reference: StreetRecord, driven: Driven) -> TraceCheck:
        step_ms = round(self._spec.scenario.step_s * 1_000)
        lockstep = self._spec.speed.lockstep
        tick_ms = step_ms if lockstep else OWN_CLOCK_MS
        sites = [junction.intersection for junction in self._network.junctions]
        pairs = list(zip(sites, driven.samples, strict=True))
        differs_s, where = _first_difference(run, reference, self._names)
        return TraceCheck(
            looks=sum(map(len, driven.samples)),
            unseen_share=0.0
            if lockstep
            else max(unseen_share(samples, TICK_MS) for _, samples in pairs),
            violations=tuple(
                each for site, samples in pairs for each in check_trace(site, samples, tick_ms)
            ),
            differs_at_s=differs_s,
            differs_where=where,
        )

    def _recoveries(
        self, run: StreetRecord, reference: StreetRecord, watch: Watch
    ) -> Iterator[Recovery]:
        for fault in self._spec.faults:
            for name in self._spec.hit(fault, self._names):
                found = watch.recovery(fault, name, self._names.index(name), run, reference)
                if found is not None:
                    yield found


def _first_difference(
    run: StreetRecord, reference: StreetRecord, names: tuple[str, ...]
) -> tuple[int | None, str]:
    """The first second and junction at which the lamps are not those of the reference."""
    for second, (ours, theirs) in enumerate(zip(run.lamps, reference.lamps, strict=True)):
        for name, one, other in zip(names, ours, theirs, strict=True):
            if one != other:
                return second, name
    return None, ""
