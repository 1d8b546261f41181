"""The intersection: what can be lit, what must never be lit together, and how long changes take.

Signal groups, a symmetric conflict matrix, the intergreen matrix and minimum times are the
truth; stages (and NEMA phases, :mod:`controller.rings`) are only named sets of groups that a
sequencer may ask for. Everything here is immutable and checked on construction.

Sets of groups and of detectors are integer bit masks (bit *i* is the *i*-th group), because the
controller compares them several times in every tick.

Glossary
    signal group   lamps that always show the same aspect (a *phase* in NEMA terms).
    conflict       two groups that must never both be green, yellow, or clearing.
    intergreen     from the end of green of one group to the start of green of a conflicting one;
                   it contains the yellow (or the pedestrian clearance) of the group that ends.
    permissive     a group that is lit together with a stream it has to give way to.
    stage          a set of groups that are green together.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property

from controller.violations import InvalidError, Violation

YELLOW_MIN_MS = 3_000
YELLOW_MAX_MS = 6_000
"""Bounds of a vehicle yellow (MUTCD 2009, section 4D.26)."""
RED_CLEARANCE_MAX_MS = 30_000
"""Longest red clearance after a yellow that a site may ask for (wide or multi-node junctions)."""
WALK_MIN_MS = 4_000
"""Shortest walk interval that may be configured (MUTCD 2009, section 4E.06, guidance 7 s)."""


class GroupKind(Enum):
    """Who a signal group speaks to."""

    VEHICLE = "vehicle"
    PEDESTRIAN = "pedestrian"


class DetectorRole(Enum):
    """Where a detector sits on its approach, and so what its pulses mean."""

    STOP_LINE = "stop line"
    ADVANCE = "advance"
    ENTRY = "entry"
    PUSH_BUTTON = "push button"


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalGroup:
    """Lamps that always show the same aspect, with the times that nothing may cut.

    ``ending_ms`` is what follows every green: the yellow of a vehicle group, the clearance
    (flashing don't walk) of a pedestrian group. ``min_green_ms`` is the walk of a pedestrian group.
    ``revert_ms`` is the shortest red (red revert). A call that has waited ``max_wait_ms`` is
    served by the controller itself, whatever plan or schedule is in force.
    """

    name: str
    kind: GroupKind = GroupKind.VEHICLE
    min_green_ms: int = 5_000
    ending_ms: int = 3_000
    revert_ms: int = 2_000
    max_wait_ms: int = 180_000

    @property
    def is_pedestrian(self) -> bool:
        """Whether the group's lamps show walk and don't walk."""
        return self.kind is GroupKind.PEDESTRIAN

    @property
    def red_ms(self) -> int:
        """The shortest red between two greens: ``revert_ms``, and a moment where that is 0."""
        return max(1, self.revert_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """A stream of traffic from one approach to one exit, released by one signal group."""

    name: str
    group: str
    from_approach: str
    to_exit: str
    turn: str = "through"
    """One of ``left``, ``through``, ``right``, ``u-turn``, ``crossing``."""
    lanes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Groups that are green together."""

    name: str
    groups: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Detector:
    """A loop or a push button, and the groups that it calls and extends."""

    name: str
    role: DetectorRole
    groups: tuple[str, ...]
    lane: str = ""
    """The lane at the stop line that the detector's vehicles come to (empty for a button)."""
    distance_m: float = 0.0
    """Distance upstream of the stop line, along the chain of lanes."""
    lanes: tuple[str, ...] = ()
    """The lanes at the stop line that its vehicles may come to, where that is not one lane."""
    travel_time_s: float = 0.0
    """Free-flow time from the detector to the stop line; 0 where nobody measured it."""
    share: float = 1.0
    """Part of its vehicles that is expected to come to the stop line, before anything is learnt."""
    calls: bool = True
    """Whether a pulse or presence registers a call for its groups."""
    extends: bool = True
    """Whether a pulse or presence extends a running green of its groups."""


@dataclass(frozen=True, kw_only=True)
class Intersection:
    """One signal controller's site. Construction raises :class:`InvalidError` naming every fault.

    Shapes: with *n* groups, ``conflicts`` and ``yields_to`` are *n* bit masks,
    ``intergreen_ms`` is *n* rows of *n* milliseconds, row = group that ends, column = group that
    starts; entries of pairs that do not conflict are 0.
    """

    name: str
    groups: tuple[SignalGroup, ...]
    conflicts: tuple[int, ...]
    intergreen_ms: tuple[tuple[int, ...], ...]
    stages: tuple[Stage, ...]
    yields_to: tuple[int, ...] = ()
    """Per group, the groups it gives way to while both are green (permissive turns)."""
    detectors: tuple[Detector, ...] = ()
    movements: tuple[Movement, ...] = ()
    startup_flash_ms: int = 5_000
    startup_red_ms: int = 3_000
    passage_ms: int = 3_000
    """A green gaps out when its detectors have been silent for this long."""

    stage_masks: tuple[int, ...] = field(init=False, repr=False, compare=False)
    all_groups: int = field(init=False, repr=False, compare=False)
    pedestrian_groups: int = field(init=False, repr=False, compare=False)
    calling_detectors: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Per group, the mask of the detectors that call it."""
    extending_detectors: tuple[int, ...] = field(init=False, repr=False, compare=False)
    """Per group, the mask of the detectors that extend it."""
    digest: str = field(init=False, repr=False, compare=False)
    """SHA-256 of everything that safety depends on; plans are bound to it."""

    def __post_init__(self) -> None:
        if not self.yields_to:
            object.__setattr__(self, "yields_to", (0,) * len(self.groups))
        violations = tuple(_violations(self))
        if violations:
            raise InvalidError(f"intersection {self.name!r}", violations)
        put = object.__setattr__
        put(self, "stage_masks", tuple(self.mask(stage.groups) for stage in self.stages))
        put(self, "all_groups", (1 << len(self.groups)) - 1)
        put(
            self,
            "pedestrian_groups",
            sum(1 << i for i, group in enumerate(self.groups) if group.is_pedestrian),
        )
        put(self, "calling_detectors", self._detector_masks("calls"))
        put(self, "extending_detectors", self._detector_masks("extends"))
        put(self, "digest", _digest(self))

    def _detector_masks(self, use: str) -> tuple[int, ...]:
        return tuple(
            sum(
                1 << d
                for d, detector in enumerate(self.detectors)
                if group.name in detector.groups and getattr(detector, use)
            )
            for group in self.groups
        )

    @cached_property
    def opening_red_ms(self) -> int:
        """All-red before the first green: ``startup_red_ms``, at least the longest intergreen.

        Nobody knows what was lit when the power went: people may be half-way across, having walked
        until a moment ago. A site with neither flash nor red at its start has been running all day.
        """
        if self.startup_flash_ms == self.startup_red_ms == 0:
            return 0
        longest_ms = max((max(row) for row in self.intergreen_ms), default=0)
        return max(self.startup_red_ms, longest_ms)

    @cached_property
    def mask_of_stage(self) -> dict[str, int]:
        """Groups of each stage by its name."""
        return {stage.name: mask for stage, mask in zip(self.stages, self.stage_masks, strict=True)}

    def group_index(self, name: str) -> int:
        """Position of the group called *name*; raises :class:`KeyError` with the known names."""
        for i, group in enumerate(self.groups):
            if group.name == name:
                return i
        known = ", ".join(group.name for group in self.groups)
        raise KeyError(f"no signal group {name!r} at {self.name!r} (it has {known})")

    def stage_index(self, name: str) -> int:
        """Position of the stage called *name*; raises :class:`KeyError` with the known names."""
        for i, stage in enumerate(self.stages):
            if stage.name == name:
                return i
        known = ", ".join(stage.name for stage in self.stages)
        raise KeyError(f"no stage {name!r} at {self.name!r} (it has {known})")

    def mask(self, names: Iterable[str]) -> int:
        """The bit mask of the groups called *names*."""
        mask = 0
        for name in names:
            mask |= 1 << self.group_index(name)
        return mask

    def names(self, mask: int) -> tuple[str, ...]:
        """The names of the groups in *mask*, for messages."""
        return tuple(group.name for i, group in enumerate(self.groups) if mask >> i & 1)

    def ending_with(self, leaving: int, green: int) -> int:
        """The groups of *green* that end when those in *leaving* do.

        Besides *leaving* itself these are the vehicle streams that a leaving permissive group
        gives way to: its drivers take their yellow for everybody's and turn in front of a stream
        that stays green (the yellow trap), so that stream ends with it.
        """
        together = leaving & green
        grown = together
        while grown:
            streams = 0
            for i in bits(grown):
                streams |= self.yields_to[i]
            grown = streams & green & ~self.pedestrian_groups & ~together
            together |= grown
        return together

    def interstage_ms(self, from_mask: int, to_mask: int) -> int:
        """Shortest time from the first group ending until every group of *to_mask* may be green.

        Groups in both masks stay green, except those that the yellow trap ends and brings back
        after their red. Zero when nothing that ends hinders what starts.
        """
        return max((lead_ms for _, lead_ms in self.leads_ms(from_mask, to_mask)), default=0)

    def leads_ms(self, from_mask: int, to_mask: int) -> tuple[tuple[int, int], ...]:
        """(group, how long before the end of the change its green ends) of all that end.

        These are the groups of *from_mask* that *to_mask* does not have, and the streams that the
        yellow trap ends with them. Such a stream comes back with the next stage and not before, so
        a permissive group that takes it along leaves it the time for its yellow and its red.
        """
        leaving = from_mask & ~to_mask
        starting = to_mask & ~(from_mask & ~self.ending_with(leaving, from_mask))
        leads: dict[int, int] = {}
        for i in bits(leaving):
            together, lead_ms = self.ending_with(1 << i, from_mask), self.lead_ms(i, starting)
            for j in bits(together & to_mask):
                lead_ms = max(lead_ms, self.groups[j].ending_ms + self.groups[j].red_ms)
            for j in bits(together):
                leads[j] = max(leads.get(j, 0), lead_ms)
        return tuple(leads.items())

    def lead_ms(self, group: int, starting: int) -> int:
        """How long before the groups in *starting* turn green *group* has to end its green.

        That is the intergreen to those it conflicts with, and its own yellow for those it gives
        way to: they don't start while its last drivers still turn.
        """
        row = self.intergreen_ms[group]
        longest = max((row[j] for j in bits(starting & self.conflicts[group])), default=0)
        if starting & self.yields_to[group]:
            longest = max(longest, self.groups[group].ending_ms)
        return longest

    def stage_minimum_ms(self, mask: int) -> int:
        """The longest minimum green (or walk) of the groups in *mask*."""
        return max((self.groups[i].min_green_ms for i in bits(mask)), default=0)


def bits(mask: int) -> Iterator[int]:
    """The positions of the set bits of *mask*, ascending."""
    while mask:
        low = mask & -mask
        yield low.bit_length() - 1
        mask ^= low


def conflict_masks(n_groups: int, pairs: Iterable[tuple[int, int]]) -> tuple[int, ...]:
    """Symmetric conflict masks from pairs of group positions."""
    masks = [0] * n_groups
    for i, j in pairs:
        masks[i] |= 1 << j
        masks[j] |= 1 << i
    return tuple(masks)


def _violations(site: Intersection) -> Iterator[Violation]:
    yield from _group_violations(site)
    shape_faults = tuple(_matrix_shape_violations(site))
    yield from shape_faults
    if shape_faults:
        return
    yield from _conflict_violations(site)
    yield from _stage_violations(site)
    yield from _reference_violations(site)


def _group_violations(site: Intersection) -> Iterator[Violation]:
    if not site.groups:
        yield Violation("groups", site.name, "there is no signal group")
    yield from _duplicates("groups", "signal group", [g.name for g in site.groups])
    for group in site.groups:
        where = f"group {group.name}"
        floor = WALK_MIN_MS if group.is_pedestrian else 1_000
        if group.min_green_ms < floor:
            what = "walk" if group.is_pedestrian else "minimum green"
            yield Violation("minimum", where, f"{what} {group.min_green_ms} ms is below {floor} ms")
        if group.is_pedestrian:
            if group.ending_ms <= 0:
                yield Violation("clearance", where, "a pedestrian group needs a clearance above 0")
        elif not YELLOW_MIN_MS <= group.ending_ms <= YELLOW_MAX_MS:
            yield Violation(
                "yellow",
                where,
                f"yellow {group.ending_ms} ms is outside {YELLOW_MIN_MS}..{YELLOW_MAX_MS} ms",
            )
        if group.revert_ms < 0:
            yield Violation("revert", where, f"red revert {group.revert_ms} ms is negative")
        if group.max_wait_ms <= group.min_green_ms:
            yield Violation("max wait", where, "the longest wait must exceed the minimum green")


def _matrix_shape_violations(site: Intersection) -> Iterator[Violation]:
    n = len(site.groups)
    if len(site.conflicts) != n:
        yield Violation("conflicts", site.name, f"{len(site.conflicts)} rows for {n} groups")
    if len(site.yields_to) != n:
        yield Violation("yields to", site.name, f"{len(site.yields_to)} rows for {n} groups")
    if len(site.intergreen_ms) != n or any(len(row) != n for row in site.intergreen_ms):
        yield Violation("intergreen", site.name, f"the matrix is not {n} by {n}")


def _conflict_violations(site: Intersection) -> Iterator[Violation]:
    n = len(site.groups)
    for i, group in enumerate(site.groups):
        where = f"group {group.name}"
        row = site.conflicts[i]
        if row < 0 or row >> n:
            yield Violation("conflicts", where, "it conflicts with a group that does not exist")
        if row >> i & 1:
            yield Violation("conflicts", where, "it conflicts with itself")
        if site.yields_to[i] & row:
            both = ", ".join(site.names(site.yields_to[i] & row))
            yield Violation("yields to", where, f"it both yields to and conflicts with {both}")
        for j in range(n):
            other = site.groups[j].name
            if (row >> j & 1) != (site.conflicts[j] >> i & 1):
                if i < j:
                    yield Violation("conflicts", where, f"not symmetric with {other}")
                continue
            intergreen = site.intergreen_ms[i][j]
            if not row >> j & 1:
                if intergreen:
                    yield Violation(
                        "intergreen", where, f"{intergreen} ms to {other}, which is no conflict"
                    )
                continue
            shortest = group.ending_ms
            if not shortest <= intergreen <= shortest + RED_CLEARANCE_MAX_MS:
                yield Violation(
                    "intergreen",
                    where,
                    f"{intergreen} ms to {other} is outside {shortest}.."
                    f"{shortest + RED_CLEARANCE_MAX_MS} ms (its ending time and red clearance)",
                )


def _stage_violations(site: Intersection) -> Iterator[Violation]:
    yield from _duplicates("stages", "stage", [s.name for s in site.stages])
    if not site.stages:
        yield Violation("stages", site.name, "there is no stage")
    known = {group.name: i for i, group in enumerate(site.groups)}
    served = 0
    for stage in site.stages:
        where = f"stage {stage.name}"
        unknown = [name for name in stage.groups if name not in known]
        if unknown:
            yield Violation("stages", where, f"unknown group {', '.join(unknown)}")
        members = [known[name] for name in stage.groups if name in known]
        if not members:
            yield Violation("stages", where, "it serves no group")
        for a, i in enumerate(members):
            served |= 1 << i
            for j in members[a + 1 :]:
                if site.conflicts[i] >> j & 1:
                    yield Violation(
                        "conflicting greens",
                        where,
                        f"{site.groups[i].name} and {site.groups[j].name} conflict",
                    )
    for i, group in enumerate(site.groups):
        if not served >> i & 1:
            yield Violation("stages", f"group {group.name}", "no stage ever serves it")


def _reference_violations(site: Intersection) -> Iterator[Violation]:
    names = {group.name for group in site.groups}
    yield from _duplicates("detectors", "detector", [d.name for d in site.detectors])
    for detector in site.detectors:
        for name in detector.groups:
            if name not in names:
                yield Violation("detectors", f"detector {detector.name}", f"unknown group {name}")
    for movement in site.movements:
        if movement.group not in names:
            yield Violation(
                "movements", f"movement {movement.name}", f"unknown group {movement.group}"
            )
    for name, value in (
        ("start-up flash", site.startup_flash_ms),
        ("start-up red", site.startup_red_ms),
        ("passage time", site.passage_ms),
    ):
        if value < 0:
            yield Violation("times", site.name, f"{name} {value} ms is negative")


def _duplicates(rule: str, what: str, names: list[str]) -> Iterator[Violation]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Violation(rule, f"{what} {name}", "the name is used more than once")


def _digest(site: Intersection) -> str:
    facts = {
        "name": site.name,
        "groups": [
            (g.name, g.kind.value, g.min_green_ms, g.ending_ms, g.revert_ms, g.max_wait_ms)
            for g in site.groups
        ],
        "conflicts": site.conflicts,
        "intergreen_ms": site.intergreen_ms,
        "yields_to": site.yields_to,
        "stages": [(stage.name, stage.groups) for stage in site.stages],
    }
    canonical = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
