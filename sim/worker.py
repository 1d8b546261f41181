"""The process that simulates one run: ``python -m sim.worker FOLDER``; see :mod:`sim.run`."""

from __future__ import annotations

import os
import pickle
import shutil
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

from controller.violations import InvalidError
from sim.controls import Setup, Step, find_control
from sim.decisions import Journal
from sim.detail import Recorder, read_detail
from sim.errors import BenchError, SumoError
from sim.metrics import Trips, figures, read_incidents, read_trips
from sim.network import derive_network
from sim.results import RunDetail, RunResult
from sim.run import DECISIONS_FILE, RESULT_FILE, SPEC_FILE, RunSpec
from sim.simulation import Outputs, Simulation, one_line, start, sumo_options

JAMMED_S = 900.0
"""A vehicle that has stood still for this long at the end of the window is locked: no queue that is
served at all, however long, keeps a vehicle from moving up for a quarter of an hour."""


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
    outputs = Outputs.into(folder, detail=spec.detail)
    journal = Journal(folder / DECISIONS_FILE, spec.explain, keep=spec.detail)
    setup = Setup(
        scenario=scenario,
        convention=spec.convention,
        folder=folder,
        scale=spec.scale,
        layout=spec.layout,
        faults=spec.faults,
        tell=journal.tell if spec.explain or spec.detail else None,
    )
    prepared = find_control(spec.control).prepare(setup)
    options = sumo_options(
        scenario,
        spec.convention,
        spec.seed,
        outputs,
        scale=spec.scale,
        additional=prepared.additional,
    )
    simulation = start(options, scenario, spec.link, delay_ms=spec.delay_ms)
    recorder = Recorder(simulation) if spec.detail else None
    steps = round((scenario.end_s - scenario.begin_s) / scenario.step_s)
    try:
        control_s = _drive(simulation, prepared.attach(simulation), steps, recorder)
        jammed = _is_jammed(simulation)
        simulation.close()
        journal.close()
    except _sumo_failures() as error:
        at_s = simulation.time_ms / 1_000
        raise SumoError(f"SUMO stopped at {at_s:g} s: {one_line(error)}") from None
    trips = read_trips(outputs.trips, scenario.end_s)
    found = figures(trips)
    collisions, teleports = read_incidents(outputs.statistics)
    return RunResult(
        seed=spec.seed,
        **{name: getattr(found, name) for name in found.__slots__},
        jammed=jammed,
        control_ms_per_step=control_s * 1_000 / steps,
        collisions=collisions,
        teleports=teleports,
        detail=_detail(setup, outputs, trips, recorder, journal) if recorder else None,
        wall_s=time.perf_counter() - began_s,
    )


def _detail(
    setup: Setup, outputs: Outputs, trips: Trips, recorder: Recorder, journal: Journal
) -> RunDetail:
    scenario = setup.scenario
    network = derive_network(
        scenario.net_file, scenario.additional_files, setup.convention, scenario.begin_s
    )
    drawn = read_detail(scenario, network, outputs, trips, recorder)
    return replace(drawn, decisions=tuple(journal.kept))


def _drive(
    simulation: Simulation, control: Step | None, steps: int, recorder: Recorder | None
) -> float:
    """Run to the end of the window; returns the seconds spent in the control."""
    control_s = 0.0
    clock = time.perf_counter
    for _ in range(steps):
        if control is not None:
            before_s = clock()
            control()
            control_s += clock() - before_s
        simulation.step()
        if recorder is not None:
            recorder.record()
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
