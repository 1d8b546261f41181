"""A signal as a UTDF file describes it: groups, conflicts, stages, and the plan that it runs.

Every movement with a phase is a signal group, every phase with a walk a pedestrian group. Two
groups conflict if no two of their phases ever run together. A movement that is only permitted in a
phase gives way to the opposite approach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from controller.intersection import (
    GroupKind,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    bits,
    conflict_masks,
)
from controller.plan import CYCLE_MAX_MS, PlanStage, TimingPlan, minimum_splits_ms
from sim.network.model import Finding
from sim.network.shipped_plan import fitted_splits_ms
from sim.plans.utdf import Cell, Utdf, UtdfNode
from sim.plans.utdf_lanes import DIRECTIONS
from sim.plans.utdf_phases import NodeTiming, UtdfPhase, node_timing

TURNS = {"L": "left", "T": "through", "R": "right", "U": "u-turn"}
OPPOSITE = {
    **{"NB": "SB", "SB": "NB", "EB": "WB", "WB": "EB"},
    **{"NE": "SW", "SW": "NE", "NW": "SE", "SE": "NW"},
}
MIN_GREEN_MS = 5_000
"""Where the file gives none."""


@dataclass(frozen=True, slots=True)
class UtdfMovement:
    """One column of the lane groups that a signal releases; phases by number."""

    column: str
    protected: frozenset[int]
    permitted: frozenset[int]

    @property
    def direction(self) -> str:
        """The approach that it comes from, such as NB."""
        return self.column[:2]

    @property
    def turn(self) -> str:
        """Left, through, right or u-turn."""
        return TURNS[self.column[2]]

    @property
    def phases(self) -> frozenset[int]:
        """Those in which it may go at all."""
        return self.protected | self.permitted


@dataclass(frozen=True, slots=True)
class UtdfSite:
    """The site of a node, its movements (group *i* is movement *i*) and what it runs today.

    ``stage_phases``: by stage, the phases (by number) that run together in it.
    """

    node: UtdfNode
    site: Intersection
    movements: tuple[UtdfMovement, ...]
    stage_phases: Mapping[str, tuple[int, ...]]
    timing: NodeTiming
    present: TimingPlan
    remarks: tuple[Finding, ...]


def site_name(utdf: Utdf, node: UtdfNode) -> str:
    """The node's description where it has one of its own, else its number."""
    name = node.description.strip()
    same = [each for each in utdf.signals() if each.description.strip() == name]
    return name if name and len(same) == 1 else str(node.id)


def walk_name(phase: UtdfPhase) -> str:
    """The signal group of the people who walk with *phase*."""
    return f"walk {phase.number}"


def site_of_node(utdf: Utdf, node: UtdfNode) -> UtdfSite:
    """The site of *node*.

    Raises :class:`~sim.errors.PlanFileError` for a file that does not say enough, with line and
    advice, and :class:`~controller.violations.InvalidError` for times that no site may have.
    """
    timing = node_timing(utdf, node)
    movements = _movements(utdf, node, timing)
    walks = tuple(phase for phase in timing.phases if phase.walk_ms)
    served = [each.phases for each in movements] + [frozenset({p.number}) for p in walks]
    masks = [
        sum(1 << g for g, phases in enumerate(served) if phases & set(interval.phases))
        for interval in timing.intervals
    ]
    phases_of_mask: dict[int, tuple[int, ...]] = {}
    for mask, interval in zip(masks, timing.intervals, strict=True):
        phases_of_mask.setdefault(mask, interval.phases)
    durations = [interval.duration_ms for interval in timing.intervals]
    for k in range(len(masks) - 1, 0, -1):
        if masks[k] == masks[k - 1]:
            durations[k - 1] += durations.pop(k)
            masks.pop(k)
    site = _intersection(site_name(utdf, node), movements, walks, timing, phases_of_mask)
    phases = {_stage_name(each): each for each in phases_of_mask.values()}
    present, remarks = _present(site, masks, durations, timing, node)
    return UtdfSite(node, site, movements, phases, timing, present, remarks)


def phases_of(utdf: Utdf, node: UtdfNode, column: str, kind: str) -> frozenset[int]:
    """The phases named by ``Phase1..4`` or ``PermPhase1..4`` (*kind*) of a column."""
    records = utdf.lanes.get(node.id, {})
    found = (
        utdf.number(
            f"{kind}{k} of node {node.id}, {column}", records.get(f"{kind}{k}", {}).get(column)
        )
        for k in range(1, 5)
    )
    return frozenset(round(number) for number in found if number is not None and number > 0)


def movement_columns(utdf: Utdf, node: UtdfNode) -> dict[str, Cell | None]:
    """Columns of the lane groups that name a movement, with the first value of each."""
    columns: dict[str, Cell | None] = {}
    for values in utdf.lanes.get(node.id, {}).values():
        for column, cell in values.items():
            if column[:2] in DIRECTIONS and column[2:3] in TURNS:
                columns.setdefault(column, cell)
    return columns


