"""Cycle and splits of least HCM delay in vectorised NumPy: the reference of the kernel.

For a given cycle the total delay is (but for a kink, see :mod:`optimizer.delay`) a convex function
of the stage greens, whose sum is fixed. Where no exchange of green between two stages helps, the
Karush-Kuhn-Tucker conditions hold and the greens are optimal, for any stage structure. So: take the
stage whose green is worth least and the one where it is worth most (the largest difference of
marginal delays), move a Newton step of green between them, shorten it until the delay drops as a
convex function must (Armijo), and repeat until the next step would gain less than the tolerance.

All intersections run the same loop side by side; those that are done are taken out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from optimizer.delay import DelayTerms, Floats, delay_terms

ARMIJO = 1e-3
SHORTENING = 0.4
SPARE_MIN = 1e-9
"""A stage with less green than this (s) above its minimum, left by rounding, has none to give."""


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
    period_h: float,
    tolerance: float,
    exchanges_max: int,
    green_s: Floats,
    cycle_index: NDArray[np.int64],
    delay_veh: Floats,
) -> None:
    """Fill ``green_s`` (n, s), ``cycle_index`` (n,) and ``delay_veh`` (n, c).

    *n* intersections, *s* stages, *p* lane groups, *c* candidate cycles; ``stage_counts`` and
    ``group_counts`` say how many of each row count, the rest is padding.
    ``flow_veh_per_h``, ``saturation_veh_per_h``, ``extra_green_s``: (n, p). ``service``: (n, s, p),
    how much of a second of the stage's green is effective for the lane group (0..1).
    ``minimum_green_s``: (n, s). ``lost_s``: (n,), sum of the interstages. ``cycles_s``: (n, c).
    A cycle that is shorter than the minimums has infinite delay; ``cycle_index`` is -1 where all
    are. ``delay_veh`` is flow x delay, the mean number of delayed vehicles.
    """
    stage_is_real = np.arange(service.shape[1]) < stage_counts[:, None]
    group_is_real = np.arange(service.shape[2]) < group_counts[:, None]
    flow = np.where(group_is_real, flow_veh_per_h, 0.0)
    served = service * stage_is_real[:, :, None]
    minimum = np.where(stage_is_real, minimum_green_s, 0.0)
    bound = minimum.sum(axis=1) + lost_s
    green = _first_shares(flow / saturation_veh_per_h, served, stage_is_real)
    spare_before = np.ones(len(flow))
    best_delay = np.full(len(flow), np.inf)
    cycle_index.fill(-1)
    green_s[...] = minimum
    above = green
    for c in range(cycles_s.shape[1]):
        spare = cycles_s[:, c] - bound
        delay_veh[:, c] = np.inf
        fits = np.flatnonzero(spare >= 0.0)
        if not len(fits):
            continue
        start = above[fits] * (spare[fits] / spare_before[fits])[:, None] + minimum[fits]
        problem = _Exchange(
            flow[fits],
            saturation_veh_per_h[fits],
            served[fits],
            extra_green_s[fits],
            minimum[fits],
            stage_is_real[fits],
            cycles_s[fits, c, None],
            period_h,
        )
        settled = problem.settle(start, tolerance, exchanges_max)
        delay_veh[fits, c] = problem.total
        warm = spare[fits] > 0.0
        above[fits[warm]] = settled[warm] - minimum[fits[warm]]
        spare_before[fits[warm]] = spare[fits[warm]]
        better = delay_veh[fits, c] < best_delay[fits]
        rows = fits[better]
        best_delay[rows] = delay_veh[rows, c]
        cycle_index[rows] = c
        green_s[rows] = settled[better]


def _first_shares(ratio: Floats, service: Floats, stage_is_real: NDArray[np.bool_]) -> Floats:
    """Shares of spare green by each stage's largest flow ratio, even without flows; (n, s)."""
    needs = (service * ratio[:, None, :]).max(axis=2)
    sums = needs.sum(axis=1, keepdims=True)
    even = stage_is_real / stage_is_real.sum(axis=1, keepdims=True)
    shares: Floats = np.where(sums > 0.0, needs / np.where(sums > 0.0, sums, 1.0), even)
    return shares


