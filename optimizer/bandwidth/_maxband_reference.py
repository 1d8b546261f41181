"""The widest total band of an arterial, plainly: the law that the kernel is held against.

Terms as in :mod:`optimizer.bandwidth.problem`. :func:`reach` follows, for a total band B and a
range of z = 1/cycle, what can be reached at each signal: convex polygons of phase q and slowness y
on the link ahead. From signal to signal a polygon is sheared (travel), cut to the windows of the
next signal (greens), widened in y (change of speed) and cut to the next link's speeds. For a
single z this is exact. For a range of z it reaches too much, never too little: if it reaches
nothing, no band of B exists there. :func:`solve` halves ranges of z until none is left in which a
band could be wider than the best one found by more than the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from optimizer.delay import Floats

Point = tuple[float, float]
Shape = list[Point]
"""A convex polygon of (phase, slowness); it may be a line or a point."""

TOUCH = 1e-11
"""Shapes that only touch have a point in common."""
STARTS = 9


class Problem:
    """The arrays of :class:`~optimizer.bandwidth.problem.Reduced` as lists."""

    def __init__(self, arrays: Sequence[Any]) -> None:
        green, centre, centres, clearance, length, fast, slow, change = arrays
        self.signals = len(green)
        self.green: list[float] = green.tolist()
        self.centre = [
            row[:count] for row, count in zip(centre.tolist(), centres.tolist(), strict=True)
        ]
        self.clearance: list[float] = clearance.tolist()
        self.length: list[float] = length.tolist()
        self.fast: list[float] = fast.tolist()
        self.slow: list[float] = slow.tolist()
        self.change: list[float] = change.tolist()

    def windows(self, signal: int, band: float) -> list[tuple[float, float]]:
        """Where the phase may be for *band*; overlapping windows of several patterns are one."""
        half = 0.5 * (self.green[signal] - band) + TOUCH
        if half >= 0.5:
            return [(self.centre[signal][0] - 0.5, self.centre[signal][0] + 0.5)]
        if half < 0.0:
            return []
        return _joined([(centre - half, centre + half) for centre in self.centre[signal]])


def _joined(arcs: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for low, high in sorted(arcs):
        if joined and low <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(high, joined[-1][1]))
        else:
            joined.append((low, high))
    return joined


def _cut(shape: Shape, a: float, b: float, limit: float) -> Shape:
    """The part of *shape* with a * q + b * y <= limit."""
    kept: Shape = []
    for before, here in zip([shape[-1], *shape[:-1]] if shape else [], shape, strict=True):
        over_before = a * before[0] + b * before[1] - limit
        over = a * here[0] + b * here[1] - limit
        if (over > TOUCH) != (over_before > TOUCH):
            share = min(1.0, max(0.0, over_before / (over_before - over)))
            kept.append(
                (
                    before[0] + share * (here[0] - before[0]),
                    before[1] + share * (here[1] - before[1]),
                )
            )
        if over <= TOUCH:
            kept.append(here)
    return kept


def _hull(points: Shape) -> Shape:
    """The convex hull, counter-clockwise."""
    ordered = sorted(set(points))
    if len(ordered) < 3:
        return ordered
    halves: list[Shape] = []
    for way in (ordered, ordered[::-1]):
        half: Shape = []
        for q, y in way:
            while len(half) > 1 and (
                (half[-1][0] - half[-2][0]) * (y - half[-2][1])
                <= (half[-1][1] - half[-2][1]) * (q - half[-2][0])
            ):
                half.pop()
            half.append((q, y))
        halves.append(half[:-1])
    return halves[0] + halves[1]


def _box(q: tuple[float, float], y: tuple[float, float]) -> Shape:
    return [(q[0], y[0]), (q[1], y[0]), (q[1], y[1]), (q[0], y[1])]


def _laps(low: float, high: float, window: tuple[float, float]) -> range:
    """Whole cycles to take off so that low..high meets the window."""
    return range(math.ceil(low - window[1] - TOUCH), math.floor(high - window[0] + TOUCH) + 1)


def reach(problem: Problem, band: float, z: tuple[float, float]) -> list[list[Shape]] | None:
    """What is reached at each signal by bands of *band* for z in a range; None if not the last."""
    speeds = [
        (fast * z[0], slow * z[1]) for fast, slow in zip(problem.fast, problem.slow, strict=True)
    ]
    shapes = [_box(window, speeds[0]) for window in problem.windows(0, band)]
    reached = [shapes]
    for i in range(1, problem.signals):
        passed = list(_passing(problem, i, band, shapes))
        if not passed:
            return None
        if i == problem.signals - 1:
            return [*reached, passed]
        if math.isinf(problem.change[i - 1]):
            arcs = _joined([(min(s)[0], max(s)[0]) for s in passed])
            shapes = [_box(arc, speeds[i]) for arc in arcs]
        else:
            by = problem.change[i - 1] * z[1]
            shapes = _distinct(
                _cut(_cut(_widened(shape, by), 0.0, 1.0, speeds[i][1]), 0.0, -1.0, -speeds[i][0])
                for shape in passed
            )
        if not shapes:
            return None
        reached.append(shapes)
    return reached


def _passing(problem: Problem, i: int, band: float, shapes: list[Shape]) -> Iterator[Shape]:
    """The parts of *shapes* that arrive at signal *i* in one of its windows."""
    length, clearance = problem.length[i - 1], problem.clearance[i - 1]
    windows = problem.windows(i, band)
    for shape in shapes:
        moved = [(q + length * y - clearance, y) for q, y in shape]
        low, high = min(q for q, _ in moved), max(q for q, _ in moved)
        for window in windows:
            for lap in _laps(low, high, window):
                part = _cut(_cut(moved, -1.0, 0.0, -window[0] - lap), 1.0, 0.0, window[1] + lap)
                if part:
                    yield [(q - lap, y) for q, y in part]


def _widened(shape: Shape, by: float) -> Shape:
    return _hull([(q, y + step) for q, y in shape for step in (-by, by)])


def _distinct(shapes: Iterator[Shape]) -> list[Shape]:
    """*shapes* without the empty ones and those that lie within another."""
    kept: list[Shape] = []
    for shape in shapes:
        if shape and not any(_within(shape, other) for other in kept):
            kept.append(shape)
    return kept


def _within(shape: Shape, other: Shape) -> bool:
    sides = list(zip(other, [*other[1:], other[0]], strict=True))
    return len(other) > 2 and all(
        (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (q - a[0]) >= -1e-13
        for q, y in shape
        for a, b in sides
    )


def _widest_at(problem: Problem, z: float, low: float, high: float, tolerance: float) -> float:
    """The widest band at *z*, which is at least *low* and at most *high*."""
    if reach(problem, high, (z, z)):
        return high
    while high - low > 0.1 * tolerance:
        middle = 0.5 * (low + high)
        if reach(problem, middle, (z, z)):
            low = middle
        else:
            high = middle
    return low


def solve(*given: Any) -> None:  # noqa: ANN401 - arrays, as in the kernel's stub
    """Write phases, slownesses, pattern indices, and (band, z, bound, tests, done).

    Arguments: the arrays of a :class:`~optimizer.bandwidth.problem.Reduced` in its order, then
    (z_low, z_high, cap, tolerance, tests_max), then the four arrays to write to.
    """
    *arrays, limits, phase, slowness, pattern, outcome = given
    problem = Problem(arrays)
    z_low, z_high, cap, tolerance, tests_max = limits
    best, best_z, tests = -2.0, z_high, 0
    ranges = [(z_low, z_high)]
    for k in range(STARTS):
        z = z_high - (z_high - z_low) * k / (STARTS - 1)
        if reach(problem, min(cap, best + tolerance), (z, z)):
            best, best_z = _widest_at(problem, z, best, cap, tolerance), z
    bound = best + tolerance
    while ranges and best < cap - tolerance:
        z0, z1 = ranges.pop()
        tests += 1
        if not reach(problem, best + tolerance, (z0, z1)):
            continue
        if tests > tests_max or z1 - z0 < 1e-13 * z1:
            bound = cap
            continue
        middle = 0.5 * (z0 + z1)
        if reach(problem, best + tolerance, (middle, middle)):
            best, best_z = _widest_at(problem, middle, best, cap, tolerance), middle
        ranges += [(z0, middle), (middle, z1)]
    best -= 1e-9
    way = _way(problem, best, best_z)
    outcome[:] = (best, best_z, min(cap, max(bound, best + tolerance)), tests, way is not None)
    if way is not None:
        _write(problem, way, phase, slowness, pattern)


def _way(problem: Problem, band: float, z: float) -> list[Point] | None:
    """Phase and slowness at each signal of one way, found from the end."""
    reached = reach(problem, band, (z, z))
    if reached is None:
        return None
    q, y = _middle(max(reached[-1], key=lambda shape: max(shape)[0] - min(shape)[0]))
    way = [(q, y)]
    for i in range(problem.signals - 2, -1, -1):
        change = math.inf
        if i < problem.signals - 2:
            change = problem.change[i] * z
        way.append(_before(problem, i, reached[i], way[-1], change))
    return way[::-1]


def _before(problem: Problem, i: int, shapes: list[Shape], after: Point, change: float) -> Point:
    """A point of *shapes* at signal *i* from which *after* is reached at the next."""
    length, clearance = problem.length[i], problem.clearance[i]
    best: Shape = []
    slack = 1e-9
    while not best:
        for shape in shapes:
            arriving = [q + length * y - clearance - after[0] for q, y in shape]
            for lap in range(
                math.ceil(min(arriving) - slack), math.floor(max(arriving) + slack) + 1
            ):
                target = after[0] + lap + clearance
                part = _cut(_cut(shape, 1.0, length, target), -1.0, -length, -target + slack)
                if not math.isinf(change):
                    part = _cut(part, 0.0, 1.0, after[1] + change + slack)
                    part = _cut(part, 0.0, -1.0, -after[1] + change + slack)
                if part and (not best or _height(part) > _height(best)):
                    best = part
        slack *= 10.0
    return _middle(best)


def _height(shape: Shape) -> float:
    return max(y for _, y in shape) - min(y for _, y in shape)


def _middle(shape: Shape) -> Point:
    """The point halfway between the slowest and the fastest corner."""
    (y0, q0), (y1, q1) = min((y, q) for q, y in shape), max((y, q) for q, y in shape)
    return 0.5 * (q0 + q1), 0.5 * (y0 + y1)


def _write(
    problem: Problem,
    way: list[Point],
    phase: Floats,
    slowness: Floats,
    pattern: Any,  # noqa: ANN401
) -> None:
    for i, (q, y) in enumerate(way):
        off = [abs(q - centre - round(q - centre)) for centre in problem.centre[i]]
        pattern[i] = off.index(min(off))
        phase[i] = q
        if i < problem.signals - 1:
            slowness[i] = y
