"""The cycle and splits of least delay for one signal, to the whole second.

1. For every cycle the best splits by :mod:`optimizer.splits`, with a proof of how good they are.
   A lane group that gives way is straightened first: its effective green, as it changes with the
   splits around those found so far; then again, while the true delay gets less.
2. The best cycles are brought to whole seconds and improved by exchanges of seconds, with the true
   delay, until none helps.

The proof holds if no lane group gives way; then orders of phases (leading or lagging turns) cost
the same as well.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, floor, inf

import numpy as np

from optimizer.delay import Floats, delay_terms
from optimizer.isolated.greens import effective_greens_s
from optimizer.isolated.signal import Signal, exchanges
from optimizer.splits import SERVICE_MAX, SplitProblem, optimise_splits

STRAIGHTENINGS = 5
GLANCES = 1
COARSE_STEP = 5
"""With lane groups that give way, one in so many cycles is tried first."""
FINALISTS = 3
PROBE_S = 0.5
"""By so much a split is changed to see what an effective green does."""
GAIN_MIN = 1e-6
PARTS_OF_STEP = (1.0, 0.5, 0.25, 0.1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What is to be least: *delay* x delay, and ``stop_s`` seconds for every stop."""

    delay: float = 1.0
    stop_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """What a signal is to run: whole seconds of cycle and splits, in the order of its phases.

    ``cost_veh``: flow x (weighted) delay. ``bound_veh``: what no splits at any of the cycles can
    beat, not even with fractions of seconds; None where lane groups give way.
    ``cost_by_cycle``: before the splits were brought to whole seconds.
    """

    signal: Signal
    cycle_s: float
    splits_s: tuple[float, ...]
    cost_veh: float
    bound_veh: float | None
    cost_by_cycle: dict[float, float]

    @property
    def gap(self) -> float | None:
        """By which part of its cost at most it could be better."""
        if self.bound_veh is None or self.cost_veh <= 0.0:
            return None if self.bound_veh is None else 0.0
        return max(0.0, 1.0 - self.bound_veh / self.cost_veh)


class CycleError(ValueError):
    """No cycle is as long as the minimums."""


def best_timing(variants: Sequence[Signal], cycles_s: Sequence[float], goal: Goal) -> Timing:
    """The best of several ways to run a signal, at the best of *cycles_s* (whole seconds).

    Raises :class:`CycleError` if all of them are too short for every way.
    """
    found = []
    for signal in variants:
        fitting = [cycle for cycle in cycles_s if cycle >= ceil(signal.shortest_cycle_s - 1e-9)]
        if fitting:
            found.append(_timing(signal, fitting, goal))
    if not found:
        shortest = min(ceil(signal.shortest_cycle_s - 1e-9) for signal in variants)
        raise CycleError(
            f"{variants[0].name} needs a cycle of at least {shortest} s for its minimum greens, "
            f"walks and clearances, but the longest cycle allowed is {max(cycles_s):g} s"
        )
    return min(found, key=lambda timing: timing.cost_veh)


def costs_veh(signal: Signal, splits_s: Floats, cycle_s: Floats, goal: Goal) -> Floats:
    """(m,) the true cost of *splits_s* (m, k) at cycles of *cycle_s* (m,)."""
    terms = delay_terms(
        signal.values("flow_veh_per_h"),
        signal.values("saturation_veh_per_h"),
        effective_greens_s(signal, splits_s, cycle_s),
        cycle_s[:, None],
        signal.period_h,
        signal.values("initial_queue_veh"),
        goal.delay,
        goal.stop_s,
    )
    total: Floats = terms.total_veh.sum(axis=1)
    return total


def least_cost_veh(signal: Signal, cycles_s: Sequence[float], goal: Goal) -> float:
    """What *signal* costs at the best of *cycles_s*, at a glance; infinite if all are too short."""
    cycles = np.array([c for c in cycles_s if c >= signal.shortest_cycle_s], dtype=np.float64)
    if not len(cycles):
        return inf
    if not signal.groups:
        return 0.0
    return float(_straightened(signal, cycles, goal, GLANCES)[1].min())


