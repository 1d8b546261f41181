"""When to change plan: days cut into periods, exactly, and how many plans pay.

A day is a row of intervals with the flow of every stream in each. A period is a run of them under
one plan, made for their mean flow, the busy ones counting most; it costs the delay that this plan
gives every interval of every day (:mod:`optimizer.planning.cheap_plans`). All periods are weighed,
and dynamic programming finds the cuts of least delay for every number of periods (Bellman 1961). A
change costs as well: for some cycles the signals are between two plans.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from optimizer.delay import Floats
from optimizer.planning.cheap_plans import CheapPlanner

PERIODS_MAX = 12
SHORTEST_S = 1_800.0
CHANGE_CYCLES = 3.0
CHANGE_EXTRA = 0.3
"""For so many cycles after a change the delay is greater by this part."""
WORTH = 0.01
"""One more plan must save this part of the delay that a single plan gives."""
BUSY_POWER = 2.0
"""A plan is made for the mean of its intervals, each weighted by its flow to this power."""
DAYS_WEIGHED = 5
"""More days than these are weighed by as many typical ones, from quiet to busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segmentation:
    """A day in periods: ``starts`` are the intervals that they begin with, the first is 0.

    ``delay_veh_h``: of a mean day, under the plans alone; ``changes_veh_h``: what changing costs.
    """

    starts: tuple[int, ...]
    delay_veh_h: float
    changes_veh_h: float

    @property
    def cost_veh_h(self) -> float:
        """Delay and changes."""
        return self.delay_veh_h + self.changes_veh_h


@dataclass(frozen=True, slots=True, kw_only=True)
class PeriodChoice:
    """``by_count[k]``: the best day of k + 1 periods; ``chosen``: how many periods pay."""

    by_count: tuple[Segmentation, ...]
    chosen: int

    @property
    def best(self) -> Segmentation:
        """The day of the number of periods that pay."""
        return self.by_count[self.chosen - 1]


