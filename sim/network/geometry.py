"""Clearance times from the paths of two streams, for programs that have no yellow to go by.

The method is that of RiLSA 2015, section 2.5.4: crossing time, plus clearance time of the last
vehicle that ends, minus entering time of the first that starts, at the point where the paths meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise

from sim.network.heads import HeadGroup, length_of
from sim.network.net_file import Connection, NetFile, Point

VEHICLE_LENGTH_M = 6.0
CLEARING_M_PER_S = {"through": 10.0, "left": 7.0, "right": 7.0, "u-turn": 5.0}
ENTERING_M_PER_S = 11.1
"""A vehicle that arrives rolling as its green starts (40 km/h)."""
WALKING_M_PER_S = 1.2
_MERGE_WIDTH_M = 2.0
"""Paths that come this close without crossing merge there."""


def clearance_s(net: NetFile, ending: HeadGroup, starting: HeadGroup, yellow_s: float) -> float:
    """Intergreen that two groups need, the longest over all their paths; at least the yellow."""
    needed_s = yellow_s
    for head in ending.heads:
        for clearing in head.connections:
            speed = CLEARING_M_PER_S.get(head.turn, WALKING_M_PER_S)
            for entering in (c for other in starting.heads for c in other.connections):
                meeting = meeting_point(path_of(net, clearing), path_of(net, entering))
                if meeting is None:
                    continue
                clear_m, enter_m = meeting
                entering_speed = WALKING_M_PER_S if starting.is_pedestrian else ENTERING_M_PER_S
                needed_s = max(
                    needed_s,
                    yellow_s + (clear_m + VEHICLE_LENGTH_M) / speed - enter_m / entering_speed,
                )
    return needed_s


def path_of(net: NetFile, connection: Connection) -> tuple[Point, ...]:
    """The way of a connection across the node, straight where the network has no inner lanes."""
    lane = net.lanes[connection.from_lane]
    target = net.lanes[connection.to_lane]
    if net.edges[connection.to_edge].function == "crossing":
        return target.shape
    inner = net.lanes[connection.via].shape if connection.via in net.lanes else ()
    return (*lane.shape[-1:], *inner, *target.shape[:1])


def meeting_point(a: Sequence[Point], b: Sequence[Point]) -> tuple[float, float] | None:
    """Distances along two polylines to the point where they cross or merge, None if they don't."""
    crossing = min(_crossings(a, b), default=None)
    if crossing is not None:
        return crossing
    if a and b and math.dist(a[-1], b[-1]) < _MERGE_WIDTH_M:
        return length_of(a), length_of(b)
    return None


def _crossings(a: Sequence[Point], b: Sequence[Point]) -> Iterator[tuple[float, float]]:
    along_a = 0.0
    for p, q in pairwise(a):
        along_b = 0.0
        for r, s in pairwise(b):
            parts = _intersection(p, q, r, s)
            if parts is not None:
                yield (
                    along_a + parts[0] * math.dist(p, q),
                    along_b + parts[1] * math.dist(r, s),
                )
            along_b += math.dist(r, s)
        along_a += math.dist(p, q)


def _intersection(p: Point, q: Point, r: Point, s: Point) -> tuple[float, float] | None:
    """Parts (0..1) of the segments p-q and r-s at which they intersect."""
    across = (q[0] - p[0]) * (s[1] - r[1]) - (q[1] - p[1]) * (s[0] - r[0])
    if abs(across) < 1e-9:
        return None
    first = ((r[0] - p[0]) * (s[1] - r[1]) - (r[1] - p[1]) * (s[0] - r[0])) / across
    second = ((r[0] - p[0]) * (q[1] - p[1]) - (r[1] - p[1]) * (q[0] - p[0])) / across
    return (first, second) if 0 <= first <= 1 and 0 <= second <= 1 else None
