"""Less and less detection, bad input and impossible orders, through the real signal controller."""

from __future__ import annotations

import logging
import math
from dataclasses import replace

import numpy as np
import pytest

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Stage
from controller.signals import Fault, Outputs
from optimizer.capacity import least_saturation
from optimizer.fallback import AssumedDemand
from optimizer.fault_log import REPEAT_MS, FaultLog
from optimizer.site_changes import StageRules, site_changes
from optimizer.tactical import TacticalControl
from tests.optimizer.points import LANES, World, junction, shipped
from tests.optimizer.tactical_runs import tactical_run

FLOWS = {"main 1": 400, "main 2": 400, "side": 250, "left": 120}


def loops(*lanes):
    return tuple(f"{lane} {role}" for lane in lanes for role in ("stop line", "advance"))


EVERYTHING = (*loops(*LANES), "button")


def tactical(world):
    return TacticalControl(world.site, plan=shipped(world.site))


def run(world, seconds, spoil=lambda _, readings: readings):
    control = tactical(world)
    return control, list(tactical_run(world, seconds, control, spoil))


@pytest.mark.parametrize("lane", ["left", "side"])
def test_a_lane_without_any_detector_is_still_served(lane):
    blind = World(FLOWS, broken=loops(lane))
    control, moments = run(blind, 1_800)
    assert all(m.decision.schedule is not None for m in moments), "the others still optimise"
    greens = _green_starts(moments, blind.site.group_index(lane))
    assert len(greens) >= 10
    assert max(m.unserved_s[lane] for m in moments) <= 150
    assert "missing detector" in {f.kind for f in control.faults()}
    fixed = World(FLOWS)
    list(tactical_run(fixed, 1_800, None))
    assert blind.delay_s < fixed.delay_s, "one blind lane must not cost the whole gain"
    assert any("1 lanes on assumed demand" in m.decision.explain() for m in moments[400:])


def test_without_any_detector_the_plan_in_force_runs_and_costs_what_it_costs():
    blind, fixed = World(FLOWS, broken=EVERYTHING), World(FLOWS)
    _, moments = run(blind, 1_800)
    list(tactical_run(fixed, 1_800, None))
    issued = [m.second for m in moments if m.decision.schedule is not None]
    assert all(second < 12 for second in issued)
    assert blind.delay_s <= fixed.delay_s * 1.02 + 0.5
    last = moments[-1].decision
    assert last.limit == "plan in force"
    assert last.explain() == "no detector of the junction works: the plan in force runs"


def test_it_comes_back_by_itself():
    world = World(FLOWS)
    nothing = (None,) * len(world.site.detectors)

    def dies_for_a_while(second, readings):
        return SiteReadings(nothing, nothing, nothing) if 300 <= second < 700 else readings

    _, moments = run(world, 1_000, dies_for_a_while)
    by_plan = [m.second for m in moments if m.decision.schedule is None]
    assert by_plan[0] == pytest.approx(310, abs=2)
    assert by_plan[-1] == pytest.approx(705, abs=2)
    assert by_plan == list(range(by_plan[0], by_plan[-1] + 1)), "no flapping"


def test_one_missed_reading_changes_nothing():
    world = World(FLOWS)
    nothing = (None,) * len(world.site.detectors)
    _, moments = run(
        world, 200, lambda s, r: SiteReadings(nothing, nothing, nothing) if s % 50 == 49 else r
    )
    assert all(m.decision.schedule is not None for m in moments)


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda r: r._replace(entered=(-3, *r.entered[1:])), "negative count"),
        (lambda r: r._replace(left=(math.nan, *r.left[1:])), "count is not a number"),
        (lambda r: SiteReadings((0,), (0,), (False,)), "wrong junction"),
    ],
)
def test_bad_counts_are_named_and_controlled_around(spoil, kind, caplog):
    world = World(FLOWS)
    with caplog.at_level(logging.WARNING, "optimizer.fault_log"):
        control, moments = run(world, 240, lambda s, r: spoil(r) if 60 <= s < 65 else r)
    (record,) = caplog.records
    assert kind in record.message and world.site.name in record.message
    assert control.faults() == ()
    assert all(m.decision.schedule is not None for m in moments)


def test_a_clock_that_steps_is_named_and_survived(caplog):
    world = World(FLOWS)
    control = tactical(world)
    list(tactical_run(world, 60, control))
    with caplog.at_level(logging.WARNING, "optimizer.fault_log"):
        for jump_ms in (-30_000, 7_200_000):
            world.now = world.now.after(jump_ms)
            moments = list(tactical_run(world, 60, control))
            assert moments[-1].decision.schedule is not None
    assert sum("clock step" in record.message for record in caplog.records) >= 1


def test_an_order_that_leaves_a_lane_out_is_named_and_the_lane_served_when_overdue():
    world = World(FLOWS)
    control = TacticalControl(world.site, order=(0, 1), plan=shipped(world.site))
    moments = list(tactical_run(world, 1_200, control))
    unserved = [f.message for f in control.faults() if f.kind == "unserved lane"]
    assert len(unserved) == 1 and "serves left:" in unserved[0]
    left, side = (_green_starts(moments, world.site.group_index(g)) for g in ("left", "side"))
    assert len(left) >= 3
    assert 150 < max(m.unserved_s["left"] for m in moments) <= 180 + 30
    assert len(side) >= 10, "it went back into the order"


