"""From link indices to signal heads and signal groups.

A head is one link index with all connections that it controls. Heads of one approach (or of one
crossing) that turn the same way and are green and yellow at the same times in the shipped program
form one signal group: whatever the program does can then be said in groups.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from sim.errors import NetworkError
from sim.network.net_file import Connection, NetFile, Point
from sim.network.programs import GREEN, MAJOR, YELLOW, ShippedProgram

TURNS = {
    "s": "through",
    "l": "left",
    "L": "left",
    "r": "right",
    "R": "right",
    "t": "u-turn",
    "T": "u-turn",
}
_COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")
_TURN_ORDER = {"right": 0, "through": 1, "left": 2, "u-turn": 3, "crossing": 4}
_APPROACH_LOOK_BACK_M = 30.0


@dataclass(frozen=True, slots=True)
class Head:
    """One link index: its connections, letters through the shipped program, place and turn.

    ``green``, ``major`` and ``yellow`` are bit masks over the phases of the program.
    """

    index: int
    connections: tuple[Connection, ...]
    letters: str
    """One letter per phase of the shipped program."""
    origin: str
    """The approach, or the crossing."""
    turn: str
    green: int = field(init=False)
    major: int = field(init=False)
    yellow: int = field(init=False)
    pattern: str = field(init=False)
    """The letters without the difference between green with and without right of way."""

    def __post_init__(self) -> None:
        put = object.__setattr__
        for name, wanted in (("green", GREEN), ("major", MAJOR), ("yellow", YELLOW)):
            put(self, name, sum(1 << p for p, c in enumerate(self.letters) if c in wanted))
        plain = ("g" if c in GREEN else "y" if c in YELLOW else "r" for c in self.letters)
        put(self, "pattern", "".join(plain))

    @property
    def is_pedestrian(self) -> bool:
        """Whether the head stands at a pedestrian crossing."""
        return self.turn == "crossing"

    @property
    def is_constant(self) -> bool:
        """Whether the head is never lit, so that no group could switch it."""
        return not self.green


@dataclass(frozen=True, slots=True)
class HeadGroup:
    """Heads that become one signal group, with its readable name."""

    name: str
    heads: tuple[Head, ...]

    @property
    def is_pedestrian(self) -> bool:
        """Whether the group's lamps show walk and don't walk."""
        return self.heads[0].is_pedestrian

    @property
    def pattern(self) -> str:
        """``g``, ``y`` or ``r`` per phase of the shipped program."""
        return self.heads[0].pattern


def signal_heads(net: NetFile, program: ShippedProgram) -> tuple[Head, ...]:
    """The heads of the controller of *program*, by index.

    Raises :class:`NetworkError` if the program has no letter for a link.
    """
    by_index: dict[int, list[Connection]] = defaultdict(list)
    for connection in net.connections:
        if connection.tl == program.controller:
            for index in connection.link_indices:
                by_index[index].append(connection)
    n_letters = len(program.phases[0].state)
    if by_index and max(by_index) >= n_letters:
        raise NetworkError(
            f"traffic light {program.controller!r}, program {program.id!r}: its states have "
            f"{n_letters} letters, but the network has a link {max(by_index)}; "
            "give every link a letter"
        )
    return tuple(
        Head(
            index,
            tuple(connections),
            "".join(phase.state[index] for phase in program.phases),
            _origin(net, connections[0]),
            _turn(net, connections[0]),
        )
        for index, connections in sorted(by_index.items())
    )


def _origin(net: NetFile, connection: Connection) -> str:
    if net.edges[connection.to_edge].function == "crossing":
        return connection.to_edge
    return connection.from_edge


def _turn(net: NetFile, connection: Connection) -> str:
    functions = (net.edges[connection.from_edge].function, net.edges[connection.to_edge].function)
    return "crossing" if "crossing" in functions else TURNS.get(connection.direction, "through")


def signal_groups(net: NetFile, heads: Iterable[Head], centre: Point) -> tuple[HeadGroup, ...]:
    """Signal groups of the *heads*, clockwise from north, crossings last."""
    by_key: dict[tuple[str, str, str], list[Head]] = defaultdict(list)
    for head in heads:
        if not head.is_constant:
            by_key[head.origin, head.turn, head.pattern].append(head)
    bearings = {origin: _bearing(net, origin, centre) for origin, _, _ in by_key}
    compass = _compass_names(
        {o: b for o, b in bearings.items() if net.edges[o].function != "crossing"}
    ) | _compass_names({o: b for o, b in bearings.items() if net.edges[o].function == "crossing"})
    keys = sorted(
        by_key,
        key=lambda k: (
            k[1] == "crossing",
            bearings[k[0]],
            k[0],
            _TURN_ORDER[k[1]],
            by_key[k][0].index,
        ),
    )
    plain = [_plain_name(net, by_key[key], compass[key[0]]) for key in keys]
    return tuple(
        HeadGroup(name, tuple(by_key[key]))
        for name, key in zip(_numbered(plain), keys, strict=True)
    )


def _plain_name(net: NetFile, heads: Sequence[Head], compass: str) -> str:
    if heads[0].is_pedestrian:
        return f"ped {compass}"
    lanes = {c.from_lane for head in heads for c in head.connections}
    cycle_path = not any(net.lanes[lane].motorised for lane in lanes)
    return f"{compass} {'cycle ' if cycle_path else ''}{heads[0].turn}"


def _numbered(names: Sequence[str]) -> list[str]:
    """Tell names that occur more than once apart: ``N left``, ``N left 2``."""
    seen: Counter[str] = Counter()
    numbered = []
    for name in names:
        seen[name] += 1
        numbered.append(name if seen[name] == 1 else f"{name} {seen[name]}")
    return numbered


def _compass_names(bearings: dict[str, float]) -> dict[str, str]:
    """Compass point per origin; origins that share one are numbered clockwise."""
    ordered = sorted(bearings, key=lambda origin: (bearings[origin], origin))
    names = [_COMPASS[round(bearings[origin] / 45) % 8] for origin in ordered]
    seen: Counter[str] = Counter()
    result = {}
    for origin, name in zip(ordered, names, strict=True):
        seen[name] += 1
        result[origin] = name if seen[name] == 1 else f"{name}{seen[name]}"
    return result


def _bearing(net: NetFile, origin: str, centre: Point) -> float:
    """Degrees clockwise from north in which the approach (or crossing) lies."""
    edge = net.edges[origin]
    shape = net.lanes[edge.lanes[0]].shape or (centre, centre)
    if edge.function == "crossing":
        start, end = centre, point_along(shape, length_of(shape) / 2)
    else:
        start = shape[-1]
        end = point_along(shape, max(0.0, length_of(shape) - _APPROACH_LOOK_BACK_M))
        if math.dist(start, end) < 1.0:  # a stub tells no direction by itself
            start = centre
    return math.degrees(math.atan2(end[0] - start[0], end[1] - start[1])) % 360


def length_of(shape: Sequence[Point]) -> float:
    """Length of a polyline."""
    return sum(math.dist(a, b) for a, b in pairwise(shape))


def point_along(shape: Sequence[Point], distance: float) -> Point:
    """The point *distance* along a polyline, its last point beyond the end."""
    for a, b in pairwise(shape):
        step = math.dist(a, b)
        if distance <= step and step > 0:
            part = distance / step
            return (a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part)
        distance -= step
    return shape[-1]
