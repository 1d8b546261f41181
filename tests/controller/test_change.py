"""How long a change takes, what ends when, and that all starts together when it is over."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from controller.intersection import (
    Detector,
    DetectorRole,
    Intersection,
    SignalGroup,
    Stage,
    bits,
    conflict_masks,
)
from controller.plan import PlanStage, TimingPlan, check_plan, minimum_splits_ms
from controller.signals import Inputs
from controller.violations import InvalidError
from tests.controller.changes import make_change, on_ticks
from tests.controller.crossroads import ticks
from tests.controller.oracle import green_starts, run
from tests.controller.strategies import random_site, seeds

LEFT, OTHER_LEFT, STREAM, SIDE = range(4)
OWED_MAX_MS = 18_000
"""The longest clearance and intergreen of random sites."""


def two_lefts(**changes: object) -> Intersection:
    """Two turns that give way to a stream; only one of them has a long way to clear."""
    groups = tuple(
        SignalGroup(name=name, min_green_ms=6_000)
        for name in ("left", "other left", "stream", "side")
    )
    rows = [[0] * 4 for _ in groups]
    conflicts = conflict_masks(4, [(LEFT, SIDE), (OTHER_LEFT, SIDE)])
    for i, intergreen_ms in ((LEFT, 12_000), (OTHER_LEFT, 4_000)):
        rows[i][SIDE] = intergreen_ms
        rows[SIDE][i] = 5_000
    given: dict[str, object] = {
        "name": "two lefts",
        "groups": groups,
        "conflicts": conflicts,
        "intergreen_ms": tuple(map(tuple, rows)),
        "yields_to": (1 << STREAM, 1 << STREAM, 0, 0),
        "stages": (
            Stage(name="A", groups=("left", "other left", "stream")),
            Stage(name="B", groups=("stream", "side")),
        ),
    }
    return Intersection(**(given | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("tick_ms", [100, 1_000])
def test_a_stream_that_the_yellow_trap_ends_comes_back_with_the_next_stage(tick_ms: int) -> None:
    site = two_lefts()
    made = make_change(site, (0, 1), 0, tick_ms)
    # Yellow 3 s and red 2 s of the stream come after the later left too.
    assert made.ended_ms == {LEFT: 0, STREAM: 0, OTHER_LEFT: 7_000}
    assert made.started_ms == {STREAM: [12_000], SIDE: [12_000]}
    assert site.interstage_ms(*site.stage_masks) == 12_000


@pytest.mark.parametrize("tick_ms", [100, 1_000])
def test_a_permissive_group_leaves_the_stream_that_ends_with_it_the_time_to_come_back(
    tick_ms: int,
) -> None:
    rows = ((0, 0, 0, 3_000), (0, 0, 0, 4_000), (0, 0, 0, 0), (5_000, 5_000, 0, 0))
    made = make_change(two_lefts(intergreen_ms=rows), (0, 1), 0, tick_ms)
    assert made.ended_ms == {LEFT: 0, STREAM: 0, OTHER_LEFT: 0}
    assert made.started_ms == {STREAM: [5_000], SIDE: [5_000]}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 8), seeds, st.sampled_from((100, 1_000)))
def test_a_change_takes_what_the_site_says_and_all_starts_at_its_end(
    n_groups: int, seed: int, tick_ms: int
) -> None:
    rng = random.Random(seed)
    site = on_ticks(with_buttons(random_site(n_groups, rng)), tick_ms)
    stages = tuple(rng.sample(range(len(site.stages)), 2))
    assume(site.stage_masks[stages[0]] != site.stage_masks[stages[1]])
    made = make_change(site, stages, rng.getrandbits(8) & site.pedestrian_groups, tick_ms)
    duration_ms = site.interstage_ms(made.before, made.wanted)
    leads_ms = dict(site.leads_ms(made.before, made.wanted))
    starting = made.wanted & (~made.before | sum(1 << i for i in leads_ms))
    assert made.over_ms == duration_ms
    assert made.ended_ms == {i: duration_ms - lead_ms for i, lead_ms in leads_ms.items()}
    assert made.started_ms == {i: [made.over_ms] for i in bits(starting)}


def with_buttons(site: Intersection) -> Intersection:
    """*site* with a button for every crossing and no loops."""
    buttons = tuple(
        Detector(name=g.name, role=DetectorRole.PUSH_BUTTON, groups=(g.name,))
        for g in site.groups
        if g.is_pedestrian
    )
    return replace(site, detectors=buttons)


def test_a_stage_lasts_until_what_ended_before_it_may_come_back() -> None:
    """The stream is out for the side's stage only: 1 s of green and a change of 3 s."""
    groups = tuple(SignalGroup(name=name, min_green_ms=1_000) for name in ("stream", "side"))
    site = Intersection(
        name="short",
        groups=(replace(groups[0], ending_ms=4_000, revert_ms=3_500), groups[1]),
        conflicts=conflict_masks(2, [(0, 1)]),
        intergreen_ms=((0, 4_000), (3_000, 0)),
        stages=(Stage(name="A", groups=("stream",)), Stage(name="B", groups=("side",))),
    )
    # The stream ends 4 s before the side starts, and owes 7.5 s of yellow and red.
    assert minimum_splits_ms(with_revert(site, 2_000), site.stage_masks) == (5_000, 4_000)
    assert minimum_splits_ms(with_revert(site, 5_000), site.stage_masks) == (5_000, 5_000)
    plan = TimingPlan(
        site="short",
        name="p",
        cycle_ms=24_400,
        stages=(PlanStage(stage="A", split_ms=20_000), PlanStage(stage="B", split_ms=4_400)),
    )
    with pytest.raises(InvalidError, match=r"stage 2 \(B\): split 4400 ms is below 5000 ms .* red"):
        check_plan(plan, with_revert(site, 5_000))
    trace = run(site, ticks(120, Inputs(plan=check_plan(plan, site))))
    starts = [shown.lived_ms for shown in green_starts(trace, 0)]
    assert {b - a for a, b in pairwise(starts[1:])} == {24_400}


