"""The cycle: offset, transitions, clock steps, and the schedule of a coordinated plan."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.clock import Instant
from controller.intersection import Intersection
from controller.plan import CheckedPlan, Transition, check_plan, minimum_splits_ms
from controller.signals import Inputs
from controller.violations import InvalidError
from tests.controller.crossroads import CYCLE_MS, EW, NS, UTC_MS, crossroads, plan, ticks
from tests.controller.oracle import Shown, events, green_starts, run
from tests.controller.strategies import UTC_BASE_MS, planned_sites, seeds

some = settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def patient(site: Intersection) -> Intersection:
    """*site* without the rules that may rightly disturb a fixed plan."""
    groups = tuple(replace(group, max_wait_ms=3_600_000) for group in site.groups)
    return replace(site, groups=groups)


def run_plan(
    site: Intersection, checked: CheckedPlan, cycles: float, utc_ms: int, tick_ms: int = 100
) -> list[Shown]:
    return run(
        site,
        ticks(
            checked.plan.cycle_ms * cycles / 1_000,
            Inputs(plan=checked),
            utc_ms=utc_ms,
            tick_ms=tick_ms,
        ),
    )


def in_step_after_ms(trace: list[Shown]) -> int:
    return next(s.lived_ms for s, e in events(trace, 150) if e.parameter == 1)


def test_the_first_stage_starts_at_the_offset_after_the_utc_multiple_of_the_cycle() -> None:
    site = crossroads()
    trace = run_plan(site, plan(site, offset_ms=7_000), 6, UTC_MS + 12_300)
    start = green_starts(trace, NS)[-1]
    assert start.now.utc_ms % CYCLE_MS == pytest.approx(7_000, abs=100)
    assert green_starts(trace, EW)[-1].now.utc_ms % CYCLE_MS == pytest.approx(42_000, abs=100)


@settings(some, max_examples=8)
@given(planned_sites(fixed=True), st.integers(0, 10_000))
def test_invariant_16_stages_start_where_the_cycle_has_them(
    planned: tuple[Intersection, CheckedPlan], phase: int
) -> None:
    site = patient(planned[0])
    offset_ms = planned[1].plan.cycle_ms // 300 * 100
    fixed = replace(planned[1].plan, offset_ms=offset_ms)
    checked = check_plan(fixed, site)
    trace = run_plan(site, checked, 7, UTC_BASE_MS + phase * 100)
    last_cycle = [s for s in trace if s.lived_ms > trace[-1].lived_ms - 1.2 * fixed.cycle_ms]
    for k, expected_ms in enumerate(checked.starts_ms):
        for i, group in enumerate(site.groups):
            if group.is_pedestrian or not starts_with(site, checked, i, k):
                continue
            seconds = [
                (s.now.utc_ms - offset_ms) % fixed.cycle_ms for s in green_starts(last_cycle, i)
            ]
            assert any(apart(second, expected_ms, fixed.cycle_ms) <= 100 for second in seconds)


def starts_with(site: Intersection, checked: CheckedPlan, group: int, k: int) -> bool:
    """Whether *group* turns green with stage *k*, anew or after the yellow trap has ended it."""
    before, mask = checked.masks[k - 1], checked.masks[k]
    kept = before & ~site.ending_with(before & ~mask, before)
    return bool(mask & ~kept & 1 << group)


def apart(one_ms: int, other_ms: int, cycle_ms: int) -> int:
    return min((one_ms - other_ms) % cycle_ms, (other_ms - one_ms) % cycle_ms)


@pytest.mark.parametrize("transition", list(Transition))
@pytest.mark.parametrize("step_s", [-50, -31, -29, -1, 1, 12, 29, 31, 3_599])
def test_invariant_18_in_step_within_five_cycles_of_a_clock_step(
    transition: Transition, step_s: int
) -> None:
    site = patient(crossroads())
    checked = plan(site, transition=transition)
    before = list(ticks(300, Inputs(plan=checked)))
    last = before[-1][0]
    later = Instant(last.mono_ms + 100, last.utc_ms + 100 + step_s * 1_000)
    trace = run(site, before + list(ticks(420, Inputs(plan=checked), begin=later)))
    stepped_ms = later.mono_ms
    states = [(s.lived_ms, e.parameter) for s, e in events(trace, 150) if s.lived_ms >= stepped_ms]
    states = [(at, state) for at, state in states if state != 5]
    assert states[0][0] == stepped_ms
    assert states[-1][1] == 1
    assert states[-1][0] - stepped_ms <= 5 * CYCLE_MS + 1_000
    assert [e.parameter for s, e in events(trace, 181)] == [min(abs(step_s), 32_767)]
    if transition is Transition.ADD_ONLY:
        assert 3 not in {state for _, state in states}
    if transition is Transition.DWELL:
        assert {state for _, state in states} <= {1, 4}
        assert states[-1][0] - stepped_ms <= 2 * CYCLE_MS + 1_000
    assert green_starts(trace, NS)[-1].now.utc_ms % CYCLE_MS == pytest.approx(0, abs=200)


@some
@given(planned_sites(fixed=True), seeds)
def test_invariant_18_no_split_falls_below_its_minimum_in_transition(
    planned: tuple[Intersection, CheckedPlan], seed: int
) -> None:
    site = patient(planned[0])
    fixed = replace(planned[1].plan, offset_ms=0)
    checked = check_plan(fixed, site)
    trace = run_plan(site, checked, 6, UTC_BASE_MS + seed * 100)
    assert in_step_after_ms(trace) <= 5 * fixed.cycle_ms + 8_000
    least_ms = max(sum(minimum_splits_ms(site, checked.masks)), fixed.cycle_ms * 4 // 5)
    most_ms = fixed.cycle_ms * 5 // 4
    yielded = [s.lived_ms for s, _ in events(trace, 151)]
    assert len(yielded) >= 3
    for one, other in pairwise(yielded[1:]):  # the first stage is late by its start-up red revert
        assert least_ms - 1_000 <= other - one
        if fixed.transition is not Transition.DWELL:
            assert other - one <= most_ms + 1_000


@pytest.mark.parametrize("drift_ms", [-400, 400])
def test_a_small_drift_is_absorbed_without_a_transition(drift_ms: int) -> None:
    site = crossroads()
    checked = plan(site)
    before = list(ticks(400, Inputs(plan=checked)))
    last = before[-1][0]
    later = Instant(last.mono_ms + 100, last.utc_ms + 100 + drift_ms)
    trace = run(site, before + list(ticks(200, Inputs(plan=checked), begin=later)))
    tail = [s for s in trace if s.now.mono_ms >= later.mono_ms]
    assert {e.parameter for _, e in events(tail, 150)} == {5}
    assert events(tail, 181) == []
    assert green_starts(tail, NS)[-1].now.utc_ms % CYCLE_MS == pytest.approx(0, abs=100)


@pytest.mark.parametrize("cycles", [1, 7, -3])
def test_shifting_both_clocks_by_whole_cycles_changes_nothing(cycles: int) -> None:
    site = crossroads()
    checked = plan(site, offset_ms=11_000, side={"actuated": True, "skippable": True})
    by_ms = cycles * CYCLE_MS

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, pulsed=10 if int(second * 10) % 170 == 3 else 0)

    one = run(site, ticks(300, seen, begin=Instant(500_000, UTC_MS)))
    other = run(site, ticks(300, seen, begin=Instant(500_000 + by_ms, UTC_MS + by_ms)))
    assert [s.aspects for s in one] == [s.aspects for s in other]
    assert [[(e.code, e.parameter, e.utc_ms + by_ms) for e in s.outputs.events] for s in one] == [
        [(e.code, e.parameter, e.utc_ms) for e in s.outputs.events] for s in other
    ]


@some
@given(planned_sites())
def test_invariant_15_plans_that_break_a_rule_are_refused_with_every_violation(
    planned: tuple[Intersection, CheckedPlan],
) -> None:
    site, checked = planned
    good = checked.plan
    minimum = minimum_splits_ms(site, checked.masks)[0]
    short = replace(good.stages[0], split_ms=minimum - 100)
    bad = replace(good, stages=(short, *good.stages[1:]), offset_ms=good.cycle_ms)
    with pytest.raises(InvalidError) as caught:
        check_plan(bad, site)
    assert {"split", "pattern sum", "offset"} <= {v.rule for v in caught.value.violations}


def test_a_plan_for_another_site_is_refused_and_reported() -> None:
    site = crossroads()
    other = crossroads(
        startup_red_ms=1_000,
        groups=tuple(
            replace(group, min_green_ms=group.min_green_ms + 1_000) for group in site.groups
        ),
    )
    trace = run(site, ticks(20, Inputs(plan=plan(other))))
    assert {fault.kind for fault in trace[-1].outputs.faults} == {"plan refused"}
    assert trace[-1].state.sequence.program.plan is None


def test_a_plan_is_in_force_only_while_it_is_valid() -> None:
    site = crossroads()
    timed = replace(
        plan(site, sequence_no=9).plan,
        valid_from_utc_ms=UTC_MS + 60_000,
        valid_to_utc_ms=UTC_MS + 200_000,
    )
    checked = check_plan(timed, site)
    calls = Inputs(plan=checked, occupied=15)
    trace = run(site, ticks(400, calls))
    patterns = [(s.lived_ms // 1_000, e.parameter) for s, e in events(trace, 131)]
    assert [number for _, number in patterns] == [0, 9, 0][-len(patterns) :]
    taken = next(second for second, number in patterns if number == 9)
    dropped = patterns[-1][0]
    assert 60 <= taken <= 130
    assert 200 <= dropped <= 265


def test_at_one_second_ticks_the_plan_keeps_step_too() -> None:
    site = crossroads()
    trace = run_plan(site, plan(site), 7, UTC_MS + 20_000, tick_ms=1_000)
    starts = [s.now.utc_ms % CYCLE_MS for s in islice(reversed(green_starts(trace, NS)), 2)]
    assert starts == [0, 0]
