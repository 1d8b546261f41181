"""Purdue coordination diagrams: every arrival at its second of the cycle, cycle after cycle.

A cycle runs from the end of one green (begin of red) to the end of the next. Arrivals are passages
of the advance loop, moved on by the time to the stop line at free flow (Day et al., Performance
Measures for Traffic Signal Systems, Purdue 2014). Dots above the green line come in green.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim.pictures.lamps import Span
from sim.pictures.svg import (
    Drawing,
    Point,
    box,
    clipped,
    line,
    path_of,
    seconds_step,
    slug,
    text,
)

WIDTH = 1040.0
LEFT, RIGHT, TOP, FOOT = 66.0, 20.0, 62.0, 40.0
PLOT, PANEL_HEAD = 210.0, 54.0
CYCLE_MAX_S = 240.0
"""A longer red (nobody called) is no cycle that belongs in the diagram."""


@dataclass(frozen=True, slots=True)
class PurdueCycle:
    """From the begin of red; the other times in seconds of the clock as well."""

    red_s: float
    green_s: float
    yellow_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrivals:
    """One approach in one run: its cycles, and when vehicles would reach the stop line.

    ``distance_m``: how far before it they were counted.
    """

    title: str
    cycles: tuple[PurdueCycle, ...]
    arrivals_s: tuple[float, ...]
    distance_m: float = 0.0

    def of(self, cycle: PurdueCycle) -> tuple[float, ...]:
        """The arrivals in *cycle*."""
        first = bisect_left(self.arrivals_s, cycle.red_s)
        return self.arrivals_s[first : bisect_left(self.arrivals_s, cycle.end_s)]

    @property
    def counted(self) -> int:
        """Arrivals in all cycles."""
        return sum(len(self.of(cycle)) for cycle in self.cycles)

    @property
    def on_green(self) -> float | None:
        """Share of the arrivals that come in green (yellow is no green); None without any."""
        green = sum(
            cycle.green_s <= at_s < cycle.yellow_s
            for cycle in self.cycles
            for at_s in self.of(cycle)
        )
        return green / self.counted if self.counted else None

    @property
    def green_share(self) -> float | None:
        """Green over cycle, of all cycles."""
        total_s = sum(cycle.end_s - cycle.red_s for cycle in self.cycles)
        green_s = sum(cycle.yellow_s - cycle.green_s for cycle in self.cycles)
        return green_s / total_s if total_s else None

    @property
    def platoon_ratio(self) -> float | None:
        """Arrivals on green over share of green: 1 is chance, above 1 the wave arrives (HCM)."""
        if self.on_green is None or not self.green_share:
            return None
        return self.on_green / self.green_share


def cycles_of(
    greens: Sequence[Span], endings: Sequence[Span], until_s: float
) -> tuple[PurdueCycle, ...]:
    """Cycles from the greens and yellows of one movement that are over before *until_s*."""
    ends = []
    for _, green_end in greens:
        yellow = next((b for a, b in endings if abs(a - green_end) < 0.2), green_end)
        ends.append(yellow)
    found = []
    for k in range(1, len(greens)):
        begin_s, end_s = greens[k]
        cycle = PurdueCycle(ends[k - 1], begin_s, end_s, ends[k])
        if cycle.end_s - cycle.red_s <= CYCLE_MAX_S and cycle.end_s < until_s:
            found.append(cycle)
    return tuple(found)


def purdue(title: str, panels: Sequence[Arrivals], name: str = "") -> Drawing:
    """The diagram of one approach, before and after below each other on one scale."""
    return _Picture(title, panels, name or slug(f"purdue {title}")).drawing()


class _Picture:
    """Scales of one diagram, and what is drawn in it."""

    def __init__(self, title: str, panels: Sequence[Arrivals], name: str) -> None:
        self.title, self.panels, self.name = title, panels, name
        at_m = panels[0].distance_m if panels else 0.0
        self.measured = f"passages {at_m:.0f} m before the stop line, as they would reach it"
        cycles = [cycle for panel in panels for cycle in panel.cycles]
        self.begin_s = min((cycle.red_s for cycle in cycles), default=0.0)
        self.end_s = max((cycle.end_s for cycle in cycles), default=1.0)
        longest = max((cycle.end_s - cycle.red_s for cycle in cycles), default=1.0)
        self.step = seconds_step(longest, PLOT, 34.0)
        self.most_s = -(-longest // self.step) * self.step
        self.top = 0.0

    def x(self, at_s: float) -> float:
        """Where a moment lies."""
        room = WIDTH - LEFT - RIGHT
        return LEFT + room * (at_s - self.begin_s) / max(1.0, self.end_s - self.begin_s)

    def y(self, second: float) -> float:
        """Where a second of the cycle lies, in the panel that is being drawn."""
        return self.top + PLOT * (1.0 - second / self.most_s)

    def drawing(self) -> Drawing:
        """All panels below each other."""
        each = PANEL_HEAD + PLOT
        height = TOP + each * len(self.panels) + FOOT
        body = [*self._head()]
        for k, panel in enumerate(self.panels):
            self.top = TOP + k * each + PANEL_HEAD
            body += self._panel(panel, k, last=k == len(self.panels) - 1)
        words = "; ".join(f"{panel.title}: {told(panel)}" for panel in self.panels)
        title = f"Purdue coordination diagram, {self.title}"
        return Drawing(self.name, title, words, WIDTH, height, tuple(body))

    def _head(self) -> Iterator[str]:
        yield text(20, 30, f"Purdue coordination diagram: {self.title}", "t-title")
        yield text(20, 50, self.measured, "t-soft")
        x = WIDTH - 398.0
        for k, (label, css) in enumerate(
            (("begin of green", "begin-green"), ("begin of yellow", "begin-yellow"),
             ("end of cycle", "begin-red"))
        ):  # fmt: skip
            yield line(x + 134 * k, 46, x + 18 + 134 * k, 46, css)
            yield text(x + 24 + 134 * k, 50, label, "t-small")
        yield f'<path class="hit-green" d="M{x + 9:g} 26h0"/>'
        yield text(x + 24, 30, "arrival in green", "t-small")
        yield f'<path class="hit-red" d="M{x + 143:g} 26h0"/>'
        yield text(x + 158, 30, "arrival in red or yellow", "t-small")

    def _panel(self, panel: Arrivals, number: int, *, last: bool) -> Iterator[str]:
        yield text(20, self.top - 28, panel.title, "t-head")
        yield text(20, self.top - 12, told(panel), "t-small")
        yield from self._grid(last=last)
        frame = (LEFT - 3, self.top - 3, WIDTH - LEFT - RIGHT + 6, PLOT + 6)
        marks = [
            *self._areas(panel),
            *self._lines(panel),
            *self._dots(panel),
        ]
        yield clipped(f"{self.name}-clip-{number}", frame, marks)

    def _grid(self, *, last: bool) -> Iterator[str]:
        second = 0.0
        while second <= self.most_s + 1e-6:
            y = self.y(second)
            yield line(LEFT, y, WIDTH - RIGHT, y, "tick" if second else "tick-strong")
            yield text(LEFT - 6, y + 4, f"{second:g}", "t-small", "end")
            second += self.step
        yield text(20, self.top + 11, "s", "t-small")
        step = seconds_step(self.end_s - self.begin_s, WIDTH - LEFT - RIGHT, 70.0)
        at_s = -(-self.begin_s // step) * step
        while at_s <= self.end_s:
            yield line(self.x(at_s), self.top, self.x(at_s), self.top + PLOT, "tick")
            if last:
                words = f"{at_s / 60:g}" if step >= 60 else f"{at_s:g}"
                yield text(self.x(at_s), self.top + PLOT + 16, words, "t-small", "middle")
            at_s += step
        if last:
            unit = "min" if step >= 60 else "s"
            words = f"time of the simulation, {unit}"
            yield text(WIDTH - RIGHT, self.top + PLOT + 32, words, "t-small", "end")

    def _areas(self, panel: Arrivals) -> Iterator[str]:
        for cycle in panel.cycles:
            top, low = self.y(cycle.yellow_s - cycle.red_s), self.y(cycle.green_s - cycle.red_s)
            left, right = self.x(cycle.red_s), self.x(cycle.end_s)
            yield box(left, top, right - left, low - top, "area-green")

    def _lines(self, panel: Arrivals) -> Iterator[str]:
        for css, heights in (
            ("begin-green", [cycle.green_s - cycle.red_s for cycle in panel.cycles]),
            ("begin-yellow", [cycle.yellow_s - cycle.red_s for cycle in panel.cycles]),
            ("begin-red", [cycle.end_s - cycle.red_s for cycle in panel.cycles]),
        ):
            pieces = []
            points: list[Point] = []
            before: PurdueCycle | None = None
            for cycle, height_s in zip(panel.cycles, heights, strict=True):
                if before is not None and cycle.red_s > before.end_s + 1.0:
                    pieces.append(path_of(points))
                    points = []
                y = self.y(height_s)
                points += [(self.x(cycle.red_s), y), (self.x(cycle.end_s), y)]
                before = cycle
            pieces += [path_of(points)] if points else []
            yield f'<path class="{css}" d="{"".join(pieces)}"/>'

    def _dots(self, panel: Arrivals) -> Iterator[str]:
        """Every arrival as a stroke of no length; the style gives it its shape."""
        marks: dict[str, list[str]] = {"hit-green": [], "hit-red": []}
        for cycle in panel.cycles:
            for at_s in panel.of(cycle):
                css = "hit-green" if cycle.green_s <= at_s < cycle.yellow_s else "hit-red"
                marks[css].append(f"M{self.x(at_s):.1f} {self.y(at_s - cycle.red_s):.1f}h0")
        for css, drawn in marks.items():
            yield f'<path class="{css}" d="{"".join(drawn)}"/>'


def told(panel: Arrivals) -> str:
    """The figures of one panel in words."""
    if panel.on_green is None or panel.platoon_ratio is None:
        return "no arrivals"
    return (
        f"{panel.counted} arrivals in {len(panel.cycles)} cycles: {panel.on_green:.0%} in green, "
        f"which is {panel.green_share:.0%} of the time; platoon ratio {panel.platoon_ratio:.2f}"
    )