def _timing(signal: Signal, cycles_s: Sequence[float], goal: Goal) -> Timing:
    if not signal.groups:
        cycle, splits = _whole_seconds(signal, signal.minimums_s, min(cycles_s))
        return Timing(
            signal=signal,
            cycle_s=cycle,
            splits_s=tuple(splits.tolist()),
            cost_veh=0.0,
            bound_veh=0.0,
            cost_by_cycle={cycle: 0.0},
        )
    splits, costs, bound = _real_splits(signal, cycles_s, goal)
    best = np.argsort(costs, kind="stable")[:FINALISTS]
    ends = [_finished(signal, splits[row], float(cycles_s[row]), goal) for row in best]
    cost, cycle, whole = min(ends, key=lambda end: end[0])
    return Timing(
        signal=signal,
        cycle_s=cycle,
        splits_s=tuple(whole.tolist()),
        cost_veh=cost,
        bound_veh=bound,
        cost_by_cycle={
            float(c): float(cost)
            for c, cost in zip(cycles_s, costs, strict=True)
            if np.isfinite(cost)
        },
    )


def _real_splits(
    signal: Signal, cycles_s: Sequence[float], goal: Goal
) -> tuple[Floats, Floats, float | None]:
    """(c, k) splits and (c,) costs by cycle, infinite where it was not tried, and the bound."""
    cycles = np.array(cycles_s, dtype=np.float64)
    service, extra = signal.simple_greens()
    if not signal.coupled:
        splits, bounds = _solved(signal, service[None], extra[None], cycles, goal)
        return splits, costs_veh(signal, splits, cycles, goal), float(bounds.min())
    splits = np.zeros((len(cycles), len(signal.phases)))
    costs = np.full(len(cycles), np.inf)
    coarse = np.arange(0, len(cycles), COARSE_STEP) if len(cycles) > COARSE_STEP else None
    rows = np.arange(len(cycles)) if coarse is None else coarse
    splits[rows], costs[rows] = _straightened(signal, cycles[rows], goal)
    if coarse is not None:
        best = int(costs.argmin())
        near = np.arange(max(0, best - COARSE_STEP + 1), min(len(cycles), best + COARSE_STEP))
        splits[near], costs[near] = _straightened(signal, cycles[near], goal)
    return splits, costs, None


def _solved(
    signal: Signal, service: Floats, extra: Floats, cycles: Floats, goal: Goal
) -> tuple[Floats, Floats]:
    """(c, k) the best splits at every cycle for greens that are sums of splits, and bounds."""
    rows, places = len(cycles), [(phase.ring, phase.barrier) for phase in signal.phases]

    def repeated(values: Floats) -> Floats:
        return np.broadcast_to(values, (rows, *values.shape))

    solution = optimise_splits(
        SplitProblem(
            flow_veh_per_h=repeated(signal.values("flow_veh_per_h")),
            saturation_veh_per_h=repeated(signal.values("saturation_veh_per_h")),
            service=np.broadcast_to(service, (rows, *service.shape[1:])),
            extra_green_s=np.broadcast_to(extra, (rows, extra.shape[1])),
            minimum_green_s=repeated(signal.minimums_s),
            lost_s=np.zeros(rows),
            cycles_s=cycles[:, None],
            initial_queue_veh=repeated(signal.values("initial_queue_veh")),
            ring=np.broadcast_to([ring for ring, _ in places], (rows, len(places))),
            barrier=np.broadcast_to([barrier for _, barrier in places], (rows, len(places))),
            period_h=signal.period_h,
            delay_weight=goal.delay,
            stop_s=goal.stop_s,
        ),
        with_bound=True,
    )
    return solution.green_s, solution.bound_veh[:, 0]


def _straightened(
    signal: Signal, cycles: Floats, goal: Goal, times: int = STRAIGHTENINGS
) -> tuple[Floats, Floats]:
    """(c, k) splits and (c,) costs for greens that bend: solve, look again, solve again."""
    service, extra = signal.simple_greens()
    # First as if every turn had its own phases to itself.
    for at in signal.coupled:
        for window in signal.groups[at].windows:
            service[list(window.phases), at] = 1.0
    splits, _ = _solved(signal, service[None], extra[None], cycles, goal)
    costs = costs_veh(signal, splits, cycles, goal)
    for _ in range(times if signal.coupled else 0):
        slopes, constants = _tangents(signal, splits, cycles)
        aims, _ = _solved(signal, slopes, constants, cycles, goal)
        before = costs
        splits, costs = _best_on_the_way(signal, splits, costs, aims, cycles, goal)
        if (before - costs <= GAIN_MIN * before).all():
            break
    return splits, costs


