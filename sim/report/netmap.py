"""The queue map: the network with its queues as colour and width, spillback and signals marked."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise

from markupsafe import Markup

from sim.report.aggregate import EdgeQueue
from sim.report.streets import Point, Street, Streets
from sim.report.svg import element, polyline

METRES_PER_HALTING_VEHICLE = 7.5
"""Space of one waiting car: SUMO's default length of 5 m and gap of 2.5 m."""
CLASSES = (0.02, 0.05, 0.10, 0.25)
"""Bounds between the classes of mean queue share."""
SPILLBACK_MARK = 0.02
"""Share of the time from which an edge is marked as spilling back."""

_WIDTH = 480.0
_MARGIN = 18.0
_HEIGHT_MIN, _HEIGHT_MAX = 240.0, 560.0
_BESIDE = 1.9
"""Opposite directions are drawn beside each other, this many units off the centre line."""
_LABEL_RADIUS = 8.0
_PUSHES = 30
_SCALE_BARS_M = (20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000)


@dataclass(frozen=True, slots=True)
class Frame:
    """From metres in the network to units of the drawing (y grows downwards)."""

    left: float
    top: float
    scale: float
    height: float
    indent: float

    def __call__(self, point: Point) -> Point:
        """Where a point of the network lies in the drawing."""
        return (
            self.indent + (point[0] - self.left) * self.scale,
            _MARGIN + (self.top - point[1]) * self.scale,
        )


def frame(streets: Streets) -> Frame:
    """The frame that shows every street, the same for every map of the network."""
    points = [point for street in streets.edges.values() for point in street.points]
    points += [signal.at for signal in streets.signals]
    xs, ys = [x for x, _ in points], [y for _, y in points]
    wide, high = max(max(xs) - min(xs), 1.0), max(max(ys) - min(ys), 1.0)
    scale = min((_WIDTH - 2 * _MARGIN) / wide, (_HEIGHT_MAX - 2 * _MARGIN) / high)
    height = max(high * scale + 2 * _MARGIN, _HEIGHT_MIN)
    top = max(ys) + (height - 2 * _MARGIN - high * scale) / 2 / scale
    return Frame(min(xs), top, scale, height, (_WIDTH - wide * scale) / 2)


def queue_share(queue: EdgeQueue, street: Street) -> float:
    """Mean share of the street's lane metres that stood in queue."""
    room_m = max(street.length_m * street.lanes, METRES_PER_HALTING_VEHICLE)
    return min(queue.halting * METRES_PER_HALTING_VEHICLE / room_m, 1.0)


def queue_map(streets: Streets, queues: Mapping[str, EdgeQueue], description: str) -> Markup:
    """The network with *queues*; edges that the run doesn't know are drawn as empty."""
    place = frame(streets)
    side = -_BESIDE if streets.left_hand else _BESIDE
    lines: dict[int, list[str]] = defaultdict(list)
    marks: list[Markup] = []
    for edge, street in streets.edges.items():
        queue = queues.get(edge, EdgeQueue(0.0, 0.0, 0.0))
        points = _beside(_simplified([place(point) for point in street.points]), side)
        lines[bisect_right(CLASSES, queue_share(queue, street))].append(polyline(points))
        if queue.spillback >= SPILLBACK_MARK:
            marks.append(_spillback(points, f"{edge}: full {queue.spillback:.0%} of the time"))
    drawn = [
        element("path", class_=f"queue q{level}", d="".join(lines[level]))
        for level in sorted(lines)
    ]
    stops = [place(signal.at) for signal in streets.signals]
    signals = [
        _signal(stop, label, str(signal.number), signal.id)
        for signal, stop, label in zip(streets.signals, stops, _apart(stops), strict=True)
    ]
    return element(
        "svg",
        element("title", description),
        *drawn,
        *marks,
        *signals,
        _scale_bar(place),
        class_="map",
        viewBox=f"0 0 {_WIDTH:.0f} {place.height:.0f}",
        role="img",
    )


def class_labels() -> list[str]:
    """What each class of the map means, from empty to full."""
    bounds = [f"{bound:.0%}" for bound in CLASSES]
    between = [f"{low[:-1]}–{high}" for low, high in pairwise(bounds)]
    return [f"under {bounds[0]}", *between, f"over {bounds[-1]}"]


