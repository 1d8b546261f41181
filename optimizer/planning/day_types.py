"""Which days of the week may share a table of plans: found in their counts, not assumed."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np

from optimizer.delay import Floats
from optimizer.planning.cheap_plans import CheapPlanner

Group = tuple[int, ...]
ALIKE = 0.02
"""Days whose delay grows by less than this, if plans are made for both together, are alike."""
SMOOTHED = 4
"""Intervals that are looked at together."""


def alike_days(
    planner: CheapPlanner, by_weekday: Mapping[int, Floats], alike: float = ALIKE
) -> tuple[Group, ...]:
    """Weekdays in groups, from *by_weekday*: (intervals, streams) mean flows of each.

    The two groups that lose least by plans for their mean flow are joined, as long as each of the
    two loses less than the part *alike* of its delay.
    """
    groups: dict[Group, Floats] = {
        (day,): _smooth(flows) for day, flows in sorted(by_weekday.items())
    }
    own = {days: _own_cost(planner, flows) for days, flows in groups.items()}
    losses: dict[tuple[Group, Group], float] = {}
    while len(groups) > 1:
        for one, other in combinations(groups, 2):
            if (one, other) not in losses:
                losses[one, other] = _loss(planner, (one, other), groups, own)
        pair = min(combinations(groups, 2), key=losses.__getitem__)
        if losses[pair] > alike:
            break
        first, second = pair
        joined = tuple(sorted(first + second))
        mean = _mean(pair, groups)
        del groups[first], groups[second]
        groups[joined] = mean
        own[joined] = _own_cost(planner, mean)
    return tuple(sorted(groups))


def _smooth(flows: Floats) -> Floats:
    """Means of a few intervals: two days differ by chance in each of them, but that is no type."""
    parts = np.array_split(flows, max(1, len(flows) // SMOOTHED))
    return np.asarray([part.mean(axis=0) for part in parts])


def _mean(pair: tuple[Group, Group], groups: Mapping[Group, Floats]) -> Floats:
    mean: Floats = np.average(
        [groups[days] for days in pair], axis=0, weights=[len(days) for days in pair]
    )
    return mean


def _own_cost(planner: CheapPlanner, flows: Floats) -> float:
    return _cost(planner, flows, flows)


def _cost(planner: CheapPlanner, made_for: Floats, flows: Floats) -> float:
    """Delay of a day when every interval has a plan of its own."""
    plans = planner.plans(made_for)
    return sum(
        float(planner.delay_veh(plans, [k], flows[k : k + 1])[0, 0]) for k in range(len(flows))
    )


def _loss(
    planner: CheapPlanner,
    pair: tuple[Group, Group],
    groups: Mapping[Group, Floats],
    own: Mapping[Group, float],
) -> float:
    """The part of its delay that the worse off of the two loses by plans for both."""
    mean = _mean(pair, groups)
    return max(_cost(planner, mean, groups[days]) / max(own[days], 1e-9) - 1.0 for days in pair)
