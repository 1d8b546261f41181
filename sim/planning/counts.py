"""Counts of detectors over time, as values: what was counted when, and what was not.

A detector that reported nothing in an interval is missing there (NaN), never zero vehicles.
:mod:`sim.planning.counts_file` reads them, :mod:`sim.planning.counts_run` records them in SUMO.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
DAY_S = 86_400.0
EPOCH = date(1970, 1, 1)
WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Vehicles by interval and detector.

    ``starts_s``: (n,) ascending; seconds after midnight of day 0. With *is_dated* day 0 is
    1970-01-01 and the clock is the local one, else day 0 is the first day of a simulation.
    ``vehicles``, ``occupancy``: (n, detectors), in the interval, and 0 to 1; NaN is missing.
    ``remarks``: what was left out in reading, in sentences.
    """

    source: str
    interval_s: float
    starts_s: Floats
    detectors: tuple[str, ...]
    vehicles: Floats
    occupancy: Floats
    is_dated: bool = False
    remarks: tuple[str, ...] = ()

    @property
    def days(self) -> tuple[int, ...]:
        """The days that something was counted on, by number, ascending."""
        return tuple(int(day) for day in np.unique(self.starts_s // DAY_S))

    def day_name(self, day: int) -> str:
        """``"Mon 2026-03-02"``, or ``"day 0"`` where the counts have no dates."""
        if not self.is_dated:
            return f"day {day}"
        return f"{WEEKDAYS[weekday(day)]} {(EPOCH + timedelta(days=day)).isoformat()}"

    def within(
        self, begin_s: float | None, end_s: float | None, days: Collection[int] | None = None
    ) -> Counts:
        """Only the intervals that begin from *begin_s* to *end_s*, on *days* (all if None).

        Of counts of several days, or with dates, the times are those of the day; of one day
        without a date the seconds of the simulation, which may go beyond midnight.
        """
        clock_s = self.starts_s
        if self.is_dated or len(self.days) > 1:
            clock_s = self.starts_s % DAY_S
        wanted = np.ones(len(self.starts_s), dtype=bool)
        if begin_s is not None:
            wanted &= clock_s >= begin_s - 1e-6
        if end_s is not None:
            wanted &= clock_s < end_s - 1e-6
        if days is not None:
            wanted &= np.isin(self.starts_s // DAY_S, np.asarray(sorted(days), dtype=np.float64))
        return Counts(
            source=self.source,
            interval_s=self.interval_s,
            starts_s=self.starts_s[wanted],
            detectors=self.detectors,
            vehicles=self.vehicles[wanted],
            occupancy=self.occupancy[wanted],
            is_dated=self.is_dated,
            remarks=self.remarks,
        )

    def flows_veh_per_h(self) -> Floats:
        """(detectors,) mean flow over the intervals that are there; NaN where none is."""
        known = np.isfinite(self.vehicles)
        intervals = known.sum(axis=0)
        vehicles = np.where(known, self.vehicles, 0.0).sum(axis=0)
        rate = 3600.0 / self.interval_s
        return np.where(intervals > 0, rate * vehicles / np.maximum(intervals, 1), np.nan)


def weekday(day: int) -> int:
    """0 for Monday to 6, of a day after 1970-01-01 (a Thursday)."""
    return (day + EPOCH.weekday()) % 7