def test_more_demand_than_any_plan_serves_is_named():
    world = World({"main 1": 1_300, "main 2": 1_300, "side": 900, "left": 700})
    control, _ = run(world, 900)
    assert "over capacity" in {fault.kind for fault in control.faults()}
    calm, _ = run(World(FLOWS), 600)
    assert calm.faults() == ()


def test_least_saturation_is_a_bound_that_two_conflicting_lanes_reach():
    rate = np.array([[0.5, 0.0], [0.0, 0.5]])
    assert least_saturation(np.array([0.4, 0.1]), rate) == pytest.approx(1.0)
    assert least_saturation(np.array([0.2, 0.1]), rate) == pytest.approx(0.6)
    assert least_saturation(np.array([0.2, 0.1]), rate[:1]) == math.inf
    assert least_saturation(np.zeros(2), rate) == 0.0


def test_least_saturation_never_exceeds_what_some_greens_reach():
    rng = np.random.default_rng(5)
    for _ in range(200):
        stages, lanes = rng.integers(2, 7), rng.integers(2, 10)
        rate = 0.5 * rng.random((stages, lanes)) * (rng.random((stages, lanes)) < 0.6)
        demand = rng.random(lanes) * 0.3 * (rate.max(axis=0) > 0)
        greens = rng.dirichlet(np.ones(stages), size=400)
        with np.errstate(divide="ignore", invalid="ignore"):
            degree = np.nanmax(np.where(demand > 0.003, demand / (greens @ rate), 0.0), axis=1)
        assert least_saturation(demand, rate) <= degree.min() * (1 + 1e-9)


def test_assumed_demand_is_that_of_the_shipped_splits_and_grows_at_red():
    site = junction()
    rates = np.array([[0.5, 0.0], [0.0, 0.5], [0.0, 0.0]])
    plan = shipped(site)
    longer = replace(plan.stages[0], split_ms=60_000)
    shorter = tuple(replace(stage, split_ms=15_000) for stage in plan.stages[1:])
    assumed = AssumedDemand(site, (1, 2), rates, replace(plan, stages=(longer, *shorter)))
    assert assumed.rate_veh_per_s == pytest.approx([0.6 * 0.5 * 2 / 3, 0.6 * 0.5 / 6])
    nothing = np.zeros(2)
    for second in range(31):
        assumed.advance(Instant(1_000 * second, 0), nothing, green=1)
    queue, arrivals = np.zeros(2), np.zeros((2, 5))
    assumed.fill(queue, arrivals)
    assert queue == pytest.approx([0.0, 30 * 0.05])
    assert arrivals[:, 0] == pytest.approx(assumed.rate_veh_per_s)
    assert 15 <= assumed.waits_s(nothing)[1] <= 25
    assumed.advance(Instant(32_000, 0), np.array([0.0, 1.0]), green=2)
    seen = np.array([7.0, 7.0])
    assumed.fill(seen, arrivals)
    assert seen[1] == 7.0, "a lane that is seen again keeps what is seen"


def test_the_log_tells_a_fault_once(caplog):
    log = FaultLog("here")
    flicker = [Fault("stuck on", "detector a"), Fault("stuck on", "detector b")]
    with caplog.at_level(logging.WARNING):
        for second in range(1_200):
            log.note(Instant(1_000 * second, 0), (flicker[second % 2],) if second % 3 else ())
    assert [r.message for r in caplog.records] == [
        "here: stuck on: detector b",
        "here: stuck on: detector a",
    ]
    assert REPEAT_MS == 600_000


def test_a_stage_that_would_light_nobody_is_no_choice():
    site = junction()
    only_walk = replace(site, stages=(*site.stages, Stage(name="4", groups=("walk",))))
    groups = [1 << i for i in range(4)]
    rules = StageRules(max_green_s=[60] * 4)
    quiet, called = (site_changes(only_walk, groups, walks, rules) for walks in (0, 0b1000))
    assert not quiet.ready["allowed"][:, 3].any()
    assert called.ready["allowed"][:3, 3].all()
    assert quiet.ready["allowed"][3, :3].all(), "whoever is in it can leave"


def test_outside_a_given_order_there_is_a_way_back():
    allowed = site_changes(
        junction(), [1], 0, StageRules(max_green_s=[60] * 3, order=(0, 1))
    ).ready["allowed"]
    assert allowed.tolist() == [[0, 1, 0], [1, 0, 0], [1, 1, 0]]


def _green_starts(moments, group):
    lit = [bool(m.outputs.green >> group & 1) for m in moments]
    return [k for k in range(1, len(lit)) if lit[k] and not lit[k - 1]]


def test_outputs_stay_red_free_of_faults_on_an_empty_site():
    bare = replace(junction(), detectors=(), movements=())
    control = TacticalControl(bare)
    control.observe(Instant(0, 0), SiteReadings((), (), ()), Outputs(0, 0))
    assert control.faults() == ()
