"""A controller that goes on from lamps which somebody else has lit."""

from __future__ import annotations

import pytest

from controller import core
from controller.clock import Instant
from controller.lamps import light
from controller.signals import Inputs
from controller.take_over import Lit, dark, legal_part, take_over
from tests.controller.crossroads import BUTTON_EW, EW, LOOP_EW, NS, WALK_EW, crossroads

SITE = crossroads(startup_red_ms=0)
BEGIN_MS = 5_000_000
AGES = (20_000, 20_000, 20_000, 20_000)


def shown_from(lit, seconds=40, occupied=LOOP_EW | BUTTON_EW):
    """(green, ending) of every tenth of a second, with vehicles and walkers waiting for EW."""
    state = take_over(SITE, Instant(BEGIN_MS, BEGIN_MS), lit)
    shown = []
    for tick in range(seconds * 10):
        now = Instant(BEGIN_MS + tick * 100, BEGIN_MS + tick * 100)
        state, outputs = core.step(SITE, state, now, Inputs(occupied=occupied))
        assert state.monitor.fault is None
        assert not outputs.flash
        shown.append((outputs.green, outputs.ending))
    return shown


def first(shown, holds):
    """The second from which *holds* is true, None if never."""
    return next((k / 10 for k, pair in enumerate(shown) if holds(*pair)), None)


def test_what_is_green_stays_green_and_is_served_for_its_minimum():
    lit = Lit(1 << NS, 0, (1_000, *AGES[1:]), AGES)
    assert shown_from(lit)[0][0] >> NS & 1
    state = take_over(SITE, Instant(BEGIN_MS, BEGIN_MS), lit)
    for seconds, green in ((3.9, True), (4.0, False)):
        lamps = light(SITE, state.lamps, 0, state.clock_ms + round(seconds * 1_000))
        assert bool(lamps.green >> NS & 1) is green


def test_a_yellow_lasts_as_long_as_it_would_have():
    lit = Lit(0, 1 << NS, (1_000, *AGES[1:]), (1_000, *AGES[1:]))
    shown = shown_from(lit)
    over_s = first(shown, lambda green, ending: not ending >> NS & 1)
    assert over_s == pytest.approx(2.0, abs=0.1)
    state = take_over(SITE, Instant(BEGIN_MS, BEGIN_MS), lit)
    lamps = light(SITE, state.lamps, 1 << EW, state.clock_ms + 2_000)
    for seconds, green in ((3.9, False), (4.0, True)):  # 5 s after the green that ended 1 s ago
        lamps = light(SITE, lamps, 1 << EW, state.clock_ms + round(seconds * 1_000))
        assert bool(lamps.green >> EW & 1) is green


def test_a_walk_that_has_just_ended_clears_before_anybody_drives_across():
    clearing = Lit(0, 1 << WALK_EW, (*AGES[:3], 2_000), (*AGES[:3], 2_000))
    shown = shown_from(clearing)
    drives_s = first(shown, lambda green, ending: green >> NS & 1)
    assert drives_s is None or drives_s >= 8.0 - 0.1


def test_without_knowledge_of_the_past_the_longest_intergreen_comes_first():
    shown = shown_from(dark(SITE))
    begins_s = first(shown, lambda green, ending: green)
    assert begins_s >= max(max(row) for row in SITE.intergreen_ms) / 1_000 - 0.1


def test_the_present_stage_is_the_running_one():
    state = take_over(SITE, Instant(0, 0), Lit(1 << NS, 0, AGES, AGES))
    assert state.stage_since_ms is not None
    assert state.shown.green == 1 << NS


def test_only_what_may_be_lit_together_is_taken_over():
    lit, cut = legal_part(SITE, Lit(1 << NS | 1 << EW, 0, AGES, AGES))
    assert cut.bit_count() == 1
    assert lit.green.bit_count() == 1
    assert not lit.green & cut
    left_out = cut.bit_length() - 1
    assert lit.ended_ms[left_out] == 0, "its green has only just ended"
    shown = shown_from(lit)
    assert first(shown, lambda green, ending: green & cut) is None or shown
    legal = Lit(1 << NS, 0, AGES, AGES)
    assert legal_part(SITE, legal) == (legal, 0)
