"""The trace checker against traces of the real controller, and against sites that ask for more."""

import random
from dataclasses import replace

import pytest

from controller.clock import Instant
from controller.intersection import Stage, conflict_masks
from controller.signals import Inputs, OperatorMode, Outputs
from sim.hil.trace_check import OWN_CLOCK_MS, Rule, Sample, check_trace, unseen_share
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
)
from tests.controller.oracle import run

SITE = crossroads()
EVERYBODY = LOOP_NS | LOOP_EW | BUTTON_NS | BUTTON_EW
RIVALS = [(NS, EW), (NS, WALK_EW), (EW, WALK_NS), (WALK_NS, WALK_EW)]


def samples_of(seconds=200, tick_ms=100, flash_at_s=None):
    """The lamps of the crossroads with everybody waiting, at every step."""
    steps = []
    for k in range(seconds * 1_000 // tick_ms):
        now = Instant(5_000 + k * tick_ms, UTC_MS + k * tick_ms)
        flashing = flash_at_s is not None and flash_at_s <= k * tick_ms / 1_000 < flash_at_s + 40
        operator = OperatorMode.FLASH if flashing else OperatorMode.AUTO
        steps.append((now, Inputs(occupied=EVERYBODY, plan=plan(SITE), operator=operator)))
    return [Sample(shown.now.mono_ms, shown.outputs) for shown in run(SITE, steps)]


SAMPLES = samples_of()


def rules_broken(site, samples, tick_ms=100):
    return {each.rule for each in check_trace(site, samples, tick_ms)}


def longer(**changes):
    return crossroads(groups=tuple(replace(group, **changes) for group in SITE.groups))


def intergreens(more_ms):
    return tuple(tuple(ms and ms + more_ms for ms in row) for row in SITE.intergreen_ms)


@pytest.mark.parametrize("tick_ms", [100, 1_000])
def test_what_the_controller_shows_is_legal(tick_ms):
    samples = samples_of(tick_ms=tick_ms)
    assert len({(s.outputs.green, s.outputs.ending) for s in samples}) > 4
    assert check_trace(SITE, samples, tick_ms) == ()


def test_flash_in_the_middle_is_legal():
    samples = samples_of(flash_at_s=50)
    assert any(sample.outputs.flash for sample in samples[400:])
    assert check_trace(SITE, samples, 100) == ()


@pytest.mark.parametrize(
    ("stricter", "rule"),
    [
        (longer(min_green_ms=60_000), Rule.MIN_GREEN),
        (crossroads(intergreen_ms=intergreens(20_000)), Rule.INTERGREEN),
        (longer(revert_ms=90_000), Rule.REVERT),
        (
            crossroads(
                conflicts=conflict_masks(4, [*RIVALS, (NS, WALK_NS)]),
                stages=(
                    Stage(name="A", groups=("NS",)),
                    Stage(name="B", groups=("EW", "walk EW")),
                    Stage(name="C", groups=("walk NS",)),
                ),
                intergreen_ms=tuple(
                    tuple(10_000 if row[j] or {i, j} == {NS, WALK_NS} else 0 for j in range(4))
                    for i, row in enumerate(SITE.intergreen_ms)
                ),
            ),
            Rule.CONFLICT,
        ),
    ],
)
def test_a_stricter_site_is_violated_by_the_same_lamps(stricter, rule):
    assert rule in rules_broken(stricter, SAMPLES)


def edited(edit):
    """The samples with what *edit* makes of (index of the first yellow of NS, lamps)."""
    first = next(k for k, s in enumerate(SAMPLES) if s.outputs.ending >> NS & 1)
    return [Sample(s.mono_ms, edit(k - first, s.outputs)) for k, s in enumerate(SAMPLES)]


def without_yellow(_, lamps):
    return replace(lamps, ending=lamps.ending & ~(1 << NS))


def yellow_cut_by_a_step(k, lamps):
    return replace(lamps, ending=lamps.ending & ~(1 << NS)) if k == 29 else lamps


def both_at_once(k, lamps):
    return replace(lamps, green=lamps.green | 1 << NS) if k == 3 else lamps


def yellow_out_of_red(k, lamps):
    return replace(lamps, ending=lamps.ending | 1 << EW) if k == 2 else lamps


@pytest.mark.parametrize(
    ("edit", "rule"),
    [
        (without_yellow, Rule.ENDING),
        (yellow_cut_by_a_step, Rule.ENDING),
        (both_at_once, Rule.ASPECT),
        (yellow_out_of_red, Rule.ENDING),
        (yellow_out_of_red, Rule.CONFLICT),
    ],
)
def test_one_wrong_step_is_found(edit, rule):
    assert rule in rules_broken(SITE, edited(edit))


def test_a_green_cut_off_by_darkness_starts_the_intergreen():
    """Who comes back from darkness too soon with the other green is caught."""
    dark = Outputs(green=0, ending=0, flash=True)
    lit = [Sample(1_000, Outputs(1 << NS, 0)), Sample(9_000, Outputs(1 << NS, 0))]
    soon = [*lit, Sample(9_100, dark), Sample(12_000, Outputs(0, 0)), Sample(12_100, Outputs(2, 0))]
    late = [*lit, Sample(9_100, dark), Sample(12_000, Outputs(0, 0)), Sample(22_100, Outputs(2, 0))]
    assert rules_broken(SITE, soon) == {Rule.INTERGREEN, Rule.RESTART}
    assert rules_broken(SITE, late) == set()


def test_the_red_after_a_restart_is_checked_and_the_beginning_is_not():
    """A cabinet that comes back green out of darkness is caught; a trace may begin so."""
    dark, red, green = Outputs(0, 0, flash=True), Outputs(0, 0), Outputs(1 << EW, 0)
    assert SITE.opening_red_ms == 10_000

    def looks(*shown):
        return [Sample(at_ms, outputs) for at_ms, outputs in shown]

    before = looks((1_000, red), (30_000, dark))
    for shown in (
        looks((40_000, dark), (40_100, green)),
        looks((40_000, dark), (40_100, red), (50_000, red), (50_000, green)),
    ):
        assert rules_broken(SITE, before + shown) == {Rule.RESTART}
        assert rules_broken(SITE, shown) == set()
    whole = looks((40_000, dark), (40_100, red), (50_000, red), (50_100, green))
    assert rules_broken(SITE, before + whole) == set()


@pytest.mark.parametrize("every", [2, 3, 7, 40])
def test_what_was_not_looked_at_is_no_violation(every):
    assert check_trace(SITE, SAMPLES[::every], 100) == ()


@pytest.mark.parametrize("every", [1, 2, 3, 7])
def test_a_cabinet_whose_steps_come_late_breaks_no_rule(every):
    """Steps that follow a late one come early: what was between two looks may be anywhere there."""
    rng = random.Random(3)
    steps = []
    for k in range(3_000):
        at_ms = k * 100 + rng.randrange(90)
        seen = Inputs(occupied=EVERYBODY, plan=plan(SITE))
        steps.append((Instant(5_000 + at_ms, UTC_MS + at_ms), seen))
    samples = [Sample(shown.now.mono_ms, shown.outputs) for shown in run(SITE, steps)][::every]
    assert check_trace(SITE, samples, OWN_CLOCK_MS) == ()
    assert Rule.MIN_GREEN in rules_broken(longer(min_green_ms=60_000), samples, OWN_CLOCK_MS)


def test_the_share_of_steps_that_nobody_looked_at():
    assert unseen_share(SAMPLES, 100) == 0
    assert unseen_share(SAMPLES[::2], 100) == pytest.approx(0.5, abs=0.01)
    assert unseen_share(SAMPLES[:300] + SAMPLES[600:], 100) == 0  # it stood still
