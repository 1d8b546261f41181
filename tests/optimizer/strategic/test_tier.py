"""The strategic tier: from counts to plans, and what it does when counts are bad."""

from __future__ import annotations

import math

import numpy as np
import pytest

from controller import plan_json
from controller.plan import check_plan
from optimizer.profiles.improve import Effort
from optimizer.strategic.tier import StrategicSettings, StrategicTier, moved
from tests.optimizer.strategic.worlds import LINKS, SITES, Loops

QUIET = {
    ("A", "main"): 540,
    ("A", "back"): 540,
    ("A", "side"): 240,
    ("B", "main"): 540,
    ("B", "back"): 540,
    ("B", "side"): 240,
}
BUSY_SIDE = QUIET | {("B", "side"): 900, ("B", "main"): 720, ("A", "side"): 600}
SETTINGS = StrategicSettings(whole=Effort(kicks=0))


def loops():
    return Loops(StrategicTier("road", SITES, LINKS, SETTINGS))


@pytest.fixture(scope="module")
def day():
    """A quiet quarter of an hour, then a busy one."""
    world = loops()
    world.run(900, QUIET)
    quiet = len(world.reviews)
    world.run(900, BUSY_SIDE)
    return world, quiet


def test_the_first_plan_comes_after_some_minutes_and_is_one_that_runs(day):
    world, _ = day
    now, outcome, plans = world.reviews[0]
    # The very first step is no interval.
    assert now.mono_ms == 241_000
    assert set(plans) == {"A", "B"}
    for planned in SITES:
        assert check_plan(plans[planned.name], planned.site)
        assert plans[planned.name].offset_ms is not None
        # As a signed order of the centre has it.
        assert plan_json.from_json(plan_json.to_json(plans[planned.name])) == plans[planned.name]
    assert outcome.told["A"].startswith("zone 1: cycle ")
    assert "% full" in outcome.told["A"]


def test_the_same_demand_keeps_its_plans(day):
    world, quiet = day
    assert quiet == 3
    assert all(not plans for _, _, plans in world.reviews[2:quiet])
    assert "stays" in world.reviews[quiet - 1][1].told["A"]


def test_a_surge_is_looked_at_before_its_time():
    world = loops()
    world.run(250, QUIET)
    world.run(int(SETTINGS.every_s) - 30, {key: 3 * flow for key, flow in QUIET.items()})
    assert len(world.reviews) == 2


def test_another_demand_gets_other_plans(day):
    world, quiet = day
    later = world.reviews[quiet:]
    assert any(plans for _, _, plans in later)
    told = [outcome.told[site] for _, outcome, plans in later for site in plans]
    assert any("index −" in line for line in told)
    before, after = world.reviews[0][2]["B"], world.tier.plan.plans[1]
    share = [plan.stages[1].split_ms / plan.cycle_ms for plan in (before, after)]
    assert share[1] > share[0], "more green for the side street that is busy now"


def test_numbers_go_up_and_the_same_counts_give_the_same_plans(day):
    world, _ = day
    for planned in SITES:
        numbers = [p[planned.name].sequence_no for _, _, p in world.reviews if planned.name in p]
        assert numbers == sorted(set(numbers))
    again = loops()
    again.run(900, QUIET)
    again.run(900, BUSY_SIDE)
    assert again.tier.plan == world.tier.plan


def test_without_loops_the_plans_stay():
    dead = loops()
    dead.run(600, QUIET, broken=tuple(QUIET))
    assert dead.reviews == []
    assert dead.tier.plan is None
    world = loops()
    world.run(300, QUIET)
    plan = world.tier.plan
    world.run(1_500, BUSY_SIDE, broken=tuple(QUIET))
    assert world.tier.plan.plans == plan.plans


def test_one_broken_lane_is_no_empty_lane():
    world = loops()
    world.run(900, QUIET, broken=[("A", "side")])
    _, outcome, _ = world.reviews[-1]
    flows = [stream.flow_veh_per_h for stream in outcome.review.network.streams]
    assert all(math.isfinite(flow) and flow > 100.0 for flow in flows)


def test_streams_have_what_was_counted_and_feed_each_other(day):
    world, quiet = day
    network = world.reviews[quiet - 1][1].review.network
    assert [s.name for s in network.streams[:3]] == [
        "A main right+through",
        "A back through",
        "A side right",
    ]
    flow = {s.name: s.flow_veh_per_h for s in network.streams}
    assert flow["A main right+through"] == pytest.approx(with_margin(540), rel=0.05)
    assert flow["A side right"] == pytest.approx(with_margin(240), rel=0.05)
    arriving = network.streams[3]
    assert arriving.name == "B main right+through"
    by = {network.streams[feed.stream].name: feed.flow_veh_per_h for feed in arriving.feeds}
    # 540 come: 240 of them from the side street, so the others of the main road went straight on.
    assert by["A side right"] == pytest.approx(with_margin(240), rel=0.05)
    assert by["A main right+through"] == pytest.approx(
        with_margin(540) - with_margin(240), rel=0.05
    )


def with_margin(veh_per_h):
    """A tenth of growth, and 0.7 standard deviations of a count of about ten minutes."""
    return 1.1 * veh_per_h + 0.7 * math.sqrt(3_600 * veh_per_h / 600)


def test_chance_is_no_change_of_demand():
    rng = np.random.default_rng(1)
    mean = np.full(40, 150.0)
    # Counts of about ten minutes, which is what the exponential mean of five amounts to.
    one, other = (rng.poisson(mean / 6.0) * 6.0 for _ in range(2))
    assert moved(one, other) < 0.1
    assert moved(one, 1.6 * other) > 0.15
    assert moved(None, one) == 1.0
