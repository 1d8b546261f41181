"""Which part of the detectors of a cabinet works, with patience for one that starts anew."""

from __future__ import annotations

from collections import deque

from firmware_bridge.status import CabinetStatus

GRACE_MS = 5_000
"""Detectors are blind for some seconds after a cabinet is switched on."""


class DetectionView:
    """The best that was seen in the last seconds.

    Detectors that have never been heard of don't work, unless somebody vouches for them
    (*trusted*). Those of a cabinet that was switched off and on did before, and have their time.
    """

    def __init__(self, detectors: int, *, trusted: bool = False) -> None:
        self._detectors = detectors
        self._trusted = trusted
        self._seen: deque[tuple[int, float]] = deque()
        self._begun_ms: int | None = None
        self.working = 1.0 if trusted else 0.0
        """0 to 1."""
        self.settling = False
        """The cabinet may have been switched on just before it was first heard of."""

    def look(self, now_ms: int, status: CabinetStatus) -> None:
        """Take what *status* says at *now_ms*."""
        seen = self._seen
        is_first = self._begun_ms is None
        if self._begun_ms is None:
            self._begun_ms = now_ms
        self.settling = not self._trusted and now_ms - self._begun_ms <= GRACE_MS
        if self._trusted if is_first else status.restarted:
            seen.clear()
            seen.append((now_ms, 1.0))
        missing = status.counts.missing.bit_count()
        part = 1.0 - missing / self._detectors if self._detectors else 0.0
        while seen and seen[-1][1] <= part:
            seen.pop()
        seen.append((now_ms, part))
        while now_ms - seen[0][0] > GRACE_MS:
            seen.popleft()
        self.working = seen[0][1]
