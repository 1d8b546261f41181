"""The strategic tier on the bench: real loops in SUMO, plans on-line, alone and above adaptive."""

from __future__ import annotations

import libsumo
import pytest

from controller.coordination import CoordState
from optimizer.profiles.improve import Effort
from optimizer.strategic.tier import StrategicSettings
from optimizer.strategic.windows import WindowSettings
from sim.controls import find_control
from sim.controls.base import Setup
from sim.controls.coordinated import (
    NEW_PLAN,
    SUMO_DRIVERS,
    CoordinatedNetwork,
    CoordinatedTacticalNetwork,
)
from sim.controls.loop_driven import loop_driven
from sim.convention import FIELD
from sim.detector_faults import DetectorFaults, FaultKind
from sim.simulation import Outputs as Files
from sim.simulation import start, sumo_options
from tests.sim.test_corridor_bounds import SECONDS, scenario_in

SOON = StrategicSettings(
    first_s=120.0, every_s=150.0, soonest_s=90.0, whole=Effort(kicks=0), drivers=SUMO_DRIVERS
)


def alone(network, now):
    return CoordinatedNetwork(network, now, SOON)


def pair(network, now):
    return CoordinatedTacticalNetwork(
        network, now, None, SOON, WindowSettings(platoons_veh_per_h=100.0)
    )


def run(folder, make, faults=None):
    """(the control, notes, vehicles on the way at the end)."""
    folder.mkdir()
    scenario, made, notes = scenario_in(folder), [], []

    def remembered(network, now):
        made.append(make(network, now))
        return made[0]

    setup = Setup(
        scenario=scenario, convention=FIELD, folder=folder, faults=faults, tell=notes.append
    )
    prepared = loop_driven(remembered)(setup)
    files = Files.into(folder, detail=False)
    options = sumo_options(scenario, FIELD, 1, files, additional=prepared.additional)
    simulation = start(options, scenario)
    try:
        step = prepared.attach(simulation)
        for _ in range(SECONDS):
            step()
            simulation.step()
        left = libsumo.vehicle.getIDCount()
    finally:
        libsumo.close()
    return made[0], notes, left


@pytest.fixture(scope="module")
def coordinated(tmp_path_factory):
    return run(tmp_path_factory.mktemp("coordinated") / "run", alone)


def test_both_junctions_run_one_cycle_and_keep_in_step(coordinated):
    control, notes, left = coordinated
    plans = control.tier.plan.plans
    assert len({plan.cycle_ms for plan in plans}) == 1
    for site, plan in zip(control.sites, plans, strict=True):
        state = site.state
        assert state.sequence.program.plan.plan == plan
        assert state.cycle.state is CoordState.IN_STEP
    assert {note.junction for note in notes} == {"a", "b"}
    assert notes[0].limit == NEW_PLAN
    assert notes[0].why.startswith("zone 1: cycle ")
    # About 1,500 veh/h on streets of 25 to 70 s.
    assert left < 70


def test_without_loops_the_stages_run_as_before(tmp_path):
    control, notes, _ = run(
        tmp_path / "dead", alone, DetectorFaults(share=1.0, kinds=(FaultKind.MISSING,))
    )
    assert control.tier.plan is None
    assert notes == []


def test_the_strategic_tier_gives_the_tactical_one_its_windows(tmp_path):
    control, notes, left = run(tmp_path / "pair", pair)
    bounds = [each for each in control.bounds.values() if each is not None]
    assert [each for each in bounds if each.window is not None]
    assert any(note.limit == NEW_PLAN for note in notes)
    assert left < 70


def test_both_are_on_the_bench_and_see_loops_only():
    for name in ("coordinated", "adaptive_coordinated"):
        control = find_control(name)
        assert control.ours
        assert control.explains
        assert control.sees == find_control("adaptive").sees
