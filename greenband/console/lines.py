"""Lines for time-space diagrams: the signals along a chain of streets, in both directions."""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from edge.corridors.streets import Point, Streets, Turn
from edge.corridors.values import Position

STARTS_MAX = 60
ENDS_MAX = 12
OPPOSITE_MIN = 0.7
"""Cosine: who comes the other way may come from up to 45 degrees beside it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """One signal on a line: *at_m* from its beginning, and the groups that let through."""

    site: str
    at_m: float
    groups: tuple[str, ...]
    back_groups: tuple[str, ...]
    """Those for the other direction; empty where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A chain of streets with its signals."""

    route: tuple[str, ...]
    length_m: float
    stops: tuple[Stop, ...]


def line_of(route: Sequence[str], streets: Streets) -> Line:
    """The line along *route*; turns that the map does not have are passed over."""
    stops, at_m = [], 0.0
    for one, other in pairwise(route):
        at_m += streets.streets[one].length_m
        turn = turn_between(one, other, streets)
        if turn is None:
            continue
        if turn.site:
            found = _opposite(one, other, turn.site, streets)
            stops.append(Stop(site=turn.site, at_m=at_m, groups=turn.groups, back_groups=found))
        at_m += turn.crossing_m
    at_m += streets.streets[route[-1]].length_m if route else 0.0
    return Line(route=tuple(route), length_m=at_m, stops=tuple(stops))


def turn_between(one: str, other: str, streets: Streets) -> Turn | None:
    """The turn from one street into another."""
    turns = streets.turns.get(one, ())
    return next((turn for turn in turns if turn.to_street == other), None)


def _opposite(one: str, other: str, site: str, streets: Streets) -> tuple[str, ...]:
    """The groups that let through at *site* who comes the other way; empty if nobody does."""
    wanted_in, wanted_out = _heading(streets, other, 0), _heading(streets, one, -1)
    best = OPPOSITE_MIN
    groups: tuple[str, ...] = ()
    for turns in streets.turns.values():
        for turn in turns:
            if turn.site != site:
                continue
            into = _dot(_heading(streets, turn.from_street, -1), wanted_in)
            out = _dot(_heading(streets, turn.to_street, 0), wanted_out)
            if min(-into, -out) > best:
                best, groups = min(-into, -out), turn.groups
    return groups


def _heading(streets: Streets, name: str, end: int) -> Point:
    """The direction of a street at its beginning (0) or its end (-1), of length 1."""
    shape = streets.streets[name].shape
    (x0, y0), (x1, y1) = shape[:2] if end == 0 else shape[-2:]
    length_m = math.dist((x0, y0), (x1, y1)) or 1.0
    return (x1 - x0) / length_m, (y1 - y0) / length_m


def _dot(one: Point, other: Point) -> float:
    return one[0] * other[0] + one[1] * other[1]


def longest_line(streets: Streets) -> Line | None:
    """The quickest way with the most signals from one end of the map to another."""
    entered = {turn.to_street for turns in streets.turns.values() for turn in turns}
    starts = [
        name
        for name, street in streets.streets.items()
        if name not in entered and street.open_to_emergency
    ] or [name for name, street in streets.streets.items() if street.open_to_emergency]
    best: Line | None = None
    for start in starts[:STARTS_MAX]:
        for route in _ways(start, streets):
            line = line_of(route, streets)
            if best is None or _rank(line, streets) > _rank(best, streets):
                best = line
    return best


def _rank(line: Line, streets: Streets) -> tuple[int, float, float]:
    """Most signals, then the broadest and fastest streets, then the shortest."""
    weights = ((streets.streets[name], streets.streets[name].length_m) for name in line.route)
    capacity = sum(each.lanes * each.speed_m_per_s * metres for each, metres in weights)
    sites = len({stop.site for stop in line.stops})
    return sites, round(capacity / max(line.length_m, 1.0), 3), -line.length_m


def _ways(start: str, streets: Streets) -> list[tuple[str, ...]]:
    """The ways from *start* that meet the most signals, among the quickest to everywhere."""
    times: dict[str, float] = {}
    signals: dict[str, int] = {}
    before: dict[str, str] = {}
    queue = [(0.0, start, "", 0)]
    while queue:
        time_s, name, came_from, passed = heapq.heappop(queue)
        if name in times:
            continue
        times[name], before[name], signals[name] = time_s, came_from, passed
        for turn in streets.turns.get(name, ()):
            street = streets.streets[turn.to_street]
            if turn.to_street not in times and street.open_to_emergency:
                step_s = (street.length_m + turn.crossing_m) / street.speed_m_per_s
                heapq.heappush(
                    queue, (time_s + step_s, turn.to_street, name, passed + bool(turn.site))
                )
    most = max((signals[name] for name in times), default=0)
    ends = [name for name in times if signals[name] == most]
    return [_way_to(name, before) for name in ends[:ENDS_MAX]]


def _way_to(end: str, before: Mapping[str, str]) -> tuple[str, ...]:
    way = [end]
    while before[way[-1]]:
        way.append(before[way[-1]])
    return tuple(reversed(way))


def distance_m(route: Sequence[str], position: Position, streets: Streets) -> float | None:
    """How far along *route* a vehicle is; None if it is not on it."""
    at_m = 0.0
    for k, name in enumerate(route):
        if name == position.street:
            return at_m + position.at_m
        at_m += streets.streets[name].length_m
        turn = turn_between(name, route[k + 1], streets) if k + 1 < len(route) else None
        at_m += turn.crossing_m if turn else 0.0
    return None


def greens(
    changes: Sequence[tuple[int, tuple[str, ...]]], indices: Sequence[int], until_utc_ms: int
) -> list[tuple[int, int]]:
    """(from, to) in UTC ms of the times in which all groups at *indices* were green.

    *changes*: what was shown from when on.
    """
    found: list[tuple[int, int]] = []
    since_ms: int | None = None
    for utc_ms, aspects in changes:
        lit = bool(indices) and all(i < len(aspects) and aspects[i] == "green" for i in indices)
        if lit and since_ms is None:
            since_ms = utc_ms
        elif not lit and since_ms is not None:
            found.append((since_ms, utc_ms))
            since_ms = None
    if since_ms is not None:
        found.append((since_ms, until_utc_ms))
    return found


def group_indices(names: Sequence[str], of_site: Mapping[str, int]) -> tuple[int, ...]:
    """Positions of the groups called *names*."""
    return tuple(of_site[name] for name in names if name in of_site)
