"""Where a vehicle is on its way: reported, predicted while it is silent, parked, off its route."""

from __future__ import annotations

from enum import Enum

from edge.corridors.values import Position
from edge.corridors.way import Line, Way

SILENT_MS = 4_000
"""Without a report for longer than this, it is silent: where it is is predicted."""
LOST_MS = 180_000
"""Silent for longer than this, everything is released."""
SLOWEST = 0.5
"""A silent vehicle is expected between this part of the free speed and all of it."""
STANDING_M_PER_S = 1.0
MOVED_M = 20.0
"""Nearer than this to where it stood, one that says it stands still does: receivers are wrong by
several metres, another way each time."""
PARKED_MS = 45_000
"""It has not moved for so long although the way was green for it."""
BLOCKED_MS = 120_000
"""It has not moved for so long, whatever the signals."""
BACK_M = 50.0
"""A receiver may put it back by so much."""


class Fix(Enum):
    """What a report turned out to be."""

    ON_ROUTE = "on the route"
    OFF_ROUTE = "off the route"
    OLD = "older than the last one"


class Progress:
    """The vehicle's progress on *way*; all times on the caller's monotonic clock, in ms."""

    def __init__(self, way: Way, now_ms: int, distance_m: float = 0.0) -> None:
        self.way = way
        self.position: Position | None = None
        self._distance_m = distance_m
        self._fixed_ms = now_ms
        self._speed_m_per_s = 0.0
        self._still_ms = now_ms
        self._still_at_m = distance_m
        self._street = way.street_at(distance_m)
        self._furthest_m = distance_m

    def take(self, position: Position, fixed_ms: int) -> Fix:
        """Take a report as of *fixed_ms*."""
        if self.position is not None and fixed_ms < self._fixed_ms:
            return Fix.OLD
        found = self.way.find(position.street, self._street)
        if found is None:
            return self._off(position, fixed_ms)
        self._place(position, fixed_ms, found, self.way.distance_m(found, position.at_m))
        return Fix.ON_ROUTE

    def _off(self, position: Position, fixed_ms: int) -> Fix:
        """By the error of a receiver, or really somewhere else."""
        way, behind = self.way, self._street - 1
        if behind >= 0 and way.route[behind] == position.street:
            at_m = way.distance_m(behind, position.at_m)
            if way.begins_m[self._street] - at_m <= BACK_M:
                self._place(position, fixed_ms, self._street, way.begins_m[self._street])
                return Fix.ON_ROUTE
        meant = way.mistaken_for(position.street, position.at_m, self._street)
        if meant is None:
            return Fix.OFF_ROUTE
        street, at_m = meant
        distance_m = way.distance_m(street, at_m)
        # Farther back than any receiver is wrong, it has turned around.
        if distance_m < self._furthest_m - BACK_M:
            return Fix.OFF_ROUTE
        self._place(position, fixed_ms, street, distance_m)
        return Fix.ON_ROUTE

    def _place(self, position: Position, fixed_ms: int, street: int, distance_m: float) -> None:
        self._street, self._distance_m = street, distance_m
        self._furthest_m = max(self._furthest_m, distance_m)
        self._speed_m_per_s = max(0.0, position.speed_m_per_s)
        self._fixed_ms, self.position = fixed_ms, position
        moved = abs(self._distance_m - self._still_at_m) >= MOVED_M
        if moved or self._speed_m_per_s >= STANDING_M_PER_S:
            self._still_ms, self._still_at_m = fixed_ms, self._distance_m

    def follow(self, way: Way, distance_m: float) -> None:
        """Go on along another *way*, from *distance_m* on it."""
        self.way = way
        self._distance_m = self._still_at_m = self._furthest_m = distance_m
        self._street = way.street_at(distance_m)

    @property
    def place(self) -> tuple[str, float]:
        """Its street, and how far along it."""
        begin_m = self.way.begins_m[self._street]
        return self.way.route[self._street], max(0.0, self._distance_m - begin_m)

    def has_passed(self, line: Line, now_ms: int) -> bool:
        """Whether it is over the stop line: by its own word, or surely by now."""
        if self.silent_ms(now_ms) and self.position is not None:
            return self.behind_m(now_ms) >= self.way.begins_m[line.street + 1]
        return self._street > line.street

    def silent_ms(self, now_ms: int) -> int:
        """Since when nothing was heard, 0 while it reports."""
        silent_ms = now_ms - self._fixed_ms
        return silent_ms if silent_ms > SILENT_MS else 0

    def still_ms(self, now_ms: int) -> int:
        """Since when it has been standing, by its own word; a silent one is thought to drive."""
        if self.position is None or self.silent_ms(now_ms):
            return 0
        return now_ms - self._still_ms

    @property
    def standing(self) -> bool:
        """Whether it stands, or has not begun to drive."""
        return self._speed_m_per_s < STANDING_M_PER_S

    def ahead_m(self, now_ms: int) -> float:
        """How far it is at most: freely driving since it fell silent; where it was last until then.

        A reporting vehicle passes no stop line before it says so.
        """
        if self.position is None:
            return self._distance_m
        age_ms = now_ms - self._fixed_ms
        if age_ms <= SILENT_MS:
            ahead_m = self._distance_m + self._speed_m_per_s * age_ms / 1_000.0
            last_m = self.way.street_end_m(self.way.begins_m[self._street])
            return max(self._distance_m, min(ahead_m, last_m - 1.0))
        return self._predicted_m(age_ms, 1.0)

    def behind_m(self, now_ms: int) -> float:
        """How far it is at least."""
        age_ms = now_ms - self._fixed_ms
        if self.position is None or age_ms <= SILENT_MS:
            return self._distance_m
        return self._predicted_m(age_ms, SLOWEST)

    def _predicted_m(self, age_ms: int, part: float) -> float:
        """Driven at *part* of the free speeds of the streets."""
        at_m, left_s = self._distance_m, age_ms * part / 1_000.0
        while at_m < self.way.length_m:
            end_m, speed = self.way.street_end_m(at_m), max(self.way.speed_at(at_m), 0.1)
            needed_s = (end_m - at_m) / speed
            if needed_s >= left_s:
                return at_m + left_s * speed
            at_m, left_s = end_m, left_s - needed_s
        return self.way.length_m
