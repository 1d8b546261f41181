"""Plans that are tried in SUMO: which, with which seeds, and which one is taken."""

from dataclasses import replace

import pytest

from controller.plan import PlanStage, TimingPlan
from optimizer.planning.maker import MadePlan
from optimizer.planning.network import NetworkPlan, Zone
from sim.arterial import build_arterial
from sim.convention import FIELD
from sim.network import derive_network
from sim.planning.trials import FIRST_SEED, Trial, best_of, rivals, tried
from sim.scenario import load_scenario


def made(cycle_s, by_cycle):
    stages = (PlanStage(stage="1", split_ms=round(cycle_s * 1000)),)
    plan = TimingPlan(
        site="J", name="p", cycle_ms=round(cycle_s * 1000), offset_ms=0, stages=stages
    )
    zone = Zone(name="1", cycle_s=cycle_s, sites=("J",))
    return MadePlan(
        plan=NetworkPlan(name="p", zones=(zone,), plans=(plan,)),
        predictions=(),
        notes=(),
        shortcomings=(),
        index_by_cycle=(by_cycle,),
    )


def test_rivals_are_the_cycles_that_cost_little_more_and_differ():
    by_cycle = {60.0: 130.0, 70.0: 105.0, 80.0: 100.0, 84.0: 100.5, 90.0: 103.0, 120.0: 109.0}
    best = made(80.0, by_cycle)
    asked = []

    def make(cycle_s):
        asked.append(cycle_s)
        return made(cycle_s, {cycle_s: by_cycle[cycle_s]})

    found = list(rivals(best, make))
    assert found[0] is best
    assert asked == [90.0, 70.0, 120.0]
    assert [each.plan.zones[0].cycle_s for each in found] == [80.0, 90.0, 70.0, 120.0]
    assert list(rivals(made(80.0, {80.0: 100.0}), make))[1:] == []


def _starved(plan):
    first, second, *rest = plan.stages
    moved = (
        replace(first, split_ms=first.split_ms - 18_000),
        replace(second, split_ms=second.split_ms + 18_000),
    )
    return replace(plan, stages=(*moved, *rest))


@pytest.fixture(scope="module")
def trials(tmp_path_factory):
    """The shipped plan of the arterial, and one that gives its side streets nearly everything."""
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))
    short = replace(scenario, end_s=600.0)
    network = derive_network(scenario.net_file)
    shipped = [junction.shipped_plan for junction in network.junctions]
    starved = [_starved(plan) if plan.site == "oak" else plan for plan in shipped]
    zone = Zone(name="1", cycle_s=90.0, sites=tuple(plan.site for plan in shipped))
    plans = [
        replace(
            made(90.0, {90.0: 1.0}),
            plan=NetworkPlan(name="p", zones=(zone,), plans=tuple(own)),
        )
        for own in (starved, shipped)
    ]
    told = []
    return tried(plans, short, 2, convention=FIELD, on_progress=told.append), told


def test_every_plan_runs_with_the_same_seeds_and_none_that_others_measure_with(trials):
    found, told = trials
    assert [[run.seed for run in trial.runs] for trial in found] == [
        [FIRST_SEED, FIRST_SEED + 1]
    ] * 2
    assert {step.control for step in told} == {"plan 1", "plan 2"}
    assert found[0].walking_delay_s is not None


def test_the_street_decides(trials):
    found, _ = trials
    assert found[0].delay_s > found[1].delay_s + 5.0
    for objective in ("delay", "stops", "index"):
        assert best_of(found, objective) is found[1]
    first = found[0]
    assert best_of((first, Trial(made=first.made, runs=first.runs)), "index") is first


def test_people_on_foot_count_as_much_as_drivers(trials):
    found, _ = trials
    one = found[1]
    slower = replace(
        one,
        runs=tuple(
            replace(run, pedestrian_delay_s=(run.pedestrian_delay_s or 0.0) + 30.0)
            for run in one.runs
        ),
    )
    per_vehicle = sum(30.0 * run.pedestrians / run.scheduled for run in one.runs) / len(one.runs)
    assert slower.cost_s("delay") - one.cost_s("delay") == pytest.approx(per_vehicle)
    assert slower.cost_s("stops") == one.cost_s("stops")
