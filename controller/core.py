"""The controller: ``step`` takes the state, the time and what is seen, and gives what to light.

One step runs, in this order: the clocks, calls from the detectors, the operating mode, a sequencer
(:mod:`controller.stages` or :mod:`controller.rings`) that wants a set of groups, the lamp layer
that makes it legal, the monitor that checks what came out, and the log.

The controller lives on its own clock, ``clock_ms``: it adds up the monotonic time between steps,
a step back counting as no time and a gap of more than 2 s as 2 s. So no jump of any clock can
shorten an interval; lamps that nobody drove for a while are only held for longer.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from controller.calls import CallState, collect, first_calls, silence
from controller.clock import Instant
from controller.coordination import Cycle, begin_cycle, follow
from controller.events import (
    Clearing,
    Code,
    call_events,
    clock_event,
    cycle_events,
    events_at,
    faults_moved,
    lamp_events,
    plan_events,
    stamp,
)
from controller.intersection import Intersection
from controller.lamps import LampState, all_red, light
from controller.monitor import MonitorState, clear_record, cut, look
from controller.orders import (
    detector_faults,
    manual_mask,
    overdue_mask,
    plan_in_force,
    refusals,
    scheduled_mask,
)
from controller.program import free_program
from controller.ring_plan import CheckedRingPlan
from controller.rings import RingSequence, advance_rings, at_rest_or_barrier, begin_rings
from controller.sequence import Reason, Scene, Sequence
from controller.signals import Fault, Inputs, OperatorMode, Outputs
from controller.stages import advance, asleep_until, begin_sequence, stop

STEP_MAX_MS = 2_000
"""Longest time that one step can count for on the controller's clock."""
CLOCK_STEP_MS = 500
"""A disagreement of UTC and monotonic time above this in one step is logged as a clock step."""


class Mode(Enum):
    """What the controller as a whole is doing."""

    STARTUP_FLASH = "start-up flash"
    STARTUP_RED = "start-up all red"
    RUN = "running"
    CLOSING = "ending all greens before flash"
    FLASH = "flash by the operator"
    LATCHED = "flash by the conflict monitor"


_RUN = Mode.RUN
_AUTO = OperatorMode.AUTO
_FLASHING = {Mode.STARTUP_FLASH: 7, Mode.FLASH: 4, Mode.LATCHED: 5}
"""Modes in which the lamps flash, with the parameter of event 173 (NTCIP unitFlashStatus)."""
_NOT_FLASHING = 2
_TERMINATIONS = {Reason.GAP_OUT: Code.GAP_OUT, Reason.MAX_OUT: Code.MAX_OUT}


class State(NamedTuple):
    """Everything the controller remembers. Immutable, comparable, picklable."""

    clock_ms: int
    mono_ms: int
    utc_ms: int
    log_ms: int
    """Time stamp of the last step in the log."""
    mode: Mode
    mode_since_ms: int
    operator: OperatorMode | None
    """What the operator had chosen in the last step; None before the first."""
    lamps: LampState
    calls: CallState
    cycle: Cycle
    sequence: Sequence | RingSequence
    monitor: MonitorState
    clearing: Clearing
    refused: tuple[Fault, ...]
    faults: tuple[Fault, ...]
    shown: Outputs
    """The outputs of the last step."""
    wake_ms: int
    """Until then the sequencer has nothing to decide while lamps, calls, cycle and orders stay."""

    @property
    def reason(self) -> str:
        """Why the present stage is held, or the last one was left, in words for an engineer."""
        return self.sequence.reason.value if self.mode is _RUN else self.mode.value

    @property
    def stage_since_ms(self) -> int | None:
        """When the present stage was fully green, on ``clock_ms``; None while changing."""
        since_ms = self.sequence.since_ms
        return since_ms if self.mode is _RUN and since_ms >= 0 else None


