"""The adaptive plan, driven through the real controller against point queues."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from controller.clock import Instant
from controller.plan import TimingPlan, check_plan
from optimizer.adaptive_plan import AdaptivePlan
from tests.optimizer.points import World, junction, run, shipped

UNEVEN = {"main 1": 600.0, "main 2": 550.0, "side": 200.0, "left": 80.0}


def splits_s(plan: TimingPlan) -> list[float]:
    return [entry.split_ms / 1000.0 for entry in plan.stages]


def test_halves_the_delay_of_equal_splits() -> None:
    fixed, ours = World(UNEVEN), World(UNEVEN)
    run(fixed, 3_600, None)
    run(ours, 3_600, AdaptivePlan(ours.site, shipped(ours.site)))
    assert ours.delay_s < 0.5 * fixed.delay_s


@pytest.mark.parametrize("load", [0.2, 0.6, 1.0, 1.6])
def test_every_plan_is_legal_and_moves_in_bounds(load: float) -> None:
    world = World({lane: flow * load for lane, flow in UNEVEN.items()})
    issued = run(world, 2_400, AdaptivePlan(world.site, shipped(world.site)))
    assert len(issued) >= 2
    assert [plan.sequence_no for plan in issued] == list(range(1, len(issued) + 1))
    for plan in issued:
        check_plan(plan, world.site)
        assert sum(entry.split_ms for entry in plan.stages) == plan.cycle_ms
        assert plan.offset_ms is None
        assert all(entry.actuated and entry.skippable for entry in plan.stages)


def test_oversaturated_main_road_gets_the_green() -> None:
    """What leaves says 50:50 at first; the queues that are not cleared must say more."""
    flows = {"main 1": 1_150.0, "main 2": 1_150.0, "side": 150.0, "left": 150.0}
    world = World(flows)
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    issued = run(world, 3_000, adaptive)
    main, side, left = splits_s(issued[-1])
    assert main > 2.5 * left
    assert main > 2.0 * side
    assert world.queue["main 1"] + world.queue["main 2"] < 60


def test_demand_that_moves_takes_the_green_along() -> None:
    world = World({"main 1": 700.0, "main 2": 700.0, "side": 100.0, "left": 100.0})
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    before = splits_s(run(world, 1_800, adaptive)[-1])
    world.flows_veh_per_h = {"main 1": 100.0, "main 2": 100.0, "side": 700.0, "left": 100.0}
    after = splits_s(run(world, 1_800, adaptive)[-1])
    assert before[0] > before[1]
    assert after[1] > after[0]


def test_stage_without_detection_keeps_its_shipped_share() -> None:
    world = World(UNEVEN, broken=("left stop line", "left advance"))
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    issued = run(world, 1_800, adaptive)
    assert issued[-1].stages[2].split_ms >= 0.25 * issued[-1].cycle_ms
    assert "no valid counts, shipped share kept: 3" in adaptive.why


def test_without_any_detection_the_shipped_splits_stay() -> None:
    site = junction()
    world = World(UNEVEN, broken=tuple(detector.name for detector in site.detectors))
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    assert len(run(world, 900, adaptive)) == 1
    assert "no lane has a valid count" in adaptive.why


def test_settles_under_steady_demand() -> None:
    world = World(UNEVEN)
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    run(world, 2_400, adaptive)
    cycles = [plan.cycle_ms / 1000.0 for plan in run(world, 1_800, adaptive)]
    assert not cycles or max(cycles) - min(cycles) < 25.0


def test_why_names_the_critical_lane() -> None:
    world = World({"main 1": 300.0, "main 2": 300.0, "side": 700.0, "left": 60.0})
    adaptive = AdaptivePlan(world.site, shipped(world.site))
    run(world, 900, adaptive)
    assert re.match(
        r"cycle \d+ s; critical lane .+ \(.+\), degree of saturation 0\.\d", adaptive.why
    )
    assert "at minimum green: 3" in adaptive.why


def test_site_that_keeps_its_order_keeps_offset_and_cycle() -> None:
    world = World(UNEVEN)
    plan = replace(shipped(world.site), offset_ms=12_000)
    adaptive = AdaptivePlan(world.site, plan, keep_order=True)
    issued = run(world, 1_800, adaptive)
    assert len(issued) >= 2
    for new in issued:
        assert (new.cycle_ms, new.offset_ms) == (90_000, 12_000)
        assert not any(entry.skippable for entry in new.stages)
    assert splits_s(issued[-1])[0] > 35.0


def test_same_readings_same_plans() -> None:
    plans = []
    for _ in range(2):
        world = World(UNEVEN)
        plans.append(run(world, 900, AdaptivePlan(world.site, shipped(world.site))))
    assert plans[0] == plans[1]


def test_range_must_be_one() -> None:
    site = junction()
    with pytest.raises(ValueError, match=r"cycle_range_s: 90\.\.60"):
        AdaptivePlan(site, shipped(site), cycle_range_s=(90.0, 60.0))


def test_first_plan_is_the_shipped_one_actuated() -> None:
    site = junction()
    plan = AdaptivePlan(site, shipped(site)).plan(Instant(0, 0))
    assert plan is not None
    assert all(entry.actuated and entry.skippable for entry in plan.stages)
    assert all(entry.split_ms >= 30_000 for entry in plan.stages)
