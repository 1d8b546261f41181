"""NEMA dual-ring plans: phases in rings, barriers across them, checked before they run.

A *ring* is a sequence of phases of which one is served at a time; a *barrier group* is a part of
the sequence that all rings enter and leave together. Phases are signal groups of the site under
another name, each with an optional pedestrian group.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from controller.intersection import Intersection, bits
from controller.plan import CYCLE_MAX_MS, Transition
from controller.violations import InvalidError, Violation


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPhase:
    """One phase: a vehicle group, and the pedestrians who walk with it.

    ``split_ms`` is green and clearance; uncoordinated it is the maximum, counted from the start of
    the phase. ``recall``: the phase is served in every cycle without a call. ``dual_entry``: the
    phase is lit when its ring has no call while the other ring is served.
    """

    name: str
    group: str
    split_ms: int
    pedestrian: str | None = None
    recall: bool = False
    dual_entry: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RingPlan:
    """Cycle, offset, splits and sequence of phases in rings.

    ``rings[r][b]`` names the phases of ring *r* in barrier group *b*, in the order of service.
    ``offset_ms`` None means uncoordinated. The local zero is the start of the first barrier group;
    ``coordinated`` phases are held to their force-off and may not be skipped.
    """

    site: str
    name: str
    phases: tuple[RingPhase, ...]
    rings: tuple[tuple[tuple[str, ...], ...], ...]
    cycle_ms: int
    offset_ms: int | None = None
    coordinated: tuple[str, ...] = ()
    sequence_no: int = 0
    transition: Transition = Transition.SHORTWAY
    valid_from_utc_ms: int | None = None
    valid_to_utc_ms: int | None = None


@dataclass(frozen=True, slots=True)
class CheckedRingPlan:
    """A ring plan that has passed :func:`check_ring_plan`; phases are positions in the plan.

    ``rings[r][b]`` are phase positions; ``masks`` the groups and ``vehicles`` the vehicle group of
    each phase; ``starts_ms`` and ``minimums_ms`` the cycle position at which it starts and its
    shortest legal split.
    """

    plan: RingPlan
    site_digest: str
    rings: tuple[tuple[tuple[int, ...], ...], ...]
    masks: tuple[int, ...]
    vehicles: tuple[int, ...]
    starts_ms: tuple[int, ...]
    minimums_ms: tuple[int, ...]
    barrier_starts_ms: tuple[int, ...]
    coordinated: int
    """Mask over phase positions."""
    recalled: int
    """Groups that are served in every cycle without a call."""


def check_ring_plan(plan: RingPlan, site: Intersection) -> CheckedRingPlan:
    """Resolve *plan* for *site*; raises :class:`InvalidError` naming every violation."""
    violations = tuple(ring_plan_violations(plan, site))
    if violations:
        raise InvalidError(f"ring plan {plan.name!r}", violations)
    position = {phase.name: k for k, phase in enumerate(plan.phases)}
    rings = tuple(
        tuple(tuple(position[name] for name in part) for part in ring) for ring in plan.rings
    )
    starts = [0] * len(plan.phases)
    barrier_starts: tuple[int, ...] = ()
    for ring in rings:
        elapsed, firsts = 0, []
        for part in ring:
            firsts.append(elapsed)
            for k in part:
                starts[k] = elapsed
                elapsed += plan.phases[k].split_ms
        barrier_starts = tuple(firsts)
    coordinated = sum(1 << position[name] for name in plan.coordinated)
    vehicles = tuple(1 << site.group_index(phase.group) for phase in plan.phases)
    recalled = sum(
        vehicles[k] for k, phase in enumerate(plan.phases) if phase.recall or coordinated >> k & 1
    )
    return CheckedRingPlan(
        plan,
        site.digest,
        rings,
        tuple(_phase_mask(phase, site) for phase in plan.phases),
        vehicles,
        tuple(starts),
        tuple(_minimum_ms(phase, site) for phase in plan.phases),
        barrier_starts,
        coordinated,
        recalled,
    )


def ring_plan_violations(plan: RingPlan, site: Intersection) -> Iterator[Violation]:
    """Everything that makes *plan* unfit for *site* (invariants 9, 11, 15 and 16)."""
    where = f"ring plan {plan.name}"
    if plan.site != site.name:
        yield Violation("site", where, f"made for {plan.site!r}, not for {site.name!r}")
    if not 0 < plan.cycle_ms <= CYCLE_MAX_MS:
        yield Violation("cycle", where, f"cycle {plan.cycle_ms} ms is outside 1..{CYCLE_MAX_MS} ms")
    if plan.offset_ms is not None and not 0 <= plan.offset_ms < max(plan.cycle_ms, 1):
        yield Violation(
            "offset", where, f"offset {plan.offset_ms} ms is outside 0..{plan.cycle_ms - 1} ms"
        )
    if plan.offset_ms is not None and not plan.coordinated:
        yield Violation("coordinated", where, "it has an offset but no coordinated phase")
    if (
        plan.valid_from_utc_ms is not None
        and plan.valid_to_utc_ms is not None
        and plan.valid_to_utc_ms <= plan.valid_from_utc_ms
    ):
        yield Violation("validity", where, "it ends before it starts")
    faults = tuple(_sequence_violations(plan, where)) + tuple(_group_violations(plan, site))
    yield from faults
    if faults:
        return
    yield from _split_violations(plan, site, where)
    yield from _concurrency_violations(plan, site)


def _sequence_violations(plan: RingPlan, where: str) -> Iterator[Violation]:
    names = [phase.name for phase in plan.phases]
    served = [name for ring in plan.rings for part in ring for name in part]
    if not plan.rings:
        yield Violation("sequence", where, "it has no ring")
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Violation("sequence", f"phase {name}", "the name is used more than once")
    for name in sorted(set(served) - set(names)):
        yield Violation("sequence", where, f"the rings name a phase {name!r} that it does not have")
    for name in names:
        times = served.count(name)
        if times != 1:
            yield Violation("sequence", f"phase {name}", f"it is in the rings {times} times")
    if len({len(ring) for ring in plan.rings}) > 1:
        yield Violation("barriers", where, "the rings differ in how many barrier groups they have")
    for r, ring in enumerate(plan.rings):
        for b, part in enumerate(ring):
            if not part:
                yield Violation("barriers", f"ring {r + 1}", f"no phase in barrier group {b + 1}")
    for name in plan.coordinated:
        if name not in names:
            yield Violation("coordinated", where, f"there is no phase {name!r}")


def _group_violations(plan: RingPlan, site: Intersection) -> Iterator[Violation]:
    kinds = {group.name: group.is_pedestrian for group in site.groups}
    lit: list[str] = []
    for phase in plan.phases:
        where = f"phase {phase.name}"
        if kinds.get(phase.group) is not False:
            yield Violation("groups", where, f"{phase.group!r} is no vehicle group of the site")
        if phase.pedestrian is not None and kinds.get(phase.pedestrian) is not True:
            yield Violation("groups", where, f"{phase.pedestrian!r} is no pedestrian group")
        lit += [phase.group] + ([phase.pedestrian] if phase.pedestrian is not None else [])
    for name in sorted({name for name in lit if lit.count(name) > 1}):
        yield Violation("groups", f"group {name}", "more than one phase lights it")
    for name in kinds:
        if name not in lit:
            yield Violation("groups", f"group {name}", "no phase serves it")


def _split_violations(plan: RingPlan, site: Intersection, where: str) -> Iterator[Violation]:
    phases = {phase.name: phase for phase in plan.phases}
    for phase in plan.phases:
        minimum = _minimum_ms(phase, site)
        if phase.split_ms < minimum:
            yield Violation(
                "split",
                f"phase {phase.name}",
                f"split {phase.split_ms} ms is below {minimum} ms "
                "(minimum green or walk, and the clearance)",
            )
    sums = [[sum(phases[name].split_ms for name in part) for part in ring] for ring in plan.rings]
    for r, row in enumerate(sums):
        if sum(row) != plan.cycle_ms:
            yield Violation(
                "pattern sum",
                f"ring {r + 1}",
                f"the splits add up to {sum(row)} ms, the cycle is {plan.cycle_ms} ms",
            )
        for b, (total, first) in enumerate(zip(row, sums[0], strict=True)):
            if total != first:
                yield Violation(
                    "barriers",
                    f"{where}, ring {r + 1}",
                    f"barrier group {b + 1} takes {total} ms, in ring 1 it takes {first} ms",
                )


def _concurrency_violations(plan: RingPlan, site: Intersection) -> Iterator[Violation]:
    """Phases of one ring, and across a barrier, must conflict; others must not."""
    phases = {phase.name: phase for phase in plan.phases}
    placed = [
        (phases[name], r, b)
        for r, ring in enumerate(plan.rings)
        for b, part in enumerate(ring)
        for name in part
    ]
    for k, (one, ring, barrier) in enumerate(placed):
        for other, other_ring, other_barrier in placed[k + 1 :]:
            apart = ring == other_ring or barrier != other_barrier
            i, j = site.group_index(one.group), site.group_index(other.group)
            where = f"phases {one.name} and {other.name}"
            if apart and not site.conflicts[i] >> j & 1:
                yield Violation(
                    "concurrency", where, "never served together, yet the site has no conflict"
                )
            both = _phase_mask(one, site), _phase_mask(other, site)
            if not apart and any(site.conflicts[a] & both[1] for a in bits(both[0])):
                yield Violation("concurrency", where, "served together, but they conflict")


def _phase_mask(phase: RingPhase, site: Intersection) -> int:
    names = [phase.group] if phase.pedestrian is None else [phase.group, phase.pedestrian]
    return site.mask(names)


def _minimum_ms(phase: RingPhase, site: Intersection) -> int:
    """Minimum green (or walk) and the longest clearance of each of the phase's groups."""
    return max(
        site.groups[i].min_green_ms + max(site.intergreen_ms[i], default=0)
        for i in bits(_phase_mask(phase, site))
    )
