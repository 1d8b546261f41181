"""The rings of a UTDF file: in as signals alone, and back with new splits."""

import csv
import io

import pytest

from controller.plan import check_plan
from optimizer.isolated.outcomes import mean_delay_s, outcomes
from optimizer.isolated.solve import Goal, best_timing
from sim.plans.from_utdf import planning_network_of
from sim.plans.utdf import parse_utdf
from sim.plans.utdf_phases import node_timing
from sim.plans.utdf_rings import PERIOD_H, isolated_plan, ring_signals, with_timings
from sim.plans.utdf_site import site_of_node
from tests.sim.plans.utdf_corner import CORNER
from tests.sim.plans.utdf_town import TOWN

CYCLES = [float(cycle) for cycle in range(45, 121, 5)]


def signals(text, **options):
    utdf = parse_utdf(text, "town")
    network, _ = planning_network_of(utdf)
    return list(ring_signals(utdf, network, **options))


def replanned(text, **options):
    timings = {
        each.node.id: best_timing(each.variants, CYCLES, Goal())
        for each in signals(text, **options)
    }
    return timings, with_timings(text, timings, "town")


def test_phases_windows_and_minimums_are_those_of_the_file():
    first, second = signals(TOWN)
    (signal,) = first.variants
    assert [phase.name for phase in signal.phases] == ["1", "2", "6", "4"]
    assert [(phase.ring, phase.barrier) for phase in signal.phases] == [
        (0, 0), (0, 0), (1, 0), (0, 1),
    ]  # fmt: skip
    # MinGreen 5 + 4; walk 7 + 12 and 5 of clearance; MinGreen 10 + 5; 7 + 5.
    assert signal.minimums_s.tolist() == [9.0, 24.0, 15.0, 12.0]
    assert signal.period_h == PERIOD_H
    by_name = {group.name: group for group in signal.groups}
    left = by_name["Main and First EBL"]
    assert [window.phases for window in left.windows] == [(0,), (2,)]
    assert [window.end_lag_s for window in left.windows] == [-4.0, -5.0]
    assert [signal.groups[rival].name for rival in left.rivals] == ["Main and First WBT"]
    assert second.variants[0].coupled == ()


def test_a_split_minimum_of_the_file_counts():
    text = TOWN.replace("Walk,1,,7", "MinSplit,1,14,20,,8,,10,,\nWalk,1,,7")
    assert signals(text)[0].variants[0].minimums_s.tolist() == [14.0, 24.0, 15.0, 12.0]


def test_new_splits_come_back_from_the_file():
    timings, new = replanned(TOWN)
    utdf = parse_utdf(new, "new")
    for number, timing in timings.items():
        read = node_timing(utdf, utdf.nodes[number])
        assert read.cycle_ms == timing.cycle_s * 1000
        splits = {phase.number: phase.split_ms for phase in read.phases}
        wanted = zip(timing.signal.phases, timing.splits_s, strict=True)
        assert splits == {int(phase.name): split * 1000 for phase, split in wanted}
    changed = {
        tuple(row[:2])
        for row, old in zip(rows(new), rows(TOWN), strict=False)
        if row != old and row[:1] != ["Offset"]
    }
    assert changed == {
        ("Cycle Length", "1"), ("Cycle Length", "2"), ("MaxGreen", "1"), ("MaxGreen", "2"),
    }  # fmt: skip
    network, _ = planning_network_of(utdf)
    plan, remarks = isolated_plan(utdf, network, Goal(), "alone", "least delay")
    assert remarks == ()
    assert plan.zones == ()
    assert [each.offset_ms for each in plan.plans] == [None, None]
    assert [each.cycle_ms for each in plan.plans] == [
        timing.cycle_s * 1000 for timing in timings.values()
    ]


def rows(text):
    return [row for row in csv.reader(io.StringIO(text)) if row]


def test_a_turn_may_lag_where_that_is_allowed():
    """Phase 2 has more to do before its opposing turn goes: BRP follows the order."""
    (signal, lagging) = signals(TOWN, lead_lag=True)[0].variants
    assert [phase.name for phase in lagging.phases] == ["2", "1", "6", "4"]
    assert signal.label == "1 2 6 4"
    timing = best_timing([lagging], CYCLES, Goal())
    new = parse_utdf(with_timings(TOWN, {1: timing}, "town"), "new")
    assert [phase.number for phase in node_timing(new, new.nodes[1]).phases] == [2, 1, 6, 4]
    assert len(signals(TOWN, lead_lag=True)[1].variants) == 1, "nobody gives way there"


@pytest.mark.parametrize("scale", [1.0, 5.0])
def test_the_plan_is_as_good_as_it_says(scale):
    text = TOWN.replace(",700,", f",{700 * scale:g},")
    timings, _ = replanned(text)
    for each in signals(text):
        timing = timings[each.node.id]
        phases = [each.site.timing.phase(int(p.name)) for p in timing.signal.phases]
        present = [phase.split_ms / 1000 for phase in phases]
        today_s = each.site.timing.cycle_ms / 1000
        before = mean_delay_s(outcomes(timing.signal, present, today_s))
        after = mean_delay_s(outcomes(timing.signal, timing.splits_s, timing.cycle_s))
        assert after < before


def test_rings_that_overlap_too_shortly_for_a_stage_get_stages_of_their_own():
    timings, new = replanned(CORNER)
    (timing,) = timings.values()
    splits = {p.name: s for p, s in zip(timing.signal.phases, timing.splits_s, strict=True)}
    assert 0 < abs(splits["1"] - splits["5"]) < 5
    utdf = parse_utdf(new, "new")
    network, _ = planning_network_of(utdf)
    plan, (remark,) = isolated_plan(utdf, network, Goal(), "alone", "least delay")
    assert "its rings overlap for less time than a stage takes" in remark.message
    site = isolated_site(utdf)
    (alone,) = plan.plans
    check_plan(alone, site)
    phases = {number for entry in alone.stages for number in entry.stage.split("+")}
    assert phases == {str(number) for number in range(1, 9)}
    assert alone.cycle_ms >= timing.cycle_s * 1000
    assert all(entry.split_ms % 1000 % 500 == 0 for entry in alone.stages)


def isolated_site(utdf):
    (node,) = utdf.signals()
    return site_of_node(utdf, node).site


def test_all_ways_to_lead_and_lag_are_tried():
    (corner,) = signals(CORNER, lead_lag=True)
    assert len(corner.variants) == 2**4
    best = best_timing(corner.variants, [85.0], Goal())
    present = best_timing(corner.variants[:1], [85.0], Goal())
    assert best.cost_veh <= present.cost_veh
