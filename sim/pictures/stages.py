"""The stages of a site as little drawings: the lanes, and an arrow for every movement that may go.

From a network the drawing is to scale. A UTDF file has no lanes on the ground; there every approach
is an arm of a star, by its compass direction.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.intersection import Intersection
from sim.network.map_drawing import View, way_of
from sim.network.model import Junction, Network, SignalLink
from sim.pictures.svg import Point, arrow, clipped, polygon, polyline

BEYOND_M = 10.0
"""How much of the approaches is shown around the node."""
ONTO_M = 7.0
"""Arrows begin so far before the stop line, and end so far behind the node."""
REACH_MIN_M = 17.0
_HEADINGS = {
    **{"NB": 90.0, "SB": 270.0, "EB": 0.0, "WB": 180.0},
    **{"NE": 45.0, "NW": 135.0, "SE": 315.0, "SW": 225.0},
}
"""Where traffic of a UTDF direction drives to, in degrees from east."""
_TURN_DEGREES = {"through": 0.0, "left": 90.0, "right": -90.0, "u-turn": 160.0}
_ARM, _ASIDE = 0.92, 0.13
"""Length of an arm and distance of its lanes from its middle, of a square from -1 to 1."""


@dataclass(frozen=True, slots=True)
class Stroke:
    """One movement in the drawing's own metres; ``group``: position of its signal group."""

    group: int
    points: tuple[Point, ...]
    is_walk: bool
    yields_to: int
    always_yields: bool = False


@dataclass(frozen=True, slots=True)
class Ground:
    """What lies still under all stages of a site, and the strokes that may be lit."""

    areas: tuple[tuple[Point, ...], ...]
    lanes: tuple[tuple[tuple[Point, ...], float], ...]
    """Shape and width."""
    strokes: tuple[Stroke, ...]
    centre: Point
    reach_m: float


