"""Means over seeds with their 95 % intervals, and differences paired by seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

# Student's t, two-sided 95 %, by degrees of freedom 1..30.
_T_95 = (
    12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
    2.2010, 2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    2.0796, 2.0739, 2.0687, 2.0639, 2.0595, 2.0555, 2.0518, 2.0484, 2.0452, 2.0423,
)  # fmt: skip
_Z_95 = 1.959964


FINISHED_SHARE = 0.96
"""A run that finishes a smaller share of what the control's best run finishes has locked up."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over ``n`` seeds; ``half_width`` of its 95 % interval is None for one seed."""

    mean: float
    half_width: float | None
    n: int


def mean_interval(values: Sequence[float]) -> Estimate:
    """Mean of *values* with Student's 95 % interval; raises ValueError when there are none."""
    if not values:
        raise ValueError("no values to take a mean of")
    n = len(values)
    if n == 1:
        return Estimate(values[0], None, 1)
    return Estimate(fmean(values), t_95(n - 1) * stdev(values) / math.sqrt(n), n)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Estimate:
    """Mean of ``first - second``, element by element (the same seed in both), with its interval.

    Raises ValueError when the two differ in length or are empty.
    """
    return mean_interval([a - b for a, b in zip(first, second, strict=True)])


def locked_runs(finished: Sequence[int]) -> int:
    """How many of a control's runs finished far fewer trips than its best run did.

    This compares runs with each other, so it also finds a lock that dissolved before the end of
    the window; :attr:`sim.results.RunResult.jammed` looks at one run's end.
    """
    return sum(count < FINISHED_SHARE * max(finished) for count in finished)


def t_95(degrees: int) -> float:
    """Two-sided 95 % quantile of Student's t (beyond 30 degrees: Abramowitz & Stegun 26.7.5)."""
    if degrees <= len(_T_95):
        return _T_95[degrees - 1]
    z = _Z_95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    return z + first / degrees + second / degrees**2
