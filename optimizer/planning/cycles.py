"""The common cycle of a zone: coarse first, then in full, then finer around the best."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace

from optimizer.planning.time_left import TimeLeft
from optimizer.profiles.cycle import at_cycle, balanced_setting, choose_cycle, shortest_cycle_s
from optimizer.profiles.improve import Effort, Improvement, OnProgress, improve
from optimizer.profiles.network import Objective, Setting, SignalNetwork

LARGE_NODES = 60
"""In a greater network every cycle gets a sketch only (:func:`choose_cycle`)."""
FINER_S = (-6.0, -4.0, 4.0, 6.0)
"""Steps around the best of the coarse cycles; even, so that half a cycle has whole seconds."""
FINER_FINALISTS = 2
PROMISING = 0.06
"""A cycle whose first descent costs so much more than that of the best one is searched in full
too. What kicks gain beyond a descent differs from cycle to cycle: up to 4 % where some sites may
run half of it."""
DESCENTS_SHARE = 0.4
"""Of the time that a zone has, for the first descents together."""
THREADS = 2
"""Cycles of a great network that are looked at side by side."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to look for a zone's setting. The time limit of ``effort`` is for all of it."""

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
    found = _Found(model, search)
    found.descend(cycles_s)
    found.search(found.promising())
    if finer:
        nearby = found.descend_nearby()
        found.search(nearby[:FINER_FINALISTS])
    indices = {cycle: each.index for cycle, each in found.by_cycle.items()}
    return found.best(), dict(sorted(indices.items()))


class _Found:
    """The best setting of every cycle that was looked at so far."""

    def __init__(self, model: SignalNetwork, search: Search) -> None:
        self._model = model
        self._search = search
        self._time = TimeLeft(search.effort)
        self.by_cycle: dict[float, Improvement] = {}

    def best(self) -> Improvement:
        """The best of all cycles."""
        return min(self.by_cycle.values(), key=lambda each: each.index)

    def promising(self) -> list[float]:
        """The cycles that may turn out to be the best, the likeliest first."""
        most = (1.0 + PROMISING) * self.best().index
        return self._ranked(cycle for cycle, each in self.by_cycle.items() if each.index <= most)

    def descend(self, cycles_s: Sequence[float]) -> None:
        """One descent for each cycle, from balanced splits."""
        descents = TimeLeft(self._time.effort(DESCENTS_SHARE))
        for done, cycle in enumerate(cycles_s, 1):
            effort = replace(descents.effort(1.0 / (len(cycles_s) - done + 1)), kicks=0)
            start = balanced_setting(self._model, cycle)
            self.by_cycle[cycle] = self._improved(start, effort)
            self._search.on_cycle(done, len(cycles_s), self.by_cycle[cycle].index)

    def descend_nearby(self) -> list[float]:
        """Small steps at the neighbours of the best cycle, from its setting; the best ones first.

        Told are those that cost less than it, by themselves or after a search in full.
        """
        best = self.best()
        at_s = best.setting.cycle_s
        shortest_s = max(min(self.by_cycle), shortest_cycle_s(self._model))
        nearby = [at_s + step for step in FINER_S]
        tried = []
        for done, cycle in enumerate(nearby):
            if not shortest_s <= cycle <= max(self.by_cycle) or cycle in self.by_cycle:
                continue
            start = _moved(self._model, best, cycle)
            if start is not None:
                effort = self._time.effort(DESCENTS_SHARE / (len(nearby) - done))
                local = replace(effort, kicks=0, is_local=True)
                self.by_cycle[cycle] = self._improved(start, local)
                tried.append(cycle)
        most = (1.0 + PROMISING) * best.index
        return self._ranked(cycle for cycle in tried if self.by_cycle[cycle].index <= most)

    def search(self, cycles_s: Sequence[float]) -> None:
        """Search in full at each of *cycles_s*, from the setting that it has."""
        if not self._search.effort.kicks:
            return
        for done, cycle in enumerate(cycles_s):
            effort = self._time.effort(1.0 / (len(cycles_s) - done + 1))
            again = self._improved(self.by_cycle[cycle].setting, effort)
            self.by_cycle[cycle] = again

    def _improved(self, start: Setting, effort: Effort) -> Improvement:
        return improve(
            self._model,
            start,
            objective=self._search.objective,
            move=self._search.move,
            effort=effort,
            on_progress=self._search.on_progress if effort.kicks else None,
        )

    def _ranked(self, cycles_s: Iterable[float]) -> list[float]:
        return sorted(cycles_s, key=lambda cycle: self.by_cycle[cycle].index)


def _moved(model: SignalNetwork, best: Improvement, cycle_s: float) -> Setting | None:
    """The setting of *best* at another cycle; None where a node's minimums do not fit."""
    try:
        return at_cycle(model, best.setting, cycle_s)
    except ValueError:
        return None
