from __future__ import annotations

from dataclasses import replace

import pytest

from controller.plan import PlanStage
from optimizer.planning.network import NetworkPlan, Zone
from sim.arterial import build_arterial
from sim.network import derive_network
from sim.plans.check import check_network_plan, greens_ms
from sim.plans.diff import diff_plans
from sim.plans.shown import shown_cycle
from tests.sim.plans.plans_of import uneven_network_plan


@pytest.fixture
def plan(small):
    return uneven_network_plan(small)


@pytest.fixture
def sites(small):
    return [junction.intersection for junction in small.junctions]


def _rules(plan: NetworkPlan, sites, *severities: str) -> dict[str, str]:
    found = check_network_plan(plan, sites)
    return {each.rule: each.where for each in found if each.severity in severities}


def test_a_good_plan_has_nothing_unsafe(plan, sites):
    assert _rules(plan, sites, "unsafe", "warning") == {}


def test_a_split_below_its_minimum_is_unsafe(plan, sites):
    first = plan.plans[1]
    one, two, *others = first.stages
    bent = replace(
        first,
        stages=(
            replace(one, split_ms=one.split_ms + two.split_ms - 2_000),
            replace(two, split_ms=2_000),
            *others,
        ),
    )
    found = _rules(replace(plan, plans=(plan.plans[0], bent, *plan.plans[2:])), sites, "unsafe")
    assert first.site in found["split"]


def test_a_cycle_below_the_sum_of_minimums_is_said_as_such(plan, sites):
    first = plan.plans[0]
    short = replace(
        first,
        cycle_ms=16_000,
        offset_ms=0,
        stages=tuple(
            PlanStage(stage=entry.stage, split_ms=16_000 // len(first.stages))
            for entry in first.stages
        ),
    )
    found = check_network_plan(replace(plan, plans=(short, *plan.plans[1:])), sites)
    (message,) = [each.message for each in found if each.rule == "cycle minimum"]
    assert "cycle 16 s is below" in message
    assert "lengthen the cycle" in message


def test_sites_without_plan_and_plans_without_site_are_named(plan, sites):
    fewer = replace(plan, plans=plan.plans[1:])
    assert _rules(fewer, sites, "warning") == {"missing site": plan.plans[0].site}
    assert _rules(plan, sites[1:], "unsafe") == {"unknown site": plan.plans[0].site}
    twice = replace(plan, plans=(*plan.plans, plan.plans[0]))
    assert _rules(twice, sites, "unsafe") == {"two plans": plan.plans[0].site}


def test_an_offset_outside_the_cycle_is_unsafe(plan, sites):
    late = replace(plan.plans[2], offset_ms=plan.plans[2].cycle_ms)
    found = _rules(replace(plan, plans=(*plan.plans[:2], late, *plan.plans[3:])), sites, "unsafe")
    assert late.site in found["offset"]


def test_cycles_that_drift_apart_in_a_zone_are_unsafe(plan, sites):
    zones = tuple(replace(zone, cycle_s=90.0) for zone in plan.zones)
    assert set(_rules(replace(plan, zones=zones), sites, "unsafe")) == {"cycle mix"}
    double = tuple(replace(zone, cycle_s=plan.plans[0].cycle_ms / 2000) for zone in plan.zones)
    assert _rules(replace(plan, zones=double), sites, "unsafe") == {}


def test_a_site_in_two_zones_or_none_is_named(plan, sites):
    site = plan.plans[0].site
    again = Zone(name="again", cycle_s=98.7, sites=(site,))
    assert _rules(replace(plan, zones=(*plan.zones, again)), sites, "unsafe") == {"two zones": site}
    isolated = replace(plan, plans=(replace(plan.plans[0], offset_ms=None), *plan.plans[1:]))
    assert _rules(isolated, sites, "warning") == {"offset": site}


def test_a_long_wait_is_named(plan, sites):
    first = plan.plans[0]
    grown_ms = 180_000
    one, *others = first.stages
    long = replace(
        first,
        cycle_ms=first.cycle_ms + grown_ms,
        stages=(replace(one, split_ms=one.split_ms + grown_ms), *others),
    )
    found = _rules(replace(plan, plans=(long, *plan.plans[1:]), zones=()), sites, "warning")
    assert {"waiting", "cycle"} <= set(found)


def test_a_clearance_that_outlasts_the_stages_after_it_is_named(tmp_path):
    network = derive_network(build_arterial(tmp_path).with_name("arterial.net.xml"))
    junction = network.junction("market")
    splits = (19_000, 5_000, 18_000, 25_000, 5_000, 9_000)
    plan = replace(
        junction.shipped_plan,
        cycle_ms=81_000,
        stages=tuple(PlanStage(stage=str(k), split_ms=each) for k, each in enumerate(splits, 1)),
    )
    whole = NetworkPlan(name="tight", zones=(), plans=(plan,))
    found = check_network_plan(whole, [junction.intersection])
    assert ["stage 1 (number 1) is all green 5 s after it is due" in f.message for f in found] == [
        True
    ]


def test_greens_and_reds_are_those_of_the_lamps(small):
    for junction in small.junctions:
        site, plan = junction.intersection, junction.shipped_plan
        lit = shown_cycle(site, plan).lit
        for group, green_ms, red_ms in greens_ms(plan, site):
            shown = [(each.green >> group & 1, each.duration_ms) for each in lit]
            assert green_ms == sum(duration for green, duration in shown if green)
            assert red_ms == plan.cycle_ms - green_ms


def test_a_plan_does_not_differ_from_itself(plan):
    assert diff_plans(plan, plan).is_empty


def test_what_differs_is_named_by_site(plan):
    one, two, three, four, *others = plan.plans
    moved = replace(two, offset_ms=0)
    turned = replace(three, stages=(*three.stages[1:], three.stages[0]))
    slower = replace(
        four,
        cycle_ms=four.cycle_ms + 1_000,
        stages=(
            replace(four.stages[0], split_ms=four.stages[0].split_ms + 1_000),
            *four.stages[1:],
        ),
    )
    diff = diff_plans(plan, replace(plan, plans=(one, moved, turned, slower, *others)))
    assert [site.changed for site in diff.sites[:4]] == [
        (),
        ("offset",),
        ("order",),
        ("cycle", "splits"),
    ]
    assert not diff.zones_changed


def test_sites_of_only_one_plan_are_added_or_removed(plan):
    fewer = replace(plan, plans=plan.plans[:-1])
    assert diff_plans(plan, fewer).sites[-1].changed == ("removed",)
    assert diff_plans(fewer, plan).sites[-1].changed == ("added",)