def _best_on_the_way(
    signal: Signal, splits: Floats, costs: Floats, aims: Floats, cycles: Floats, goal: Goal
) -> tuple[Floats, Floats]:
    """(c, k) and (c,): the cheapest of *splits* and some points between them and *aims*."""
    trials = [splits, *(splits + part * (aims - splits) for part in PARTS_OF_STEP)]
    new = costs_veh(
        signal, np.concatenate(trials[1:]), np.tile(cycles, len(PARTS_OF_STEP)), goal
    ).reshape(len(PARTS_OF_STEP), -1)
    every = np.concatenate([costs[None], new])
    best, rows = every.argmin(axis=0), np.arange(len(cycles))
    return np.array(trials)[best, rows], every[best, rows]


def _tangents(signal: Signal, splits_s: Floats, cycles: Floats) -> tuple[Floats, Floats]:
    """(c, k, p) and (c, p): how effective greens change with the splits, and the constant."""
    service, extra = signal.simple_greens()
    rows, count = splits_s.shape
    slopes = np.broadcast_to(service, (rows, *service.shape)).copy()
    constants = np.broadcast_to(extra, (rows, len(extra))).copy()
    coupled = list(signal.coupled)
    probes = PROBE_S * np.concatenate([np.zeros((1, count)), np.eye(count), -np.eye(count)])
    trials = (splits_s[:, None, :] + probes).reshape(-1, count)
    greens = effective_greens_s(signal, trials, np.repeat(cycles, len(probes)))
    by_probe = greens[:, coupled].reshape(rows, len(probes), len(coupled))
    change = (by_probe[:, 1 : count + 1] - by_probe[:, count + 1 :]) / (2.0 * PROBE_S)
    change = np.clip(change, -SERVICE_MAX, SERVICE_MAX)
    slopes[:, :, coupled] = change
    constants[:, coupled] = by_probe[:, 0] - np.einsum("ck,ckp->cp", splits_s, change)
    return slopes, constants


def _finished(
    signal: Signal, splits_s: Floats, cycle_s: float, goal: Goal
) -> tuple[float, float, Floats]:
    """(cost, cycle, splits) in whole seconds that no exchange of a second improves."""
    cycle, splits = _whole_seconds(signal, splits_s, cycle_s)
    moves = exchanges(signal)
    cost = float(costs_veh(signal, splits[None], np.array([cycle]), goal)[0])
    while len(moves):
        trials = splits + moves
        trials = trials[(trials >= signal.minimums_s - 1e-9).all(axis=1)]
        if not len(trials):
            break
        trial_costs = costs_veh(signal, trials, np.full(len(trials), cycle), goal)
        best = int(trial_costs.argmin())
        if trial_costs[best] >= cost * (1.0 - 1e-12):
            break
        splits, cost = trials[best], float(trial_costs[best])
    return cost, cycle, splits


def _whole_seconds(signal: Signal, splits_s: Floats, cycle_s: float) -> tuple[float, Floats]:
    """Splits near *splits_s* in whole seconds that agree between barriers and fill the cycle."""
    least = np.ceil(signal.minimums_s - 1e-9)
    shortest, wished = [], []
    for parts in signal.barriers.values():
        shortest.append(max(float(least[list(part)].sum()) for part in parts))
        wished.append(max(float(splits_s[list(part)].sum()) for part in parts))
    cycle = max(float(floor(cycle_s + 1e-9)), sum(shortest))
    lengths = _rounded(wished, shortest, cycle)
    whole = np.zeros_like(splits_s)
    for length, parts in zip(lengths, signal.barriers.values(), strict=True):
        for part in parts:
            own = list(part)
            whole[own] = _rounded(splits_s[own].tolist(), least[own].tolist(), length)
    return cycle, whole


def _rounded(wished: Sequence[float], least: Sequence[float], total: float) -> list[float]:
    """Whole numbers near *wished*, none below *least*, that add up to *total*."""
    whole = [max(float(floor(wish + 1e-9)), low) for wish, low in zip(wished, least, strict=True)]
    while sum(whole) < total:
        whole[max(range(len(whole)), key=lambda k: wished[k] - whole[k])] += 1.0
    while sum(whole) > total:
        spare = [k for k in range(len(whole)) if whole[k] > least[k]]
        whole[min(spare, key=lambda k: wished[k] - whole[k])] -= 1.0
    return whole