def start(site: Intersection, now: Instant) -> State:
    """The state of a controller that has just been switched on: start-up flash."""
    program = free_program(site)
    return State(
        clock_ms=0,
        mono_ms=now.mono_ms,
        utc_ms=now.utc_ms,
        log_ms=now.utc_ms,
        mode=Mode.STARTUP_FLASH,
        mode_since_ms=0,
        operator=None,
        lamps=all_red(len(site.groups), 0),
        calls=first_calls(site, 0),
        cycle=begin_cycle(program.rhythm, 0, 0, now.utc_ms),
        sequence=begin_sequence(program, 0),
        monitor=clear_record(site),
        clearing=Clearing(),
        refused=(),
        faults=(),
        shown=Outputs(0, 0, flash=True),
        wake_ms=0,
    )


def step(site: Intersection, state: State, now: Instant, seen: Inputs) -> tuple[State, Outputs]:
    """Advance the controller to *now*; pure: the same arguments give the same result."""
    passed_ms = now.mono_ms - state.mono_ms
    lived_ms = 0 if passed_ms < 0 else STEP_MAX_MS if passed_ms > STEP_MAX_MS else passed_ms
    clock_ms = state.clock_ms + lived_ms
    mode, mode_since_ms, monitor = state.mode, state.mode_since_ms, state.monitor
    sequence, lamps = state.sequence, state.lamps
    calls = collect(site, state.calls, seen, lamps.green, clock_ms, state.clock_ms)
    cycle = follow(state.cycle, clock_ms, now.utc_ms)
    if mode is not _RUN or seen.operator is not _AUTO:
        mode = _next_mode(site, state, seen, clock_ms)
        if mode is not state.mode:
            mode_since_ms = clock_ms
            lamps, calls, sequence, monitor = _entered(site, state, mode, calls, clock_ms)
    wake_ms = 0
    if mode is _RUN and seen.operator is not OperatorMode.ALL_RED:
        if (
            clock_ms < state.wake_ms
            and calls is state.calls
            and cycle is state.cycle
            and seen.plan is sequence.program.plan
            and seen.schedule is None
            and seen.operator is _AUTO
        ):
            wake_ms = state.wake_ms
        else:
            plan = None if seen.plan is None else plan_in_force(seen.plan, site, now.utc_ms)
            demanded, by = _demanded(site, seen, now.mono_ms, clock_ms, calls, sequence)
            scene = Scene(site, clock_ms, now.utc_ms, lamps, calls, cycle, plan, demanded, by)
            sequence, cycle = _sequenced(scene, sequence)
            if scene.demanded is None and seen.operator is _AUTO:
                wake_ms = _wake_ms(scene._replace(cycle=cycle), sequence)
    elif mode is _RUN or mode is Mode.CLOSING:
        sequence = _stopped(site, sequence, clock_ms)
    if mode is _RUN or not _flashes(mode):
        want = sequence.want if mode is not Mode.STARTUP_RED else 0
        lamps = light(site, lamps, want, clock_ms)
        monitor = look(site, monitor, lamps.green, lamps.ending, clock_ms)
        if monitor.fault is not None:
            mode, mode_since_ms = Mode.LATCHED, clock_ms
            monitor = cut(monitor, clock_ms)
            lamps = all_red(len(site.groups), clock_ms, lamps)
    after = State(
        clock_ms,
        now.mono_ms,
        now.utc_ms,
        stamp(state.log_ms, lived_ms, now.utc_ms),
        mode,
        mode_since_ms,
        seen.operator,
        lamps,
        calls,
        cycle,
        sequence,
        monitor,
        state.clearing,
        refusals(site, seen),
        state.faults,
        state.shown,
        wake_ms if lamps is state.lamps else 0,
    )
    return _reported(site, state, after, now.utc_ms - state.utc_ms - passed_ms)


def _entered(
    site: Intersection, state: State, mode: Mode, calls: CallState, clock_ms: int
) -> tuple[LampState, CallState, Sequence | RingSequence, MonitorState]:
    """What a new *mode* begins with: after flash everything anew, after a reset no fault."""
    lamps, sequence, monitor = state.lamps, state.sequence, state.monitor
    if mode is Mode.STARTUP_RED:
        lamps = all_red(len(site.groups), clock_ms, lamps)
        calls = first_calls(site, clock_ms)._replace(health=calls.health)
        sequence = begin_sequence(free_program(site), clock_ms)
    elif mode is Mode.STARTUP_FLASH:
        monitor = monitor._replace(fault=None)
    return lamps, calls, sequence, monitor


