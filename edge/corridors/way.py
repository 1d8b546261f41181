"""A route measured: where on it each street begins, each stop line lies, and how long all takes.

A receiver is some metres wrong, and whoever matches a place to a street takes the nearest one. So
the other direction of a street of the route, and the beginnings and ends of the streets at its
junctions, may still mean the route: :meth:`Way.mistaken_for`.
"""

from __future__ import annotations

from dataclasses import dataclass

from edge.corridors.routes import crossing_s, drivable, drive_s
from edge.corridors.streets import Streets, Turn

NODE_M = 20.0
"""So near to a junction nobody knows which of its arms a place is on."""


@dataclass(frozen=True, slots=True)
class Line:
    """One stop line on the way; ``street`` is the position of its street in the route."""

    turn: Turn
    street: int
    at_m: float
    """From the beginning of the route."""


class Way:
    """The *route* on *streets*; raises as :func:`edge.corridors.routes.drivable`."""

    def __init__(self, streets: Streets, route: tuple[str, ...]) -> None:
        turns = drivable(streets, route)
        self.route = route
        self._map = streets.streets
        self._streets = [streets.streets[name] for name in route]
        self.begins_m = [0.0]
        self._begins_s = [0.0]
        lines = []
        for k, turn in enumerate(turns):
            street = self._streets[k]
            end_m = self.begins_m[k] + street.length_m
            if turn.site:
                lines.append(Line(turn, k, end_m))
            self.begins_m.append(end_m + turn.crossing_m)
            self._begins_s.append(self._begins_s[k] + drive_s(street) + crossing_s(street, turn))
        self.lines = tuple(lines)
        self.length_m = self.begins_m[-1] + self._streets[-1].length_m
        self.free_s = self._begins_s[-1] + drive_s(self._streets[-1])

    def find(self, street: str, since: int) -> int | None:
        """Where in the route *street* comes, from position *since* on; None: not any more."""
        try:
            return self.route.index(street, since)
        except ValueError:
            return None

    def mistaken_for(self, street: str, at_m: float, near: int) -> tuple[int, float] | None:
        """What a place on a *street* off the route may really be: which of its streets, how far on.

        Looked for around position *near* in the route; None: it is really somewhere else.
        """
        there, mine = self._map.get(street), self._streets[near]
        if there is None:
            return None
        away_m = {there.from_node: at_m, there.to_node: there.length_m - at_m}
        if away_m.get(mine.to_node, NODE_M) < NODE_M:
            return near, mine.length_m
        for k, each in enumerate(self._streets[near : near + 2], near):
            if (there.to_node, there.from_node) == (each.from_node, each.to_node):
                return k, each.length_m - at_m
        return (near, 0.0) if away_m.get(mine.from_node, NODE_M) < NODE_M else None

    def distance_m(self, street: int, at_m: float) -> float:
        """From the beginning of the route to *at_m* on its street at position *street*."""
        length_m = self._streets[street].length_m
        return self.begins_m[street] + min(max(at_m, 0.0), length_m)

    def street_at(self, distance_m: float) -> int:
        """Position of the street on which, or behind which, *distance_m* lies."""
        k = 0
        while k + 1 < len(self.begins_m) and self.begins_m[k + 1] <= distance_m:
            k += 1
        return k

    def street_end_m(self, distance_m: float) -> float:
        """Where the next street begins (or the route ends), seen from *distance_m*."""
        following = self.street_at(distance_m) + 1
        return self.begins_m[following] if following < len(self.begins_m) else self.length_m

    def free_at_s(self, distance_m: float) -> float:
        """Free driving time from the beginning of the route to *distance_m*."""
        k = self.street_at(distance_m)
        return self._begins_s[k] + drive_s(self._streets[k], distance_m - self.begins_m[k])

    def speed_at(self, distance_m: float) -> float:
        """Free speed there, m/s."""
        return self._streets[self.street_at(distance_m)].speed_m_per_s
