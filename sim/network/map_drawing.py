"""The map of one junction: roads, lanes by group, ways across, stop lines and loops."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from controller.intersection import DetectorRole
from sim.network.heads import length_of, point_along
from sim.network.model import Junction, Network, SignalLink
from sim.network.net_file import Lane, Point
from sim.network.svg import INK, PALETTE, PAPER, ROAD, arrow, badge, box, line, polygon, text

MAP_SIZE = 560.0
_BEYOND_M = 47.0
"""How far the map reaches beyond the node: a little past the advance loops."""


@dataclass(frozen=True, slots=True)
class View:
    """From metres to pixels: a square of *size* pixels around *centre*."""

    centre: Point
    reach_m: float
    corner: Point
    size: float

    @property
    def scale(self) -> float:
        """Pixels per metre."""
        return self.size / (2 * self.reach_m)

    def __call__(self, point: Point) -> Point:
        """The pixels of *point*, given in metres."""
        return (
            self.corner[0] + (point[0] - self.centre[0] + self.reach_m) * self.scale,
            self.corner[1] + (self.centre[1] + self.reach_m - point[1]) * self.scale,
        )

    def shape(self, points: Iterable[Point]) -> list[Point]:
        """A polyline in pixels."""
        return [self(point) for point in points]


def colour_of(group: int) -> str:
    """The colour of the group at position *group*."""
    return PALETTE[group % len(PALETTE)]


def reach_m(junction: Junction, network: Network, beyond_m: float) -> float:
    """Half the width of a view that shows the junction's nodes and *beyond_m* around them."""
    corners = [
        point
        for node in junction.nodes
        if node in network.nodes
        for point in network.nodes[node].shape
    ]
    return beyond_m + max((math.dist(junction.position, point) for point in corners), default=15.0)


def clipped(
    view: View, corner: Point, size: float, name: str, body: Iterable[str]
) -> Iterator[str]:
    """*body* inside a frame of *size* pixels."""
    yield f"<clipPath id='{name}'><rect x='{corner[0]}' y='{corner[1]}' width='{size}' "
    yield f"height='{size}'/></clipPath><g clip-path='url(#{name})'>"
    yield from body
    yield "</g>"
    yield f"<rect x='{corner[0]}' y='{corner[1]}' width='{size}' height='{size}' fill='none' "
    yield f"stroke='{ROAD}'/>"


def slug(words: str) -> str:
    """*words* as an SVG id."""
    return "".join(c if c.isalnum() else "-" for c in words)


def junction_map(junction: Junction, network: Network, corner: Point) -> Iterator[str]:
    """The map in a square whose upper left corner is *corner*."""
    view = View(junction.position, reach_m(junction, network, _BEYOND_M), corner, MAP_SIZE)
    body = [
        *_roads(network, view),
        *_approach_lanes(junction, network, view),
        *_ways(junction, network, view),
        *_stop_lines(junction, network, view),
        *_loops(junction, network, view),
        *_badges(junction, network, view),
        *_scale_bar(view),
    ]
    yield from clipped(view, corner, MAP_SIZE, f"map-{slug(junction.id)}", body)


def _near(lane: Lane, view: View) -> bool:
    return any(
        abs(x - view.centre[0]) < 3 * view.reach_m and abs(y - view.centre[1]) < 3 * view.reach_m
        for x, y in lane.shape
    ) or _passes(lane, view)


def _passes(lane: Lane, view: View) -> bool:
    """Whether a long lane crosses the view although none of its points lies near it."""
    xs, ys = [x for x, _ in lane.shape], [y for _, y in lane.shape]
    return bool(xs) and (
        min(xs) - view.reach_m < view.centre[0] < max(xs) + view.reach_m
        and min(ys) - view.reach_m < view.centre[1] < max(ys) + view.reach_m
    )


def _roads(network: Network, view: View) -> Iterator[str]:
    for node in network.nodes.values():
        if math.dist(node.position, view.centre) < 3 * view.reach_m and len(node.shape) > 2:
            yield polygon(view.shape(node.shape), ROAD)
    for lane in network.lanes.values():
        if network.edges[lane.edge].function or not _near(lane, view):
            continue
        colour = ROAD if lane.motorised else "#eef1f4"
        yield line(view.shape(lane.shape), colour, lane.width_m * 0.94 * view.scale)


def _approach_lanes(junction: Junction, network: Network, view: View) -> Iterator[str]:
    """A lane in the colours of its groups, side by side where several share it."""
    groups: dict[str, list[int]] = {}
    for link in junction.links:
        if link.group is not None and link.turn != "crossing":
            known = groups.setdefault(link.from_lane, [])
            if link.group not in known:
                known.append(link.group)
    for lane_id, lane_groups in groups.items():
        lane = network.lanes[lane_id]
        tail = _tail(lane, 22.0)
        width = lane.width_m * 0.8 / len(lane_groups)
        for k, group in enumerate(lane_groups):
            aside = (k - (len(lane_groups) - 1) / 2) * width
            shape = view.shape(_shifted(tail, aside))
            yield line(shape, colour_of(group), width * view.scale * 0.9)


