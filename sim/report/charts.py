"""The charts of a report as inline SVG.

Strips (dot plot, dumbbells) place their marks in percent of their width, so they fit any column,
on a phone as on paper. No chart relies on colour alone: marks differ in shape, fill or dash, and
every number stands in a table beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from sim.report import formatting
from sim.report.svg import element, polyline, tick_text, ticks
from sim.statistics import Estimate

_PLOT_WIDTH, _PLOT_HEIGHT = 880, 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 14, 44


@dataclass(frozen=True, slots=True)
class Series:
    """A line over time: ``kind`` (``ours``, ``before``, ``peer``) decides colour and dash."""

    label: str
    kind: str
    points: Sequence[tuple[float, float]]
    """(second, value)."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A scale from zero with round ticks."""

    ticks: tuple[float, ...]

    @classmethod
    def up_to(cls, top: float, wanted: int = 5) -> Axis:
        """The axis that holds values up to *top*."""
        return cls(tuple(ticks(top, wanted)))

    def percent(self, value: float) -> str:
        """Where *value* lies, in percent of the width, 1 % kept free at both ends."""
        inside = min(max(value / self.ticks[-1], 0.0), 1.0)
        return f"{1 + 98 * inside:.2f}%"


def dot_strip(axis: Axis, each: Sequence[float], mean: Estimate, kind: str) -> Markup:
    """One row of the dot plot: every seed faint, the 95 % interval as a bar, the mean on top."""
    marks = [_grid(axis, -16, 44)]
    marks += [
        element("circle", class_="seed", cx=axis.percent(value), cy=14, r=2.6) for value in each
    ]
    if mean.half_width is not None:
        marks.append(
            element(
                "line",
                class_="interval",
                x1=axis.percent(mean.mean - mean.half_width),
                x2=axis.percent(mean.mean + mean.half_width),
                y1=14,
                y2=14,
            )
        )
    marks.append(element("circle", class_="mean", cx=axis.percent(mean.mean), cy=14, r=6))
    return element(
        "svg", *marks, class_=f"strip {kind}", width="100%", height=28, aria_hidden="true"
    )


def axis_strip(axis: Axis) -> Markup:
    """The numbers below a column of strips."""
    marks = []
    for tick in axis.ticks:
        anchor = "start" if tick == 0 else "end" if tick == axis.ticks[-1] else "middle"
        marks.append(
            element("text", tick_text(tick), x=axis.percent(tick), y=13, text_anchor=anchor)
        )
    return element("svg", *marks, class_="strip axis", width="100%", height=18, aria_hidden="true")


def dumbbell(axis: Axis, before: float | None, after: float | None, kind: str = "same") -> Markup:
    """Before (hollow) and after (filled) on one line; *kind* is the verdict of the change."""
    marks = [_grid(axis, 0, 20)]
    if before is not None and after is not None:
        marks.append(
            element(
                "line", class_="span", x1=axis.percent(before), x2=axis.percent(after), y1=10, y2=10
            )
        )
    if before is not None:
        marks.append(element("circle", class_="before", cx=axis.percent(before), cy=10, r=4.2))
    if after is not None:
        marks.append(element("circle", class_="after", cx=axis.percent(after), cy=10, r=4.6))
    return element(
        "svg", *marks, class_=f"strip pair {kind}", width="100%", height=20, aria_hidden="true"
    )


def time_lines(series: Sequence[Series], description: str) -> Markup:
    """Delay over the time of departure; the lines carry their names, so colour is not the key."""
    seconds = [second for line in series for second, _ in line.points]
    first, last = min(seconds), max(seconds)
    top = max(value for line in series for _, value in line.points)
    axis = Axis.up_to(top)

    def x(second: float) -> float:
        return _LEFT + (second - first) / max(last - first, 1) * (_PLOT_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _PLOT_HEIGHT - _BOTTOM - value / axis.ticks[-1] * (_PLOT_HEIGHT - _TOP - _BOTTOM)

    marks = [*_time_axis(first, last, x), *_value_axis(axis, y)]
    for line in series:
        points = [(x(second), y(value)) for second, value in line.points]
        marks.append(element("path", class_=f"line {line.kind}", d=polyline(points)))
        marks += [
            element("circle", class_=f"dot {line.kind}", cx=px, cy=py, r=3) for px, py in points
        ]
    return element(
        "svg",
        element("title", description),
        *marks,
        class_="plot",
        viewBox=f"0 0 {_PLOT_WIDTH} {_PLOT_HEIGHT}",
        role="img",
    )


def line_key(kind: str) -> Markup:
    """A short piece of a line of *kind*, for the legend."""
    return element(
        "svg",
        element("path", class_=f"line {kind}", d="M1 6L33 6"),
        element("circle", class_=f"dot {kind}", cx=17, cy=6, r=3),
        class_="key",
        width=34,
        height=12,
        aria_hidden="true",
    )


def _grid(axis: Axis, top: int, bottom: int) -> Markup:
    return Markup("").join(
        element(
            "line", class_="grid", x1=axis.percent(tick), x2=axis.percent(tick), y1=top, y2=bottom
        )
        for tick in axis.ticks
    )


def _value_axis(axis: Axis, y: Callable[[float], float]) -> list[Markup]:
    marks = []
    for tick in axis.ticks:
        marks.append(
            element(
                "line", class_="grid", x1=_LEFT, x2=_PLOT_WIDTH - _RIGHT, y1=y(tick), y2=y(tick)
            )
        )
        marks.append(
            element("text", tick_text(tick), x=_LEFT - 7, y=y(tick) + 4, text_anchor="end")
        )
    return marks


def _time_axis(first: float, last: float, x: Callable[[float], float]) -> list[Markup]:
    step = _time_step(last - first)
    base = _PLOT_HEIGHT - _BOTTOM
    second = first - first % step
    marks = []
    while second <= last:
        if second >= first:
            text = formatting.clock(second)
            marks.append(element("text", text, x=x(second), y=base + 18, text_anchor="middle"))
            marks.append(
                element("line", class_="grid", x1=x(second), x2=x(second), y1=base, y2=base + 5)
            )
        second += step
    label = "departure (time of day in the scenario)"
    middle = (_LEFT + _PLOT_WIDTH - _RIGHT) / 2
    marks.append(
        element("text", label, class_="label", x=middle, y=_PLOT_HEIGHT - 6, text_anchor="middle")
    )
    return marks


def _time_step(duration_s: float) -> float:
    steps = (300, 600, 900, 1800, 3600, 7200, 14400, 28800)
    return next((step for step in steps if duration_s / step <= 8), steps[-1])
