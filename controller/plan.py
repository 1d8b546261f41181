"""Timing plans and stage schedules: what may be asked of a controller, checked before it runs.

A :class:`TimingPlan` or :class:`StageSchedule` is only data. :func:`check_plan` and
:func:`check_schedule` hold it against the site and return what :func:`controller.core.step`
accepts; an invalid one raises :class:`~controller.violations.InvalidError` with every violation
and is never repaired.

Conventions
    A stage's *split* is its green and the interstage that follows it, so that the splits of a plan
    add up to its cycle. The *offset* is how long the start of green of the first stage lags the
    UTC multiple of the cycle: ``cycle second = (utc - offset) mod cycle``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from controller.intersection import Intersection
from controller.violations import InvalidError, Violation

CYCLE_MAX_MS = 600_000
SCHEDULE_TTL_MAX_MS = 30_000
"""Second-by-second control is dropped within 4..30 s of silence (UTC practice)."""


class Transition(Enum):
    """How a coordinated plan gets in step after a change of plan or clock."""

    SHORTWAY = "shortway"
    """Lengthen or shorten cycles, whichever is sooner."""
    ADD_ONLY = "add only"
    """Only lengthen cycles."""
    DWELL = "dwell"
    """Rest in the coordinated stage until in step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStage:
    """One stage of a plan. A stage that is neither actuated nor skippable is fixed-time.

    ``actuated``: the stage may end early when its detectors have been silent for the passage time.
    ``skippable``: the stage is left out when none of its own groups has a call.
    ``coordinated``: the time that actuated stages leave over falls to this stage.
    """

    stage: str
    split_ms: int
    actuated: bool = False
    skippable: bool = False
    coordinated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TimingPlan:
    """Cycle, offset, splits and sequence for one site.

    ``offset_ms`` None means isolated: the cycle starts when the plan does and follows no clock.
    """

    site: str
    name: str
    cycle_ms: int
    stages: tuple[PlanStage, ...]
    offset_ms: int | None = None
    sequence_no: int = 0
    transition: Transition = Transition.SHORTWAY
    valid_from_utc_ms: int | None = None
    valid_to_utc_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduledStage:
    """One entry of a schedule: the change to *stage* begins, and it is held for *duration_ms*."""

    stage: str
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StageSchedule:
    """The next stages and their durations, counted from *start_mono_ms* on the controller's clock.

    The last entry holds until ``ttl_ms`` after the start; then the schedule is void and the
    plan in force takes over.
    """

    site: str
    start_mono_ms: int
    entries: tuple[ScheduledStage, ...]
    ttl_ms: int = 5_000
    sequence_no: int = 0


@dataclass(frozen=True, slots=True)
class CheckedPlan:
    """A plan that has passed :func:`check_plan`, with its stages resolved for one site."""

    plan: TimingPlan
    site_digest: str
    masks: tuple[int, ...]
    """Groups of each of the plan's stages."""
    starts_ms: tuple[int, ...]
    """Cycle position at which the green of each of the plan's stages starts."""


@dataclass(frozen=True, slots=True)
class CheckedSchedule:
    """A schedule that has passed :func:`check_schedule`, resolved for one site."""

    schedule: StageSchedule
    site_digest: str
    masks: tuple[int, ...]
    ends_ms: tuple[int, ...]
    """Time after the start at which each entry is over; the last one is the time to live."""


def check_plan(plan: TimingPlan, site: Intersection) -> CheckedPlan:
    """Resolve *plan* for *site*; raises :class:`InvalidError` naming every violation."""
    violations = tuple(plan_violations(plan, site))
    if violations:
        raise InvalidError(f"plan {plan.name!r}", violations)
    masks = tuple(site.stage_masks[site.stage_index(entry.stage)] for entry in plan.stages)
    starts, position = [], 0
    for entry in plan.stages:
        starts.append(position)
        position += entry.split_ms
    return CheckedPlan(plan, site.digest, masks, tuple(starts))


def check_schedule(schedule: StageSchedule, site: Intersection) -> CheckedSchedule:
    """Resolve *schedule* for *site*; raises :class:`InvalidError` naming every violation."""
    entries, ttl_ms = schedule.entries, schedule.ttl_ms
    mask_of = site.mask_of_stage
    if (
        schedule.site != site.name
        or not entries
        or not 0 < ttl_ms <= SCHEDULE_TTL_MAX_MS
        or any(entry.stage not in mask_of or entry.duration_ms <= 0 for entry in entries)
    ):
        violations = tuple(schedule_violations(schedule, site))
        raise InvalidError(f"schedule {schedule.sequence_no}", violations)
    masks, ends, elapsed = [], [], 0
    for entry in entries:
        masks.append(mask_of[entry.stage])
        elapsed += entry.duration_ms
        ends.append(min(elapsed, ttl_ms))
    ends[-1] = ttl_ms
    return CheckedSchedule(schedule, site.digest, tuple(masks), tuple(ends))


