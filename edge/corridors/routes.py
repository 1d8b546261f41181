"""Ways over the streets: the quickest one, and whether a given one can be driven."""

from __future__ import annotations

import heapq
import math
from itertools import pairwise

from edge.corridors.errors import CorridorError
from edge.corridors.streets import Street, Streets, Turn

SIGNAL_WAIT_S = 16.0
"""Mean wait at a signal: a red of 60 % of a 90 s cycle, uniform arrivals."""


def street_of(streets: Streets, name: str) -> Street:
    """The street called *name*; raises :class:`CorridorError` ``unknown-street``."""
    try:
        return streets.streets[name]
    except KeyError:
        raise CorridorError(
            "unknown-street",
            f"there is no street {name!r} on the map of {streets.name}: look it up in its list",
        ) from None


def turn_between(streets: Streets, start: str, to: str) -> Turn | None:
    """The turn from street *start* into street *to*, if there is one."""
    turns = streets.turns.get(start, ())
    return next((turn for turn in turns if turn.to_street == to), None)


def check_route(streets: Streets, route: tuple[str, ...]) -> tuple[Turn, ...]:
    """The turns along *route*.

    Raises :class:`CorridorError`: ``unknown-street``; ``no-route`` where a street does not lead
    into the next one or is closed to emergency vehicles; ``no-signals``.
    """
    turns = drivable(streets, route)
    if not any(turn.site for turn in turns):
        raise CorridorError(
            "no-signals",
            f"no signal stands between {_label(streets, route[0])} and "
            f"{_label(streets, route[-1])}: nothing has to be asked, drive",
        )
    return turns


def drivable(streets: Streets, route: tuple[str, ...]) -> tuple[Turn, ...]:
    """As :func:`check_route`, for a route that may be without signals."""
    if not route:
        raise CorridorError("no-route", "the route is empty: name its streets in order")
    for name in route:
        if not street_of(streets, name).open_to_emergency:
            raise CorridorError(
                "no-route",
                f"{_label(streets, name)} is closed to emergency vehicles: choose another way",
            )
    turns = []
    for start, to in pairwise(route):
        turn = turn_between(streets, start, to)
        if turn is None:
            raise CorridorError(
                "no-route",
                f"{_label(streets, start)} does not lead into {_label(streets, to)}: "
                "check the route, or leave it out to have the quickest one found",
            )
        turns.append(turn)
    return tuple(turns)


def quickest_route(streets: Streets, origin: str, destination: str) -> tuple[str, ...]:
    """The streets from *origin* to *destination*, both included, in the least expected time.

    Raises :class:`CorridorError`: ``unknown-street``, ``no-route``.
    """
    street_of(streets, origin), street_of(streets, destination)
    before = _search(streets, origin, destination)
    if destination != origin and destination not in before:
        raise CorridorError(
            "no-route",
            f"no way leads from {_label(streets, origin)} to {_label(streets, destination)}: "
            "choose another origin or destination (a street has two directions, each its own name)",
        )
    return _chain(before, origin, destination)


def quickest_routes(streets: Streets, origin: str) -> dict[str, tuple[str, ...]]:
    """The quickest routes from *origin* to every street that can be reached, by that street.

    Raises :class:`CorridorError` ``unknown-street``.
    """
    street_of(streets, origin)
    before = _search(streets, origin, None)
    return {name: _chain(before, origin, name) for name in before}


def _search(streets: Streets, origin: str, destination: str | None) -> dict[str, str]:
    """Dijkstra's search: by street, the one before it on the quickest route from *origin*."""
    before: dict[str, str] = {}
    best_s = {origin: 0.0}
    pending = [(0.0, origin)]
    while pending:
        so_far_s, name = heapq.heappop(pending)
        if name == destination:
            break
        if so_far_s > best_s[name]:
            continue
        for turn in streets.turns.get(name, ()):
            street = streets.streets.get(turn.to_street)
            if street is None or not street.open_to_emergency:
                continue
            there_s = so_far_s + _cost_s(street, turn)
            if there_s < best_s.get(street.name, math.inf):
                best_s[street.name], before[street.name] = there_s, name
                heapq.heappush(pending, (there_s, street.name))
    return before


def drive_s(street: Street, length_m: float | None = None) -> float:
    """Free driving time along *length_m* of *street* (all of it if None)."""
    return (street.length_m if length_m is None else length_m) / max(street.speed_m_per_s, 0.1)


def crossing_s(street: Street, turn: Turn) -> float:
    """Free driving time through the junction from *street*; who turns is slower than there."""
    return turn.crossing_m / max(street.speed_m_per_s, 0.1)


def _cost_s(street: Street, turn: Turn) -> float:
    return drive_s(street) + crossing_s(street, turn) + (SIGNAL_WAIT_S if turn.site else 0.0)


def _chain(before: dict[str, str], origin: str, last: str) -> tuple[str, ...]:
    chain = [last]
    while chain[-1] != origin:
        chain.append(before[chain[-1]])
    return tuple(reversed(chain))


def _label(streets: Streets, name: str) -> str:
    street = streets.streets.get(name)
    if street is None or street.label in {"", name}:
        return name
    return f"{street.label} ({name})"
