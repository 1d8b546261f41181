"""Detector health, recalls and the detector part of the log."""

from __future__ import annotations

from controller.signals import Inputs, OperatorMode
from tests.controller.crossroads import (
    BUTTON_EW,
    EW,
    LOOP_EW,
    LOOP_NS,
    WALK_EW,
    crossroads,
    plan,
    ticks,
)
from tests.controller.oracle import Shown, events, green_starts, run

SKIPPABLE = {"actuated": True, "skippable": True}


def test_invariant_32_a_missing_detector_is_never_zero_vehicles() -> None:
    site = crossroads()
    checked = plan(site, side=SKIPPABLE)
    silent = run(site, ticks(400, Inputs(plan=checked)))
    missing = run(site, ticks(400, Inputs(plan=checked, missing=LOOP_EW)))
    assert len(green_starts(silent, EW)) == 1  # the call of the start-up
    assert len(green_starts(missing, EW)) >= 6
    assert [f.kind for f in missing[-1].outputs.faults] == ["detector missing"]
    assert next(e for _, e in events(missing, 85)).parameter == 2


def test_invariant_32_a_missing_button_calls_its_pedestrians() -> None:
    site = crossroads()
    trace = run(site, ticks(400, Inputs(plan=plan(site), missing=BUTTON_EW)))
    assert len(green_starts(trace, WALK_EW)) >= 5


def test_invariant_32_stuck_on_is_a_fault_until_the_detector_is_free_again() -> None:
    site = crossroads()
    checked = plan(site, side=SKIPPABLE)

    def seen(second: float) -> Inputs:
        return Inputs(plan=checked, occupied=LOOP_EW if second < 500 else 0)

    trace = run(site, ticks(520, seen))
    codes = [(e.code, e.parameter) for _, e in events(trace, 83, 84)]
    assert codes == [(84, 2), (83, 2)]
    stuck = next(s for s, e in events(trace, 84))
    assert 300_000 <= stuck.lived_ms <= 480_000
    assert [f.kind for f in stuck.outputs.faults] == ["detector stuck on"]
    assert trace[-1].outputs.faults == ()


def test_a_queue_that_got_no_green_is_not_stuck() -> None:
    site = crossroads()
    held = Inputs(occupied=LOOP_EW, operator=OperatorMode.MANUAL, manual_stage=0)
    assert events(run(site, ticks(600, held)), 84) == []


def test_invariant_32_chatter_is_a_fault_and_recovers() -> None:
    site = crossroads()
    checked = plan(site, side=SKIPPABLE)

    def seen(second: float) -> Inputs:
        chatters = 60 <= second < 200 and int(second * 10) % 4 == 0
        return Inputs(plan=checked, pulsed=LOOP_EW if chatters else 0)

    trace = run(site, ticks(400, seen))
    assert [(e.code, e.parameter) for _, e in events(trace, 83, 88)] == [(88, 2), (83, 2)]


def test_chatter_is_found_at_one_step_a_second_and_a_saturated_lane_is_none() -> None:
    site = crossroads()
    checked = plan(site, side=SKIPPABLE)

    def trace(pulses_per_minute: int) -> list[Shown]:
        def seen(second: float) -> Inputs:
            # Pulses as even as whole steps allow.
            due = int((second + 1) * pulses_per_minute / 60) > int(second * pulses_per_minute / 60)
            return Inputs(plan=checked, pulsed=LOOP_EW if due else 0)

        return run(site, ticks(200, seen, tick_ms=1_000))

    assert [e.code for _, e in events(trace(60), 88)] == [88]
    assert [f.kind for f in trace(55)[-1].outputs.faults] == ["detector chatters"]
    assert events(trace(45), 88) == []


def test_on_and_off_are_logged_once_per_vehicle() -> None:
    site = crossroads()
    pictures = [
        Inputs(),
        Inputs(occupied=LOOP_NS, pulsed=LOOP_NS),
        Inputs(occupied=LOOP_NS),
        Inputs(occupied=LOOP_NS, pulsed=LOOP_NS),  # one left, the next arrived
        Inputs(),
        Inputs(pulsed=LOOP_NS),  # came and went within the step
        Inputs(occupied=BUTTON_EW),
        Inputs(),
    ]
    trace = run(site, ticks(0.8, lambda s: pictures[round(s * 10)]))
    codes = [[e.code for e in s.outputs.events if e.code in (81, 82, 89, 90)] for s in trace]
    assert codes == [[], [82], [], [81, 82], [81], [82, 81], [90], [89]]


def test_a_group_without_detectors_is_on_recall() -> None:
    site = crossroads(detectors=())
    trace = run(site, ticks(400, Inputs(plan=plan(site, side=SKIPPABLE))))
    assert len(green_starts(trace, EW)) >= 6
    assert len(green_starts(trace, WALK_EW)) >= 5
