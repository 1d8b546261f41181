"""A plan made from a UTDF file goes back into it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from controller.plan import PlanStage, TimingPlan, check_plan
from controller.violations import InvalidError
from optimizer.planning.network import NetworkPlan
from sim.errors import PlanFileError
from sim.plans.from_utdf import planning_network_of
from sim.plans.utdf import parse_utdf
from sim.plans.utdf_alone import plan_of_utdf_alone
from sim.plans.utdf_site import site_of_node
from sim.plans.utdf_update import updated_utdf
from tests.sim.plans.utdf_town import TOWN


def _sites():
    utdf = parse_utdf(TOWN)
    return [site_of_node(utdf, node) for node in utdf.signals()]


def _plan(*plans: TimingPlan) -> NetworkPlan:
    return NetworkPlan(name="new", zones=(), plans=plans)


def _timing(plan: TimingPlan) -> tuple[object, ...]:
    return (plan.cycle_ms, plan.offset_ms, [(e.stage, e.split_ms) for e in plan.stages])


def test_the_present_plan_changes_nothing_that_counts():
    present = plan_of_utdf_alone(parse_utdf(TOWN)).plan
    again = plan_of_utdf_alone(parse_utdf(updated_utdf(TOWN, present))).plan
    assert again.plans == present.plans


def test_new_splits_cycle_and_offset_are_read_back():
    first, second = _sites()
    splits = (12_000, 40_500, 37_500)
    new = replace(
        first.present,
        cycle_ms=90_000,
        offset_ms=71_300,
        stages=tuple(
            replace(entry, split_ms=split)
            for entry, split in zip(first.present.stages, splits, strict=True)
        ),
    )
    check_plan(new, first.site)
    text = updated_utdf(TOWN, _plan(new, second.present))
    read = plan_of_utdf_alone(parse_utdf(text)).plan
    assert [_timing(plan) for plan in read.plans] == [_timing(new), _timing(second.present)]


def test_another_order_moves_phases_in_their_ring():
    """The left turn, and with it the ring, goes behind its through traffic: lag instead of lead."""
    first, second = _sites()
    one, two, three = first.present.stages
    new = replace(first.present, stages=(two, one, three), offset_ms=4_000)
    check_plan(new, first.site)
    text = updated_utdf(TOWN, _plan(new, second.present))
    read = plan_of_utdf_alone(parse_utdf(text)).plan.plans[0]
    assert [entry.stage for entry in new.stages] == ["2+6", "1+6", "4"]
    assert _timing(read) == _timing(new)
    assert "\r\nBRP,1,112,111,,211,,121,," in text


def test_a_cycle_that_begins_in_the_middle_is_turned():
    first, second = _sites()
    one, two, three = first.present.stages
    new = replace(first.present, stages=(two, three, one), offset_ms=0)
    text = updated_utdf(TOWN, _plan(new, second.present))
    read = plan_of_utdf_alone(parse_utdf(text)).plan.plans[0]
    assert [entry.stage for entry in read.stages] == ["4", "1+6", "2+6"]
    assert read.offset_ms == two.split_ms
    assert [entry.split_ms for entry in read.stages] == [
        each.split_ms for each in (three, one, two)
    ]


def test_volumes_streets_and_everything_else_stay():
    first, second = _sites()
    before, _ = planning_network_of(parse_utdf(TOWN))
    new = replace(second.present, offset_ms=1_000)
    after, _ = planning_network_of(parse_utdf(updated_utdf(TOWN, _plan(first.present, new))))
    assert after.streams == before.streams
    text = updated_utdf(TOWN, _plan(first.present, new))
    head = TOWN[: TOWN.index("[Timeplans]")].splitlines()
    assert [line.rstrip(",") for line in text.splitlines()][: len(head)] == [
        line.rstrip(",") for line in head
    ]


def test_start_times_of_the_old_plan_are_taken_out():
    started = TOWN + "Start,1,10,20,,30,,10,,\nStart,2,,10,,20,,10,,\n"
    first, second = _sites()
    text = updated_utdf(started, _plan(first.present))
    assert "Start,1" not in text
    assert "Start,2" in text
    assert text.rstrip().splitlines()[-1].startswith("Offset,1,")
    assert second.present in plan_of_utdf_alone(parse_utdf(text)).plan.plans


def test_an_order_that_rings_cannot_show_is_refused():
    first, second = _sites()
    one, two, three = first.present.stages
    half = [replace(entry, split_ms=entry.split_ms * 2) for entry in (two, three)]
    torn = replace(
        first.present,
        cycle_ms=first.present.cycle_ms + two.split_ms + three.split_ms,
        stages=(one, half[0], half[1]),
    )
    check_plan(torn, first.site)
    updated_utdf(TOWN, _plan(torn, second.present))
    twice = replace(
        torn,
        cycle_ms=torn.cycle_ms + one.split_ms,
        stages=(one, half[0], half[1], PlanStage(stage=two.stage, split_ms=one.split_ms)),
    )
    with pytest.raises((PlanFileError, InvalidError), match=r"keep the order|below"):
        updated_utdf(TOWN, _plan(twice, second.present))


def test_a_stage_without_time_is_left_out_and_a_short_one_refused():
    first, _ = _sites()
    one, two, three = first.present.stages
    for split_ms, lasts in ((0, True), (2_000, False)):
        new = replace(
            first.present,
            stages=(
                replace(one, split_ms=split_ms),
                replace(two, split_ms=two.split_ms + one.split_ms - split_ms),
                three,
            ),
        )
        if lasts:
            read = plan_of_utdf_alone(parse_utdf(updated_utdf(TOWN, _plan(new)))).plan
            assert [entry.stage for entry in read.plans[0].stages] == ["2+6", "4"]
        else:
            with pytest.raises(PlanFileError, match="phase 1 of 'Main and First' would last 2 s"):
                updated_utdf(TOWN, _plan(new))


def test_a_plan_for_another_file_is_refused():
    first, _ = _sites()
    stranger = replace(first.present, site="Elm Street")
    with pytest.raises(PlanFileError, match="no signal is called 'Elm Street'"):
        updated_utdf(TOWN, _plan(stranger))
