"""The streets that a report draws and names: edges as lines, signals as points."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sim.network import Network

Point = tuple[float, float]

_HEADING_OVER_M = 40.0
"""An approach is named after its direction over its last metres; the last one alone may bend."""
_WINDS = ("east", "north-east", "north", "north-west", "west", "south-west", "south", "south-east")
_TURNS = {
    "left": "left turn",
    "right": "right turn",
    "through": "straight on",
    "u-turn": "U-turn",
    "crossing": "pedestrian crossing",
}


@dataclass(frozen=True, slots=True)
class Street:
    """One edge of the network: its line in metres, number of lanes, and name if the net has one."""

    points: tuple[Point, ...]
    lanes: int
    length_m: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class SignalPlace:
    """One signal-controlled junction on the map; ``number`` is what the report calls it."""

    number: int
    id: str
    at: Point


@dataclass(frozen=True, slots=True)
class Streets:
    """Edges by id, and the signals in the order of their numbers."""

    edges: Mapping[str, Street]
    signals: Sequence[SignalPlace]
    left_hand: bool = False

    def number(self, junction: str) -> int | None:
        """The number of the signal *junction* on the map; None when the net has no such signal."""
        return next((signal.number for signal in self.signals if signal.id == junction), None)

    def approach(self, edge: str) -> str:
        """``from the north`` (with the street's name if known), or the edge id off the map."""
        street = self.edges.get(edge)
        if street is None or len(street.points) < 2:
            return f"from {edge}"
        end = street.points[-1]
        start = _point_before_end(street.points, _HEADING_OVER_M)
        heading = math.atan2(start[1] - end[1], start[0] - end[0])
        wind = _WINDS[round(heading / (math.pi / 4)) % 8]
        return f"from the {wind}" + (f" ({street.name})" if street.name else "")

    def movement(self, from_edge: str, turn: str) -> str:
        """``From the north, left turn``."""
        text = f"{self.approach(from_edge)}, {_TURNS.get(turn, turn)}"
        return text[0].upper() + text[1:]


def streets_of(network: Network) -> Streets:
    """The roads of *network*, each along its middle lane, and its signals numbered from 1."""
    edges = {}
    for edge in network.edges.values():
        lanes = [network.lanes[lane] for lane in edge.lanes if lane in network.lanes]
        if edge.function or not lanes:
            continue
        middle = lanes[len(lanes) // 2]
        length_m = fmean(lane.length_m for lane in lanes)
        edges[edge.id] = Street(tuple(middle.shape), len(lanes), length_m, edge.name)
    signals = [
        SignalPlace(number, junction.id, junction.position)
        for number, junction in enumerate(network.junctions, start=1)
    ]
    return Streets(edges, signals, network.left_hand)


def _point_before_end(points: Sequence[Point], distance_m: float) -> Point:
    left_m = distance_m
    for after, before in zip(reversed(points), reversed(points[:-1]), strict=False):
        step_m = math.dist(after, before)
        if step_m >= left_m:
            along = left_m / step_m
            return (
                after[0] + (before[0] - after[0]) * along,
                after[1] + (before[1] - after[1]) * along,
            )
        left_m -= step_m
    return points[0]
