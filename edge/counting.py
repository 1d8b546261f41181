"""From readings every second to counts every minute, for one edge."""

from __future__ import annotations

from dataclasses import dataclass

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from edge.records import Count, CountsSoFar, MinuteCounts

MINUTE_MS = 60_000
SAVE_MS = 5_000
"""What a daemon that is killed loses of its counts, at most."""


@dataclass(slots=True)
class _Sums:
    entered: int = 0
    occupied_ms: int = 0
    valid_ms: int = 0
    missing_ms: int = 0

    def count(self, detector: str) -> Count:
        if not self.valid_ms:  # nothing is known of it, which is not "no vehicle"
            return Count(detector, None, None, self.missing_ms)
        return Count(detector, self.entered, self.occupied_ms, self.missing_ms)


class MinuteCounter:
    """Adds up the readings of all cabinets, and hands them out when a UTC minute is over."""

    def __init__(self) -> None:
        self._minute = 0
        self._sums: dict[str, dict[str, _Sums]] = {}
        self._saved_ms = -SAVE_MS

    def turn(self, now: Instant) -> MinuteCounts | None:
        """To be called once a tick, before the readings of it: the minute that is over, if any.

        When the clock steps, the minute that was under way ends there; its counts are added to
        what is already known of that minute.
        """
        minute = now.utc_ms // MINUTE_MS
        if minute == self._minute:
            return None
        over = self._counts()
        self._minute, self._sums = minute, {}
        return over

    def so_far(self, now: Instant) -> CountsSoFar | None:
        """Every few seconds, after the readings of a tick: what there is of this minute."""
        if 0 <= now.mono_ms - self._saved_ms < SAVE_MS:
            return None
        self._saved_ms = now.mono_ms
        counts = self._counts()
        return None if counts is None else CountsSoFar(counts)

    def _counts(self) -> MinuteCounts | None:
        if not self._sums:
            return None
        return MinuteCounts(
            self._minute,
            {
                cabinet: tuple(each.count(detector) for detector, each in detectors.items())
                for cabinet, detectors in self._sums.items()
            },
        )

    def add(self, cabinet: str, site: Intersection, readings: SiteReadings, since_ms: int) -> None:
        """What the detectors of *site* saw in the last *since_ms*."""
        detectors = self._sums.setdefault(cabinet, {})
        columns = zip(site.detectors, readings.entered, readings.occupied, strict=True)
        for detector, entered, occupied in columns:
            sums = detectors.setdefault(detector.name, _Sums())
            if entered is None or occupied is None:
                sums.missing_ms += since_ms
                continue
            sums.entered += entered
            sums.valid_ms += since_ms
            sums.occupied_ms += since_ms if occupied else 0