def minimum_splits_ms(site: Intersection, masks: tuple[int, ...]) -> tuple[int, ...]:
    """Shortest legal split of each stage of a sequence: minimum green (or walk) and interstage.

    Groups that stay green into the next stage may spend their minimum there. A stage also lasts
    until the groups that ended before it may be lit again after it, or let others be lit.
    """
    minimums = []
    for k, mask in enumerate(masks):
        before, following = masks[k - 1], masks[(k + 1) % len(masks)]
        leaving = site.ending_with(mask & ~following, mask)
        shortest_ms = site.stage_minimum_ms(leaving) + site.interstage_ms(mask, following)
        for present in (site.all_groups, ~site.pedestrian_groups):
            owed_ms = _owed_ms(site, before & present, mask & present, following & present)
            shortest_ms = max(shortest_ms, owed_ms)
        minimums.append(shortest_ms)
    return tuple(minimums)


def _owed_ms(site: Intersection, before: int, mask: int, following: int) -> int:
    """From the green of *mask* until the groups that ended with *before* may let *following* start.

    They owe their red, if they come back, and their intergreens.
    """
    ending = site.ending_with(mask & ~following, mask)
    starting = following & ~(mask & ~ending)
    owed_ms = 0
    for i, lead_ms in site.leads_ms(before, mask):
        if mask >> i & 1:
            continue
        needed_ms = site.lead_ms(i, starting)
        if starting >> i & 1:
            needed_ms = max(needed_ms, site.groups[i].ending_ms + site.groups[i].red_ms)
        owed_ms = max(owed_ms, needed_ms - lead_ms)
    return owed_ms


def plan_violations(plan: TimingPlan, site: Intersection) -> Iterator[Violation]:
    """Everything that makes *plan* unfit for *site* (invariants 2, 15 and 16)."""
    where = f"plan {plan.name}"
    if plan.site != site.name:
        yield Violation("site", where, f"made for {plan.site!r}, not for {site.name!r}")
    if not plan.stages:
        yield Violation("sequence", where, "it has no stage")
    if not 0 < plan.cycle_ms <= CYCLE_MAX_MS:
        yield Violation("cycle", where, f"cycle {plan.cycle_ms} ms is outside 1..{CYCLE_MAX_MS} ms")
    if plan.offset_ms is not None and not 0 <= plan.offset_ms < max(plan.cycle_ms, 1):
        yield Violation(
            "offset", where, f"offset {plan.offset_ms} ms is outside 0..{plan.cycle_ms - 1} ms"
        )
    total = sum(entry.split_ms for entry in plan.stages)
    if plan.stages and total != plan.cycle_ms:
        yield Violation(
            "pattern sum",
            where,
            f"the splits add up to {total} ms, the cycle is {plan.cycle_ms} ms",
        )
    if (
        plan.valid_from_utc_ms is not None
        and plan.valid_to_utc_ms is not None
        and plan.valid_to_utc_ms <= plan.valid_from_utc_ms
    ):
        yield Violation("validity", where, "it ends before it starts")
    known = {stage.name for stage in site.stages}
    unknown = [entry.stage for entry in plan.stages if entry.stage not in known]
    for name in unknown:
        yield Violation("sequence", where, f"stage {name!r} does not exist at {site.name!r}")
    if unknown or not plan.stages:
        return
    yield from _split_violations(plan, site)


def _split_violations(plan: TimingPlan, site: Intersection) -> Iterator[Violation]:
    masks = tuple(site.stage_masks[site.stage_index(entry.stage)] for entry in plan.stages)
    minimums = minimum_splits_ms(site, masks)
    for k, (entry, minimum) in enumerate(zip(plan.stages, minimums, strict=True)):
        if entry.split_ms < minimum:
            yield Violation(
                "split",
                f"plan {plan.name}, stage {k + 1} ({entry.stage})",
                f"split {entry.split_ms} ms is below {minimum} ms "
                "(minimum green or walk and the interstage to the next stage, or the red and "
                "the intergreens that the groups before it owe those after it)",
            )
    served = 0
    for mask in masks:
        served |= mask
    if served != site.all_groups:
        missing = ", ".join(site.names(site.all_groups & ~served))
        yield Violation("sequence", f"plan {plan.name}", f"no stage serves {missing}")


def schedule_violations(schedule: StageSchedule, site: Intersection) -> Iterator[Violation]:
    """Everything that makes *schedule* unfit for *site*."""
    where = f"schedule {schedule.sequence_no}"
    if schedule.site != site.name:
        yield Violation("site", where, f"made for {schedule.site!r}, not for {site.name!r}")
    if not schedule.entries:
        yield Violation("sequence", where, "it has no stage")
    if not 0 < schedule.ttl_ms <= SCHEDULE_TTL_MAX_MS:
        yield Violation(
            "time to live", where, f"{schedule.ttl_ms} ms is outside 1..{SCHEDULE_TTL_MAX_MS} ms"
        )
    known = {stage.name for stage in site.stages}
    for k, entry in enumerate(schedule.entries):
        if entry.stage not in known:
            yield Violation("sequence", where, f"stage {entry.stage!r} does not exist")
        if entry.duration_ms <= 0:
            yield Violation("duration", f"{where}, entry {k + 1}", "the duration must be above 0")
