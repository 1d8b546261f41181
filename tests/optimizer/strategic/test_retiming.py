"""Warm re-optimisation: from the plans in force, only for a gain that is worth it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from controller.plan import check_plan
from optimizer.bounds import check_bounds
from optimizer.planning.maker import make_plan
from optimizer.planning.timing import timing_plan
from optimizer.profiles.improve import Effort
from optimizer.strategic.counts import LaneFlows
from optimizer.strategic.demand import demand_network, filled
from optimizer.strategic.present import setting_of, site_plan
from optimizer.strategic.retiming import GAIN_MIN, cost_of, retimed
from optimizer.strategic.streets import streets_of
from optimizer.strategic.windows import WindowSettings, bounds_for, windows
from tests.optimizer.strategic.worlds import LINKS, SITES

STREETS = streets_of([planned.site for planned in SITES], LINKS)
QUIET = ((540.0, 540.0, 240.0), (540.0, 540.0, 240.0))
BUSY = ((900.0, 700.0, 300.0), (950.0, 900.0, 600.0))


def network(flows):
    counted = [
        LaneFlows(
            flow_veh_per_h=np.array(own),
            saturation_veh_per_h=np.full(3, 1_800.0),
            counted_s=np.full(3, 600.0),
        )
        for own in flows
    ]
    return demand_network("road", SITES, STREETS, counted, period_h=0.5)


@pytest.fixture(scope="module")
def made():
    return make_plan(network(QUIET), effort=Effort(kicks=0)).plan


def test_a_plan_is_read_back_as_the_setting_that_it_was_made_from(made):
    demand = network(QUIET)
    plans = dict(enumerate(made.plans))
    sites = {at: site_plan(demand, at, plan) for at, plan in plans.items()}
    setting = setting_of(sites, plans, (0, 1), made.zones[0].cycle_s)
    for at, plan in plans.items():
        again = timing_plan(sites[at], setting, at, plan.name)
        assert replace(again, name=plan.name) == plan
    with pytest.raises(ValueError, match=r"runs a cycle of .* in a zone of 77 s"):
        setting_of(sites, plans, (0, 1), 77.0)


def test_the_same_demand_changes_nothing(made):
    (change,) = retimed(network(QUIET), made)
    assert not change.taken
    assert change.plans == dict(enumerate(made.plans))
    assert change.explain().startswith("zone 1: cycle ")


def test_another_demand_is_worth_a_change_and_the_line_says_why(made):
    demand = network(BUSY)
    (change,) = retimed(demand, made)
    assert change.taken
    assert change.gain >= GAIN_MIN
    after = replace(made, zones=(change.zone,), plans=tuple(change.plans.values()))
    assert cost_of(demand, after) == pytest.approx(change.index_after, rel=1e-6)
    assert cost_of(demand, made) == pytest.approx(change.index_before, rel=1e-6)
    for at, plan in change.plans.items():
        check_plan(plan, SITES[at].site)
        assert [e.stage for e in plan.stages] == [e.stage for e in made.plans[at].stages]
        assert plan.sequence_no == made.plans[at].sequence_no + 1
    assert f"index −{change.gain:.0%}: {change.fullest} was" in change.explain()


def test_an_unknown_flow_is_what_was_known_or_what_the_present_plan_is_made_for():
    unknown = LaneFlows(
        flow_veh_per_h=np.array([400.0, np.nan, np.nan]),
        saturation_veh_per_h=np.full(3, 1_800.0),
        counted_s=np.full(3, 600.0),
    )
    before = replace(unknown, flow_veh_per_h=np.array([1.0, 333.0, np.nan]))
    found = filled(unknown, before, SITES[0], [0b001, 0b010, 0b100])
    assert found.flow_veh_per_h.tolist() == pytest.approx([400.0, 333.0, 0.6 * 0.5 * 1_800.0])


def test_platoons_get_a_window_and_others_none(made):
    demand = network(QUIET)
    found = windows(demand, made, WindowSettings(platoons_veh_per_h=100.0))
    assert set(found) == {"A", "B"}
    for at, plan in enumerate(made.plans):
        window = found[plan.site]
        assert window.stage == "1"
        bounds = bounds_for(
            SITES[at].site, window, order=None, sequence_no=3, valid_ms=(0, 600_000)
        )
        assert bounds is not None
        assert check_bounds(bounds, SITES[at].site)
    assert windows(demand, made, WindowSettings(platoons_veh_per_h=2_000.0)) == {}


def test_a_window_that_leaves_no_room_is_made_shorter_or_left_out(made):
    window = windows(network(QUIET), made, WindowSettings(platoons_veh_per_h=100.0))["A"]
    site = SITES[0].site
    long = replace(window, end_s=window.begin_s + window.cycle_s - 4.0)
    found = bounds_for(site, long, order=None, sequence_no=1, valid_ms=(0, 1))
    assert found is not None
    assert found.window.length_s < long.length_s
    hopeless = replace(window, cycle_s=8.0, offset_s=0.0, begin_s=0.0, end_s=7.0)
    assert bounds_for(site, hopeless, order=None, sequence_no=1, valid_ms=(0, 1)) is None
