"""The common cycle of a zone: coarse first, then finer around the best."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from optimizer.profiles.cycle import at_cycle, balanced_setting, choose_cycle, shortest_cycle_s
from optimizer.profiles.improve import Effort, Improvement, OnProgress, improve
from optimizer.profiles.network import Objective, Setting, SignalNetwork

LARGE_NODES = 60
"""In a greater network every cycle gets a sketch only (:func:`choose_cycle`)."""
FINER_S = (-6.0, -4.0, 4.0, 6.0)
"""Steps around the best of the coarse cycles; even, so that half a cycle has whole seconds."""
FINALISTS = 2
THREADS = 2
"""Cycles of a great network that are looked at side by side."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for a zone's setting."""

    objective: Objective
    move: Collection[str]
    effort: Effort
    on_progress: OnProgress
    on_cycle: Callable[[int, int, float], None]
    """Told (cycles done, of how many, index of the last one)."""


def best_cycle(
    model: SignalNetwork, cycles_s: Sequence[float], search: Search, *, finer: bool
) -> tuple[Improvement, dict[float, float]]:
    """The best setting over *cycles_s*, and what each cycle reached.

    *finer*: cycles between those named may be tried as well.
    """
    if len(model.nodes) > LARGE_NODES:
        choice = choose_cycle(
            model,
            cycles_s,
            objective=search.objective,
            move=search.move,
            effort=search.effort,
            threads=THREADS,
            on_progress=search.on_progress,
        )
        return choice.best, dict(choice.index_by_cycle)
    found = _coarse(model, cycles_s, search)
    if finer:
        found |= _finer(model, found, search)
    ranked = sorted(found.values(), key=lambda each: each.index)
    finals = [_improved(model, each, search, search.effort) for each in ranked[:FINALISTS]]
    indices = {cycle: each.index for cycle, each in found.items()}
    for each in finals:
        indices[each.setting.cycle_s] = min(each.index, indices[each.setting.cycle_s])
    return min(finals, key=lambda each: each.index), dict(sorted(indices.items()))


def _coarse(
    model: SignalNetwork, cycles_s: Sequence[float], search: Search
) -> dict[float, Improvement]:
    """One descent for each cycle, from balanced splits."""
    found: dict[float, Improvement] = {}
    once = replace(search.effort, kicks=0)
    for done, cycle in enumerate(cycles_s, 1):
        start = balanced_setting(model, cycle)
        found[cycle] = improve(
            model, start, objective=search.objective, move=search.move, effort=once
        )
        search.on_cycle(done, len(cycles_s), found[cycle].index)
    return found


def _finer(
    model: SignalNetwork, found: dict[float, Improvement], search: Search
) -> dict[float, Improvement]:
    """The neighbours of the best cycle, from its setting."""
    best = min(found.values(), key=lambda each: each.index)
    at_s = best.setting.cycle_s
    least_s = max(min(found), shortest_cycle_s(model))
    local = replace(search.effort, kicks=0, is_local=True)
    nearby: dict[float, Improvement] = {}
    for step in FINER_S:
        cycle = at_s + step
        if least_s <= cycle <= max(found) and cycle not in found:
            start = _moved(model, best, cycle)
            if start is not None:
                nearby[cycle] = improve(
                    model, start, objective=search.objective, move=search.move, effort=local
                )
    return nearby


def _moved(model: SignalNetwork, best: Improvement, cycle_s: float) -> Setting | None:
    """The setting of *best* at another cycle; None where a node's minimums do not fit."""
    try:
        return at_cycle(model, best.setting, cycle_s)
    except ValueError:
        return None


def _improved(
    model: SignalNetwork, start: Improvement, search: Search, effort: Effort
) -> Improvement:
    return improve(
        model,
        start.setting,
        objective=search.objective,
        move=search.move,
        effort=effort,
        on_progress=search.on_progress,
    )
