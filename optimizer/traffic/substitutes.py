"""What a lane gets whose loops all fail: from the lanes beside it, else from the time of week.

The usual rate of every lane is learnt while it is measured, slowly, and by quarter of an hour of
the week. Without its loops a lane gets its usual part of what the measured lanes of its approach
have now, or of the whole junction; without any measured lane it gets what that weekday and time
had, or other days at that time; without that, nothing is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.traffic.layout import Layout

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

USUAL_GAIN = 0.008
"""Per review of 10 s: a memory of about 20 minutes."""
QUARTER_MS = 15 * 60 * 1000
QUARTERS_PER_DAY = 96
DAYS = 7
PROFILE_GAIN = 0.3
"""Weight of the newest week."""
NEIGHBOUR_CONFIDENCE = 0.2
PROFILE_CONFIDENCE = 0.1
LEAST_VEH_PER_S = 1e-3


class Substitutes:
    """Usual rates of the lanes of one site, and what replaces missing ones."""

    def __init__(self, layout: Layout) -> None:
        n = len(layout.lanes)
        self._approach = np.array([lane.approach for lane in layout.lanes])
        self._usual = np.full(n, np.nan)
        self._profile = np.full((n, DAYS, QUARTERS_PER_DAY), np.nan)
        self._sum, self._reviews = np.zeros(n), np.zeros(n)
        self._quarter: tuple[int, int] | None = None
        self.confidence = [0.0] * n
        self.basis = ["nothing"] * n

    def rates(
        self, utc_ms: int, rates: Floats, measured: Mask, blind: Sequence[int]
    ) -> Iterator[tuple[int, float]]:
        """Learn from the *measured* lanes; (lane, veh/s) for the *blind* ones.

        *rates*: (lanes,) veh/s as the model has them, meaningful where *measured*, (lanes,).
        """
        self._learn(utc_ms, rates, measured)
        for k in blind:
            rate = self._from_neighbours(k, rates, measured)
            self.confidence[k], self.basis[k] = NEIGHBOUR_CONFIDENCE, "other lanes"
            if rate is None:
                rate = self._from_profile(k)
                self.confidence[k], self.basis[k] = PROFILE_CONFIDENCE, "profile"
            if rate is None:
                self.confidence[k], self.basis[k] = 0.0, "nothing"
                continue
            yield k, rate

    def _learn(self, utc_ms: int, rates: Floats, measured: Mask) -> None:
        day, quarter = divmod(utc_ms // QUARTER_MS, QUARTERS_PER_DAY)
        present = (int(day) % DAYS, int(quarter))
        if self._quarter is not None and present != self._quarter:
            self._close(self._quarter)
        self._quarter = present
        self._sum[measured] += rates[measured]
        self._reviews[measured] += 1.0
        new = measured & np.isnan(self._usual)
        self._usual[new] = rates[new]
        self._usual[measured] += USUAL_GAIN * (rates[measured] - self._usual[measured])

    def _close(self, quarter: tuple[int, int]) -> None:
        """A quarter of an hour is over: into the profile with its mean."""
        counted = self._reviews > 0.0
        mean = self._sum[counted] / self._reviews[counted]
        before = self._profile[counted, quarter[0], quarter[1]]
        new = np.where(np.isnan(before), mean, before + PROFILE_GAIN * (mean - before))
        self._profile[counted, quarter[0], quarter[1]] = new
        self._sum[:] = self._reviews[:] = 0.0

    def _from_neighbours(self, k: int, rates: Floats, measured: Mask) -> float | None:
        if np.isnan(self._usual[k]):
            return None
        for members in (measured & (self._approach == self._approach[k]), measured):
            usual = float(self._usual[members].sum())
            if usual > LEAST_VEH_PER_S:
                return float(self._usual[k] * rates[members].sum() / usual)
        return None

    def _from_profile(self, k: int) -> float | None:
        if self._quarter is None:
            return None
        day, quarter = self._quarter
        same = self._profile[k, day, quarter]
        if not np.isnan(same):
            return float(same)
        others = self._profile[k, :, quarter]
        known = others[~np.isnan(others)]
        return float(known.mean()) if len(known) else None
