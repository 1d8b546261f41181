"""Which of the orders from outside are obeyed: plans, schedules and the manual stage."""

from __future__ import annotations

from controller.calls import CallState, most_overdue
from controller.intersection import Intersection
from controller.plan import CheckedPlan, CheckedSchedule
from controller.ring_plan import CheckedRingPlan
from controller.signals import Fault, Inputs, OperatorMode


def plan_in_force(
    plan: CheckedPlan | CheckedRingPlan | None, site: Intersection, utc_ms: int
) -> CheckedPlan | CheckedRingPlan | None:
    """*plan* if it was checked for this very site and is valid now, else None."""
    if plan is None or plan.site_digest != site.digest:
        return None
    begin_ms, end_ms = plan.plan.valid_from_utc_ms, plan.plan.valid_to_utc_ms
    if begin_ms is not None and utc_ms < begin_ms:
        return None
    if end_ms is not None and utc_ms >= end_ms:
        return None
    return plan


def scheduled_mask(schedule: CheckedSchedule, site: Intersection, mono_ms: int) -> int | None:
    """The stage that *schedule* demands now; None before its start, and when it has expired."""
    elapsed_ms = mono_ms - schedule.schedule.start_mono_ms
    if elapsed_ms < 0 or schedule.site_digest != site.digest:
        return None
    for mask, end_ms in zip(schedule.masks, schedule.ends_ms, strict=True):
        if elapsed_ms < end_ms:
            return mask
    return None


def manual_mask(site: Intersection, seen: Inputs) -> int | None:
    """The stage that the operator holds; None if the site has no such stage."""
    if 0 <= seen.manual_stage < len(site.stages):
        return site.stage_masks[seen.manual_stage]
    return None


def overdue_mask(site: Intersection, calls: CallState, present: int, clock_ms: int) -> int | None:
    """The stage to serve because one of its calls has waited too long.

    The present stage if it has the group (a pedestrian who has missed its walk), else the one with
    most called groups among those that have it.
    """
    group = most_overdue(site, calls, clock_ms)
    if group is None or present >> group & 1:
        return None if group is None else present
    having = (mask for mask in site.stage_masks if mask >> group & 1)
    return max(having, key=lambda mask: (mask & calls.called).bit_count())


def refusals(site: Intersection, seen: Inputs) -> tuple[Fault, ...]:
    """Why orders are not obeyed: made for another site, or for a stage that does not exist."""
    plan, schedule = seen.plan, seen.schedule
    if (
        (plan is None or plan.site_digest == site.digest)
        and (schedule is None or schedule.site_digest == site.digest)
        and seen.operator is not OperatorMode.MANUAL
    ):
        return ()
    found = []
    if plan is not None and plan.site_digest != site.digest:
        found.append(
            Fault("plan refused", f"plan {plan.plan.name!r} was checked against another site")
        )
    if schedule is not None and schedule.site_digest != site.digest:
        number = schedule.schedule.sequence_no
        found.append(
            Fault("schedule refused", f"schedule {number} was checked against another site")
        )
    if seen.operator is OperatorMode.MANUAL and manual_mask(site, seen) is None:
        found.append(
            Fault("manual stage", f"there is no stage {seen.manual_stage}; the last one is held")
        )
    return tuple(found)


def detector_faults(site: Intersection, calls: CallState) -> tuple[Fault, ...]:
    """Detectors that are not believed; their groups are on recall."""
    found = []
    for d, detector in enumerate(site.detectors):
        for kind, mask in (
            ("detector missing", calls.missing),
            ("detector stuck on", calls.health.stuck),
            ("detector chatters", calls.health.chattering),
        ):
            if mask >> d & 1:
                message = f"{detector.name}: {', '.join(detector.groups)} on recall until healthy"
                found.append(Fault(kind, message))
    return tuple(found)
