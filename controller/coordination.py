"""The cycle: where in it the controller is, and how it gets in step with the clock.

The local position runs in milliseconds since a local zero, unwrapped; its remainder by the cycle
length is the cycle second. Normally it advances with the controller's clock. A coordinated plan
wants it to equal ``(utc - offset) mod cycle``; after a change of plan or clock it is brought there
by running at another rate:

* *shortway*: faster by at most a quarter, and never so fast that a split falls below its minimum,
  or slower by a fifth (splits a quarter longer), whichever is in step sooner;
* *add-only*: always slower by a fifth;
* *dwell*: at the normal rate up to the start of the coordinated stage, where it stands still.

So the first two are in step within 5 cycles whatever the error, and dwell within 2. An error of
up to half a second (clock discipline, ticks) is absorbed at once.
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from controller.lamps import NEVER_MS
from controller.plan import Transition

NORMAL_RATE = 1_000
"""Rates are local milliseconds per second of the controller's clock."""
SLOW_RATE = 800
FAST_RATE_MAX = 1_250
ABSORBED_MS = 500
"""Largest error of the cycle position that is absorbed at once."""
_JITTER_MS = 20
_HOLD_WINDOW_MS = 2_500


class CoordState(IntEnum):
    """State of coordination, as the parameter of high-resolution event 150."""

    FREE = 0
    IN_STEP = 1
    ADDING = 2
    SUBTRACTING = 3
    DWELLING = 4
    LOCAL_ZERO = 5


class Rhythm(NamedTuple):
    """What a plan asks of the cycle."""

    cycle_ms: int
    offset_ms: int | None
    """None: isolated, the cycle follows no clock."""
    transition: Transition
    fastest_rate: int
    """Rate at which the tightest split just meets its minimum, at most the general limit."""
    hold_ms: int
    """Start of the coordinated stage, where a dwell waits."""


class Cycle(NamedTuple):
    """A straight piece of the local position over the controller's clock."""

    rhythm: Rhythm
    position_ms: int
    clock_ms: int
    rate: int
    until_ms: int
    """When the piece ends: in step, or at the next local zero."""
    state: CoordState
    utc_base_ms: int
    """UTC less the controller's clock, as last taken into account."""

    def position_at(self, clock_ms: int) -> int:
        """The unwrapped local position at *clock_ms*."""
        return self.position_ms + (clock_ms - self.clock_ms) * self.rate // NORMAL_RATE


def begin_cycle(rhythm: Rhythm, position_ms: int, clock_ms: int, utc_ms: int) -> Cycle:
    """A cycle that stands at *position_ms* now and, if coordinated, starts to get in step."""
    return _next_piece(rhythm, position_ms, clock_ms, utc_ms)


def follow(cycle: Cycle, clock_ms: int, utc_ms: int) -> Cycle:
    """The cycle at *clock_ms*; the same object while its piece lasts and the clocks agree."""
    drift_ms = utc_ms - clock_ms - cycle.utc_base_ms
    if clock_ms < cycle.until_ms and (
        -_JITTER_MS <= drift_ms <= _JITTER_MS or cycle.rhythm.offset_ms is None
    ):
        return cycle
    turn_ms = min(clock_ms, cycle.until_ms)
    position_ms = cycle.position_at(turn_ms) + clock_ms - turn_ms
    return _next_piece(cycle.rhythm, position_ms, clock_ms, utc_ms)


def _next_piece(rhythm: Rhythm, position_ms: int, clock_ms: int, utc_ms: int) -> Cycle:
    cycle_ms = rhythm.cycle_ms
    rate, settle_ms = NORMAL_RATE, NEVER_MS
    state = CoordState.FREE
    if rhythm.offset_ms is not None:
        behind_ms = (utc_ms - rhythm.offset_ms - position_ms) % cycle_ms
        ahead_ms = cycle_ms - behind_ms
        if min(behind_ms, ahead_ms) <= ABSORBED_MS:
            position_ms += behind_ms if behind_ms <= ABSORBED_MS else -ahead_ms
            state = CoordState.IN_STEP
        else:
            rate, settle_ms, state = _correction(rhythm, position_ms, behind_ms)
    zero_ms = NEVER_MS
    if rate:
        zero_ms = -(-(cycle_ms - position_ms % cycle_ms) * NORMAL_RATE // rate)
    until_ms = clock_ms + max(1, min(settle_ms, zero_ms))
    return Cycle(rhythm, position_ms, clock_ms, rate, until_ms, state, utc_ms - clock_ms)


def _correction(rhythm: Rhythm, position_ms: int, behind_ms: int) -> tuple[int, int, CoordState]:
    """Rate, how long to keep it, and the state, for a position that is *behind_ms* late."""
    ahead_ms = rhythm.cycle_ms - behind_ms
    if rhythm.transition is Transition.DWELL:
        past_hold_ms = (position_ms - rhythm.hold_ms) % rhythm.cycle_ms
        if past_hold_ms < min(_HOLD_WINDOW_MS, rhythm.cycle_ms // 2):
            return 0, ahead_ms, CoordState.DWELLING
        return NORMAL_RATE, rhythm.cycle_ms - past_hold_ms, CoordState.DWELLING
    adding_ms = -(-ahead_ms * NORMAL_RATE // (NORMAL_RATE - SLOW_RATE))
    gain = rhythm.fastest_rate - NORMAL_RATE
    if rhythm.transition is Transition.SHORTWAY and gain > 0:
        subtracting_ms = -(-behind_ms * NORMAL_RATE // gain)
        if subtracting_ms <= adding_ms:
            return rhythm.fastest_rate, subtracting_ms, CoordState.SUBTRACTING
    return SLOW_RATE, adding_ms, CoordState.ADDING
