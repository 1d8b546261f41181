"""How the sites of a zone get into step with new plans, and how to keep that short.

The signal controller takes a new plan at the end of a stage, goes on from that stage, and runs the
new cycle faster or slower until it is in step (:mod:`controller.coordination`): no stage is left
out, none is longer than a quarter above its split nor shorter than a fifth below it or its
minimum. How long that lasts depends on where in its new cycle a site finds itself. Only the offsets
*between* the sites of a zone matter to traffic, so all of them can be moved together: to where the
longest transition is shortest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from controller.coordination import ABSORBED_MS, NORMAL_RATE, SLOW_RATE, Rhythm
from controller.intersection import Intersection
from controller.plan import TimingPlan, Transition, check_plan
from controller.program import plan_program

STEP_MS = 1_000


@dataclass(frozen=True, slots=True)
class Handover:
    """One site at a change of plans: *before* may be None where nothing coordinated ran."""

    site: Intersection
    before: TimingPlan | None
    after: TimingPlan


def settling_ms(rhythm: Rhythm, behind_ms: int) -> int:
    """How long a site is out of step whose position is *behind_ms* late, as the controller does it.

    A dwell waits for the coordinated stage first: a cycle more at most.
    """
    behind_ms %= rhythm.cycle_ms
    ahead_ms = rhythm.cycle_ms - behind_ms
    if min(behind_ms, ahead_ms) <= ABSORBED_MS:
        return 0
    if rhythm.transition is Transition.DWELL:
        return rhythm.cycle_ms + ahead_ms
    adding_ms = math.ceil(ahead_ms * NORMAL_RATE / (NORMAL_RATE - SLOW_RATE))
    gain = rhythm.fastest_rate - NORMAL_RATE
    if rhythm.transition is not Transition.SHORTWAY or gain <= 0:
        return adding_ms
    return min(adding_ms, math.ceil(behind_ms * NORMAL_RATE / gain))


def in_time(handovers: Sequence[Handover], utc_ms: int) -> tuple[TimingPlan, ...]:
    """The plans after, moved together so that the last site is in step as soon as can be.

    *utc_ms*: when they are handed over. Sites without a plan before count for nothing.
    """
    cycle_ms = max(handover.after.cycle_ms for handover in handovers)
    errors = [_Error.of(handover, utc_ms) for handover in handovers]
    known = [error for error in errors if error is not None]
    shift_ms = 0
    if known:
        shift_ms = min(
            range(0, cycle_ms, STEP_MS), key=lambda shift: _worth(known, shift, cycle_ms)
        )
    return tuple(_shifted(handover.after, shift_ms) for handover in handovers)


def longest_ms(handovers: Sequence[Handover], utc_ms: int) -> int:
    """How long the last of them is out of step."""
    errors = (_Error.of(handover, utc_ms) for handover in handovers)
    return max((error.settling_ms(0) for error in errors if error is not None), default=0)


def _worth(errors: Sequence[_Error], shift_ms: int, cycle_ms: int) -> tuple[int, int, int]:
    """Less is better: the longest, then all together, then the smallest move."""
    each = [error.settling_ms(shift_ms) for error in errors]
    return max(each), sum(each), min(shift_ms, cycle_ms - shift_ms)


def _shifted(plan: TimingPlan, shift_ms: int) -> TimingPlan:
    return replace(plan, offset_ms=((plan.offset_ms or 0) + shift_ms) % plan.cycle_ms)


@dataclass(frozen=True, slots=True)
class _Error:
    """By how much a site that changes over is late, before the zone is moved."""

    rhythm: Rhythm
    behind_ms: int

    @classmethod
    def of(cls, handover: Handover, utc_ms: int) -> _Error | None:
        before, after = handover.before, handover.after
        if before is None or before.offset_ms is None:
            return None
        rhythm = plan_program(handover.site, check_plan(after, handover.site)).rhythm
        names = [entry.stage for entry in after.stages]
        for stage, end_ms in _stage_ends(handover.site, before, utc_ms):
            # A stage that the new plan does not have is over before the new one begins.
            if stage in names:
                place = names.index(stage)
                position = sum(entry.split_ms for entry in after.stages[: place + 1])
                wanted = (end_ms - (after.offset_ms or 0)) % after.cycle_ms
                return cls(rhythm, (wanted - position) % after.cycle_ms)
        return cls(rhythm, 0)

    def settling_ms(self, shift_ms: int) -> int:
        """With the offset *shift_ms* later the site is so much less late."""
        return settling_ms(self.rhythm, self.behind_ms - shift_ms)


def _stage_ends(site: Intersection, plan: TimingPlan, utc_ms: int) -> list[tuple[str, int]]:
    """The stages of a cycle from the one that can still be left at *utc_ms* on; when each ends.

    Once the change away from a stage has begun, the next one is the first that can be left.
    """
    masks = [site.mask_of_stage[entry.stage] for entry in plan.stages]
    position = (utc_ms - (plan.offset_ms or 0)) % plan.cycle_ms
    ends, at = [], utc_ms - position
    for entry in plan.stages:
        at += entry.split_ms
        ends.append((entry.stage, at))
    ends += [(stage, end_ms + plan.cycle_ms) for stage, end_ms in ends]
    running = next(
        k
        for k, (_, end_ms) in enumerate(ends)
        if end_ms - site.interstage_ms(masks[k % len(masks)], masks[(k + 1) % len(masks)]) > utc_ms
    )
    return ends[running : running + len(masks)]
