"""Cycle and splits of least HCM delay in vectorised NumPy: the reference of the kernel.

For a given cycle the total delay is (but for kinks, see :mod:`optimizer.delay`) a convex function
of the times of stages or phases, which rings and barriers tie together
(:mod:`optimizer._splits_structure`). So: take the exchange of time that saves most per second, make
a Newton step of it, shorten that until the delay drops as a convex function must (Armijo), and
repeat until the next step would gain less than the tolerance. Where no exchange helps, the times
are optimal.

How far from the optimum the kinks may have left them is proved by Lagrange: for any prices of time
no times cost less than the sum over lane groups of the least (delay less price of its green), plus
the least price of any times. The prices are the marginal delays of what was found; the least of the
first is found on each convex piece by bisection, that of the second at a corner.

All intersections run the same loop side by side; those that are done are taken out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer._splits_structure import Exchange, Structure
from optimizer.delay import PIECES, DelayTerms, Floats, delay_terms

ARMIJO = 1e-3
SHORTENING = 0.4
BISECTIONS = 44


def optimise(  # noqa: PLR0913, PLR0917  (the kernel's signature)
    flow_veh_per_h: Floats,
    saturation_veh_per_h: Floats,
    service: Floats,
    extra_green_s: Floats,
    minimum_green_s: Floats,
    lost_s: Floats,
    cycles_s: Floats,
    stage_counts: NDArray[np.int64],
    group_counts: NDArray[np.int64],
    initial_queue_veh: Floats,
    ring: NDArray[np.int64],
    barrier: NDArray[np.int64],
    period_h: float,
    delay_weight: float,
    stop_s: float,
    tolerance: float,
    exchanges_max: int,
    green_s: Floats,
    cycle_index: NDArray[np.int64],
    delay_veh: Floats,
    bound_veh: Floats,
) -> None:
    """Fill ``green_s`` (n, s), ``cycle_index`` (n,), ``delay_veh`` and ``bound_veh`` (n, c).

    *n* intersections, *s* stages or phases, *p* lane groups, *c* candidate cycles;
    ``stage_counts`` and ``group_counts`` say how many of each row count, the rest is padding.
    ``flow_veh_per_h``, ``saturation_veh_per_h``, ``extra_green_s``, ``initial_queue_veh``: (n, p).
    ``service``: (n, s, p), how much of a second of the stage's green is effective for the lane
    group. ``minimum_green_s``, ``ring``, ``barrier``: (n, s). ``lost_s``: (n,), sum of the
    interstages. ``cycles_s``: (n, c). A cycle that is shorter than the minimums has infinite delay;
    ``cycle_index`` is -1 where all are. ``delay_veh`` is flow x (weighted) delay, the mean number
    of delayed vehicles, and ``bound_veh`` what no greens at that cycle can beat; it is left alone
    if it has no columns.
    """
    stage_is_real = np.arange(service.shape[1]) < stage_counts[:, None]
    group_is_real = np.arange(service.shape[2]) < group_counts[:, None]
    flow = np.where(group_is_real, flow_veh_per_h, 0.0)
    served = service * stage_is_real[:, :, None]
    structure = Structure.of(ring, barrier, stage_is_real, minimum_green_s)
    shortest = structure.barrier_minimums_s().sum(axis=1) + lost_s
    needs = (served * (flow / saturation_veh_per_h)[:, None, :]).max(axis=2)
    needs = np.maximum(needs, 0.0)
    green = np.zeros_like(structure.minimum_s)
    spare_before = np.zeros(len(flow))
    best_delay = np.full(len(flow), np.inf)
    cycle_index.fill(-1)
    green_s[...] = structure.minimum_s
    for c in range(cycles_s.shape[1]):
        spare = cycles_s[:, c] - shortest
        delay_veh[:, c] = np.inf
        fits = np.flatnonzero(spare >= 0.0)
        if not len(fits):
            continue
        own = structure.rows(fits)
        warm = (spare_before[fits] > 0.0)[:, None]
        before = np.where(warm[:, 0], spare_before[fits], 1.0)
        start = np.where(
            warm,
            own.stretched_s(green[fits], before, spare[fits]),
            own.first_times_s(needs[fits], spare[fits]),
        )
        problem = _Exchanges(
            flow[fits],
            saturation_veh_per_h[fits],
            initial_queue_veh[fits] * group_is_real[fits],
            served[fits],
            extra_green_s[fits],
            own,
            cycles_s[fits, c, None],
            (period_h, delay_weight, stop_s),
        )
        settled = problem.settle(start, tolerance, exchanges_max)
        delay_veh[fits, c] = problem.total
        if bound_veh.shape[1]:
            bound_veh[:, c] = np.inf
            bound_veh[fits, c] = problem.bound(settled, spare[fits])
        green[fits] = settled
        spare_before[fits] = spare[fits]
        better = delay_veh[fits, c] < best_delay[fits]
        rows = fits[better]
        best_delay[rows] = delay_veh[rows, c]
        cycle_index[rows] = c
        green_s[rows] = settled[better]


@dataclass
class _Exchanges:
    """Exchanges of time, all intersections side by side."""

    flow: Floats
    saturation: Floats
    queue: Floats
    service: Floats
    extra: Floats
    structure: Structure
    cycle: Floats
    """(n, 1)"""
    weights: tuple[float, float, float]
    """Period in hours, weight of the delay, seconds of a stop."""
    total: Floats = field(init=False)

    def settle(self, green: Floats, tolerance: float, exchanges_max: int) -> Floats:
        """The greens (n, s) at which no exchange helps, from *green*; fills ``total``."""
        rows = np.arange(len(green))
        terms = self._terms(rows, green)
        self.total = terms.total_veh.sum(axis=1)
        move, newton = self._next_exchange(rows, green, terms)
        step = np.minimum(newton, move.spare_s)
        active = move.gap * newton > tolerance * self.total
        for _ in range(exchanges_max):
            # The arrays of the search hold only the rows that still move.
            rows, step, newton = rows[active], step[active], newton[active]
            move = Exchange(*(values[active] for values in move))
            terms = _rows(terms, active)
            if not len(rows):
                break
            trial_green = np.maximum(
                green[rows] + move.direction * step[:, None], self.structure.minimum_s[rows]
            )
            trial = self._terms(rows, trial_green)
            change = (trial.total_veh - terms.total_veh).sum(axis=1)
            promised = move.gap * step
            # What is too small to be tested only takes a phase to its minimum.
            drops = (change <= -ARMIJO * promised) | (promised <= tolerance * self.total[rows])
            green[rows[drops]] = trial_green[drops]
            self.total[rows] += np.where(drops, change, 0.0)
            terms = DelayTerms(
                *(np.where(drops[:, None], new, old) for new, old in zip(trial, terms, strict=True))
            )
            step *= SHORTENING
            if drops.any():
                moved = rows[drops]
                now, newton[drops] = self._next_exchange(moved, green[moved], _rows(terms, drops))
                for old, new in zip(move, now, strict=True):
                    old[drops] = new
                step[drops] = np.minimum(newton[drops], now.spare_s)
            active = ~drops | (move.gap * newton > tolerance * self.total[rows])
        return green

    def bound(self, green: Floats, spare_s: Floats) -> Floats:
        """(n,) what no times can cost less than, by the marginal delays at *green*."""
        at = np.arange(len(green))
        price = self._terms(at, green).slope
        low, high = self._reach(spare_s)
        least = np.full_like(price, np.inf)
        for piece in PIECES:
            below, above = low.copy(), high.copy()
            for _ in range(BISECTIONS):
                middle = 0.5 * (below + above)
                falls = self._at(at, middle, piece).slope < price
                below, above = np.where(falls, middle, below), np.where(falls, above, middle)
            terms = self._at(at, below, piece)
            # The piece is convex: what is left of the interval cannot lie lower than its tangent.
            rest = np.minimum(terms.slope - price, 0.0) * (above - below)
            least = np.minimum(least, terms.total_veh - price * below + rest)
        marginal = np.einsum("np,nkp->nk", price, self.service)
        fixed = (price * self.extra).sum(axis=1)
        bound: Floats = least.sum(axis=1) + fixed + self.structure.least_worth(marginal, spare_s)
        return bound

    def _reach(self, spare_s: Floats) -> tuple[Floats, Floats]:
        """(n, p) the least and the most effective green of every lane group, at any times."""
        low, high = self.extra.copy(), self.extra.copy()
        for at in range(self.extra.shape[1]):
            service = self.service[:, :, at]
            low[:, at] += self.structure.least_worth(service, spare_s)
            high[:, at] -= self.structure.least_worth(-service, spare_s)
        return low, high

    def _terms(self, rows: NDArray[np.intp], green: Floats) -> DelayTerms:
        effective = np.einsum("nk,nkp->np", green, self.service[rows]) + self.extra[rows]
        return self._at(rows, effective)

    def _at(
        self, rows: NDArray[np.intp], effective: Floats, piece: int | None = None
    ) -> DelayTerms:
        period_h, delay_weight, stop_s = self.weights
        return delay_terms(
            self.flow[rows],
            self.saturation[rows],
            effective,
            self.cycle[rows],
            period_h,
            self.queue[rows],
            delay_weight,
            stop_s,
            piece,
        )

    def _next_exchange(
        self, rows: NDArray[np.intp], green: Floats, terms: DelayTerms
    ) -> tuple[Exchange, Floats]:
        """The most promising exchange, and the Newton step along it."""
        service = self.service[rows]
        marginal = np.einsum("np,nkp->nk", terms.slope, service)
        move = self.structure.rows(rows).best_exchange(marginal, green)
        tilt = np.einsum("nk,nkp->np", move.direction, service)
        bend = (tilt * tilt * terms.curvature).sum(axis=1)
        return move, move.gap / np.maximum(bend, 1e-300)


def _rows(terms: DelayTerms, chosen: NDArray[np.bool_]) -> DelayTerms:
    return DelayTerms(*(term[chosen] for term in terms))
