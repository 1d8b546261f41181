"""Non-negative weighted least squares with many unknowns, each in a few equations.

Every equation says that a sum of coefficients times unknowns is a value, give or take a standard
deviation. The sum of squared deviations over variances is brought to its minimum over unknowns
that are not below 0, by an accelerated projected gradient (Beck and Teboulle 2009) that restarts
where it overshoots (O'Donoghue and Candes 2015), scaled by the diagonal.

How far the data pin an unknown down is told by solving again with every value moved at random by
its own deviation: the spread of the answers is that of the unknown given the data (randomize then
optimize, Bardsley 2014), with the bound at 0 taken into account.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
ROUNDS_MAX = 4_000
TOLERANCE = 1e-5
"""Of the greatest unknown: a step that moves nothing farther is the last one."""
HUBER = 2.5
"""An equation that is off by more deviations than these is believed less, the farther the less."""
REWEIGHTINGS = 4
SAMPLES = 24


@dataclass(slots=True)
class Equations:
    """Equations over ``unknowns`` unknowns, added one by one."""

    unknowns: int
    _columns: list[int] = field(default_factory=list)
    _factors: list[float] = field(default_factory=list)
    _starts: list[int] = field(default_factory=list)
    _values: list[float] = field(default_factory=list)
    _deviations: list[float] = field(default_factory=list)
    _rough: list[float] = field(default_factory=list)

    def add(
        self,
        terms: Sequence[tuple[int, float]],
        value: float,
        deviation: float,
        *,
        rough: float = 0.0,
    ) -> int:
        """Sum of factor x unknown = *value* +- *deviation*; returns its number.

        One with a *rough* deviation may be wrong: it loses weight where the others contradict it.
        That deviation, commonly a greater one, is its own in the first round, so that what is wrong
        and sure of itself does not silence the others. Raises :class:`ValueError` for an equation
        without terms, or without a deviation above 0.
        """
        if not terms or not deviation > 0.0 or not np.isfinite(value):
            raise ValueError(f"no equation: {len(terms)} terms, {value:g} +- {deviation:g}")
        self._starts.append(len(self._columns))
        for column, factor in terms:
            self._columns.append(column)
            self._factors.append(factor)
        self._values.append(value)
        self._deviations.append(deviation)
        self._rough.append(rough)
        return len(self._values) - 1


@dataclass(frozen=True, slots=True)
class Solution:
    """``values``: (unknowns,). ``samples``: (unknowns, SAMPLES), equally likely answers.

    ``trust``: (equations,), 1, or less where the others contradict an equation.
    """

    values: Floats
    samples: Floats
    trust: Floats


def solve(equations: Equations, seed: int = 1) -> Solution:
    """The unknowns that contradict *equations* least; the same input gives the same answer."""
    system = _System(equations)
    base = np.asarray(equations._values)[:, None]
    rough = np.asarray(equations._rough)
    robust = rough > 0.0
    trust = np.where(robust, np.minimum(system.deviations / np.where(robust, rough, 1.0), 1.0), 1.0)
    trust *= trust
    values = np.zeros((equations.unknowns, 1))
    for _ in range(REWEIGHTINGS):
        values = system.minimum(base, trust, values)
        off = np.abs(system.product(values) - base)[:, 0] / system.deviations
        fresh = np.where(robust & (off > HUBER), HUBER / np.maximum(off, HUBER), 1.0)
        settled = np.abs(fresh - trust).max() < 0.02
        trust = fresh
        if settled:
            break
    noise = np.random.default_rng(seed).normal(size=(len(base), SAMPLES))
    moved = base + noise * (system.deviations / np.sqrt(trust))[:, None]
    samples = system.minimum(moved, trust, np.repeat(values, SAMPLES, axis=1))
    return Solution(values[:, 0], samples, trust)


class _System:
    """The equations as arrays."""

    def __init__(self, equations: Equations) -> None:
        self._columns = np.asarray(equations._columns, dtype=np.int64)
        self._factors = np.asarray(equations._factors)[:, None]
        self._starts = np.asarray(equations._starts, dtype=np.int64)
        lengths = np.diff([*equations._starts, len(self._columns)])
        self._rows = np.repeat(np.arange(len(lengths)), lengths)
        self._order = np.argsort(self._columns, kind="stable")
        sorted_columns = self._columns[self._order]
        self._used, self._column_starts = np.unique(sorted_columns, return_index=True)
        self._unknowns = equations.unknowns
        self.deviations = np.asarray(equations._deviations)

    def product(self, unknowns: Floats) -> Floats:
        """(equations, k) left sides of (unknowns, k)."""
        return np.add.reduceat(self._factors * unknowns[self._columns], self._starts, axis=0)

    def _transposed(self, weights: Floats) -> Floats:
        """(unknowns, k) of (equations, k)."""
        terms = (self._factors * weights[self._rows])[self._order]
        found = np.zeros((self._unknowns, weights.shape[1]))
        found[self._used] = np.add.reduceat(terms, self._column_starts, axis=0)
        return found

    def minimum(self, values: Floats, trust: Floats, start: Floats) -> Floats:
        """The minimum for every column of *values*, looked for from *start*."""
        weight = (trust / self.deviations**2)[:, None]
        # A bound of the curvature in every unknown: row sums of the absolute normal matrix.
        row_sums = np.add.reduceat(np.abs(self._factors), self._starts, axis=0)
        bound = np.zeros(self._unknowns)
        np.add.at(
            bound, self._columns, (np.abs(self._factors) * (weight * row_sums)[self._rows])[:, 0]
        )
        step = 1.0 / np.maximum(bound, 1e-12)[:, None]
        now, ahead, momentum = start, start, 1.0
        for _ in range(ROUNDS_MAX):
            slope = self._transposed(weight * (self.product(ahead) - values))
            after = np.maximum(ahead - step * slope, 0.0)
            moved = after - now
            if np.abs(moved).max() <= TOLERANCE * max(1.0, float(after.max(initial=0.0))):
                return after
            if float((slope * moved).sum()) > 0.0:
                momentum, ahead, now = 1.0, after, after
                continue
            next_momentum = 0.5 * (1.0 + np.sqrt(1.0 + 4.0 * momentum * momentum))
            ahead = after + (momentum - 1.0) / next_momentum * moved
            momentum, now = next_momentum, after
        return now