def _movements(utdf: Utdf, node: UtdfNode, timing: NodeTiming) -> tuple[UtdfMovement, ...]:
    known = {phase.number for phase in timing.phases}
    found = []
    for column, cell in movement_columns(utdf, node).items():
        protected = phases_of(utdf, node, column, "phase")
        permitted = phases_of(utdf, node, column, "permphase")
        named = protected | permitted
        if named & known:
            # A phase out of use has no BRP; the movement has its others.
            found.append(UtdfMovement(column, protected & known, permitted & known))
        elif named and cell is not None:
            raise utdf.fault(
                cell.line,
                f"{column} of node {node.id} has phase {min(named)}, which has no BRP: give the "
                "phase its place in the ring, or the movement another phase",
            )
    if not found:
        raise utdf.fault(
            node.line, f"no movement of node {node.id} has a phase: fill in Phase1 in [Lanes]"
        )
    return tuple(found)


def _intersection(
    name: str,
    movements: tuple[UtdfMovement, ...],
    walks: tuple[UtdfPhase, ...],
    timing: NodeTiming,
    phases_of_mask: Mapping[int, tuple[int, ...]],
) -> Intersection:
    served = [each.phases for each in movements] + [frozenset({p.number}) for p in walks]
    groups = [_vehicle_group(each, timing) for each in movements]
    groups += [
        SignalGroup(
            name=walk_name(phase),
            kind=GroupKind.PEDESTRIAN,
            min_green_ms=phase.walk_ms,
            ending_ms=phase.dont_walk_ms,
        )
        for phase in walks
    ]
    conflicts = conflict_masks(
        len(served),
        (
            (i, j)
            for i in range(len(served))
            for j in range(i)
            if not _together(served[i], served[j], timing)
        ),
    )
    clears_ms = [
        group.ending_ms + (0 if group.is_pedestrian else _all_red_ms(phases, timing))
        for group, phases in zip(groups, served, strict=True)
    ]
    return Intersection(
        name=name,
        groups=tuple(groups),
        conflicts=conflicts,
        intergreen_ms=tuple(
            tuple(clears_ms[i] if row >> j & 1 else 0 for j in range(len(served)))
            for i, row in enumerate(conflicts)
        ),
        yields_to=tuple(
            _gives_way_to(each, movements) & ~row
            for each, row in zip(movements, conflicts, strict=False)
        )
        + (0,) * len(walks),
        stages=tuple(
            Stage(name=_stage_name(phases), groups=tuple(groups[g].name for g in bits(mask)))
            for mask, phases in phases_of_mask.items()
        ),
        movements=tuple(
            Movement(
                name=each.column,
                group=each.column,
                from_approach=each.direction,
                to_exit=each.column,
                turn=each.turn,
            )
            for each in movements
        ),
    )


def _stage_name(phases: tuple[int, ...]) -> str:
    """Such as ``2+6``, which stays true when the order of the phases changes."""
    return "+".join(str(number) for number in sorted(phases))


def _vehicle_group(movement: UtdfMovement, timing: NodeTiming) -> SignalGroup:
    own = [timing.phase(number) for number in movement.protected or movement.permitted]
    return SignalGroup(
        name=movement.column,
        min_green_ms=min(phase.min_green_ms for phase in own) or MIN_GREEN_MS,
        ending_ms=max(timing.phase(number).yellow_ms for number in movement.phases),
    )


def _all_red_ms(phases: frozenset[int], timing: NodeTiming) -> int:
    return max(timing.phase(number).all_red_ms for number in phases)


def _together(some: frozenset[int], others: frozenset[int], timing: NodeTiming) -> bool:
    """Whether a phase of each may run at the same time: the same, or another ring's."""
    for one in map(timing.phase, some):
        for other in map(timing.phase, others):
            if one.number == other.number:
                return True
            if one.barrier == other.barrier and one.ring != other.ring:
                return True
    return False


def _gives_way_to(movement: UtdfMovement, movements: tuple[UtdfMovement, ...]) -> int:
    """The opposite through and right traffic, for a turn that is permitted in some phase."""
    if not movement.permitted or movement.turn not in {"left", "u-turn"}:
        return 0
    return sum(
        1 << k
        for k, other in enumerate(movements)
        if other.direction == OPPOSITE[movement.direction] and other.turn in {"through", "right"}
    )


def _present(
    site: Intersection, masks: list[int], durations: list[int], timing: NodeTiming, node: UtdfNode
) -> tuple[TimingPlan, tuple[Finding, ...]]:
    names = {mask: stage.name for stage, mask in zip(site.stages, site.stage_masks, strict=True)}
    minimums = minimum_splits_ms(site, tuple(masks))
    splits = fitted_splits_ms(durations, minimums)
    cycle_ms = sum(splits)
    plan = TimingPlan(
        site=site.name,
        name="UTDF",
        cycle_ms=cycle_ms,
        offset_ms=timing.offset_ms % cycle_ms,
        stages=tuple(
            PlanStage(stage=names[mask], split_ms=split)
            for mask, split in zip(masks, splits, strict=True)
        ),
    )
    if splits == durations:
        return plan, ()
    longest = "" if cycle_ms <= CYCLE_MAX_MS else ", longer than a plan may be"
    message = (
        f"its splits {_listed(durations)} s leave less than minimum greens, walks and clearances "
        f"need: read as {_listed(splits)} s{longest}"
    )
    return plan, (Finding("warning", "minimum times", f"node {node.id}", message),)


def _listed(times_ms: list[int]) -> str:
    return ", ".join(f"{time_ms / 1000:g}" for time_ms in times_ms)
