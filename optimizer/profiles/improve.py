"""Better offsets, splits, stage orders and half or double cycles for a network at one cycle.

The same seed gives the same result, unless a time limit ends the search. The moves stand in
:mod:`optimizer.profiles._search`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import numpy as np

from optimizer.profiles import _moves
from optimizer.profiles._search import OnProgress, Progress, Search
from optimizer.profiles._tables import tables_of
from optimizer.profiles.model import Evaluation, evaluated, new_model
from optimizer.profiles.network import (
    DELAY_AND_STOPS,
    Objective,
    Setting,
    SignalNetwork,
    check_setting,
)

__all__ = ["MOVES", "Clock", "Effort", "Improvement", "OnProgress", "Progress", "improve"]

MOVES = ("offsets", "splits", "order", "cycles")
"""What may be moved; ``cycles`` is a node's own cycle, as its ``cycle_factors`` allow."""

Clock = Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """How hard to search.

    ``kicks``: how often to try beyond the first descent, from *seed*. ``is_local``: start from a
    good setting, by small steps only (after new counts). ``clock`` gives seconds, and is needed
    for ``time_limit_s``.
    """

    kicks: int = 200
    seed: int = 0
    is_local: bool = False
    clock: Clock | None = None
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        """Refuse a limit that nothing measures."""
        if self.time_limit_s is not None and self.clock is None:
            raise ValueError("time_limit_s: needs a clock")

    def deadline(self) -> Callable[[], bool]:
        """Tells whether the time is over; the time runs from this call on."""
        clock, limit = self.clock, self.time_limit_s
        if clock is None or limit is None:
            return lambda: False
        until = clock() + limit
        return lambda: clock() >= until


@dataclass(frozen=True, slots=True, kw_only=True)
class Improvement:
    """What a search found. ``finished``: not stopped by its time limit. ``trials``: timings."""

    setting: Setting
    evaluation: Evaluation
    index_before: float
    trials: int
    finished: bool

    @property
    def index(self) -> float:
        """The index of the setting."""
        return self.evaluation.index


def improve(
    network: SignalNetwork,
    setting: Setting,
    *,
    objective: Objective = DELAY_AND_STOPS,
    move: Collection[str] = ("offsets", "splits", "order"),
    effort: Effort | None = None,
    on_progress: OnProgress | None = None,
    implementation: str | None = None,
) -> Improvement:
    """The best setting found from *setting* on, at its cycle; never a worse one.

    *move* is of :data:`MOVES`. Moves are of whole seconds, so a setting in whole seconds stays
    one. Raises :class:`ValueError` if the setting does not fit the network or breaks a minimum,
    or *move* names what cannot be moved.
    """
    effort = effort or Effort()
    is_late = effort.deadline()
    check_setting(network, setting)
    unknown = set(move) - set(MOVES)
    if unknown:
        raise ValueError(f"move: {', '.join(sorted(unknown))} is not of {', '.join(MOVES)}")
    _check_minimums(network, setting)
    tables = tables_of(network)
    search = Search(network, setting, objective, move, implementation, tables=tables)
    before = search.index
    search.tell = on_progress or search.tell
    search.is_late = is_late
    search.run(effort.kicks, np.random.default_rng(effort.seed), is_local=effort.is_local)
    model = new_model(network, objective, implementation, stops=True, tables=tables)
    found = search.setting(setting)
    after = evaluated(model, network, found)
    if after.index > before:
        found, after = setting, evaluated(model, network, setting)
    return Improvement(
        setting=found,
        evaluation=after,
        index_before=before,
        trials=search.trials,
        finished=not is_late(),
    )


def _check_minimums(network: SignalNetwork, setting: Setting) -> None:
    for position, node in enumerate(network.nodes):
        cycle = setting.cycle_s * setting.factor(position)
        sequence = node.sequences[setting.sequence(position)]
        starts = np.array([setting.stage_start_s[position][stage] for stage in sequence.stages])
        lasts = _moves.durations(starts, cycle)
        for stage, have, need in zip(sequence.stages, lasts, sequence.minimum_split_s, strict=True):
            if have < need - 1e-6:
                raise ValueError(
                    f"stage_start_s: stage {stage + 1} of node {node.name} lasts {have:g} s, "
                    f"less than its minimum of {need:g} s"
                )