@dataclass
class _Exchange:
    """Exchanges of green between pairs of stages, all intersections side by side."""

    flow: Floats
    saturation: Floats
    service: Floats
    extra: Floats
    minimum: Floats
    stage_is_real: NDArray[np.bool_]
    cycle: Floats
    """(n, 1)"""
    period_h: float
    total: Floats = field(init=False)

    def settle(self, green: Floats, tolerance: float, exchanges_max: int) -> Floats:
        """The greens (n, s) at which no exchange helps, from *green*; fills ``total``."""
        rows = np.arange(len(green))
        terms = self._terms(rows, green)
        self.total = terms.total_veh.sum(axis=1)
        gain, give, gap, step = self._next_exchange(rows, green, terms)
        active = gap * step > tolerance * self.total
        for _ in range(exchanges_max):
            # The arrays of the search hold only the rows that still move.
            rows, gain, give = rows[active], gain[active], give[active]
            gap, step = gap[active], step[active]
            terms = DelayTerms(*(term[active] for term in terms))
            if not len(rows):
                break
            trial_green = self._moved(green, rows, gain, give, step)
            trial = self._terms(rows, trial_green)
            change = (trial.total_veh - terms.total_veh).sum(axis=1)
            drops = change <= -ARMIJO * gap * step
            green[rows[drops]] = trial_green[drops]
            self.total[rows] += np.where(drops, change, 0.0)
            terms = DelayTerms(
                *(np.where(drops[:, None], new, old) for new, old in zip(trial, terms, strict=True))
            )
            step *= SHORTENING
            now = self._next_exchange(rows[drops], green[rows[drops]], _rows(terms, drops))
            gain[drops], give[drops], gap[drops], step[drops] = now
            active = ~drops | (gap * step > tolerance * self.total[rows])
        return green

    def _terms(self, rows: NDArray[np.intp], green: Floats) -> DelayTerms:
        effective = np.einsum("nk,nkp->np", green, self.service[rows]) + self.extra[rows]
        return delay_terms(
            self.flow[rows], self.saturation[rows], effective, self.cycle[rows], self.period_h
        )

    def _next_exchange(
        self, rows: NDArray[np.intp], green: Floats, terms: DelayTerms
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats, Floats]:
        """Stage that gains, stage that gives, difference of marginals, Newton step; each (n,)."""
        at = np.arange(len(rows))
        service = self.service[rows]
        marginal = np.einsum("np,nkp->nk", terms.slope, service)
        spare = green - self.minimum[rows]
        gain = np.where(self.stage_is_real[rows], marginal, np.inf).argmin(axis=1)
        give = np.where(spare > SPARE_MIN, marginal, -np.inf).argmax(axis=1)
        gap = np.maximum(marginal[at, give] - marginal[at, gain], 0.0)
        tilt = service[at, gain] - service[at, give]
        bend = (tilt * tilt * terms.curvature).sum(axis=1)
        return gain, give, gap, np.minimum(gap / np.maximum(bend, 1e-300), spare[at, give])

    def _moved(
        self,
        green: Floats,
        rows: NDArray[np.intp],
        gain: NDArray[np.intp],
        give: NDArray[np.intp],
        step: Floats,
    ) -> Floats:
        at = np.arange(len(rows))
        moved: Floats = green[rows]
        floor = self.minimum[rows, give]
        moved[at, gain] += step
        moved[at, give] = np.maximum(moved[at, give] - step, floor)
        return moved


def _rows(terms: DelayTerms, chosen: NDArray[np.bool_]) -> DelayTerms:
    return DelayTerms(*(term[chosen] for term in terms))
