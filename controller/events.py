"""The high-resolution log: what happened in a step, in the Indiana enumeration.

Vehicle groups write 0, 1, 3, one of 4/5/6, 7, 8, 9, 10, 11 and 12, pedestrian groups 21, 22, 23;
the parameter is the group's position plus 1. Every 1 is followed by exactly one 7, 8, 9, 10, 11
and 12 of its group, also when the red clearance has no length or flash cuts the green short.
Loops write 82/81, push buttons 90/89, detector faults 83..88, calls 43/44 (pedestrians 45).

Time stamps never go back: see :func:`stamp`.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from controller.calls import CallState
from controller.coordination import CoordState, Cycle
from controller.intersection import DetectorRole, Intersection, bits
from controller.lamps import NEVER_MS, LampState
from controller.program import Program
from controller.ring_plan import CheckedRingPlan
from controller.signals import Event

SPLIT_EVENTS = 16
"""Split events 134..149 exist for this many stages or phases."""
_PARAMETER_MAX = 32_767


class Code(IntEnum):
    """Event codes that the controller writes (Indiana enumerations, 2012)."""

    PHASE_ON = 0
    GREEN = 1
    MIN_COMPLETE = 3
    GAP_OUT = 4
    MAX_OUT = 5
    FORCE_OFF = 6
    GREEN_END = 7
    YELLOW = 8
    YELLOW_END = 9
    RED_CLEARANCE = 10
    RED_CLEARANCE_END = 11
    PHASE_INACTIVE = 12
    WALK = 21
    PED_CLEARANCE = 22
    DONT_WALK = 23
    BARRIER = 31
    CALL_ON = 43
    CALL_OFF = 44
    PED_CALL = 45
    LOOP_OFF = 81
    LOOP_ON = 82
    DETECTOR_RESTORED = 83
    DETECTOR_STUCK = 84
    DETECTOR_MISSING = 85
    DETECTOR_CHATTER = 88
    BUTTON_OFF = 89
    BUTTON_ON = 90
    PATTERN = 131
    CYCLE = 132
    OFFSET = 133
    SPLIT = 134
    COORD_STATE = 150
    YIELD = 151
    FLASH = 173
    ALARM = 174
    MANUAL = 178
    CLOCK = 181


class Clearing(NamedTuple):
    """Events that time alone brings: ends of red clearances and of minimum greens."""

    clearing: int = 0
    """Vehicle groups in their red clearance."""
    growing: int = 0
    """Vehicle groups whose minimum green runs."""
    due_ms: int = NEVER_MS


def stamp(last_ms: int, passed_ms: int, utc_ms: int) -> int:
    """The log's time of day.

    It is UTC, except after UTC has stepped back: then the log runs on from its last stamp, five per
    cent slower than the controller's clock, until UTC has caught up. So stamps never go back and
    durations in the log stay right within five per cent.
    """
    return max(utc_ms, last_ms + passed_ms - passed_ms // 20)


def lamp_events(
    site: Intersection,
    record: Clearing,
    before: LampState,
    after: LampState,
    clock_ms: int,
    termination: Code,
) -> tuple[Clearing, list[tuple[int, int]]]:
    """Events of the groups as (code, parameter), and what time will bring."""
    found: list[tuple[int, int]] = []
    clearing, growing = record.clearing, record.growing
    greens = after.green & ~before.green
    endings = before.green & ~after.green
    reds = (before.ending | endings) & ~after.ending
    peds = site.pedestrian_groups
    for i in bits(endings):
        if peds >> i & 1:
            found.append((Code.PED_CLEARANCE, i + 1))
            continue
        if growing >> i & 1 and clock_ms >= _grown_ms(site, before, i):
            found.append((Code.MIN_COMPLETE, i + 1))
        growing &= ~(1 << i)
        found += ((termination, i + 1), (Code.GREEN_END, i + 1), (Code.YELLOW, i + 1))
    for i in bits(reds):
        if peds >> i & 1:
            found.append((Code.DONT_WALK, i + 1))
            continue
        found += ((Code.YELLOW_END, i + 1), (Code.RED_CLEARANCE, i + 1))
        clearing |= 1 << i
    for i in bits(clearing):
        if greens >> i & 1 or clock_ms >= _cleared_ms(site, after, i):
            found += ((Code.RED_CLEARANCE_END, i + 1), (Code.PHASE_INACTIVE, i + 1))
            clearing &= ~(1 << i)
    for i in bits(greens):
        if peds >> i & 1:
            found.append((Code.WALK, i + 1))
        else:
            found += ((Code.PHASE_ON, i + 1), (Code.GREEN, i + 1))
            growing |= 1 << i
    for i in bits(growing):
        if clock_ms >= _grown_ms(site, after, i):
            found.append((Code.MIN_COMPLETE, i + 1))
            growing &= ~(1 << i)
    due_ms = min(
        *(_cleared_ms(site, after, i) for i in bits(clearing)),
        *(_grown_ms(site, after, i) for i in bits(growing)),
        NEVER_MS,
        NEVER_MS,
    )
    return Clearing(clearing, growing, due_ms), found


def _cleared_ms(site: Intersection, lamps: LampState, group: int) -> int:
    return lamps.ended_ms[group] + max(site.intergreen_ms[group])


def _grown_ms(site: Intersection, lamps: LampState, group: int) -> int:
    return lamps.since_ms[group] + site.groups[group].min_green_ms


def call_events(site: Intersection, before: CallState, after: CallState) -> list[tuple[int, int]]:
    """Events of detectors, their faults, and calls, as (code, parameter)."""
    found: list[tuple[int, int]] = []
    moved = (before.occupied ^ after.occupied) | after.pulsed
    for d in bits(moved & ~after.missing & (1 << len(site.detectors)) - 1):
        _detector_events(site, d, before.occupied >> d & 1, after, found)
    if faults_moved(before, after):
        _fault_events(site, before, after, found)
    changed = before.called ^ after.called
    for i in bits(changed):
        on = after.called >> i & 1
        if not site.pedestrian_groups >> i & 1:
            found.append((Code.CALL_ON if on else Code.CALL_OFF, i + 1))
        elif on:
            found.append((Code.PED_CALL, i + 1))
    return found


def faults_moved(before: CallState, after: CallState) -> bool:
    """Whether a detector has become faulty or healthy."""
    old, new = before.health, after.health
    return (
        after.missing != before.missing
        or new.stuck != old.stuck
        or new.chattering != old.chattering
    )


def _detector_events(
    site: Intersection, d: int, was: int, after: CallState, found: list[tuple[int, int]]
) -> None:
    button = site.detectors[d].role is DetectorRole.PUSH_BUTTON
    on = (Code.BUTTON_ON if button else Code.LOOP_ON, d + 1)
    off = (Code.BUTTON_OFF if button else Code.LOOP_OFF, d + 1)
    now, pulsed = after.occupied >> d & 1, after.pulsed >> d & 1
    if was and (pulsed or not now):
        found.append(off)
    if pulsed or (now and not was):
        found.append(on)
        if not now:
            found.append(off)


def _fault_events(
    site: Intersection, before: CallState, after: CallState, found: list[tuple[int, int]]
) -> None:
    known = (1 << len(site.detectors)) - 1
    for code, old, new in (
        (Code.DETECTOR_MISSING, before.missing, after.missing),
        (Code.DETECTOR_STUCK, before.health.stuck, after.health.stuck),
        (Code.DETECTOR_CHATTER, before.health.chattering, after.health.chattering),
    ):
        for d in bits((old ^ new) & known):
            found.append((code if new >> d & 1 else Code.DETECTOR_RESTORED, d + 1))


def plan_events(program: Program | CheckedRingPlan) -> list[tuple[int, int]]:
    """Events of a plan that takes effect: pattern, cycle, offset, splits in seconds."""
    if isinstance(program, CheckedRingPlan):
        number, offset_ms = program.plan.sequence_no, program.plan.offset_ms
        cycle_ms = program.plan.cycle_ms
        splits_ms = tuple(phase.split_ms for phase in program.plan.phases)
    else:
        number = program.plan.plan.sequence_no if program.plan is not None else 0
        cycle_ms, offset_ms = program.rhythm.cycle_ms, program.rhythm.offset_ms
        splits_ms = program.splits_ms
    found: list[tuple[int, int]] = [
        (Code.PATTERN, number % (_PARAMETER_MAX + 1)),
        (Code.CYCLE, cycle_ms // 1_000),
        (Code.OFFSET, (offset_ms or 0) // 1_000),
    ]
    found += ((Code.SPLIT + k, ms // 1_000) for k, ms in enumerate(splits_ms[:SPLIT_EVENTS]))
    return found


def cycle_events(before: Cycle, after: Cycle) -> list[tuple[int, int]]:
    """Events of the cycle: state of coordination, and local zero."""
    found: list[tuple[int, int]] = []
    if before.state is not after.state:
        found.append((Code.COORD_STATE, int(after.state)))
    same = before.rhythm[:2] == after.rhythm[:2]
    turns = after.position_ms // after.rhythm.cycle_ms
    if same and turns > before.position_ms // before.rhythm.cycle_ms:
        found.append((Code.COORD_STATE, int(CoordState.LOCAL_ZERO)))
    return found


def clock_event(correction_ms: int) -> tuple[int, int]:
    """The event of a clock step, in whole seconds without its sign."""
    return (Code.CLOCK, min(_PARAMETER_MAX, (abs(correction_ms) + 500) // 1_000))


def events_at(utc_ms: int, found: list[tuple[int, int]]) -> tuple[Event, ...]:
    """*found* as log records of one moment."""
    return tuple(Event(utc_ms, int(code), parameter) for code, parameter in found)
