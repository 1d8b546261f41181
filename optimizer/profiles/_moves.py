"""Other timings of a node or of several, as rows of stage starts to be tried at once."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np

from optimizer.profiles._tables import Floats, Indices
from optimizer.profiles.network import Node, StageSequence


def shifted(starts: Floats, cycles_s: Floats, by_s: Floats) -> Floats:
    """*starts* (m, s) of some nodes, moved together by each of *by_s* (k,); (k, m, s)."""
    return np.mod(starts[None] + by_s[:, None, None], cycles_s[None, :, None])


def splits(
    starts: Floats, cycle_s: float, sequence: StageSequence, steps_s: Sequence[float]
) -> Floats:
    """Every timing in which some stages in a row start earlier or later by one of *steps_s*.

    The stage before them gains or loses what their last one loses or gains; (k, 1, s) without
    those that break a minimum.
    """
    stages = np.asarray(sequence.stages)
    if len(stages) < 2:
        return np.empty((0, 1, len(starts)))
    ordered = starts[stages]
    spare = durations(ordered, cycle_s) - np.asarray(sequence.minimum_split_s)
    blocks, before, last = _blocks(len(stages))
    found = []
    for step in steps_s:
        for by in (step, -step):
            fits = (spare[before] + by >= -1e-9) & (spare[last] - by >= -1e-9)
            moved = np.repeat(starts[None], int(fits.sum()), axis=0)
            moved[:, stages] = np.mod(ordered + by * blocks[fits], cycle_s)
            found.append(moved)
    return np.concatenate(found)[:, None, :]


def durations(ordered_starts: Floats, cycle_s: float) -> Floats:
    """How long each stage lasts; a single stage lasts the whole cycle."""
    lasts = np.mod(np.roll(ordered_starts, -1) - ordered_starts, cycle_s)
    return np.where(lasts <= 0.0, cycle_s, lasts) if len(lasts) == 1 else lasts


def in_order(node: Node, starts: Floats, cycle_s: float, old: int, new: int) -> Floats | None:
    """*starts* with the stages in sequence *new*, each about as long as it was; None if too short.

    The first stage starts where it did.
    """
    lasted = dict(
        zip(
            node.sequences[old].stages,
            durations(starts[list(node.sequences[old].stages)], cycle_s),
            strict=True,
        )
    )
    sequence = node.sequences[new]
    wished = np.array([lasted.get(stage, 0.0) for stage in sequence.stages])
    fitted = fit(wished, np.asarray(sequence.minimum_split_s), cycle_s, slack_s=node.slack_s)
    if fitted is None:
        return None
    moved = starts.copy()
    first = starts[sequence.stages[0]]
    moved[list(sequence.stages)] = np.mod(first + np.cumsum([0.0, *fitted[:-1]]), cycle_s)
    return moved


def fit(
    wished_s: Floats,
    minimum_s: Floats,
    cycle_s: float,
    resolution_s: float = 1.0,
    slack_s: float = 0.0,
) -> Floats | None:
    """Durations that add up to *cycle_s*, at or above the minimums, as near as it goes to wished.

    What lies above the minimums is scaled; all but one are multiples of *resolution_s* above
    their minimum. None when the minimums and *slack_s* do not fit.
    """
    spare = cycle_s - minimum_s.sum()
    if spare < slack_s - 1e-9:
        return None
    above = np.maximum(wished_s - minimum_s, 0.0)
    if above.sum() <= 0.0:
        above = np.ones_like(minimum_s)
    exact = above * (spare / above.sum())
    rounded = np.floor(exact / resolution_s) * resolution_s
    left = spare - rounded.sum()
    for stage in np.argsort(rounded - exact, kind="stable"):
        if left < resolution_s:
            break
        rounded[stage] += resolution_s
        left -= resolution_s
    rounded[int(np.argmax(exact))] += left
    return np.asarray(minimum_s + rounded)


@cache
def _blocks(stages: int) -> tuple[Floats, Indices, Indices]:
    """Every run of stages but the whole: its members (k, stages), the stage before, its last."""
    rows, before, last = [], [], []
    for first in range(stages):
        for length in range(1, stages):
            row = np.zeros(stages)
            row[[(first + at) % stages for at in range(length)]] = 1.0
            rows.append(row)
            before.append((first - 1) % stages)
            last.append((first + length - 1) % stages)
    return np.array(rows), np.array(before, dtype=np.intp), np.array(last, dtype=np.intp)
