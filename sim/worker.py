"""The process that simulates one run: ``python -m sim.worker FOLDER``; see :mod:`sim.run`."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from controller.violations import InvalidError
from sim.controls import Prepared, Setup, Step, find_control
from sim.corridors.emergency import EmergencyRun
from sim.decisions import Journal
from sim.detail import Recorder, read_detail
from sim.errors import BenchError, SumoError
from sim.metrics import Trips, figures, read_incidents, read_trips
from sim.network import Network, derive_network
from sim.results import RunDetail, RunResult
from sim.run import DECISIONS_FILE, RESULT_FILE, SPEC_FILE, RunSpec
from sim.simulation import Outputs, Simulation, one_line, start, sumo_options
from sim.street_record import StreetRecorder
from sim.whatif.branch import Branch, load_options
from sim.whatif.keeping import Keeper, keeping_options, loops_for_keeping
from sim.whatif.present import read_present

JAMMED_S = 900.0
"""A vehicle that has stood still for this long at the end of the window is locked: no queue that is
served at all, however long, keeps a vehicle from moving up for a quarter of an hour."""
Look = Callable[[], None]
"""Called after every simulated step."""


def main(folder: Path) -> int:
    """Run what the folder's spec asks for, leave the result beside it."""
    spec: RunSpec = pickle.loads((folder / SPEC_FILE).read_bytes())
    threading.Thread(target=_end_with_parent, args=(folder,), daemon=True).start()
    outcome: RunResult | Exception
    try:
        outcome = simulate(spec, folder)
    except (BenchError, InvalidError) as error:
        outcome = error
    except OSError as error:
        outcome = SumoError(f"{error.strerror or error} (is the disk full?)")
    scratch = folder / f"{RESULT_FILE}.part"
    scratch.write_bytes(pickle.dumps(outcome))
    scratch.rename(folder / RESULT_FILE)
    return 0


def _end_with_parent(folder: Path) -> None:
    """The parent never writes: end of file on stdin means that it has died."""
    os.read(sys.stdin.fileno(), 1)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def simulate(spec: RunSpec, folder: Path) -> RunResult:
    """Simulate *spec* in this process, with *folder* for its files."""
    began_s = time.perf_counter()
    scenario = spec.scenario
    emergency = _emergency(spec)
    if emergency is not None:
        scenario = emergency.added_to(scenario, folder)
    outputs = Outputs.into(folder, detail=spec.detail)
    journal = Journal(folder / DECISIONS_FILE, spec.explain, keep=spec.detail)
    present = read_present(spec.present, scenario) if spec.present else None
    setup = Setup(
        scenario=scenario,
        convention=spec.convention,
        folder=folder,
        scale=spec.scale,
        layout=spec.layout,
        faults=spec.faults,
        tell=journal.tell if spec.explain or spec.detail else None,
        present=present,
        emergency=emergency,
    )
    prepared = find_control(spec.control).prepare(setup)
    street = StreetRecorder(spec.watch, folder) if spec.detail and spec.watch else None
    watched = (street.additional,) if street else ()
    network = _network(setup) if present is not None or spec.keep is not None else None
    kept = loops_for_keeping(network, folder, prepared.additional) if network and spec.keep else ()
    options = _options(spec, setup, prepared, outputs, (*watched, *kept))
    simulation = start(options, scenario, spec.link, delay_ms=spec.delay_ms)
    recorder = Recorder(simulation) if spec.detail else None
    steps = round((scenario.end_s - scenario.begin_s) / scenario.step_s)
    try:
        branch = Branch(simulation, network, present) if network and present else None
        eyes: list[Look] = [each.record for each in (recorder, branch) if each is not None]
        if street is not None:
            eyes.append(partial(street.record, simulation))
        if emergency is not None:
            eyes.append(partial(emergency.look, simulation))
        if network and spec.keep:
            eyes.append(Keeper(simulation, network, spec.keep, spec.control, folder).record)
        control = branch.control(prepared) if branch else prepared.attach(simulation)
        control_s = _drive(simulation, control, steps, eyes)
        jammed = _is_jammed(simulation)
        simulation.close()
        journal.close()
    except _sumo_failures() as error:
        at_s = simulation.time_ms / 1_000
        raise SumoError(f"SUMO stopped at {at_s:g} s: {one_line(error)}") from None
    trips = read_trips(outputs.trips, scenario.end_s)
    if branch is not None:
        trips = branch.trips_since(trips)
    found = figures(trips)
    collisions, teleports = read_incidents(outputs.statistics)
    return RunResult(
        seed=spec.seed,
        **{name: getattr(found, name) for name in found.__slots__},
        jammed=jammed,
        control_ms_per_step=control_s * 1_000 / steps,
        collisions=collisions,
        teleports=teleports,
        detail=_detail(setup, outputs, trips, recorder, journal, street) if recorder else None,
        ahead=branch.figures(trips, outputs.trips) if branch else None,
        emergency=emergency.result(trips) if emergency else None,
        wall_s=time.perf_counter() - began_s,
    )


def _emergency(spec: RunSpec) -> EmergencyRun | None:
    if spec.emergency is None:
        return None
    scenario = spec.scenario
    network = derive_network(
        scenario.net_file, scenario.additional_files, spec.convention, scenario.begin_s
    )
    return EmergencyRun(spec.emergency, network)


def _options(
    spec: RunSpec, setup: Setup, prepared: Prepared, outputs: Outputs, eyes: tuple[Path, ...]
) -> list[str]:
    """SUMO's options; *eyes* are the additional files of those who look on."""
    options = sumo_options(
        setup.scenario,
        spec.convention,
        spec.seed,
        outputs,
        scale=spec.scale,
        additional=(*prepared.additional, *spec.additional, *eyes),
    )
    if setup.present is not None:
        options += load_options(setup.present, setup, prepared)
    if spec.keep is not None:
        options += keeping_options()
    return options


def _detail(
    setup: Setup,
    outputs: Outputs,
    trips: Trips,
    recorder: Recorder,
    journal: Journal,
    street: StreetRecorder | None,
) -> RunDetail:
    scenario = setup.scenario
    drawn = read_detail(scenario, _network(setup), outputs, trips, recorder)
    return replace(
        drawn,
        decisions=tuple(journal.kept),
        street=street.result(recorder.changes) if street else None,
    )


def _network(setup: Setup) -> Network:
    scenario = setup.scenario
    return derive_network(
        scenario.net_file, scenario.additional_files, setup.convention, scenario.begin_s
    )


def _drive(simulation: Simulation, control: Step | None, steps: int, eyes: Sequence[Look]) -> float:
    """Run to the end of the window; returns the seconds spent in the control."""
    control_s = 0.0
    clock = time.perf_counter
    for _ in range(steps):
        if control is not None:
            before_s = clock()
            control()
            control_s += clock() - before_s
        simulation.step()
        for look in eyes:
            look()
    return control_s


def _is_jammed(simulation: Simulation) -> bool:
    vehicle = simulation.connection.vehicle
    return any(
        vehicle.getWaitingTime(name) >= JAMMED_S and not vehicle.isStopped(name)
        for name in vehicle.getIDList()
    )


def _sumo_failures() -> tuple[type[BaseException], ...]:
    """What libsumo and traci raise, once one of them is loaded."""
    return tuple(
        getattr(sys.modules[module], name)
        for module in ("libsumo", "traci")
        if module in sys.modules
        for name in ("TraCIException", "FatalTraCIError")
    )


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
