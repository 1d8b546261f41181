"""A junction's approaches in the words of UTDF: NB, EBT, PED and so on.

NB is traffic that heads north. More than four approaches use the diagonals; of more than eight the
rest has no place in a UTDF file. A second left or right turn of an approach is ``L2`` or ``R2``,
any further movement shares the column of the first of its kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sim.network.model import Junction, Network, SignalLink

DIRECTIONS = ("NB", "SB", "EB", "WB", "NE", "NW", "SE", "SW")
_HEADINGS = {
    **{"NB": 0.0, "EB": 90.0, "SB": 180.0, "WB": 270.0},
    **{"NE": 45.0, "SE": 135.0, "SW": 225.0, "NW": 315.0},
}
"""Degrees clockwise from north."""
_LETTERS = {"left": "L", "through": "T", "right": "R", "u-turn": "U"}
_MAIN_FIRST = ("T", "L", "R", "U", "L2", "R2")


@dataclass(frozen=True, slots=True)
class Column:
    """One movement: what it is called, where it goes, its lanes, and what releases it.

    ``shared``: 1 with left, 2 with right, 3 with both. ``to_edges``: the first is the main one.
    """

    turn: str
    to_edges: tuple[str, ...]
    groups: int
    lanes: int
    shared: int


@dataclass(frozen=True, slots=True)
class Approach:
    """One approach: its direction, its edge, how many lanes it has and its movements."""

    direction: str
    edge: str
    lanes: int
    columns: tuple[Column, ...]


def approaches(junction: Junction, network: Network) -> tuple[Approach, ...]:
    """The approaches of *junction* for vehicles, by direction as in UTDF's columns."""
    edges = dict.fromkeys(link.from_edge for link in junction.links if link.turn != "crossing")
    directions = _directions({edge: _heading(network, edge) for edge in edges})
    found = [
        Approach(
            direction,
            edge,
            len({link.from_lane for link in junction.links if link.from_edge == edge}),
            _columns([link for link in junction.links if link.from_edge == edge]),
        )
        for edge, direction in directions.items()
    ]
    return tuple(sorted(found, key=lambda each: DIRECTIONS.index(each.direction)))


def _heading(network: Network, edge: str) -> float:
    """Degrees clockwise from north at the stop line."""
    shape = network.lanes[network.edges[edge].lanes[0]].shape
    (x0, y0), (x1, y1) = shape[-2], shape[-1]
    return math.degrees(math.atan2(x1 - x0, y1 - y0)) % 360


def _directions(headings: Mapping[str, float]) -> dict[str, str]:
    """The nearest direction for every edge, the best fits first; no diagonals for up to four."""
    usable = DIRECTIONS[:4] if len(headings) <= 4 else DIRECTIONS
    fits = sorted(
        (_apart(heading, _HEADINGS[direction]), edge, direction)
        for edge, heading in headings.items()
        for direction in usable
    )
    taken: dict[str, str] = {}
    for _, edge, direction in fits:
        if edge not in taken and direction not in taken.values():
            taken[edge] = direction
    return taken


def _apart(one: float, other: float) -> float:
    apart = abs(one - other) % 360
    return min(apart, 360 - apart)


def _columns(links: list[SignalLink]) -> tuple[Column, ...]:
    ways: dict[str, list[str]] = {}
    for link in links:
        letter = _LETTERS.get(link.turn, "T")
        known = ways.setdefault(letter, [])
        if link.to_edge in known or link.to_edge in ways.get(f"{letter}2", ()):
            continue
        if known and letter in {"L", "R"} and f"{letter}2" not in ways:
            ways[f"{letter}2"] = [link.to_edge]
        else:
            known.append(link.to_edge)
    column_of = {to_edge: turn for turn, edges in ways.items() for to_edge in edges}
    lanes, shared = _lanes(links, column_of)
    return tuple(
        Column(
            turn,
            tuple(ways[turn]),
            _groups(link for link in links if link.to_edge in ways[turn]),
            lanes.get(turn, 0),
            shared.get(turn, 0),
        )
        for turn in _MAIN_FIRST
        if turn in ways
    )


def _groups(links: Iterable[SignalLink]) -> int:
    mask = 0
    for link in links:
        mask |= 0 if link.group is None else 1 << link.group
    return mask


def _lanes(
    links: list[SignalLink], column_of: Mapping[str, str]
) -> tuple[dict[str, int], dict[str, int]]:
    """(lanes, shared) by column: a lane counts for its main movement, the others share it."""
    turns_of_lane: dict[str, set[str]] = {}
    for link in links:
        turns_of_lane.setdefault(link.from_lane, set()).add(column_of[link.to_edge])
    lanes: dict[str, int] = {}
    shared: dict[str, int] = {}
    for turns in turns_of_lane.values():
        main = next(turn for turn in _MAIN_FIRST if turn in turns)
        lanes[main] = lanes.get(main, 0) + 1
        others = {turn[0] for turn in turns if turn != main}
        shared[main] = shared.get(main, 0) | ("L" in others) | ("R" in others) << 1
    return lanes, shared
