"""Strategic bounds: within what the tactical tier of one site may move, checked before it counts.

The strategic tier looks at a whole zone every few minutes and says for each site how long its
stages may be green, and when a green wave arrives. A :class:`StrategicBounds` is only data;
:func:`check_bounds` holds it against the site and raises
:class:`~controller.violations.InvalidError` with every violation. It is never repaired.

Bounds only ever narrow what the optimizer asks for. Minimum greens, walks, clearances, intergreens
and the longest wait of a call stay with the signal controller.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from controller.intersection import Intersection, bits
from controller.plan import CYCLE_MAX_MS
from controller.violations import InvalidError, Violation
from optimizer.search_stages import StageChanges
from optimizer.site_changes import StageRules, site_changes

CYCLE_MAX_S = CYCLE_MAX_MS / 1000.0
TOLERANCE_MAX_S = 30.0
REPORT_LAG_S = 2
"""A stage is lit in one step, found to be so in the next, and told before the one after that: each
stage on the way costs that."""
STEP_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinationWindow:
    """When *stage* has to be green in every cycle, so that a green wave meets it.

    The window is ``begin_s`` to ``end_s`` of the cycle second ``(utc - offset_s) mod cycle_s``, as
    in a :class:`~controller.plan.TimingPlan`; one that goes on into the next cycle ends above
    ``cycle_s``. The stage may be green at other times too. It may begin ``tolerance_s`` late.
    """

    stage: str
    cycle_s: float
    begin_s: float
    end_s: float
    offset_s: float = 0.0
    tolerance_s: float = 2.0

    @property
    def length_s(self) -> float:
        """How long the stage is to be green."""
        return self.end_s - self.begin_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategicBounds:
    """What the strategic tier asks of one *site* while they are valid.

    ``min_green_s``, ``max_green_s``: by stage name, only for stages that have one. A minimum below
    the site's own leaves that as it is; a maximum goes before that of the tactical settings.
    """

    site: str
    sequence_no: int
    valid_from_utc_ms: int
    valid_to_utc_ms: int
    min_green_s: Mapping[str, float] = field(default_factory=dict)
    max_green_s: Mapping[str, float] = field(default_factory=dict)
    window: CoordinationWindow | None = None


@dataclass(frozen=True, slots=True)
class CheckedBounds:
    """Bounds that have passed :func:`check_bounds`, in whole seconds by stage of the site."""

    bounds: StrategicBounds
    min_green_s: tuple[int, ...]
    """0 where there is none."""
    max_green_s: tuple[int | None, ...]
    passing_s: tuple[int, ...]
    """From the start of green of each stage until the next change goes on without delay."""
    coordinated: int | None
    """The stage of the window."""

    def valid_at(self, utc_ms: int) -> bool:
        """Whether they count at *utc_ms*."""
        return self.bounds.valid_from_utc_ms <= utc_ms < self.bounds.valid_to_utc_ms


def check_bounds(
    bounds: StrategicBounds,
    site: Intersection,
    order: Sequence[int] | None = None,
    previous: StrategicBounds | None = None,
) -> CheckedBounds:
    """Resolve *bounds* for *site*; raises :class:`InvalidError` naming every violation.

    *order* as in :class:`~optimizer.site_changes.StageRules`. *previous* are those in force: later
    ones have a higher sequence number.
    """
    violations = tuple(bounds_violations(bounds, site, order, previous))
    if violations:
        raise InvalidError(f"bounds {bounds.sequence_no} for {bounds.site!r}", violations)
    names = [stage.name for stage in site.stages]
    window = bounds.window
    return CheckedBounds(
        bounds,
        _whole_minimums(bounds, site),
        tuple(
            math.floor(bounds.max_green_s[name]) if name in bounds.max_green_s else None
            for name in names
        ),
        _passing_s(bounds, site, _with_everybody(site, order)),
        None if window is None else site.stage_index(window.stage),
    )


def bounds_violations(
    bounds: StrategicBounds,
    site: Intersection,
    order: Sequence[int] | None = None,
    previous: StrategicBounds | None = None,
) -> Iterator[Violation]:
    """Everything that makes *bounds* unfit for *site*."""
    where = f"bounds {bounds.sequence_no}"
    if bounds.site != site.name:
        yield Violation("site", where, f"made for {bounds.site!r}, not for {site.name!r}")
    if bounds.valid_to_utc_ms <= bounds.valid_from_utc_ms:
        yield Violation("validity", where, "they end before they start")
    if previous is not None and _is_outrun(bounds, previous):
        yield Violation(
            "sequence number", where, f"number {previous.sequence_no} is in force, which is later"
        )
    faults = tuple(_green_violations(bounds, site, where))
    yield from faults
    if bounds.window is not None:
        window_faults = tuple(_window_violations(bounds.window, site, order, where))
        yield from window_faults
        if not faults and not window_faults:
            yield from _room_violations(bounds, bounds.window, site, order)


def _is_outrun(bounds: StrategicBounds, previous: StrategicBounds) -> bool:
    replaces = bounds.valid_from_utc_ms < previous.valid_to_utc_ms
    return replaces and bounds.sequence_no < previous.sequence_no


def _green_violations(
    bounds: StrategicBounds, site: Intersection, where: str
) -> Iterator[Violation]:
    known = {stage.name: mask for stage, mask in zip(site.stages, site.stage_masks, strict=True)}
    for what, greens in (("minimum", bounds.min_green_s), ("maximum", bounds.max_green_s)):
        for name, green_s in greens.items():
            if name not in known:
                yield Violation("stage", where, f"stage {name!r} does not exist at {site.name!r}")
            # NaN is not in the range either.
            if not 0.0 <= green_s <= CYCLE_MAX_S:
                yield Violation(
                    what,
                    f"{where}, stage {name}",
                    f"{what} green {green_s:g} s is no number in 0..{CYCLE_MAX_S:g} s",
                )
    for name, most_s in bounds.max_green_s.items():
        least_s = site.stage_minimum_ms(known.get(name, 0)) / 1000.0
        least_s = max(least_s, bounds.min_green_s.get(name, 0.0))
        # Greens are whole seconds: 8.4 s at least and 8.6 s at most leave none.
        if math.isfinite(least_s + most_s) and math.floor(most_s) < math.ceil(least_s):
            yield Violation(
                "maximum",
                f"{where}, stage {name}",
                f"maximum green {most_s:g} s is below the minimum green (or walk), {least_s:g} s",
            )


def _window_violations(
    window: CoordinationWindow, site: Intersection, order: Sequence[int] | None, where: str
) -> Iterator[Violation]:
    where = f"{where}, window"
    cycle_s = window.cycle_s
    if not 1.0 <= cycle_s <= CYCLE_MAX_S:
        yield Violation("cycle", where, f"cycle {cycle_s:g} s is no number in 1..{CYCLE_MAX_S:g} s")
    for what, value, high in (
        ("offset", window.offset_s, cycle_s),
        ("begin", window.begin_s, cycle_s),
    ):
        if not 0.0 <= value < high:
            yield Violation(what, where, f"{what} {value:g} s is not within the cycle")
    if not window.begin_s < window.end_s <= window.begin_s + cycle_s:
        yield Violation(
            "window",
            where,
            f"it ends at {window.end_s:g} s: more than 0 s and at most a cycle after "
            f"{window.begin_s:g} s is possible",
        )
    if not 0.0 <= window.tolerance_s <= TOLERANCE_MAX_S:
        yield Violation(
            "tolerance",
            where,
            f"tolerance {window.tolerance_s:g} s is no number in 0..{TOLERANCE_MAX_S:g} s",
        )
    yield from _stage_violations(window.stage, site, order, where)


def _stage_violations(
    name: str, site: Intersection, order: Sequence[int] | None, where: str
) -> Iterator[Violation]:
    mask = site.mask_of_stage.get(name)
    if mask is None:
        yield Violation("stage", where, f"stage {name!r} does not exist at {site.name!r}")
    elif not mask & ~site.pedestrian_groups:
        yield Violation("stage", where, f"stage {name!r} serves no vehicles")
    elif order is not None and site.stage_index(name) not in order:
        yield Violation("stage", where, f"stage {name!r} is not in the order of the site")


def _room_violations(
    bounds: StrategicBounds,
    window: CoordinationWindow,
    site: Intersection,
    order: Sequence[int] | None,
) -> Iterator[Violation]:
    """Whether the coordinated stage may be as long, and the others still get their minimum."""
    where = f"bounds {bounds.sequence_no}, window"
    most_s = bounds.max_green_s.get(window.stage, math.inf)
    if most_s < window.length_s:
        yield Violation(
            "window",
            where,
            f"it asks for {window.length_s:g} s of {window.stage!r}, whose maximum green is "
            f"{most_s:g} s",
        )
    room_s = window.cycle_s - window.length_s
    needed_s = _tour_s(bounds, site, order, site.stage_index(window.stage), window.cycle_s)
    if needed_s > room_s:
        needs = f"{needed_s} s" if math.isfinite(needed_s) else "more than the cycle"
        yield Violation(
            "window",
            where,
            f"{window.length_s:g} of {window.cycle_s:g} s leave {room_s:g} s; the minimums of the "
            f"other stages and the changes need {needs}",
        )


def changes_s(site: Intersection, called: int) -> list[list[int]]:
    """Whole seconds from each stage to each other until its lamps are lit; the diagonal is 1.

    As :func:`~optimizer.site_changes.site_changes` has them with *called* pedestrians, but as done
    in steps of a second: a group that has to end between two steps ends at the later one.
    """
    unused = site.pedestrian_groups & ~called
    masks = [mask & ~unused for mask in site.stage_masks]
    return [[_change_s(site, before, after) for after in masks] for before in masks]


def _change_s(site: Intersection, before: int, after: int) -> int:
    leads_ms = [lead_ms for _, lead_ms in site.leads_ms(before, after)]
    duration_ms = max(leads_ms, default=0)
    ends_ms = (STEP_MS * math.ceil((duration_ms - lead_ms) / STEP_MS) for lead_ms in leads_ms)
    over_ms = (end_ms + lead_ms for end_ms, lead_ms in zip(ends_ms, leads_ms, strict=True))
    return max(1, math.ceil(max(over_ms, default=0) / STEP_MS))


def _whole_minimums(bounds: StrategicBounds, site: Intersection) -> tuple[int, ...]:
    return tuple(math.ceil(bounds.min_green_s.get(stage.name, 0.0)) for stage in site.stages)


def _tour_s(
    bounds: StrategicBounds,
    site: Intersection,
    order: Sequence[int] | None,
    home: int,
    longest_s: float,
) -> float:
    """The shortest way from stage *home* back to it that serves every other group for its minimum.

    All pedestrians have called. Infinite if it is longer than *longest_s*. Dijkstra's algorithm
    over the stage and the groups that have been served.
    """
    changes = _with_everybody(site, order)
    change_s, allowed = changes_s(site, site.pedestrian_groups), changes.ready["allowed"].tolist()
    passing_s = _passing_s(bounds, site, changes)
    masks = site.stage_masks
    wanted = 0
    for stage in range(len(masks)) if order is None else order:
        wanted |= masks[stage] & ~masks[home]
    if not wanted:
        return 0
    ways, seen = [(0, home, 0)], set()
    while ways:
        spent_s, stage, served = heapq.heappop(ways)
        if stage == home and served == wanted:
            return spent_s
        if (stage, served) in seen or spent_s > longest_s:
            continue
        seen.add((stage, served))
        # The window may end just after a step.
        held_s = passing_s[stage] if spent_s else 1
        followers = [k for k, may in enumerate(allowed[stage]) if may]
        for k in followers:
            more = served | masks[k] & wanted
            if more != served or k == home or len(followers) == 1:
                heapq.heappush(ways, (spent_s + held_s + change_s[stage][k], k, more))
    return math.inf


def _passing_s(
    bounds: StrategicBounds, site: Intersection, changes: StageChanges
) -> tuple[int, ...]:
    """Per stage, its minimum green, or what is left then of red reverts and clearances before it.

    A group that ended before the stage may have to stay red, or to keep others red, for longer
    than the stage is to be green and the next change takes.
    """
    red_ms = max((g.ending_ms + g.revert_ms for g in site.groups if not g.is_pedestrian), default=0)
    ready, passing = changes.ready, []
    for stage, least_s in enumerate(_whole_minimums(bounds, site)):
        green_s = REPORT_LAG_S + max(least_s, int(ready["min_green_s"][stage]))
        left_ms = max(red_ms, _clearing_ms(site, site.stage_masks[stage]))
        following = ready["change_s"][stage][ready["allowed"][stage] > 0]
        # A change of no time counts as one second.
        change_s = int(following.min()) - 1 if following.size else 0
        passing.append(max(green_s, math.ceil(left_ms / 1000.0) - change_s))
    return tuple(passing)


def _clearing_ms(site: Intersection, stage: int) -> int:
    """The longest clearance that groups ended before *stage* may still owe to others after it."""
    others = site.all_groups & ~stage
    return max(
        (
            site.lead_ms(i, 1 << j) - site.lead_ms(i, stage)
            for i in bits(others)
            for j in bits(others & site.conflicts[i])
        ),
        default=0,
    )


def _with_everybody(site: Intersection, order: Sequence[int] | None) -> StageChanges:
    """The changes of *site* when every pedestrian group is called."""
    rules = StageRules(max_green_s=[1] * len(site.stages), order=order)
    return site_changes(site, [site.all_groups], site.pedestrian_groups, rules)
