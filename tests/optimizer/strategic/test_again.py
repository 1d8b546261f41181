"""A plan in force made to fit new counts: what stays, what it gains, and what is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.plan import check_plan
from optimizer.planning.maker import PlanningError, make_plan
from optimizer.profiles.improve import Effort
from optimizer.strategic.again import plan_again
from optimizer.strategic.retiming import cost_of
from tests.optimizer.test_planning import street

EVENING = street(3, flow=850.0)


@pytest.fixture(scope="module")
def present():
    return make_plan(street(3), effort=Effort(kicks=0), name="morning").plan


def test_what_stays_and_what_it_gains(present):
    # A side street of twice the flow needs other splits.
    side = replace(EVENING.streams[5], flow_veh_per_h=500.0)
    network = replace(EVENING, streams=(*EVENING.streams[:5], side, *EVENING.streams[6:]))
    made = plan_again(network, present)
    assert cost_of(network, made.plan) < cost_of(network, present)
    assert made.plan.name == "morning"
    assert [zone.sites for zone in made.plan.zones] == [zone.sites for zone in present.zones]
    for plan, old, each in zip(made.plan.plans, present.plans, network.sites, strict=True):
        check_plan(plan, each.site)
        assert [e.stage for e in plan.stages] == [e.stage for e in old.stages]
    assert any("index −" in note for note in made.notes)
    assert any("have other splits" in note for note in made.notes)
    assert [each.stream for each in made.predictions] == list(range(9))


def test_the_demand_that_it_was_made_for_changes_hardly_anything(present):
    made = plan_again(street(3), present)
    assert cost_of(street(3), made.plan) <= cost_of(street(3), present)
    for zone, old in zip(made.plan.zones, present.zones, strict=True):
        assert abs(zone.cycle_s - old.cycle_s) <= 10.0


def test_cycles_stay_in_the_range_and_the_time_in_its_limit(present):
    now_s = present.zones[0].cycle_s
    made = plan_again(EVENING, present, cycle_range_s=(now_s, now_s))
    assert made.plan.zones[0].cycle_s == now_s
    ticks = iter(range(1_000_000))
    effort = Effort(kicks=0, is_local=True, clock=lambda: float(next(ticks)), time_limit_s=8.0)
    hurried = plan_again(EVENING, present, effort=effort)
    assert cost_of(EVENING, hurried.plan) <= cost_of(EVENING, present)
    assert next(ticks) < 200


def test_a_plan_without_zones_is_bettered_site_by_site(present):
    made = plan_again(EVENING, replace(present, zones=()))
    assert sorted(zone.sites for zone in made.plan.zones) == [("J1",), ("J2",), ("J3",)]


def test_a_plan_of_other_sites_is_refused(present):
    with pytest.raises(PlanningError, match="the plan morning has none for J4: give the plan of"):
        plan_again(street(4), present)
    with pytest.raises(PlanningError, match="is for J3 too, which street does not have"):
        plan_again(street(2), present)
    first = present.plans[0]
    named = replace(first, stages=(replace(first.stages[0], stage="9"), *first.stages[1:]))
    other = replace(present, plans=(named, *present.plans[1:]))
    with pytest.raises(PlanningError, match="runs stage 9 at J1, which has no such stage"):
        plan_again(street(3), other)
