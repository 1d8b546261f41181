"""NEMA dual ring: invariants 9 to 11, the checks of ring plans, and hand-over to stages."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.ring_plan import CheckedRingPlan, check_ring_plan
from controller.signals import Inputs, OperatorMode
from controller.violations import InvalidError
from tests.controller import oracle
from tests.controller.crossroads import ticks
from tests.controller.oracle import events, green_starts, run
from tests.controller.strategies import (
    RINGS,
    UTC_BASE_MS,
    Day,
    dual_ring_site,
    random_plan,
    random_ring_plan,
    ring_days,
    seeds,
)

some = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))


@some
@given(ring_days())
def test_invariants_9_and_10_one_phase_per_ring_and_barriers_crossed_together(
    day_and_plan: tuple[Day, CheckedRingPlan],
) -> None:
    day, _ = day_and_plan
    assert list(oracle.ring_faults(day.site, RINGS, run(day.site, day.steps))) == []


@some
@given(ring_days())
def test_all_safety_invariants_hold_under_a_ring_plan(
    day_and_plan: tuple[Day, CheckedRingPlan],
) -> None:
    day, _ = day_and_plan
    site, trace = day.site, run(day.site, day.steps)
    assert list(oracle.conflicts_lit(site, trace)) == []
    assert list(oracle.short_greens(site, trace)) == []
    assert list(oracle.wrong_endings(site, trace, pedestrians=False)) == []
    assert list(oracle.wrong_endings(site, trace, pedestrians=True)) == []
    assert list(oracle.short_intergreens(site, trace)) == []
    assert list(oracle.short_reds(site, trace)) == []
    assert list(oracle.log_faults(trace)) == []


@some
@given(ring_days())
def test_invariant_13_every_called_phase_is_served_within_three_cycles(
    day_and_plan: tuple[Day, CheckedRingPlan],
) -> None:
    day, plan = day_and_plan
    trace = run(day.site, day.steps)
    for group, begin_ms, wait_ms in oracle.called_waits(day.site, trace):
        assert wait_ms <= 3 * plan.plan.cycle_ms, f"group {group} called at {begin_ms}"


@some
@given(seeds, st.sampled_from(["twice", "missing", "other barrier", "sum", "short", "no conflict"]))
def test_invariants_11_and_15_a_ring_plan_that_breaks_a_rule_is_refused(
    seed: int, fault: str
) -> None:
    rng = random.Random(seed)
    site = dual_ring_site(rng)
    plan = random_ring_plan(site, rng).plan
    rule = {"sum": "barriers", "short": "split", "no conflict": "concurrency"}
    if fault == "twice":
        plan = replace(plan, rings=((("1", "2", "1"), ("3", "4")), plan.rings[1]))
    elif fault == "missing":
        plan = replace(plan, rings=((("1", "2"), ("3",)), plan.rings[1]))
    elif fault == "other barrier":
        plan = replace(plan, rings=(plan.rings[0], tuple(reversed(plan.rings[1]))))
        rule[fault] = "concurrency"
    elif fault == "sum":
        longer = replace(plan.phases[0], split_ms=plan.phases[0].split_ms + 1_000)
        plan = replace(plan, phases=(longer, *plan.phases[1:]))
    elif fault == "short":
        shorter = replace(plan.phases[0], split_ms=4_000)
        plan = replace(plan, phases=(shorter, *plan.phases[1:]))
    else:
        # Phases 1 and 2 of one ring without a conflict between them.
        conflicts = list(site.conflicts)
        conflicts[0] &= ~2
        conflicts[1] &= ~1
        rows = [list(row) for row in site.intergreen_ms]
        rows[0][1] = rows[1][0] = 0
        site = replace(
            site, conflicts=tuple(conflicts), intergreen_ms=tuple(tuple(row) for row in rows)
        )
    with pytest.raises(InvalidError) as caught:
        check_ring_plan(plan, site)
    assert rule.get(fault, "sequence") in {v.rule for v in caught.value.violations}


def test_the_coordinated_phases_end_where_the_cycle_has_their_force_off() -> None:
    rng = random.Random(3)
    site = dual_ring_site(rng)
    plan = random_ring_plan(site, rng).plan
    plan = replace(plan, offset_ms=5_000, coordinated=("2", "6"))
    checked = check_ring_plan(plan, site)
    every = (1 << len(site.detectors)) - 1
    trace = run(
        site,
        ticks(plan.cycle_ms * 9 / 1_000, Inputs(plan=checked, occupied=every), utc_ms=UTC_BASE_MS),
    )
    two, four = site.group_index("v2"), site.group_index("v3")
    barrier_ms = checked.barrier_starts_ms[1]
    start = green_starts(trace, four)[-1]
    second_ms = (start.now.utc_ms - 5_000) % plan.cycle_ms
    assert second_ms == pytest.approx(barrier_ms, abs=200)
    assert green_starts(trace, two)
    assert {e.parameter for _, e in events(trace, 31)} == {1, 2}


def test_hand_over_between_stages_rings_manual_and_back() -> None:
    rng = random.Random(5)
    site = dual_ring_site(rng)
    rings, stages = random_ring_plan(site, rng), random_plan(site, rng, fixed=True)
    every = (1 << len(site.detectors)) - 1

    def seen(second: float) -> Inputs:
        plan = stages if second < 200 or second >= 600 else rings
        operator = OperatorMode.MANUAL if 400 <= second < 450 else OperatorMode.AUTO
        if 500 <= second < 520:
            operator = OperatorMode.ALL_RED
        return Inputs(plan=plan, operator=operator, manual_stage=3, occupied=every)

    trace = run(site, ticks(900, seen, tick_ms=500))
    assert list(oracle.conflicts_lit(site, trace)) == []
    assert list(oracle.short_greens(site, trace)) == []
    at_manual = next(s for s in trace if s.lived_ms == 449_500)
    assert at_manual.outputs.green & ~site.stage_masks[3] == 0
    at_red = next(s for s in trace if s.lived_ms == 519_500)
    assert at_red.outputs.green == 0
    running = {type(s.state.sequence).__name__ for s in trace if 300_000 < s.lived_ms < 399_000}
    assert running == {"RingSequence"}
    assert type(trace[-1].state.sequence).__name__ == "Sequence"
    for group in range(8):
        assert any(s.lived_ms > 600_000 for s in green_starts(trace, group))
