"""An arterial brought to the numbers that decide its wave, and a solution brought back.

Only the sum of the two directions matters. Let G be the greens of both directions added, D the
shift from the inbound to the outbound red centre, T the travel times both ways less the queue
clearances, all in cycles. A total band B exists if and only if there is a phase q at each signal
with ::

    |q[i] - D[i]| <= (G[i] - B) / 2  (mod 1, for one allowed D),     q[i+1] = q[i] + T[i]

q is how far the outbound band lies behind the inbound one, counted between the centres of what the
reds leave. T[i] = length[i] * y[i] - clearance[i] with y the slowness in cycles per km, which is
between z * slow and z * fast, and changes by z * change at most; z is 1/cycle. How B is split
between the directions follows from k alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from optimizer.bandwidth.arterial import Arterial
from optimizer.delay import Floats

PATTERNS_MAX = 4


@dataclass(frozen=True, slots=True)
class Reduced:
    """*n* signals; lengths in km, slowness in s/km, times in cycles."""

    green: Floats
    """(n) greens of both directions added."""
    centre: Floats
    """(n, 4) allowed red centre shifts, the rest padding."""
    centres: np.ndarray[tuple[int], np.dtype[np.int32]]
    """(n) how many are allowed."""
    clearance: Floats
    """(n - 1) both directions added."""
    length: Floats
    """(n - 1) there and back."""
    fast: Floats
    """(n - 1) least slowness."""
    slow: Floats
    """(n - 1) greatest slowness."""
    change: Floats
    """(n - 2) limit of the change of slowness; infinite where it cannot bind."""
    z_low: float
    z_high: float
    band_max: float
    """Beyond this total band the objective gains nothing more."""

    @property
    def limits_bind(self) -> bool:
        """Whether links are coupled by a limit of the change of speed."""
        return bool(np.isfinite(self.change).any())


def reduced(arterial: Arterial) -> Reduced:
    """The numbers of *arterial* that decide its wave.

    Plain loops: arterials are short, and arrays of a few numbers are slower to compute with.
    """
    rows = [tuple(arterial.red_centre_shifts(i).values()) for i in range(arterial.signals)]
    ranges = arterial.slowness_ranges_s_per_m
    slow = [1_000.0 * high for _, high in ranges]
    # Equal ones may differ by rounding.
    fast = [min(1_000.0 * low, high) for (low, _), high in zip(ranges, slow, strict=True)]
    change = [
        math.inf
        if 1_000.0 * limit >= max(slow[i + 1] - fast[i], slow[i] - fast[i + 1])
        else 1_000.0 * limit
        for i, limit in enumerate(arterial.max_slowness_change_s_per_m)
    ]
    reds = zip(arterial.red_outbound, arterial.red_inbound, strict=True)
    clearances = zip(
        arterial.queue_clearance_inbound[:-1], arterial.queue_clearance_outbound[1:], strict=True
    )
    shortest, longest = arterial.cycle_range_s
    return Reduced(
        green=np.array([2.0 - out - into for out, into in reds]),
        centre=np.array([row + (0.0,) * (PATTERNS_MAX - len(row)) for row in rows]),
        centres=np.array([len(row) for row in rows], dtype=np.int32),
        clearance=np.array([into + out for into, out in clearances]),
        length=np.array([2e-3 * distance for distance in arterial.distance_m]),
        fast=np.array(fast),
        slow=np.array(slow),
        change=np.array(change),
        z_low=1.0 / longest,
        z_high=1.0 / shortest,
        band_max=sum(band_limits(arterial)),
    )


def greens_min(arterial: Arterial) -> tuple[float, float]:
    """The shortest green outbound and inbound."""
    return 1.0 - max(arterial.red_outbound), 1.0 - max(arterial.red_inbound)


def band_limits(arterial: Arterial) -> tuple[float, float]:
    """The bands outbound and inbound that no total, however large, would widen."""
    out, into, k = *greens_min(arterial), arterial.k
    if k == 1.0:
        return min(out, into), min(out, into)
    if k < 1.0:
        return (min(out, into / k) if k else out), into
    return out, min(into, k * out)


def split(arterial: Arterial, total: float) -> tuple[float, float]:
    """The best bands outbound and inbound that add up to *total* (or to less)."""
    limit_out, limit_in = band_limits(arterial)
    k = arterial.k
    if k <= 1.0:
        out = min(limit_out, total / (1.0 + k))
        return out, min(limit_in, out if k == 1.0 else total - out)
    into = min(limit_in, k * total / (1.0 + k))
    return min(limit_out, total - into), into


def objective(arterial: Arterial, total: float) -> float:
    """Outbound band plus k times the inbound band that *total* allows."""
    out, into = split(arterial, total)
    return out + arterial.k * into
