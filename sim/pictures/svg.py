"""What every picture is made of: a drawing with its frame, and the few SVG elements in it.

Coordinates in pixels, y down. Elements carry classes; colours come from :mod:`sim.pictures.style`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape, quoteattr
from zlib import crc32

from sim.pictures.style import file_style

Point = tuple[float, float]
SLUG_MAX = 60
TEXT_WIDTH = 0.56
"""Of a letter, on average, as a part of the size of its font."""


@dataclass(frozen=True, slots=True)
class Drawing:
    """One picture; ``name`` makes its ids unique in a page, ``description`` says it in words."""

    name: str
    title: str
    description: str
    width: float
    height: float
    body: tuple[str, ...]

    def inline(self) -> str:
        """The SVG element, for a page with :func:`~sim.pictures.style.page_style`."""
        return "\n".join(self._parts())

    def file_text(self) -> str:
        """A whole SVG file, which brings its own style."""
        return "\n".join([*self._parts(f"<style>{file_style()}</style>"), ""])

    def _parts(self, style: str = "") -> Iterator[str]:
        size = f"0 0 {self.width:.0f} {self.height:.0f}"
        ids = f"{self.name}-title", f"{self.name}-desc"
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="gb" viewBox="{size}" '
            f'width="{self.width:.0f}" height="{self.height:.0f}" role="img" '
            f'aria-labelledby="{ids[0]} {ids[1]}">'
        )
        yield f'<title id="{ids[0]}">{escape(self.title)}</title>'
        yield f'<desc id="{ids[1]}">{escape(self.description)}</desc>'
        if style:
            yield style
        yield f"<defs>{hatch(self.name)}</defs>"
        yield box(0, 0, self.width, self.height, "paper")
        yield from self.body
        yield "</svg>"


def slug(words: str) -> str:
    """*words* as an SVG id and a file name; long ones are cut, and told apart by a number."""
    kept = "".join(c if c.isascii() and c.isalnum() else "-" for c in words).strip("-").lower()
    if len(kept) > SLUG_MAX:
        return f"{kept[: SLUG_MAX - 9]}-{crc32(words.encode()):08x}"
    return kept or "picture"


def hatch(name: str) -> str:
    """The pattern of a red lamp: slanted lines, so that colour is not the only cue."""
    return (
        f'<pattern id="{name}-red" width="5" height="5" patternUnits="userSpaceOnUse" '
        'patternTransform="rotate(45)"><rect class="lamp-red" width="5" height="5"/>'
        '<path class="lamp-hatch" d="M1.2 0V5"/></pattern>'
    )


def text(x: float, y: float, words: str, css: str = "", anchor: str = "start") -> str:
    """A line of text."""
    placed = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f'<text{_class(css)} x="{x:.1f}" y="{y:.1f}"{placed}>{escape(words)}</text>'


def box(x: float, y: float, width: float, height: float, css: str) -> str:
    """A rectangle from its upper left corner."""
    return (
        f'<rect{_class(css)} x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" '
        f'height="{height:.1f}"/>'
    )


def red_box(x: float, y: float, width: float, height: float, name: str) -> str:
    """A hatched rectangle in the drawing called *name*."""
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(0.0, width):.1f}" height="{height:.1f}" '
        f'fill="url(#{name}-red)"/>'
    )


def line(x1: float, y1: float, x2: float, y2: float, css: str) -> str:
    """A straight line."""
    return f'<path{_class(css)} d="M{x1:.1f} {y1:.1f}L{x2:.1f} {y2:.1f}"/>'


def polyline(points: Sequence[Point], css: str, width: float | None = None) -> str:
    """A line through *points*; *width* in pixels where the style does not say it."""
    if len(points) < 2:
        return ""
    wide = "" if width is None else f' stroke-width="{width:.1f}"'
    return f'<path{_class(css)}{wide} d="{path_of(points)}"/>'


def thin_line(points: Sequence[Point], css: str) -> str:
    """The same, written short for lines that are many: steps of tenths of a pixel."""
    tenths = [(round(10 * x), round(10 * y)) for x, y in points]
    if len(tenths) < 2:
        return ""
    steps = [f"{(x1 - x0) / 10:g} {(y1 - y0) / 10:g}" for (x0, y0), (x1, y1) in pairwise(tenths)]
    path = f"M{tenths[0][0] / 10:g} {tenths[0][1] / 10:g}l" + " ".join(steps)
    return f'<path{_class(css)} d="{path.replace(" -", "-")}"/>'


def polygon(points: Sequence[Point], css: str) -> str:
    """A filled polygon."""
    return f'<path{_class(css)} d="{path_of(points)}Z"/>'


def arrow(points: Sequence[Point], *, yields: bool = False, size: float = 7.0) -> str:
    """A way with a head at its end; dashed if it gives way."""
    if len(points) < 2:
        return ""
    tip = points[-1]
    back = next((p for p in reversed(points[:-1]) if math.dist(p, tip) >= size), points[0])
    length = math.dist(back, tip) or 1.0
    ux, uy = (tip[0] - back[0]) / length, (tip[1] - back[1]) / length
    base = (tip[0] - ux * size, tip[1] - uy * size)
    head = (
        tip,
        (base[0] - uy * size * 0.45, base[1] + ux * size * 0.45),
        (base[0] + uy * size * 0.45, base[1] - ux * size * 0.45),
    )
    shaft = [*(p for p in points[:-1] if math.dist(p, tip) > size), base]
    css = "flow flow-yields" if yields else "flow"
    start = [points[0]] if len(shaft) < 2 else []
    return polyline([*start, *shaft], css) + polygon(head, "flow-tip")


def clipped(name: str, frame: tuple[float, float, float, float], body: Iterable[str]) -> str:
    """*body* inside *frame* (x, y, width, height)."""
    x, y, width, height = frame
    return "\n".join(
        [
            f'<clipPath id="{name}"><rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" '
            f'height="{height:.1f}"/></clipPath><g clip-path="url(#{name})">',
            *body,
            "</g>",
        ]
    )


def path_of(points: Sequence[Point]) -> str:
    """Path data, to a tenth of a pixel."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def fits(words: str, width: float, size: float = 12.0) -> bool:
    """Whether *words* have room in *width* pixels."""
    return len(words) * size * TEXT_WIDTH <= width


def shortened(words: str, width: float, size: float = 12.0) -> str:
    """*words*, cut with an ellipsis where they have no room in *width* pixels."""
    if fits(words, width, size):
        return words
    room = max(1, int(width / (size * TEXT_WIDTH)) - 1)
    return words[:room].rstrip() + "…"


def count(number: int, noun: str) -> str:
    """``1 vehicle``, ``5 vehicles``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def seconds_step(duration_s: float, room: float, apart: float = 46.0) -> float:
    """Seconds between two ticks of an axis *room* pixels wide, at least *apart* pixels."""
    steps = (1.0, 2.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)
    return next((step for step in steps if room * step / duration_s >= apart), steps[-1])


def _class(css: str) -> str:
    return f" class={quoteattr(css)}" if css else ""
