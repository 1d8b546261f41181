"""Vehicles that stand in the network over the minutes ahead, one line for each candidate.

The lines carry their names at their ends and differ in dash as well as in colour.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from sim.report.charts import Axis
from sim.report.svg import element, polyline, tick_text
from sim.whatif.ranking import Ranked

_WIDTH, _HEIGHT = 880, 330
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 170, 14, 44
_LINE_PX = 15.0
"""Least distance of two names."""
STYLES = 7
"""Candidates beyond these share the last style."""


def queue_lines(rows: Sequence[Ranked]) -> Markup:
    """The chart of *rows*, best first."""
    last_s = max(point[0] for row in rows for point in row.standing)
    axis = Axis.up_to(max(value for row in rows for _, value in row.standing))
    base = _HEIGHT - _BOTTOM

    def x(second: float) -> float:
        return _LEFT + second / max(last_s, 1.0) * (_WIDTH - _LEFT - _RIGHT)

    def y(value: float) -> float:
        return base - value / axis.ticks[-1] * (base - _TOP)

    marks = []
    for tick in axis.ticks:
        marks.append(element("line", class_="grid", x1=_LEFT, x2=x(last_s), y1=y(tick), y2=y(tick)))
        marks.append(
            element("text", tick_text(tick), x=_LEFT - 7, y=y(tick) + 4, text_anchor="end")
        )
    for minute in _minutes(last_s):
        at = x(minute * 60)
        marks.append(element("text", tick_text(minute), x=at, y=base + 18, text_anchor="middle"))
        marks.append(element("line", class_="grid", x1=at, x2=at, y1=base, y2=base + 5))
    label = "minutes from the present"
    middle = (_LEFT + x(last_s)) / 2
    marks.append(
        element("text", label, class_="label", x=middle, y=_HEIGHT - 6, text_anchor="middle")
    )
    for place in reversed(range(len(rows))):
        points = [(x(second), y(value)) for second, value in rows[place].standing]
        marks.append(element("path", class_=f"candidate c{style(place)}", d=polyline(points)))
    ends = [y(row.standing[-1][1]) for row in rows]
    for place, (row, at) in enumerate(zip(rows, _apart(ends), strict=True)):
        marks.append(
            element(
                "line",
                class_=f"candidate c{style(place)}",
                x1=x(last_s) + 2,
                x2=x(last_s) + 20,
                y1=ends[place],
                y2=at,
            )
        )
        marks.append(element("text", row.name, class_="name", x=x(last_s) + 25, y=at + 4))
    names = ", ".join(row.name for row in rows)
    return element(
        "svg",
        element("title", f"Vehicles standing over the minutes ahead: {names}"),
        *marks,
        class_="plot",
        viewBox=f"0 0 {_WIDTH} {_HEIGHT}",
        role="img",
    )


def style(place: int) -> int:
    """The number of the style of the candidate at *place*."""
    return min(place, STYLES - 1)


def _minutes(last_s: float) -> list[float]:
    step = next((each for each in (1, 2, 5, 10, 20, 30) if last_s / 60 / each <= 10), 60)
    return list(range(0, int(last_s // 60) + 1, step))


def _apart(ends: Sequence[float]) -> list[float]:
    """*ends* moved just so far that no two names overlap; the same order from top to bottom."""
    order = sorted(range(len(ends)), key=lambda k: (ends[k], k))
    at = [ends[k] for k in order]
    for _ in range(len(at) * 4):
        for i in range(len(at) - 1):
            overlap = _LINE_PX - (at[i + 1] - at[i])
            if overlap > 0:
                at[i] -= overlap / 2
                at[i + 1] += overlap / 2
    lowest = _HEIGHT - _BOTTOM
    if at and at[-1] > lowest:
        at = [value - (at[-1] - lowest) for value in at]
    placed = dict(zip(order, at, strict=True))
    return [placed[k] for k in range(len(ends))]