def _tail(lane: Lane, length_m: float) -> list[Point]:
    """The last *length_m* of a lane."""
    total_m = length_of(lane.shape)
    start_m = max(0.0, total_m - length_m)
    return [point_along(lane.shape, start_m + (total_m - start_m) * i / 6) for i in range(7)]


def _shifted(points: Sequence[Point], aside: float) -> list[Point]:
    """A polyline moved to its right by *aside*."""
    moved = []
    for k, point in enumerate(points):
        before, after = points[max(k - 1, 0)], points[min(k + 1, len(points) - 1)]
        length = math.dist(before, after) or 1.0
        ux, uy = (after[0] - before[0]) / length, (after[1] - before[1]) / length
        moved.append((point[0] + uy * aside, point[1] - ux * aside))
    return moved


def way_of(link: SignalLink, network: Network) -> list[Point]:
    """The way of a link across the node, or along the crossing."""
    target = network.lanes[link.to_lane]
    source = network.lanes[link.from_lane]
    if link.turn == "crossing":
        crossing = target if network.edges[target.edge].function == "crossing" else source
        return list(crossing.shape)
    inner = network.lanes[link.via].shape if link.via in network.lanes else ()
    return [*source.shape[-1:], *inner, *target.shape[:1]]


def _ways(junction: Junction, network: Network, view: View) -> Iterator[str]:
    for link in junction.links:
        if link.group is None:
            continue
        shape = view.shape(way_of(link, network))
        if link.turn == "crossing":
            yield line(shape, PAPER, 2.6 * view.scale)
            yield line(shape, colour_of(link.group), 2.2 * view.scale, dashes="3 3")
        else:
            yield arrow(shape, colour_of(link.group), 1.6)


def _stop_lines(junction: Junction, network: Network, view: View) -> Iterator[str]:
    for lane_id in dict.fromkeys(link.from_lane for link in junction.links):
        lane = network.lanes[lane_id]
        if network.edges[lane.edge].function or len(lane.shape) < 2:
            continue
        end, half = _tail(lane, 2.0), lane.width_m / 2
        edge_points = [_shifted(end, -half)[-1], _shifted(end, half)[-1]]
        yield line(view.shape(edge_points), INK, 2.4)


def _loops(junction: Junction, network: Network, view: View) -> Iterator[str]:
    for loop in junction.loops:
        role = junction.intersection.detectors[loop.detector].role
        lane = network.lanes[loop.lane]
        part = length_of(lane.shape) / lane.length_m if lane.length_m else 1.0
        yield loop_mark(view(point_along(lane.shape, loop.position_m * part)), role)


def loop_mark(at: Point, role: DetectorRole) -> str:
    """Filled square at the stop line, hollow square in advance, triangle at the entry."""
    x, y = at
    if role is DetectorRole.STOP_LINE:
        return polygon(_square(x, y, 4.2), INK, stroke=PAPER, width=1.2)
    if role is DetectorRole.ADVANCE:
        return polygon(_square(x, y, 4.0), PAPER, stroke=INK, width=1.6)
    return polygon(((x, y - 5.5), (x + 5, y + 4), (x - 5, y + 4)), PAPER, stroke=INK, width=1.6)


def _square(x: float, y: float, half: float) -> tuple[Point, ...]:
    return ((x - half, y - half), (x + half, y - half), (x + half, y + half), (x - half, y + half))


def _badges(junction: Junction, network: Network, view: View) -> Iterator[str]:
    """The number of every group beside its lanes (beside its crossing)."""
    crowd: dict[str, int] = {}
    for group in range(len(junction.intersection.groups)):
        link = junction.links_of_group(group)[0]
        shape = network.lanes[link.from_lane].shape
        if link.turn == "crossing":
            way = way_of(link, network)
            place = point_along(way, length_of(way) / 2)
        else:
            rank = crowd.get(link.from_edge, 0)
            crowd[link.from_edge] = rank + 1
            back_m = 25.0 + 19.0 / view.scale * rank
            tail = _tail(network.lanes[link.from_lane], back_m)
            place = tail[0]
            missing_m = back_m - length_of(shape)
            if missing_m > 0:  # a stub: go on in its direction
                place = _beyond(shape, missing_m)
        yield badge(view(place), str(group + 1), colour_of(group))


def _beyond(shape: Sequence[Point], distance: float) -> Point:
    first, second = shape[0], shape[-1]
    length = math.dist(first, second) or 1.0
    return (
        first[0] + (first[0] - second[0]) / length * distance,
        first[1] + (first[1] - second[1]) / length * distance,
    )


def _scale_bar(view: View) -> Iterator[str]:
    x, y = view.corner[0] + 14, view.corner[1] + view.size - 14
    yield box((x - 6, y - 20), 20 * view.scale + 44, 28, PAPER)
    yield line(((x, y), (x + 20 * view.scale, y)), INK, 2)
    yield text((x + 20 * view.scale + 6, y + 4), "20 m", size=11)
