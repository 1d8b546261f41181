"""Offsets in whole seconds that keep a wave's bands, and what it leaves free put to use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from optimizer.planning.arterial_wave import Group

ROUNDS = 3
PLACING_STEP_S = 2
KEPT = 1e-9
"""A band that is smaller by more of the cycle is not kept."""

Cost = Callable[[Sequence[float]], float]


def fitted_offsets(
    groups: Sequence[Group], offset_s: Sequence[float], cost: Cost
) -> tuple[float, ...]:
    """*offset_s* of all sites as whole seconds.

    First each is rounded up or down so that the bands of *groups* are widest; then sites move where
    that narrows no band and *cost* is less.
    """
    offsets = list(offset_s)
    for group in groups:
        own = slice(group.first, group.last + 1)
        offsets[own] = _rounded(group, offsets[own])
    for _ in range(ROUNDS):
        before = list(offsets)
        for group in groups:
            _use_what_is_free(group, offsets, cost)
        if offsets == before:
            break
    return tuple(offsets)


def _rounded(group: Group, offset_s: Sequence[float]) -> list[float]:
    """Whole seconds next to *offset_s*, the widest bands that one change at a time finds."""
    if group.arterial is None:
        return [float(round(each)) % group.cycle_s for each in offset_s]
    best: tuple[float, list[float]] = (-1.0, [])
    for shift in (0.0, 0.25, 0.5, 0.75):
        offsets = [float(round(each + shift)) for each in offset_s]
        value = _climbed(group, offsets)
        if value > best[0] + KEPT:
            best = (value, offsets)
    return [each % group.cycle_s for each in best[1]]


def _climbed(group: Group, offsets: list[float]) -> float:
    """Moves *offsets* second by second as long as the bands get wider; what they are worth."""
    value = group.value(offsets)
    improved = True
    while improved:
        improved = False
        for site in range(len(offsets)):
            for step in (-1.0, 1.0):
                offsets[site] += step
                changed = group.value(offsets)
                if changed > value + KEPT:
                    value, improved = changed, True
                    break
                offsets[site] -= step
    return value


def _use_what_is_free(group: Group, offsets: list[float], cost: Cost) -> None:
    """Each site of *group* to the second that costs least of those that keep every band."""
    own = slice(group.first, group.last + 1)
    least = cost(offsets)
    for site in range(group.first, group.last + 1):
        widths = [band.width for band in group.bands(offsets[own])]
        if group.arterial is None:
            break
        start = best = offsets[site]
        for direction in (-1, 1):
            second = start + direction
            while abs(second - start) < group.cycle_s / 2:
                offsets[site] = second % group.cycle_s
                bands = group.bands(offsets[own])
                if any(b.width < w - KEPT for b, w in zip(bands, widths, strict=True)):
                    break
                found = cost(offsets)
                if found < least - 1e-9:
                    best, least = offsets[site], found
                second += direction
        offsets[site] = best


def placed(groups: Sequence[Group], cost: Cost) -> tuple[float, ...]:
    """Offsets of all sites, each group set behind the one before it where that costs least."""
    shifts = [0] * len(groups)

    def offsets() -> list[float]:
        return [
            (offset + shift) % group.cycle_s
            for group, shift in zip(groups, shifts, strict=True)
            for offset in group.offset_s
        ]

    for k in range(1, len(groups)):
        costs = {}
        for second in range(0, int(groups[k].cycle_s), PLACING_STEP_S):
            shifts[k] = second
            costs[second] = cost(offsets())
        shifts[k] = min(costs, key=costs.__getitem__)
    return tuple(offsets())
