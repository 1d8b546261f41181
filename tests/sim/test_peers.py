"""The peers on a real network, against figures measured independently of this bench.

The reference figures are medians over five seeds with RESCO's insertion rule and intergreens.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from sim.controls import CONTROLS, SEE_LOOPS_OR_NOTHING, Setup, choose_controls
from sim.controls.greedy import GreedySignal, GreenStage, StageView
from sim.controls.native import AS_SHIPPED, PAST_STANDING, SUMO_DEFAULTS, native
from sim.convention import FIELD, RESCO
from sim.errors import BenchError
from sim.network.programs import Phase
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario

REFERENCE_DELAY_S = {
    "fixed": 51.8,
    "actuated": 45.0,
    "actuated_tuned": 44.4,
    "delay_based": 65.3,
    "delay_based_tuned": 31.8,
    "longest_queue_10": 24.3,
    "max_pressure_10": 28.7,
    "max_wave_10": 20.6,
    "max_wave_5": 21.5,
}


@pytest.mark.parametrize("control", REFERENCE_DELAY_S)
def test_delay_on_cologne8_is_that_of_the_reference(cologne8, control):
    spec = RunSpec(scenario=cologne8, control=control, seed=1, convention=RESCO)
    run = run_once(spec)
    assert run.delay_s == pytest.approx(REFERENCE_DELAY_S[control], rel=0.06)
    assert (run.scheduled, run.undeparted, run.jammed) == (2046, 0, False)


@pytest.mark.parametrize("control", ["webster", "webster_coordinated"])
def test_sumo_s_own_tools_make_plans_that_run(crossroads_spec, control):
    plain = run_once(crossroads_spec("fixed"))
    tool = run_once(crossroads_spec(control))
    assert tool.scheduled == plain.scheduled
    assert tool.delay_s != plain.delay_s, "SUMO ran the shipped program"


@pytest.fixture
def crossroads_spec(crossroads):
    scenario = load_scenario(str(crossroads))
    return lambda control: RunSpec(scenario=scenario, control=control)


def test_every_control_says_what_it_sees():
    assert set(CONTROLS) >= {"fixed", "actuated", "webster", "max_wave_5", "adaptive"}
    for control in CONTROLS.values():
        assert control.sees
        assert control.summary
    ours = [control.name for control in CONTROLS.values() if control.ours]
    by_plans, by_stages = ["planned", "splits", "coordinated"], ["adaptive_gated", "adaptive"]
    assert ours == [*by_plans, "adaptive_coordinated", *by_stages]


def test_all_stands_for_every_control_once():
    assert [c.name for c in choose_controls(["fixed", "all"])] == list(CONTROLS)
    with pytest.raises(BenchError, match="unknown control 'fxed': choose from all, fixed"):
        choose_controls(["fxed"])


class Crowd:
    """Vehicles on stretches of lanes, as a greedy rule sees them."""

    def __init__(self, **counts):
        self.counts = counts

    def count(self, reach):
        return sum(self.counts.get(lane, 0) for lane, _, _ in reach)


def _signal(decision_ms=5_000, yellow_ms=3_000, all_red_ms=1_000):
    stages = (GreenStage("GrG", yellow_ms, all_red_ms), GreenStage("rGG", yellow_ms, all_red_ms))
    views = tuple(StageView(((1.0, ((lane, 0.0, 50.0),)),), ()) for lane in ("a", "b"))
    return GreedySignal("J", stages, views, decision_ms)


def _trace(signal, crowd, seconds):
    states = {}
    for second in range(seconds):
        state = signal.step(second * 1_000, crowd)
        if state is not None:
            states[second] = state
    return states


def test_a_change_shows_yellow_and_all_red_and_keeps_common_greens():
    states = _trace(_signal(), Crowd(b=3), 5)
    assert states == {0: "yrG", 3: "rrG", 4: "rGG"}


def test_a_tie_keeps_the_stage():
    assert _trace(_signal(), Crowd(a=2, b=2), 12) == {0: "GrG"}


def test_every_green_lasts_two_seconds_at_least():
    signal, crowd = _signal(), Crowd(b=1)
    _trace(signal, crowd, 5)
    crowd.counts = {"a": 9}
    assert signal.step(5_000, crowd) is None
    assert signal.step(6_000, crowd) == "ryG"


def _written(prepare, crossroads, folder):
    scenario = load_scenario(str(crossroads))
    prepared = prepare(Setup(scenario=scenario, convention=FIELD, folder=folder))
    return ET.parse(prepared.additional[0]).getroot()


def test_a_tuned_peer_caps_the_green_by_the_shipped_one(crossroads, tmp_path):
    root = _written(native("actuated", PAST_STANDING), crossroads, tmp_path)
    greens = [phase for phase in root.iter("phase") if "G" in phase.get("state")]
    greens = [phase for phase in greens if "y" not in phase.get("state")]
    assert greens
    for phase in greens:
        shortest, longest = float(phase.get("minDur")), float(phase.get("maxDur"))
        assert longest == max(shortest, 1.5 * float(phase.get("duration")))
    params = {param.get("key"): param.get("value") for param in root.iter("param")}
    assert params == {"jam-threshold": "15"}


def test_an_untuned_peer_keeps_the_network_s_own_bounds():
    bounded = Phase(20.0, "Gr", 7.0, 33.0)
    free = Phase(20.0, "Gr", 20.0, 20.0)
    assert SUMO_DEFAULTS.bounds_s(bounded) == (7.0, 33.0)
    assert SUMO_DEFAULTS.bounds_s(free) == (5.0, 50.0)
    assert AS_SHIPPED.bounds_s(bounded) == (7.0, 20.0)
    assert AS_SHIPPED.bounds_s(Phase(3.0, "Gr", 3.0, 3.0)) == (5.0, 5.0)


def test_peers_that_see_loops_or_nothing_are_named():
    assert set(CONTROLS) >= SEE_LOOPS_OR_NOTHING
    for name in SEE_LOOPS_OR_NOTHING:
        assert CONTROLS[name].sees in {"nothing", "one loop per lane, 2 s before the stop line"}