def class_key(level: int) -> Markup:
    """A short street of class *level*, for the legend."""
    line = element("path", class_=f"queue q{level}", d="M2 7L30 7")
    return element("svg", line, class_="key", width=32, height=14, aria_hidden="true")


def spillback_key() -> Markup:
    """The mark of a street that spills back, for the legend."""
    mark = element("path", class_="spillback", d=_diamond((8.0, 8.0)))
    return element("svg", mark, class_="key", width=16, height=16, aria_hidden="true")


def _spillback(points: Sequence[Point], text: str) -> Markup:
    """A diamond where the queue's tail blocks: at the upstream end."""
    return element("path", element("title", text), class_="spillback", d=_diamond(points[0]))


def _diamond(at: Point, size: float = 5.5) -> str:
    x, y = at
    return polyline([(x, y - size), (x + size, y), (x, y + size), (x - size, y)]) + "Z"


def _signal(at: Point, label: Point, number: str, name: str) -> Markup:
    """The number of a signal, tied to its place where the label had to move."""
    x, y = round(label[0], 1), round(label[1], 1)
    return element(
        "g",
        element("title", f"signal {number}: {name}"),
        element("path", d=polyline([at, label])),
        element("circle", cx=x, cy=y, r=_LABEL_RADIUS),
        element("text", number, x=x, y=y + 3.7, text_anchor="middle"),
        class_="signal",
    )


def _apart(points: Sequence[Point]) -> list[Point]:
    """Labels moved just so far that none covers another (a few rounds of pushing pairs apart)."""
    moved = list(points)
    for _ in range(_PUSHES):
        for i, j in combinations(range(len(moved)), 2):
            (ax, ay), (bx, by) = moved[i], moved[j]
            distance = math.dist(moved[i], moved[j])
            if distance >= 2 * _LABEL_RADIUS + 1:
                continue
            push = (2 * _LABEL_RADIUS + 1 - distance) / 2
            dx, dy = ((bx - ax) / distance, (by - ay) / distance) if distance else (1.0, 0.0)
            moved[i] = (ax - push * dx, ay - push * dy)
            moved[j] = (bx + push * dx, by + push * dy)
    return moved


def _scale_bar(place: Frame) -> Markup:
    wanted_m = 90 / place.scale
    length_m = max((bar for bar in _SCALE_BARS_M if bar <= wanted_m), default=_SCALE_BARS_M[0])
    right, y = _WIDTH - 8, place.height - 8
    left = right - length_m * place.scale
    text = f"{length_m} m" if length_m < 1000 else f"{length_m // 1000} km"
    corners = [(left, y - 4), (left, y), (right, y), (right, y - 4)]
    return element(
        "g",
        element("path", d=polyline(corners)),
        element("text", text, x=(left + right) / 2, y=y - 6, text_anchor="middle"),
        class_="scale",
    )


def _simplified(points: list[Point], tolerance: float = 0.4) -> list[Point]:
    """Douglas-Peucker: leave out what nobody sees at this scale."""
    if len(points) < 3:
        return points
    first, last = points[0], points[-1]
    distances = [_distance_to_chord(point, first, last) for point in points[1:-1]]
    farthest = max(range(len(distances)), key=distances.__getitem__)
    if distances[farthest] <= tolerance:
        return [first, last]
    split = farthest + 1
    return _simplified(points[: split + 1], tolerance)[:-1] + _simplified(points[split:], tolerance)


def _distance_to_chord(point: Point, first: Point, last: Point) -> float:
    chord = math.dist(first, last)
    if chord == 0:
        return math.dist(point, first)
    across = (last[0] - first[0]) * (first[1] - point[1]) - (first[0] - point[0]) * (
        last[1] - first[1]
    )
    return abs(across) / chord


def _beside(points: list[Point], offset: float) -> list[Point]:
    """The line moved *offset* to the right of its direction of travel."""
    moved = []
    for index, (x, y) in enumerate(points):
        ahead = points[min(index + 1, len(points) - 1)]
        behind = points[max(index - 1, 0)]
        length = math.dist(ahead, behind) or 1.0
        moved.append(
            (
                x - (ahead[1] - behind[1]) / length * offset,
                y + (ahead[0] - behind[0]) / length * offset,
            )
        )
    return moved