def _flashes(mode: Mode) -> bool:
    return mode in _FLASHING


def _next_mode(site: Intersection, state: State, seen: Inputs, clock_ms: int) -> Mode:
    mode, age_ms = state.mode, clock_ms - state.mode_since_ms
    flash = seen.operator is OperatorMode.FLASH
    following = mode
    if mode is Mode.LATCHED:
        following = Mode.STARTUP_FLASH if seen.monitor_reset else mode
    elif mode is Mode.RUN or mode is Mode.CLOSING:
        if not flash:
            following = Mode.RUN
        else:
            following = Mode.FLASH if _all_clear(site, state, clock_ms) else Mode.CLOSING
    elif flash:
        following = Mode.FLASH
    elif mode is Mode.FLASH or (mode is Mode.STARTUP_FLASH and age_ms >= site.startup_flash_ms):
        following = Mode.STARTUP_RED
    elif mode is Mode.STARTUP_RED and age_ms >= site.opening_red_ms:
        following = Mode.RUN
    return following


def _all_clear(site: Intersection, state: State, clock_ms: int) -> bool:
    """Whether every group is red and every intergreen is over."""
    lamps = state.lamps
    if lamps.green | lamps.ending or state.mode is not Mode.CLOSING:
        return False
    return all(
        clock_ms >= ended_ms + max(row)
        for ended_ms, row in zip(lamps.ended_ms, site.intergreen_ms, strict=True)
    )


def _demanded(
    site: Intersection,
    seen: Inputs,
    mono_ms: int,
    clock_ms: int,
    calls: CallState,
    sequence: Sequence | RingSequence,
) -> tuple[int | None, Reason]:
    """The stage that somebody demands before any plan, and who: operator, overdue call, schedule.

    An operator who names no stage of the site holds the present one.
    """
    if seen.operator is not _AUTO:
        mask = manual_mask(site, seen)
        return _present(sequence) if mask is None else mask, Reason.MANUAL
    if clock_ms >= calls.overdue_ms:
        return overdue_mask(site, calls, _present(sequence), clock_ms), Reason.OVERDUE
    if seen.schedule is not None:
        return scheduled_mask(seen.schedule, site, mono_ms), Reason.SCHEDULE
    return None, Reason.SCHEDULE


def _wake_ms(scene: Scene, sequence: Sequence | RingSequence) -> int:
    plan = scene.plan
    if not isinstance(sequence, Sequence):
        return 0
    if plan is not sequence.program.plan and plan != sequence.program.plan:
        return 0
    if plan is not None and plan.plan.valid_to_utc_ms is not None:
        return 0
    return min(asleep_until(scene, sequence), scene.calls.overdue_ms)


def _present(sequence: Sequence | RingSequence) -> int:
    """The groups of the present stage."""
    return sequence.mask if isinstance(sequence, Sequence) else sequence.want


def _sequenced(
    scene: Scene, sequence: Sequence | RingSequence
) -> tuple[Sequence | RingSequence, Cycle]:
    """Run the sequencer that the orders need; hand over where the other one allows it."""
    if isinstance(sequence, RingSequence):
        return _from_ring_sequence(scene, sequence)
    if not isinstance(scene.plan, CheckedRingPlan) or scene.demanded is not None:
        return advance(scene, sequence)
    if sequence.inside or sequence.since_ms < 0:
        after, _ = advance(scene._replace(plan=sequence.program.plan), sequence)
        leaves = after.since_ms < 0 <= sequence.since_ms
        if not leaves and after.reason is not Reason.REST:
            return after, scene.cycle
    return begin_rings(scene, scene.plan)


