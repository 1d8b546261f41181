"""A compact picture of a comparison for a README: headline and bars, one standalone SVG.

It brings its own white card, so it reads on a light page as on a dark one, and needs no font or
style from around it.
"""

from __future__ import annotations

from markupsafe import Markup

from sim.report import formatting, wording
from sim.report.cast import cast, delays, is_ours, label, versus
from sim.report.svg import element, tick_text, ticks
from sim.results import Comparison, ControlResult
from sim.statistics import mean_interval

_WIDTH = 880
_LEFT, _RIGHT = 352, 716
_FIRST_ROW, _ROW = 118, 44
_FONT = "Helvetica Neue, Helvetica, Arial, Liberation Sans, sans-serif"
_INK, _SOFT, _RULE, _OURS, _PEER = "#1b2126", "#59636b", "#d5dade", "#0072b2", "#9aa4ab"


def summary_svg(comparison: Comparison) -> str:
    """Headline and one bar of mean delay per control, with 95 % intervals, as SVG text.

    Raises ValueError when no control has a finished run.
    """
    parts = cast(comparison)
    ran = sorted(
        (control for control in comparison.controls if control.runs),
        key=lambda control: mean_interval(delays(control)).mean,
    )
    means = [mean_interval(delays(control)) for control in ran]
    scale = ticks(max(mean.mean + (mean.half_width or 0.0) for mean in means), wanted=6)
    height = _FIRST_ROW + _ROW * len(ran) + 46
    against = versus(parts.subject, parts.baseline) if parts.baseline else None
    seeds = len(parts.subject.runs)
    title = f"Delay on {comparison.scenario}"
    if against is not None:
        title += (
            f": {formatting.number(against.peer_mean_s)} {wording.ARROW} "
            f"{formatting.number(against.subject_mean_s)} s per vehicle"
            f" ({formatting.percent(against.relative)})"
        )
    peer = f"{label(against.peer.name)} {wording.ARROW} " if against else ""
    below = (
        f"{peer}{label(parts.subject.name)}; mean over {formatting.count(seeds, 'seed')}"
        + (", 95 % intervals" if seeds > 1 else ", no interval")
        + f"; SUMO {comparison.sumo}, convention “{comparison.convention}”"
    )
    drawn = [
        element("title", title),
        _box(0.5, 0.5, _WIDTH - 1, height - 1, "#ffffff", stroke=_RULE, rx=6),
        _text(24, 44, title, size=23, weight=700),
        _text(24, 70, below, size=13.5, colour=_SOFT),
        *_scale(scale, height),
        *(_row(index, control, scale[-1]) for index, control in enumerate(ran)),
    ]
    return element(
        "svg",
        *drawn,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_WIDTH} {height}",
        width=_WIDTH,
        height=height,
        role="img",
        font_family=_FONT,
    )


def _row(index: int, control: ControlResult, top: float) -> Markup:
    mean = mean_interval(delays(control))
    y = _FIRST_ROW + index * _ROW
    ours = is_ours(control)
    end = _x(mean.mean, top)
    marks = [
        _text(24, y + 10, label(control.name), size=15, weight=700 if ours else 400),
        _text(24, y + 26, f"sees {control.sees}", size=11.5, colour=_SOFT),
        _box(_LEFT, y - 2, max(end - _LEFT, 1.0), 22, _OURS if ours else _PEER),
    ]
    if mean.half_width is not None:
        low, high = (_x(mean.mean + sign * mean.half_width, top) for sign in (-1, 1))
        whisker = f"M{low:.1f} {y + 9}L{high:.1f} {y + 9}"
        ends = "".join(f"M{at:.1f} {y + 4}L{at:.1f} {y + 14}" for at in (low, high))
        marks.append(element("path", d=whisker + ends, stroke=_INK, stroke_width=1.6))
    value = f"{formatting.estimate(mean)} s"
    marks.append(_text(_WIDTH - 24, y + 14, value, size=15, weight=700 if ours else 400, at="end"))
    return element("g", *marks)


def _scale(scale: list[float], height: int) -> list[Markup]:
    bottom = height - 40
    marks = []
    for tick in scale:
        x = _x(tick, scale[-1])
        line = f"M{x:.1f} {_FIRST_ROW - 14}L{x:.1f} {bottom}"
        marks.append(element("path", d=line, stroke=_RULE))
        marks.append(_text(x, bottom + 16, tick_text(tick), size=11.5, colour=_SOFT, at="middle"))
    note = "delay, s per vehicle (all scheduled trips)"
    marks.append(_text(24, bottom + 16, note, size=11.5, colour=_SOFT))
    return marks


def _x(value: float, top: float) -> float:
    return _LEFT + max(value, 0.0) / top * (_RIGHT - _LEFT)


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: float,
    weight: int = 400,
    colour: str = _INK,
    at: str = "start",
) -> Markup:
    return element(
        "text", text, x=x, y=y, font_size=size, font_weight=weight, fill=colour, text_anchor=at
    )


def _box(  # noqa: PLR0917 - the attributes of a rectangle
    x: float, y: float, width: float, height: float, colour: str, stroke: str = "none", rx: int = 0
) -> Markup:
    return element("rect", x=x, y=y, width=width, height=height, fill=colour, stroke=stroke, rx=rx)