def choose_periods(
    planner: CheapPlanner,
    flows_veh_per_h: Floats,
    interval_s: float,
    *,
    shortest_s: float = SHORTEST_S,
    most: int = PERIODS_MAX,
    worth: float = WORTH,
    on_progress: Callable[[int, int], None] | None = None,
) -> PeriodChoice:
    """The periods of days with *flows_veh_per_h*: (days, intervals, streams), nothing missing.

    *worth*: one more period must save this part of what a single plan costs. Raises
    :class:`ValueError` if the day is shorter than one period.
    """
    least = max(1, round(shortest_s / interval_s))
    count = flows_veh_per_h.shape[1]
    if count < least:
        raise ValueError(
            f"flows_veh_per_h: {count} intervals are shorter than a period of {shortest_s:g} s"
        )
    days = typical_days(flows_veh_per_h)
    costs, cycles_s = _segment_costs(planner, days, least, on_progress)
    costs *= interval_s / 3600.0
    changes = _change_costs(planner, days.mean(axis=0), float(np.median(cycles_s)))
    by_count = _best_cuts(costs, changes, least, min(most, count // least))
    return PeriodChoice(by_count=by_count, chosen=_paying(by_count, worth))


def _weights(flows: Floats) -> Floats:
    """(intervals, 1) how much each counts in what a plan is made for: busy ones have the delay."""
    weights: Floats = np.maximum(flows.sum(axis=1, keepdims=True), 1.0) ** BUSY_POWER
    return weights


def typical_days(flows: Floats) -> Floats:
    """At most :data:`DAYS_WEIGHED` days that stand for all: quantiles of every flow."""
    if len(flows) <= DAYS_WEIGHED:
        return flows
    levels = (np.arange(DAYS_WEIGHED) + 0.5) / DAYS_WEIGHED
    typical: Floats = np.quantile(flows, levels, axis=0)
    return typical


def _segment_costs(
    planner: CheapPlanner,
    days: Floats,
    least: int,
    on_progress: Callable[[int, int], None] | None,
) -> tuple[Floats, Floats]:
    """(n + 1, n + 1) delay of intervals i to j - 1 under one plan, summed over them; and cycles."""
    count = days.shape[1]
    mean_day = days.mean(axis=0)
    weights = _weights(mean_day)
    sums = np.concatenate([np.zeros((1, days.shape[2])), (weights * mean_day).cumsum(axis=0)])
    weighed = np.concatenate([np.zeros((1, 1)), weights.cumsum(axis=0)])
    pairs = [(i, j) for i in range(count) for j in range(i + least, count + 1)]
    begins, ends = (np.asarray(side) for side in zip(*pairs, strict=True))
    plans = planner.plans((sums[ends] - sums[begins]) / (weighed[ends] - weighed[begins]))
    costs = np.full((count + 1, count + 1), inf)
    for done, (i, j) in enumerate(pairs):
        here = days[:, i:j].reshape(-1, days.shape[2])
        costs[i, j] = planner.delay_veh(plans, [done], here).sum() / len(days)
        if on_progress is not None and done % 200 == 0:
            on_progress(done, len(pairs))
    return costs, plans.cycle_s


def _change_costs(planner: CheapPlanner, mean_day: Floats, cycle_s: float) -> Floats:
    """(n,) what a change at the begin of each interval costs, vehicle-hours."""
    plans = planner.plans(mean_day)
    rate = np.asarray(
        [planner.delay_veh(plans, [k], mean_day[k : k + 1])[0, 0] for k in range(len(mean_day))]
    )
    return CHANGE_EXTRA * CHANGE_CYCLES * cycle_s / 3600.0 * rate


def _best_cuts(costs: Floats, changes: Floats, least: int, most: int) -> tuple[Segmentation, ...]:
    """The cuts of least cost for every number of periods, by dynamic programming."""
    count = len(costs) - 1
    best = np.full((most + 1, count + 1), inf)
    last = np.zeros((most + 1, count + 1), dtype=np.int64)
    best[0, 0] = 0.0
    entering = np.concatenate([[0.0], changes[1:], [0.0]])
    for k in range(1, most + 1):
        for j in range(k * least, count + 1):
            candidates = best[k - 1, :j] + entering[:j] + costs[:j, j]
            at = int(candidates.argmin())
            best[k, j], last[k, j] = candidates[at], at
    return tuple(_traced(k, last, costs, entering) for k in range(1, most + 1))


def _traced(k: int, last: np.ndarray, costs: Floats, entering: Floats) -> Segmentation:
    starts: list[int] = []
    end = len(costs) - 1
    delay = changes = 0.0
    for periods in range(k, 0, -1):
        start = int(last[periods, end])
        delay += float(costs[start, end])
        changes += float(entering[start])
        starts.append(start)
        end = start
    return Segmentation(starts=tuple(reversed(starts)), delay_veh_h=delay, changes_veh_h=changes)


def _paying(by_count: Sequence[Segmentation], worth: float) -> int:
    """The last number of periods each of which saves its worth against the number before."""
    bar = worth * by_count[0].delay_veh_h
    chosen = 1
    for more in range(2, len(by_count) + 1):
        # Two more periods may pay where one alone does not: a peak has two ends.
        gain = by_count[chosen - 1].cost_veh_h - by_count[more - 1].cost_veh_h
        if gain >= bar * (more - chosen):
            chosen = more
    return chosen


def shared_plans(
    planner: CheapPlanner, periods: Sequence[Floats], tolerance: float = WORTH
) -> tuple[int, ...]:
    """For each period the one whose plan it may run: its own, or one that costs hardly more.

    *periods*: (intervals, streams) flows of each, of all day types together. The plan of a period
    with more delay is kept first; *tolerance* is the greatest part by which another plan may cost
    more than its own.
    """
    plans = planner.plans(
        np.asarray([np.average(own, axis=0, weights=_weights(own)[:, 0]) for own in periods])
    )
    costs = np.asarray(
        [planner.delay_veh(plans, slice(None), flows).sum(axis=1) for flows in periods]
    )
    own = np.diag(costs)
    kept: list[int] = []
    shared = list(range(len(periods)))
    for at in np.argsort(-own, kind="stable"):
        fitting = [k for k in kept if costs[at, k] <= (1.0 + tolerance) * own[at]]
        if fitting:
            shared[at] = min(fitting, key=lambda k: costs[at, k])
        else:
            kept.append(int(at))
    return tuple(shared)
