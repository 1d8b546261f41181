"""Vehicles that stand at the signals over time, with the times of the faults behind them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from markupsafe import Markup

from sim.hil.faults import Fault
from sim.metrics import mean
from sim.report.charts import Axis
from sim.report.svg import element, polyline, tick_text
from sim.report.svg import ticks as round_ticks

_WIDTH, _HEIGHT = 880, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 14, 22, 44
_POINTS = 240
"""About as many as the picture has room for."""
Points = list[tuple[float, float]]


def queue_chart(
    run: Sequence[tuple[int, ...]], reference: Sequence[tuple[int, ...]], faults: Sequence[Fault]
) -> Markup:
    """*run* and *reference*: standing vehicles per second and junction, from the begin on."""
    ours, theirs = _thinned(run), _thinned(reference)
    axis = Axis.up_to(max(value for _, value in (*ours, *theirs)))
    seconds = max(1, len(run))

    def x(second: float) -> float:
        return _LEFT + second / seconds * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return _HEIGHT - _BOTTOM - value / axis.ticks[-1] * (_HEIGHT - _TOP - _BOTTOM)

    marks = [_band(fault, x, min(fault.end_s, seconds)) for fault in faults]
    marks += [_level(tick, y(tick)) for tick in axis.ticks]
    marks += [_moment(second, x(second)) for second in round_ticks(seconds, 8) if second <= seconds]
    for kind, points in (("before", theirs), ("ours", ours)):
        path = polyline([(x(second), y(value)) for second, value in points])
        marks.append(element("path", class_=f"line {kind}", d=path))
    title = element("title", "Vehicles standing at all signals, over the seconds of the run")
    return element(
        "svg", title, *marks, class_="plot", viewBox=f"0 0 {_WIDTH} {_HEIGHT}", role="img"
    )


def _thinned(rows: Sequence[tuple[int, ...]]) -> Points:
    """(middle, mean) of pieces of equal length."""
    piece = max(1, len(rows) // _POINTS)
    return [
        (begin + piece / 2, mean([sum(row) for row in rows[begin : begin + piece]]))
        for begin in range(0, len(rows), piece)
    ]


def _band(fault: Fault, x: Callable[[float], float], end_s: int) -> Markup:
    left, right = x(fault.at_s), x(end_s)
    band = element(
        "rect",
        class_="band",
        x=left,
        y=_TOP,
        width=max(1.0, right - left),
        height=_HEIGHT - _TOP - _BOTTOM,
    )
    name = element("text", fault.kind.value, x=left, y=_TOP - 6)
    return Markup("").join((band, name))


def _level(tick: float, y: float) -> Markup:
    line = element("line", class_="grid", x1=_LEFT, x2=_WIDTH - _RIGHT, y1=y, y2=y)
    text = element("text", tick_text(tick), x=_LEFT - 7, y=y + 4, text_anchor="end")
    return Markup("").join((line, text))


def _moment(second: float, x: float) -> Markup:
    base = _HEIGHT - _BOTTOM
    return element("text", f"{second:g} s", x=x, y=base + 18, text_anchor="middle")
