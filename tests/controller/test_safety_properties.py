"""Invariants that hold in every tick, for any site, input, plan, operator and clock."""

from __future__ import annotations

import pickle
import random
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller.core import start, step
from controller.violations import InvalidError
from tests.controller import oracle
from tests.controller.oracle import run
from tests.controller.strategies import Day, days, random_site, seeds

many = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@many
@given(days())
def test_invariant_1_no_two_conflicting_groups_are_lit(day: Day) -> None:
    assert list(oracle.conflicts_lit(day.site, run(day.site, day.steps))) == []


@many
@given(st.integers(2, 8), seeds)
def test_invariant_2_the_conflict_matrix_is_symmetric_hashed_and_read_only(
    n_groups: int, seed: int
) -> None:
    site = random_site(n_groups, random.Random(seed))
    for i in range(n_groups):
        assert not site.conflicts[i] >> i & 1
        for j in range(n_groups):
            assert site.conflicts[i] >> j & 1 == site.conflicts[j] >> i & 1
    with pytest.raises(FrozenInstanceError):
        site.conflicts = ()  # type: ignore[misc]
    one_sided = (site.conflicts[0] ^ 2, *site.conflicts[1:])
    with pytest.raises(InvalidError, match=r"symmetric|both yields to and conflicts"):
        replace(site, conflicts=one_sided)
    longer = tuple(
        tuple(value + 100 if value else 0 for value in row) for row in site.intergreen_ms
    )
    if any(site.conflicts):
        assert replace(site, intergreen_ms=longer).digest != site.digest


@many
@given(days())
def test_invariant_3_the_monitor_finds_nothing_wrong_in_a_sound_controller(day: Day) -> None:
    assert all(shown.state.monitor.fault is None for shown in run(day.site, day.steps))


@many
@given(days())
def test_invariant_4_no_green_is_shorter_than_its_minimum(day: Day) -> None:
    assert list(oracle.short_greens(day.site, run(day.site, day.steps))) == []


@many
@given(days())
def test_invariant_5_every_green_ends_in_its_full_yellow(day: Day) -> None:
    assert list(oracle.wrong_endings(day.site, run(day.site, day.steps), pedestrians=False)) == []


@many
@given(days())
def test_invariants_6_and_7_no_intergreen_is_shortened(day: Day) -> None:
    assert list(oracle.short_intergreens(day.site, run(day.site, day.steps))) == []


@many
@given(days(), st.floats(0.05, 0.95))
def test_a_power_cut_at_any_tick_shortens_no_intergreen(day: Day, when: float) -> None:
    """Whoever was walking when the power went is across before the first green after it."""
    steps = list(day.steps)
    cut = int(when * len(steps))
    before, after = run(day.site, steps[:cut]), run(day.site, steps[cut:])
    trace = before + [replace(s, lived_ms=s.lived_ms + before[-1].lived_ms) for s in after]
    assert list(oracle.short_intergreens(day.site, trace)) == []


@many
@given(days())
def test_invariant_8_walk_and_clearance_are_never_truncated(day: Day) -> None:
    trace = run(day.site, day.steps)
    assert list(oracle.wrong_endings(day.site, trace, pedestrians=True)) == []
    assert list(oracle.short_greens(day.site, trace)) == []


@many
@given(days())
def test_invariant_14_red_revert(day: Day) -> None:
    assert list(oracle.short_reds(day.site, run(day.site, day.steps))) == []


@many
@given(days())
def test_yellow_trap_streams_end_with_the_permissive_group(day: Day) -> None:
    assert list(oracle.yellow_traps(day.site, run(day.site, day.steps))) == []


@many
@given(days())
def test_in_a_change_nothing_ends_after_something_has_started(day: Day) -> None:
    """So no stream that the yellow trap has ended is lit and ended again within the change."""
    assert list(oracle.split_changes(run(day.site, day.steps))) == []


@many
@given(days())
def test_invariant_34_the_log_is_monotonic_and_complete(day: Day) -> None:
    assert list(oracle.log_faults(run(day.site, day.steps))) == []


@many
@given(days(clock_steps=True))
def test_invariant_17_clock_steps_cut_nothing_and_are_logged(day: Day) -> None:
    trace = run(day.site, day.steps)
    assert list(oracle.short_greens(day.site, trace)) == []
    assert list(oracle.short_intergreens(day.site, trace)) == []
    for last, shown in pairwise(trace):
        utc_ms = shown.now.utc_ms - last.now.utc_ms
        stepped = abs(utc_ms - (shown.now.mono_ms - last.now.mono_ms)) > 500
        assert stepped == any(event.code == 181 for event in shown.outputs.events)


@many
@given(days())
def test_the_state_is_a_value(day: Day) -> None:
    """Pickled between all steps or not, the trace is the same; equal inputs give equal states."""
    site, steps = day.site, day.steps[:300]
    plain = run(site, steps)
    state = start(site, steps[0][0])
    for (now, seen), expected in zip(steps, plain, strict=True):
        state, outputs = step(site, pickle.loads(pickle.dumps(state)), now, seen)
        assert outputs == expected.outputs
        assert state == expected.state
