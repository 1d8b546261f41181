"""Priority calls at one cabinet: who is served, who waits, and when a call is over.

The highest level goes first, among equals the one that came first. A call lives as long as its
caller keeps it up, is active for ``ACTIVE_MAX_MS`` at most, and never cuts a minimum time: the
cabinet turns the active one into a schedule like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.clock import Instant
from controller.intersection import Intersection
from controller.plan import CheckedSchedule, ScheduledStage, StageSchedule, check_schedule
from firmware_bridge.codes import PriorityState
from firmware_bridge.registers import PRIORITY_CALLS_MAX

ACTIVE_MAX_MS = 120_000
HELD_MS = 5_000
"""Of a schedule that holds a call's stage; it is made anew in every step."""

_LIVING = frozenset({PriorityState.ACTIVATED, PriorityState.QUEUED})


@dataclass(frozen=True, slots=True)
class PriorityCall:
    """One call; times are on the cabinet's monotonic clock."""

    call: int
    level: int
    stage: int
    state: PriorityState
    came_ms: int
    until_ms: int
    active_ms: int | None = None
    """Since when it is active."""


class PriorityCalls:
    """The calls of one cabinet, those that are over included until their place is needed."""

    def __init__(self) -> None:
        self.all: tuple[PriorityCall, ...] = ()

    @property
    def active(self) -> PriorityCall | None:
        """The call that is served now."""
        served = (each for each in self.all if each.state is PriorityState.ACTIVATED)
        return next(served, None)

    def take(self, call: int, level: int, stage: int, ttl_ms: int, now_ms: int) -> bool:
        """Make, keep up or (``ttl_ms`` 0) cancel a call; False if there is no room for it."""
        known = next((each for each in self.all if each.call == call), None)
        if ttl_ms == 0:
            if known is not None and known.state in _LIVING:
                self._put(replace(known, state=PriorityState.COMPLETED, until_ms=now_ms))
        elif known is not None and known.state is PriorityState.TIMED_OUT:
            # Whoever never lets go is not heard again before it has fallen silent.
            self._put(replace(known, until_ms=now_ms + ttl_ms))
        elif known is not None and known.state in _LIVING:
            self._put(replace(known, level=level, stage=stage, until_ms=now_ms + ttl_ms))
        elif not self._make_room(known):
            return False
        else:
            state = PriorityState.QUEUED
            self.all += (PriorityCall(call, level, stage, state, now_ms, now_ms + ttl_ms),)
        self.pass_time(now_ms)
        return True

    def pass_time(self, now_ms: int) -> None:
        """Drop who fell silent, and choose who is served."""
        self.all = tuple(_aged(each, now_ms) for each in self.all)
        living = [each for each in self.all if each.state in _LIVING]
        first = min(living, key=lambda each: (-each.level, each.came_ms, each.call), default=None)
        for each in living:
            if each is first and each.active_ms is None:
                self._put(replace(each, state=PriorityState.ACTIVATED, active_ms=now_ms))
            elif each is not first and each.active_ms is not None:
                self._put(replace(each, state=PriorityState.QUEUED, active_ms=None))

    def clear(self) -> None:
        """Forget all calls."""
        self.all = ()

    def _put(self, changed: PriorityCall) -> None:
        self.all = tuple(changed if each.call == changed.call else each for each in self.all)

    def _make_room(self, known: PriorityCall | None) -> bool:
        over = [each for each in self.all if each.state not in _LIVING]
        if known is not None:
            over = [known]
        elif len(self.all) < PRIORITY_CALLS_MAX:
            return True
        if not over:
            return False
        oldest = min(over, key=lambda each: each.until_ms)
        self.all = tuple(each for each in self.all if each is not oldest)
        return True


def _aged(each: PriorityCall, now_ms: int) -> PriorityCall:
    if each.state in _LIVING and now_ms >= each.until_ms:
        return replace(each, state=PriorityState.STALE, active_ms=None)
    if each.active_ms is not None and now_ms - each.active_ms >= ACTIVE_MAX_MS:
        return replace(each, state=PriorityState.TIMED_OUT, active_ms=None)
    if each.state is PriorityState.TIMED_OUT and now_ms >= each.until_ms:
        return replace(each, state=PriorityState.STALE)
    return each


def held_schedule(site: Intersection, call: PriorityCall, now: Instant) -> CheckedSchedule:
    """The schedule by which the controller of *site* serves *call*: its stage, from now on."""
    entry = ScheduledStage(stage=site.stages[call.stage].name, duration_ms=HELD_MS)
    held = StageSchedule(
        site=site.name,
        start_mono_ms=now.mono_ms,
        entries=(entry,),
        sequence_no=call.call,
    )
    return check_schedule(held, site)
