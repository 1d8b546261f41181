"""Stages: those of the shipped program, and the other maximal conflict-free sets of groups.

Sets of groups are bit masks. The extra stages are the maximal cliques of two compatibility graphs
over lanes (all links of a lane light together): one in which no foes may share a stage, and one
in which those foes may that the shipped program itself releases together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.intersection import bits
from sim.network.heads import HeadGroup
from sim.network.programs import ShippedProgram

EXTRA_STAGES_MAX = 64
SHORT_STAGE_S = 5.0
"""A shorter phase that only thins out its neighbour is part of the change between stages."""


@dataclass(frozen=True, slots=True)
class ShippedStage:
    """One stage in the shipped order: its groups and when its green begins, in cycle seconds."""

    mask: int
    start_s: float


def shipped_sequence(
    program: ShippedProgram,
    groups: Sequence[HeadGroup],
    conflicts: Sequence[int],
    phases: Sequence[int],
) -> tuple[ShippedStage, ...]:
    """The stages of *program* in order, adjacent equal ones merged, unsafe ones split.

    *phases* are those that :func:`stage_phases` found.
    """
    merged: list[ShippedStage] = []
    for p in phases:
        mask = _mask(groups, p, "g")
        if not merged or merged[-1].mask != mask:
            start_s = sum(phase.duration_s for phase in program.phases[:p])
            merged.append(ShippedStage(mask, start_s))
    if len(merged) > 1 and merged[0].mask == merged[-1].mask:
        merged[0] = ShippedStage(merged[0].mask, merged[-1].start_s - program.cycle_s)
        merged.pop()
    return tuple(_split_unsafe(merged, conflicts, program.cycle_s))


def _mask(groups: Sequence[HeadGroup], phase: int, letter: str) -> int:
    return sum(1 << g for g, group in enumerate(groups) if group.pattern[phase] == letter)


def stage_phases(program: ShippedProgram, groups: Sequence[HeadGroup]) -> tuple[int, ...]:
    """Phases that are stages: without yellow, and not a mere step of a change."""
    n = len(program.phases)
    greens = [_mask(groups, p, "g") for p in range(n)]
    always = _common(greens)
    everything = _union(greens)
    stages = [
        p
        for p in range(n)
        if not _mask(groups, p, "y") and (greens[p] & ~always or greens[p] == everything)
    ]
    stages = _without_steps(program, greens, stages)
    missing = everything & ~_union([greens[p] for p in stages])
    while missing:  # lit only while something else is yellow: its longest phase is a stage too
        longest = max(
            (p for p in range(n) if greens[p] & missing),
            key=lambda p: (program.phases[p].duration_s, -p),
        )
        stages = sorted({*stages, longest})
        missing &= ~greens[longest]
    return tuple(stages)


def _without_steps(
    program: ShippedProgram, greens: Sequence[int], stages: Sequence[int]
) -> list[int]:
    kept = list(stages)
    for p in stages:
        if len(kept) < 2:
            break
        phase, i = program.phases[p], kept.index(p)
        before, after = greens[kept[i - 1]], greens[kept[(i + 1) % len(kept)]]
        thins_out = any(greens[p] != other and not greens[p] & ~other for other in (before, after))
        if max(phase.duration_s, phase.max_s) < SHORT_STAGE_S and thins_out:
            kept.remove(p)
    return kept


def _union(masks: Sequence[int]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def _common(masks: Sequence[int]) -> int:
    common = _union(masks)
    for mask in masks:
        common &= mask
    return common


def _split_unsafe(
    stages: Sequence[ShippedStage], conflicts: Sequence[int], cycle_s: float
) -> Iterator[ShippedStage]:
    for k, stage in enumerate(stages):
        following = stages[k + 1].start_s if k + 1 < len(stages) else stages[0].start_s + cycle_s
        parts = safe_parts(stage.mask, conflicts)
        step_s = (following - stage.start_s) / len(parts)
        for i, part in enumerate(parts):
            yield ShippedStage(part, stage.start_s + i * step_s)


def safe_parts(mask: int, conflicts: Sequence[int]) -> list[int]:
    """Conflict-free subsets that together cover *mask*; just *mask* if it is free of conflicts."""
    parts, covered = [], 0
    for g in bits(mask):
        if covered >> g & 1:
            continue
        part = 1 << g
        for other in bits(mask):
            if not conflicts[other] & part:
                part |= 1 << other
        parts.append(part)
        covered |= part
    return parts


def extra_stages(
    groups: Sequence[HeadGroup],
    foes: Sequence[int],
    conflicts: Sequence[int],
    own: Sequence[int],
) -> tuple[tuple[int, ...], bool]:
    """(maximal conflict-free sets that are no shipped stage, whether some were left out).

    *foes* and *conflicts* are masks over the groups, *own* the shipped stages. Groups that are
    green in every shipped stage are green in every extra one too: they are never asked to end.
    """
    always = _common(own)
    units = _lane_units(groups, always)
    found: list[int] = []
    complete = True
    for relation in (foes, conflicts):
        cliques, whole = _maximal_cliques(units, relation)
        complete &= whole
        for clique in cliques:
            mask = clique | always
            if mask not in own and mask not in found:
                found.append(mask)
    safe = [mask for mask in found if not any(conflicts[g] & mask for g in bits(mask))]
    return tuple(safe[:EXTRA_STAGES_MAX]), complete and len(safe) <= EXTRA_STAGES_MAX


def _lane_units(groups: Sequence[HeadGroup], left_out: int) -> list[int]:
    """Sets of groups that share lanes and so light together, as masks."""
    units: list[tuple[int, set[str]]] = []
    for g, group in enumerate(groups):
        if left_out >> g & 1:
            continue
        mask = 1 << g
        lanes = {c.from_lane for head in group.heads for c in head.connections}
        if group.is_pedestrian:
            lanes = {head.origin for head in group.heads}
        apart = []
        for other_mask, other_lanes in units:
            if lanes.isdisjoint(other_lanes):
                apart.append((other_mask, other_lanes))
            else:
                mask, lanes = mask | other_mask, lanes | other_lanes
        units = [*apart, (mask, lanes)]
    return [mask for mask, _ in units]


def _maximal_cliques(units: Sequence[int], relation: Sequence[int]) -> tuple[list[int], bool]:
    """Maximal sets of compatible units, as group masks; at most twice the cap are looked for."""
    against = [_union([relation[g] for g in bits(unit)]) for unit in units]
    compatible = [
        sum(
            1 << v
            for v in range(len(units))
            if v != u and not against[u] & units[v] and not against[v] & units[u]
        )
        for u in range(len(units))
    ]
    cliques: list[int] = []
    for members in _bron_kerbosch(compatible):
        if len(cliques) == 2 * EXTRA_STAGES_MAX:
            return cliques, False
        cliques.append(_union([units[u] for u in bits(members)]))
    return sorted(cliques), True


def _bron_kerbosch(neighbours: Sequence[int]) -> Iterator[int]:
    """Maximal cliques of a graph in bit masks (Bron & Kerbosch 1973, with pivoting)."""

    def expand(clique: int, candidates: int, excluded: int) -> Iterator[int]:
        if not candidates and not excluded:
            yield clique
            return
        pivot = max(
            bits(candidates | excluded), key=lambda u: (candidates & neighbours[u]).bit_count()
        )
        for u in bits(candidates & ~neighbours[pivot]):
            yield from expand(clique | 1 << u, candidates & neighbours[u], excluded & neighbours[u])
            candidates &= ~(1 << u)
            excluded |= 1 << u

    if neighbours:
        yield from expand(0, (1 << len(neighbours)) - 1, 0)