def with_revert(site: Intersection, revert_ms: int) -> Intersection:
    return replace(site, groups=(replace(site.groups[0], revert_ms=revert_ms), site.groups[1]))


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.integers(2, 8), seeds)
def test_fixed_stages_with_their_shortest_splits_start_on_time(n_groups: int, seed: int) -> None:
    rng = random.Random(seed)
    site = random_site(n_groups, rng)
    groups = tuple(replace(group, max_wait_ms=3_600_000) for group in site.groups)
    site = replace(site, detectors=(), groups=groups)
    order = rng.sample(range(len(site.stages)), len(site.stages))
    shortest_ms = minimum_splits_ms(site, tuple(site.stage_masks[k] for k in order))
    # What a group that is out for two stages owes is nobody's split.
    assume(len(order) == 2 or all(a + b >= OWED_MAX_MS for a, b in pairwise(shortest_ms * 2)))
    splits_ms = [max(1_000, -(-split_ms // 100) * 100) for split_ms in shortest_ms]
    plan = TimingPlan(
        site=site.name,
        name="p",
        cycle_ms=sum(splits_ms),
        stages=tuple(
            PlanStage(stage=site.stages[k].name, split_ms=split_ms)
            for k, split_ms in zip(order, splits_ms, strict=True)
        ),
    )
    inputs = Inputs(plan=check_plan(plan, site))
    trace = run(site, ticks(4 * plan.cycle_ms / 1_000 + 20, inputs))
    begun = [
        (shown.state.sequence.place, shown.lived_ms)
        for last, shown in pairwise(trace)
        if last.state.stage_since_ms is None and shown.state.stage_since_ms is not None
    ]
    for (place, begin_ms), (_, next_ms) in list(pairwise(begun))[len(order) :]:
        assert next_ms - begin_ms <= splits_ms[place] + 200