def _from_ring_sequence(
    scene: Scene, sequence: RingSequence
) -> tuple[Sequence | RingSequence, Cycle]:
    if scene.demanded is not None:
        return advance(scene, _from_rings(scene, sequence))
    after = advance_rings(scene, sequence)
    if scene.plan == sequence.program or not at_rest_or_barrier(sequence, after):
        return after, scene.cycle
    if isinstance(scene.plan, CheckedRingPlan):
        return begin_rings(scene, scene.plan)
    return advance(scene, _from_rings(scene, sequence))


def _from_rings(scene: Scene, sequence: RingSequence) -> Sequence:
    """A stage sequence that takes over from what is green now."""
    return begin_sequence(free_program(scene.site), scene.clock_ms, sequence.want)


def _stopped(site: Intersection, sequence: Sequence | RingSequence, clock_ms: int) -> Sequence:
    if isinstance(sequence, RingSequence):
        sequence = begin_sequence(free_program(site), clock_ms, sequence.want)
    return stop(sequence, clock_ms)


def _reported(
    site: Intersection, before: State, after: State, clock_step_ms: int
) -> tuple[State, Outputs]:
    """*after* with its faults and the outputs of the step: lamps, events, faults."""
    found: list[tuple[int, int]] = []
    if clock_step_ms > CLOCK_STEP_MS or clock_step_ms < -CLOCK_STEP_MS:
        found.append(clock_event(clock_step_ms))
    moved = after.mode is not before.mode or after.operator is not before.operator
    if moved:
        found += _mode_events(before, after)
    if after.sequence is not before.sequence:
        found += _sequence_events(before.sequence, after.sequence)
    if after.cycle is not before.cycle:
        found += cycle_events(before.cycle, after.cycle)
    calls, faulty = after.calls, after.refused != before.refused
    if calls is not before.calls or before.operator is None:
        heard = before.calls if before.operator is not None else silence(before.calls)
        found += call_events(site, heard, calls)
        faulty = faulty or faults_moved(before.calls, calls)
    faults, clearing = after.faults, after.clearing
    if faulty or after.monitor.fault is not before.monitor.fault:
        faults = detector_faults(site, calls) + after.refused
        if after.monitor.fault is not None:
            faults = (after.monitor.fault, *faults)
        moved = True
    lamps = after.lamps
    if lamps is not before.lamps or after.clock_ms >= clearing.due_ms:
        termination = _TERMINATIONS.get(after.sequence.reason, Code.FORCE_OFF)
        clearing, of_lamps = lamp_events(
            site, clearing, before.lamps, lamps, after.clock_ms, termination
        )
        found += of_lamps
        moved = True
    outputs = before.shown
    if found or moved or outputs.events:
        events = events_at(after.log_ms, found) if found else ()
        flash = after.mode is not _RUN and after.mode in _FLASHING
        outputs = Outputs(lamps.green, lamps.ending, flash, events, faults)
        after = after._replace(faults=faults, clearing=clearing, shown=outputs)
    return after, outputs


def _mode_events(before: State, after: State) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    status = _FLASHING.get(after.mode, _NOT_FLASHING)
    if before.operator is None or status != _FLASHING.get(before.mode, _NOT_FLASHING):
        found.append((Code.FLASH, status))
    if after.mode is Mode.LATCHED and before.mode is not Mode.LATCHED:
        found.append((Code.ALARM, 1))
    manual = after.operator is OperatorMode.MANUAL
    if manual != (before.operator is OperatorMode.MANUAL):
        found.append((Code.MANUAL, int(manual)))
    return found


def _sequence_events(
    before: Sequence | RingSequence, after: Sequence | RingSequence
) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    if after.program is not before.program and after.program != before.program:
        found += plan_events(after.program)
    if isinstance(after, RingSequence):
        crossed = isinstance(before, RingSequence) and after.barrier != before.barrier
        if crossed:
            found.append((Code.BARRIER, after.barrier + 1))
    elif (
        isinstance(before, Sequence)
        and before.inside
        and after.since_ms < 0 <= before.since_ms
        and before.program.coordinated >> before.place & 1
    ):
        found.append((Code.YIELD, before.place + 1))
    return found
