"""Days into periods: exact cuts, how many pay, which days are alike, which plans are shared."""

from itertools import combinations

import numpy as np
import pytest

from optimizer.planning import periods as periods_module
from optimizer.planning.cheap_plans import CheapPlanner
from optimizer.planning.day_types import alike_days
from optimizer.planning.periods import choose_periods, shared_plans, typical_days
from tests.optimizer.test_planning import street

BIN_S = 900.0


@pytest.fixture(scope="module")
def planner():
    return CheapPlanner(street(2))


def day(*parts):
    """(bins, 6 streams) flows of (bins, main, left, side) after each other."""
    rows = [[main, left, side] * 2 for bins, main, left, side in parts for _ in range(bins)]
    return np.asarray(rows, dtype=float)


MAIN = (900.0, 60.0, 150.0)
SIDE = (250.0, 60.0, 620.0)


def test_the_cuts_are_the_best_of_all(planner):
    flows = day((3, *MAIN), (3, *SIDE), (4, *MAIN))[None]
    flows = flows * np.random.default_rng(1).uniform(0.8, 1.2, size=flows.shape)
    choice = choose_periods(planner, flows, BIN_S, shortest_s=2 * BIN_S, most=4)
    costs, cycles = periods_module._segment_costs(planner, flows, 2, None)
    changes = periods_module._change_costs(planner, flows[0], float(np.median(cycles)))
    for count in range(1, 5):
        every = [
            (0, *cuts)
            for cuts in combinations(range(1, 10), count - 1)
            if all(b - a >= 2 for a, b in zip((0, *cuts), (*cuts, 10), strict=True))
        ]
        least = min(
            sum(costs[a, b] for a, b in zip(cuts, (*cuts[1:], 10), strict=True)) * BIN_S / 3600.0
            + sum(changes[cut] for cut in cuts[1:])
            for cuts in every
        )
        assert choice.by_count[count - 1].cost_veh_h == pytest.approx(least)
        assert choice.by_count[count - 1].starts in every


def test_a_day_that_changes_sides_gets_as_many_plans_as_it_has_parts(planner):
    flows = day((8, *MAIN), (8, *SIDE), (8, *MAIN))[None]
    choice = choose_periods(planner, flows, BIN_S)
    assert choice.best.starts == (0, 8, 16)
    assert choice.best.cost_veh_h < 0.9 * choice.by_count[0].cost_veh_h
    assert choice.best.changes_veh_h > 0.0


def test_a_day_without_change_gets_one_plan(planner):
    choice = choose_periods(planner, day((24, *MAIN))[None], BIN_S)
    assert choice.chosen == 1
    assert choice.by_count[1].cost_veh_h > choice.by_count[0].cost_veh_h


def test_no_period_is_shorter_than_it_may_be(planner):
    flows = day((9, *MAIN), (1, *SIDE), (10, *MAIN))[None]
    choice = choose_periods(planner, flows, BIN_S, shortest_s=4 * BIN_S)
    for cut in choice.by_count:
        assert all(b - a >= 4 for a, b in zip(cut.starts, (*cut.starts[1:], 20), strict=True))
    with pytest.raises(ValueError, match="20 intervals are shorter"):
        choose_periods(planner, flows, BIN_S, shortest_s=6 * 3600.0)


def test_weekdays_are_found_and_not_assumed(planner):
    rng = np.random.default_rng(4)
    working = day((6, *SIDE), (6, *MAIN))
    resting = day((6, *MAIN), (6, *SIDE))
    weeks = {k: working * rng.uniform(0.95, 1.05, working.shape) for k in (0, 1, 2, 4, 6)}
    weeks |= {k: resting * rng.uniform(0.95, 1.05, working.shape) for k in (3, 5)}
    assert alike_days(planner, weeks) == ((0, 1, 2, 4, 6), (3, 5))
    assert alike_days(planner, {0: working}) == ((0,),)


def test_periods_that_lose_little_share_a_plan(planner):
    parts = [day((6, *MAIN)), day((4, *SIDE)), 1.01 * day((8, *MAIN)), 0.99 * day((3, *SIDE))]
    assert shared_plans(planner, parts) == (2, 1, 2, 1)
    assert shared_plans(planner, parts[:2]) == (0, 1)


def test_many_days_are_weighed_by_typical_ones():
    flows = np.random.default_rng(2).uniform(0.0, 500.0, size=(40, 3, 2))
    typical = typical_days(flows)
    assert typical.shape == (5, 3, 2)
    assert (np.diff(typical, axis=0) > 0.0).all()
    assert typical.mean(axis=0) == pytest.approx(flows.mean(axis=0), rel=0.1)
    assert typical_days(flows[:3]) is not typical and len(typical_days(flows[:3])) == 3
