"""What the stage sequencer does with calls, gaps, operators, schedules and plan changes."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings

from controller.intersection import Intersection
from controller.plan import (
    CheckedPlan,
    ScheduledStage,
    StageSchedule,
    check_plan,
    check_schedule,
)
from controller.signals import Aspect, Inputs, OperatorMode
from tests.controller.crossroads import (
    BUTTON_EW,
    BUTTON_NS,
    EW,
    LOOP_EW,
    LOOP_NS,
    NS,
    UTC_MS,
    WALK_EW,
    WALK_NS,
    crossroads,
    plan,
    ticks,
)
from tests.controller.oracle import (
    Shown,
    called_waits,
    events,
    green_starts,
    intervals,
    run,
    service_ms,
)
from tests.controller.strategies import Day, days, planned_sites

some = settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
ACTUATED = {"actuated": True}


def greens(site: Intersection, trace: list[Shown], group: int) -> list[tuple[float, float]]:
    """(start, end) in seconds of every whole green of *group*."""
    return [
        (it.begin_ms / 1_000, it.end_ms / 1_000)
        for it in intervals(site, trace)
        if it.group == group and it.aspect is Aspect.GREEN and it.after is not None
    ]


def test_start_up_is_flash_then_all_red_then_the_first_stage() -> None:
    site = crossroads(startup_flash_ms=4_000, startup_red_ms=3_000)
    trace = run(site, ticks(20, Inputs(plan=plan(site))))
    assert all((s.outputs.flash) == (s.lived_ms < 4_000) for s in trace)
    # As long as a walk that a power cut ended takes to clear: 8 s and 2 s.
    red = [s for s in trace if 4_000 <= s.lived_ms < 14_000]
    assert all(set(s.aspects) == {Aspect.RED} for s in red)
    assert green_starts(trace, NS)[0].lived_ms == 14_000


def test_a_longer_start_up_red_is_kept() -> None:
    site = crossroads(startup_flash_ms=4_000, startup_red_ms=12_000)
    trace = run(site, ticks(20, Inputs(plan=plan(site))))
    assert green_starts(trace, NS)[0].lived_ms == 16_000


def test_an_actuated_stage_gaps_out_after_the_passage_time_and_the_coordinated_gains() -> None:
    site = crossroads()
    checked = plan(site, side=ACTUATED, main={"coordinated": True})

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, occupied=LOOP_EW if second % 60 < 42 else 0)

    trace = run(site, ticks(600, seen))
    begin, end = greens(site, trace, EW)[-1]
    assert begin % 60 == pytest.approx(35, abs=0.2)
    assert end % 60 == pytest.approx(45, abs=0.4)  # last seen at 42 s, passage 3 s
    assert events(trace, 4)[-1][1].parameter == EW + 1
    assert greens(site, trace, NS)[-1][0] % 60 == pytest.approx(50, abs=0.4)
    assert greens(site, trace, NS)[-1][1] % 60 == pytest.approx(30, abs=0.2)


def test_an_isolated_actuated_stage_maxes_out_at_its_split_when_somebody_waits() -> None:
    site = crossroads()
    checked = plan(site, offset_ms=None, side=ACTUATED, main=ACTUATED)
    trace = run(site, ticks(300, Inputs(plan=checked, occupied=LOOP_NS | LOOP_EW)))
    assert {end - begin for begin, end in greens(site, trace, NS)} == {30.0}
    assert {end - begin for begin, end in greens(site, trace, EW)} == {20.0}
    assert events(trace, 4, 6) == []


def test_invariant_12_without_a_conflicting_call_an_actuated_stage_rests_in_green() -> None:
    site = crossroads()
    checked = plan(site, offset_ms=None, side=ACTUATED, main=ACTUATED)

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, occupied=LOOP_NS, pulsed=LOOP_EW if second == 400 else 0)

    trace = run(site, ticks(500, seen))
    rest = [s for s in trace if 150_000 < s.lived_ms < 400_000]
    assert all(s.aspects[NS] is Aspect.GREEN for s in rest)
    assert "resting" in rest[-1].state.reason
    assert 400_000 < green_starts(trace, EW)[-1].lived_ms <= 436_000


@some
@given(days(operator=False, clock_steps=False, schedules=False))
def test_invariant_12_max_out_only_with_a_call(day: Day) -> None:
    trace = run(day.site, day.steps)
    waiting: set[int] = set()
    for shown in trace:
        for event in shown.outputs.events:
            if event.code == 5:
                assert waiting, f"max-out at {shown.lived_ms}"
            if event.code in (43, 45):
                waiting.add(event.parameter)
            elif event.code in (1, 21):
                waiting.discard(event.parameter)


def test_a_skippable_stage_is_left_out_until_it_is_called() -> None:
    site = crossroads()
    checked = plan(site, side={"skippable": True})

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, pulsed=LOOP_EW if second == 430 else 0)

    trace = run(site, ticks(700, seen))
    late = [s.lived_ms / 1_000 for s in green_starts(trace, EW) if s.lived_ms > 100_000]
    assert len(late) == 1
    assert 430 < late[0] < 500
    assert greens(site, trace, NS)[-1][1] - greens(site, trace, NS)[-1][0] > 100


def test_a_walk_needs_a_call_and_lasts_through_a_fixed_stage() -> None:
    site = crossroads()
    checked = plan(site)

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, pulsed=BUTTON_EW if second == 310 else 0)

    trace = run(site, ticks(500, seen))
    walks = [w for w in greens(site, trace, WALK_EW) if w[0] > 200]
    assert len(walks) == 1
    begin, end = walks[0]
    assert begin % 60 == pytest.approx(35, abs=0.2)
    assert end % 60 == pytest.approx(50, abs=0.2)  # 10 s before the other axis starts
    vehicle = next(g for g in greens(site, trace, EW) if abs(g[0] - begin) < 1)
    assert vehicle[1] % 60 == pytest.approx(55, abs=0.2)


@pytest.mark.parametrize(("pressed_at", "walks"), [(305, True), (315, True), (325, False)])
def test_a_late_walk_starts_only_if_walk_and_clearance_fit(pressed_at: int, walks: bool) -> None:
    site = crossroads()
    checked = plan(site)

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, pulsed=BUTTON_NS if second == pressed_at else 0)

    trace = run(site, ticks(420, seen))
    begin = next(b for b, _ in greens(site, trace, WALK_NS) if b > 200)
    assert begin == pytest.approx(pressed_at if walks else 360, abs=0.2)
    assert greens(site, trace, EW)[-1][0] % 60 == pytest.approx(35, abs=0.2)


def test_in_an_actuated_stage_the_walk_is_the_minimum_walk() -> None:
    site = crossroads()
    checked = plan(site, offset_ms=None, side=ACTUATED, main=ACTUATED)
    trace = run(site, ticks(300, Inputs(plan=checked, occupied=15)))
    assert {end - begin for begin, end in greens(site, trace, WALK_EW)} == {5.0}


def test_invariant_31_manual_holds_its_stage_and_leaving_it_does_not_jump() -> None:
    site = crossroads()
    checked = plan(site)

    def seen(second: float) -> Inputs:
        operator = OperatorMode.MANUAL if 100 <= second < 400 else OperatorMode.AUTO
        return Inputs(plan=checked, operator=operator, manual_stage=1, occupied=LOOP_NS)

    trace = run(site, ticks(600, seen))
    held = [s for s in trace if 115_000 <= s.lived_ms < 280_000]
    assert all(s.aspects[EW] is Aspect.GREEN for s in held)
    assert [e.parameter for _, e in events(trace, 178)] == [1, 0]
    # The overdue axis follows through yellow and intergreen, then the plan goes on in step.
    at = next(k for k, s in enumerate(trace) if s.lived_ms == 400_000)
    assert trace[at].aspects[EW] is Aspect.ENDING
    assert trace[at].outputs.green == 0
    assert greens(site, trace, NS)[-1][0] >= 405
    assert greens(site, trace, NS)[-1][0] % 60 == pytest.approx(0, abs=0.2)


@some
@given(planned_sites())
def test_invariant_31_manual_shows_nothing_but_its_stage(
    planned: tuple[Intersection, CheckedPlan],
) -> None:
    site, checked = planned

    def seen(second: float) -> Inputs:
        operator = OperatorMode.MANUAL if second >= 60 else OperatorMode.AUTO
        return Inputs(plan=checked, operator=operator, manual_stage=len(site.stages) - 1)

    trace = run(site, ticks(60 + 3 * service_ms(site) / 1_000, seen, tick_ms=500))
    mask = site.stage_masks[-1]
    assert trace[-1].outputs.green & ~mask == 0
    assert trace[-1].outputs.green & ~site.pedestrian_groups == mask & ~site.pedestrian_groups


@pytest.mark.parametrize("mode", [OperatorMode.ALL_RED, OperatorMode.FLASH])
def test_all_red_and_flash_serve_minimums_first(mode: OperatorMode) -> None:
    site = crossroads(startup_flash_ms=1_000)
    checked = plan(site)

    def seen(second: float) -> Inputs:
        operator = mode if 61.3 <= second < 90 else OperatorMode.AUTO
        return Inputs(plan=checked, operator=operator, occupied=15)

    trace = run(site, ticks(200, seen))
    lit = [s for s in trace if 62_000 <= s.lived_ms < 65_000]
    assert any(s.outputs.green | s.outputs.ending for s in lit)
    dark = [s for s in trace if 80_000 <= s.lived_ms < 90_000]
    assert all(s.outputs.flash is (mode is OperatorMode.FLASH) for s in dark)
    assert all(s.outputs.green == s.outputs.ending == 0 for s in dark)
    if mode is OperatorMode.FLASH:
        red = [s for s in trace if 90_000 <= s.lived_ms < 92_000]
        assert all(set(s.aspects) == {Aspect.RED} for s in red)
        flash_begin = next(k for k, s in enumerate(trace) if s.outputs.flash and s.lived_ms > 1_000)
        assert set(trace[flash_begin - 1].aspects) == {Aspect.RED}
        assert [e.parameter for _, e in events(trace, 173)] == [7, 2, 4, 2]
    assert green_starts(trace, EW)[-1].lived_ms > 90_000


def schedule(site: Intersection, start_ms: int, *entries: tuple[str, int], ttl_ms: int = 30_000):
    return check_schedule(
        StageSchedule(
            site=site.name,
            start_mono_ms=start_ms,
            entries=tuple(ScheduledStage(stage=s, duration_ms=d) for s, d in entries),
            ttl_ms=ttl_ms,
        ),
        site,
    )


def test_a_schedule_begins_its_changes_on_time_and_the_plan_takes_over_when_it_expires() -> None:
    site = crossroads()
    checked = plan(site, offset_ms=None)
    orders = schedule(site, 140_000, ("B", 12_000), ("A", 9_000), ttl_ms=21_000)

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, schedule=orders if 140 <= second < 180 else None)

    trace = run(site, ticks(240, seen))
    assert next(g for g in greens(site, trace, NS) if g[1] > 125)[1] == 140.0
    assert next(g for g in greens(site, trace, EW) if g[1] > 140) == (145.0, 152.0)
    begin, end = next(g for g in greens(site, trace, NS) if g[0] > 140)
    assert begin == 157.0
    # The schedule is void at 161 s; stage A of the plan runs its own split from there.
    assert end == pytest.approx(161 + 30, abs=1.1)


def test_a_schedule_never_cuts_a_minimum_green() -> None:
    site = crossroads()
    hasty = [("A", 700), ("B", 700)] * 10
    orders = schedule(site, 0, *hasty)
    trace = run(site, ticks(30, Inputs(schedule=orders, occupied=15)))
    assert all(end - begin >= 5.0 for g in (NS, EW) for begin, end in greens(site, trace, g))


def test_a_schedule_for_another_site_is_refused() -> None:
    site = crossroads()
    other = crossroads(startup_red_ms=2_000, yields_to=(0, 0, 0, 0), name="elsewhere")
    orders = schedule(other, 0, ("B", 25_000))
    trace = run(site, ticks(20, Inputs(schedule=orders, plan=plan(site))))
    assert {f.kind for f in trace[-1].outputs.faults} == {"schedule refused"}
    assert trace[-1].aspects[NS] is Aspect.GREEN


def test_invariant_19_a_new_plan_waits_for_the_end_of_the_stage() -> None:
    site = crossroads()
    old, new = (
        plan(site, offset_ms=None),
        plan(site, offset_ms=None, splits_ms=(20_000, 30_000), sequence_no=2),
    )

    def seen(second: float) -> Inputs:
        return Inputs(plan=old if second < 70 else new)

    trace = run(site, ticks(250, seen))
    taken = next(s for s, e in events(trace, 131) if e.parameter == 2)
    ends = [end for _, end in greens(site, trace, NS)]
    assert taken.lived_ms / 1_000 in ends
    lengths = [end - begin for begin, end in greens(site, trace, NS)]
    assert lengths[:2] == [30.0, 30.0]
    assert lengths[2:] == [15.0] * len(lengths[2:])


@some
@given(planned_sites(fixed=True))
def test_invariant_19_a_fixed_stage_is_never_cut_by_plan_changes(
    planned: tuple[Intersection, CheckedPlan],
) -> None:
    """New plans in every step change nothing before the running stage is over."""
    site, fixed = planned
    patient = replace(
        site, groups=tuple(replace(g, max_wait_ms=3_600_000) for g in site.groups), yields_to=()
    )
    base = replace(fixed.plan, offset_ms=None)
    one = check_plan(base, patient)
    churn = [check_plan(replace(base, sequence_no=k), patient) for k in (1, 2)]
    duration_s = base.cycle_ms * 2 / 1_000

    def changing(second: float) -> Inputs:
        return Inputs(plan=churn[int(second * 10) % 2])

    steady = run(patient, ticks(duration_s, Inputs(plan=one)))
    churned = run(patient, ticks(duration_s, changing))
    assert [s.aspects for s in steady] == [s.aspects for s in churned]


@some
@given(days(operator=False, clock_steps=False))
def test_invariant_13_no_call_is_lost_and_none_waits_for_too_long(day: Day) -> None:
    site = day.site
    trace = run(site, day.steps)
    for group, begin_ms, wait_ms in called_waits(site, trace):
        limit_ms = site.groups[group].max_wait_ms + len(site.groups) * service_ms(site)
        assert wait_ms <= limit_ms, f"group {group} called at {begin_ms}"


def test_an_overdue_call_is_served_against_the_schedule() -> None:
    site = crossroads()

    def seen(second: float) -> Inputs:
        rolling = schedule(site, int(second * 1_000), ("A", 20_000))
        return Inputs(schedule=rolling, pulsed=LOOP_EW if second == 20 else 0)

    trace = run(site, ticks(230, seen, tick_ms=500))
    late = [s.lived_ms for s in green_starts(trace, EW) if s.lived_ms > 30_000]
    assert len(late) == 1
    assert 180_000 <= late[0] <= 190_000  # called since the start-up
    assert trace[-1].aspects[NS] is Aspect.GREEN or trace[-1].aspects[EW] is not Aspect.GREEN


def test_without_a_plan_the_stages_run_free_and_empty_ones_are_skipped() -> None:
    site = crossroads()

    def seen(second: float) -> Inputs:
        return Inputs(pulsed=LOOP_EW if second % 100 == 50 else 0, occupied=0)

    trace = run(site, ticks(600, seen, utc_ms=UTC_MS))
    starts = [s.lived_ms for s in green_starts(trace, EW)]
    assert len(starts) == 1
    assert trace[-1].aspects[EW] is Aspect.GREEN
    calls = run(site, ticks(600, lambda s: Inputs(pulsed=[1, 2][int(s) % 2] if s % 1 == 0 else 0)))
    both = [s.lived_ms for s in green_starts(calls, EW)]
    assert all(other - one <= 130_000 for one, other in pairwise(both))
