"""Mutations of the lamp layer: whatever it does wrong, the monitor latches flash at once."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings

import controller.core
from controller.core import start, step
from controller.intersection import Intersection, bits
from controller.lamps import LampState, light
from controller.monitor import clear_record, look
from controller.signals import Inputs, OperatorMode
from tests.controller import oracle
from tests.controller.crossroads import crossroads, plan, ticks
from tests.controller.oracle import run
from tests.controller.strategies import Day, days

Lighter = Callable[[Intersection, LampState, int, int], LampState]


def no_yellow(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    lit = light(site, lamps, want, clock_ms)
    return lit._replace(ending=0)


def also_a_conflict(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    lit = light(site, lamps, want, clock_ms)
    for i in bits(lit.green):
        return lit._replace(green=lit.green | site.conflicts[i])
    return lit


def green_and_yellow(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    lit = light(site, lamps, want, clock_ms)
    return lit._replace(ending=lit.green)


def hasty_yellow(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    early = lamps._replace(since_ms=tuple(s - 1_000 for s in lamps.since_ms), due_ms=0)
    return light(site, early, want, clock_ms)


def hasty_green(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
    early = lamps._replace(ended_ms=tuple(e - 500 for e in lamps.ended_ms), due_ms=0)
    return light(site, early, want or site.stage_masks[1], clock_ms)


BROKEN = {
    no_yellow: "skipped yellow",
    also_a_conflict: "conflict",
    green_and_yellow: "dual indication",
    hasty_yellow: "short yellow",
    hasty_green: "short intergreen",
}


@pytest.mark.parametrize("broken", BROKEN)
def test_invariant_3_a_broken_lamp_layer_ends_in_latched_flash_in_the_same_step(
    monkeypatch: pytest.MonkeyPatch, broken: Lighter
) -> None:
    monkeypatch.setattr(controller.core, "light", broken)
    site = crossroads()
    trace = run(site, ticks(200, Inputs(plan=plan(site), occupied=15)))
    tripped = next(k for k, s in enumerate(trace) if s.outputs.flash and s.lived_ms > 500)
    assert list(oracle.conflicts_lit(site, trace)) == []
    assert all(shown.outputs.flash for shown in trace[tripped:])
    assert trace[-1].outputs.faults[0].kind == BROKEN[broken]
    assert 174 in {event.code for event in trace[tripped].outputs.events}
    assert list(oracle.log_faults(trace)) == []


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(days())
def test_invariant_1_holds_even_with_a_random_lamp_layer(day: Day) -> None:
    chance = random.Random(len(day.steps) + len(day.site.groups))

    def mad(site: Intersection, lamps: LampState, want: int, clock_ms: int) -> LampState:
        lit = light(site, lamps, want, clock_ms)
        if chance.random() < 0.01:
            return lit._replace(green=chance.getrandbits(len(site.groups)), due_ms=0)
        return lit

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(controller.core, "light", mad)
        assert list(oracle.conflicts_lit(day.site, run(day.site, day.steps))) == []


def test_only_a_reset_by_hand_ends_the_latched_flash_and_then_the_start_up_follows() -> None:
    site = crossroads(startup_flash_ms=2_000, startup_red_ms=3_000)
    checked = plan(site)
    state = start(site, next(iter(ticks(1, Inputs())))[0])
    aspects, broken = [], True
    for now, _ in ticks(120, Inputs(plan=checked)):
        second = now.mono_ms / 1_000
        with pytest.MonkeyPatch.context() as patch:
            if broken and second >= 20:
                patch.setattr(controller.core, "light", also_a_conflict)
            operator = OperatorMode.MANUAL if 40 <= second < 50 else OperatorMode.AUTO
            reset = second == 60
            broken = broken and second < 21
            state, outputs = step(
                site,
                state,
                now,
                Inputs(plan=checked, operator=operator, monitor_reset=reset),
            )
        aspects.append((second, outputs.flash, outputs.green))
    assert all(flash for second, flash, _ in aspects if 20 <= second < 62)
    assert all(not flash and not green for s, flash, green in aspects if 62 <= s < 72)
    assert all(not flash for second, flash, _ in aspects if second >= 62)
    assert next(second for second, _, green in aspects if second > 60 and green) == 72.0


def test_the_monitor_works_from_pictures_alone() -> None:
    site = crossroads()
    record = look(site, clear_record(site), 0b0001, 0, 1_000)
    assert record.fault is None
    record = look(site, record, 0, 0b0001, 10_000)
    assert look(site, record, 0, 0, 12_600).fault is not None
    assert look(site, record, 0, 0, 13_000).fault is None
    after = look(site, record, 0, 0, 13_000)
    assert look(site, after, 0b0010, 0, 14_600).fault is not None
    assert look(site, after, 0b0010, 0, 14_700).fault is None
    assert look(site, after, 1 << 9, 0, 20_000).fault is not None
    assert look(site, after, 0, 0b0010, 20_000).fault is not None
