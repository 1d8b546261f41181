"""Flow from counts: checked counts, exponential means and rolling windows.

A count that is missing, or cannot be, adds neither vehicles nor time: missing is never zero.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

HEADWAY_MIN_S = 0.5
"""No lane passes vehicles faster than this; two are always believed (jitter of the interval)."""
STALE_AFTER_S = 180.0
"""An estimate without a valid count for this long is missing."""
FOLD_S = 5.0
BIN_S = 60.0
BINS = 15


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value from counts and how far to trust it; ``value`` None is missing."""

    value: float | None
    variance: float
    observations: float
    """Effective number of observations behind the value (recent ones count in full)."""
    age_s: float
    """Since the last valid observation."""


MISSING = Estimate(None, math.inf, 0.0, math.inf)


def count_fault(count: float | None, interval_s: float) -> str | None:
    """Why *count* vehicles in *interval_s* cannot be used, or None if it can."""
    if count is None:
        return "missing count"
    if not math.isfinite(count):
        return "count is not a number"
    if count < 0:
        return "negative count"
    if count > 2.0 + interval_s / HEADWAY_MIN_S:
        return "absurd count"
    return None


class FlowMeter:
    """Flow over one detector, veh/h: exponential mean with time constant *tau_s*, and bins.

    The mean is corrected for its short start (sums of weighted vehicles over weighted time), so
    that it is unbiased from the first interval. Arrivals are taken as Poisson for the variance.
    """

    __slots__ = (
        "_bins",
        "_count",
        "_last_s",
        "_open_count",
        "_open_s",
        "_seconds",
        "_span_s",
        "_tau_s",
        "_vehicles",
    )

    def __init__(self, tau_s: float) -> None:
        self._tau_s = tau_s
        self._vehicles = self._seconds = 0.0
        self._count = self._span_s = 0.0
        self._bins: deque[tuple[float, float]] = deque(maxlen=BINS)
        self._open_count = self._open_s = 0.0
        self._last_s: float | None = None

    def add(self, now_s: float, count: float, interval_s: float) -> None:
        """A valid *count* over the *interval_s* that ends at *now_s*."""
        self._last_s = now_s
        self._count += count
        self._span_s += interval_s
        if self._span_s >= FOLD_S:
            self._fold()

    def _fold(self) -> None:
        kept = math.exp(-self._span_s / self._tau_s)
        self._vehicles = kept * self._vehicles + self._count
        self._seconds = kept * self._seconds + self._span_s
        self._open_count += self._count
        self._open_s += self._span_s
        self._count = self._span_s = 0.0
        if self._open_s >= BIN_S:
            self._bins.append((self._open_count, self._open_s))
            self._open_count = self._open_s = 0.0

    def mean(self, now_s: float) -> Estimate:
        """Exponential mean, veh/h."""
        return self._estimate(now_s, self._vehicles, self._seconds)

    def window(self, now_s: float, minutes: int) -> Estimate:
        """Plain mean over the last *minutes* full bins (1..15), veh/h; gaps are left out."""
        if not 1 <= minutes <= BINS:
            raise ValueError(f"minutes: {minutes} is not in 1..{BINS}")
        chosen = list(self._bins)[-minutes:]
        return self._estimate(now_s, sum(b[0] for b in chosen), sum(b[1] for b in chosen))

    def _estimate(self, now_s: float, vehicles: float, seconds: float) -> Estimate:
        if self._last_s is None or seconds <= 0.0 or now_s - self._last_s > STALE_AFTER_S:
            return MISSING
        per_h = 3600.0 / seconds
        # One vehicle more than was seen: no vehicle in a short time is no proof of none.
        variance = (vehicles + 1.0) * per_h * per_h
        return Estimate(vehicles * per_h, variance, vehicles, now_s - self._last_s)