def ground_of(junction: Junction, network: Network) -> Ground:
    """The lanes of *junction* and its movements, one stroke for each pair of edges."""
    nodes = [network.nodes[node] for node in junction.nodes if node in network.nodes]
    corners = [point for node in nodes for point in node.shape]
    xs, ys = [x for x, _ in corners], [y for _, y in corners]
    centre = ((min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2) if corners else junction.position
    span = max((max(abs(x - centre[0]), abs(y - centre[1])) for x, y in corners), default=0.0)
    reach_m = max(REACH_MIN_M, span + BEYOND_M)
    beside = {link.from_edge for link in junction.links} | {link.to_edge for link in junction.links}
    lanes = tuple(
        (tuple(lane.shape), lane.width_m * 0.92)
        for lane in network.lanes.values()
        if lane.edge in beside and not network.edges[lane.edge].function
    )
    strokes: dict[tuple[object, ...], Stroke] = {}
    for link in junction.links:
        key = (link.from_edge, link.to_edge, link.group)
        if link.group is not None and key not in strokes:
            strokes[key] = Stroke(
                link.group,
                _way(link, network),
                link.turn == "crossing",
                link.yields_to_groups,
                link.always_yields,
            )
    areas = tuple(tuple(node.shape) for node in nodes if len(node.shape) > 2)
    return Ground(areas, lanes, tuple(strokes.values()), centre, reach_m)


def _way(link: SignalLink, network: Network) -> tuple[Point, ...]:
    """A crossing, or a smooth way from before the stop line to behind the node."""
    if link.turn == "crossing":
        return tuple(way_of(link, network))
    before, after = network.lanes[link.from_lane].shape, network.lanes[link.to_lane].shape
    start, start_way = before[-1], _direction(before[-2:])
    end, end_way = after[0], _direction(after[:2])
    reach_m = 0.4 * math.dist(start, end)
    controls = (
        start,
        _moved(start, start_way, reach_m),
        _moved(end, end_way, -reach_m),
        end,
    )
    curve = [_bezier(controls, k / 10) for k in range(11)]
    return (_moved(start, start_way, -ONTO_M), *curve, _moved(end, end_way, ONTO_M))


def _direction(points: Sequence[Point]) -> Point:
    (x0, y0), (x1, y1) = points[0], points[-1]
    length = math.dist((x0, y0), (x1, y1)) or 1.0
    return (x1 - x0) / length, (y1 - y0) / length


def _moved(point: Point, way: Point, by_m: float) -> Point:
    return point[0] + way[0] * by_m, point[1] + way[1] * by_m


def _bezier(controls: Sequence[Point], t: float) -> Point:
    weights = ((1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3)
    return (
        sum(w * x for w, (x, _) in zip(weights, controls, strict=True)),
        sum(w * y for w, (_, y) in zip(weights, controls, strict=True)),
    )


def star_of(site: Intersection) -> Ground:
    """An intersection whose movements name their approaches by UTDF directions (EB, NB …)."""
    strokes, arms = [], []
    for movement in site.movements:
        heading = _HEADINGS.get(movement.from_approach)
        if heading is None or movement.turn not in _TURN_DEGREES:
            continue
        arms += [heading + 180.0, heading + _TURN_DEGREES[movement.turn]]
        group = site.group_index(movement.group)
        strokes.append(
            Stroke(
                group,
                _star_stroke(heading, movement.turn),
                is_walk=False,
                yields_to=site.yields_to[group],
            )
        )
    lanes = tuple((((0.0, 0.0), _at(degrees, _ARM * 1.1)), 0.5) for degrees in dict.fromkeys(arms))
    return Ground((), lanes, tuple(strokes), (0.0, 0.0), 1.0)


def _star_stroke(heading: float, turn: str) -> tuple[Point, ...]:
    """From its arm, on the right-hand side, across the middle; left turns further to the left."""
    across = {"left": 0.4, "through": 1.0, "right": 1.6}.get(turn, 0.4) * _ASIDE
    start = _beside(_at(heading + 180.0, _ARM), heading, across)
    near = _beside(_at(heading + 180.0, 0.34), heading, across)
    leaving = heading + _TURN_DEGREES[turn]
    end = _beside(_at(leaving, 0.62), leaving, _ASIDE)
    if turn == "through":
        end = _beside(_at(leaving, 0.62), leaving, across)
        return start, end
    inner = _beside(_at(leaving, 0.34), leaving, _ASIDE)
    bend = 0.22
    controls = (
        near,
        _moved(near, _at(heading, 1.0), bend),
        _moved(inner, _at(leaving, 1.0), -bend),
        inner,
    )
    return (start, *(_bezier(controls, k / 8) for k in range(9)), end)


def _at(degrees: float, radius: float) -> Point:
    angle = math.radians(degrees)
    return radius * math.cos(angle), radius * math.sin(angle)


def _beside(point: Point, heading: float, distance: float) -> Point:
    """*point* moved to the right of who drives towards *heading*."""
    dx, dy = _at(heading - 90.0, distance)
    return point[0] + dx, point[1] + dy


def stage_picture(
    ground: Ground, mask: int, corner: Point, size: float, name: str
) -> Iterator[str]:
    """The movements of the groups *mask* in a square of *size* pixels."""
    view = View(ground.centre, ground.reach_m, corner, size)
    body = [polygon(view.shape(area), "road") for area in ground.areas]
    body += [
        polyline(view.shape(shape), "lane", width * view.scale) for shape, width in ground.lanes
    ]
    lit = [stroke for stroke in ground.strokes if mask >> stroke.group & 1]
    body += [polyline(view.shape(each.points), "walk") for each in lit if each.is_walk]
    for stroke in lit:
        if not stroke.is_walk:
            yields = stroke.always_yields or bool(stroke.yields_to & mask)
            body.append(arrow(view.shape(stroke.points), yields=yields, size=6.0))
    yield clipped(name, (corner[0], corner[1], size, size), body)
    yield f'<rect class="ring" x="{corner[0]:.1f}" y="{corner[1]:.1f}" width="{size:g}" '
    yield f'height="{size:g}"/>'
