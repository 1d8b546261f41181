"""The few SVG elements that the drawings are made of; coordinates in pixels, y down."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from xml.sax.saxutils import escape

from sim.network.net_file import Point

INK = "#1f2933"
GREY = "#9aa5b1"
ROAD = "#dde2e7"
PAPER = "#ffffff"
PALETTE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#b58900",
    "#56b4e9",
    "#6a3d9a",
    "#4d4d4d",
)
"""Told apart by colour-blind readers and in grey print (after Okabe & Ito 2008)."""
_FONT = "font-family='Helvetica,Arial,sans-serif'"


def document(width: float, height: float, body: Iterable[str], title: str) -> str:
    """A whole SVG of *width* by *height* pixels."""
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' "
            f"width='{width:.0f}' height='{height:.0f}' role='img'>",
            f"<title>{escape(title)}</title>",
            f"<rect width='{width:.0f}' height='{height:.0f}' fill='{PAPER}'/>",
            *body,
            "</svg>",
        ]
    )


def text(
    at: Point,
    words: str,
    *,
    size: float = 12,
    anchor: str = "start",
    colour: str = INK,
    bold: bool = False,
) -> str:
    """A line of text."""
    weight = " font-weight='600'" if bold else ""
    return (
        f"<text x='{at[0]:.1f}' y='{at[1]:.1f}' {_FONT} font-size='{size:g}' "
        f"text-anchor='{anchor}' fill='{colour}'{weight}>{escape(words)}</text>"
    )


def line(
    points: Sequence[Point], colour: str, width: float, *, dashes: str = "", cap: str = "butt"
) -> str:
    """A polyline."""
    if len(points) < 2:
        return ""
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    dashed = f" stroke-dasharray='{dashes}'" if dashes else ""
    return (
        f"<path d='{path}' fill='none' stroke='{colour}' stroke-width='{width:.2f}' "
        f"stroke-linejoin='round' stroke-linecap='{cap}'{dashed}/>"
    )


def arrow(points: Sequence[Point], colour: str, width: float, *, dashes: str = "") -> str:
    """A polyline with a head at its end."""
    if len(points) < 2:
        return ""
    tip, size = points[-1], 3.2 * width
    back = next((p for p in reversed(points[:-1]) if math.dist(p, tip) >= size), points[0])
    length = math.dist(back, tip) or 1.0
    ux, uy = (tip[0] - back[0]) / length, (tip[1] - back[1]) / length
    base = (tip[0] - ux * size, tip[1] - uy * size)
    left = (base[0] - uy * size / 2, base[1] + ux * size / 2)
    right = (base[0] + uy * size / 2, base[1] - ux * size / 2)
    shaft = [*points[:-1], base] if length > size else [points[0], base]
    return line(shaft, colour, width, dashes=dashes) + polygon((tip, left, right), colour)


def polygon(points: Sequence[Point], fill: str, *, stroke: str = "none", width: float = 0) -> str:
    """A filled polygon."""
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f"<polygon points='{corners}' fill='{fill}' stroke='{stroke}' stroke-width='{width:g}'/>"


def box(at: Point, width: float, height: float, fill: str, *, stroke: str = "none") -> str:
    """A rectangle from its upper left corner."""
    return (
        f"<rect x='{at[0]:.1f}' y='{at[1]:.1f}' width='{width:.1f}' height='{height:.1f}' "
        f"fill='{fill}' stroke='{stroke}'/>"
    )


def badge(at: Point, words: str, colour: str, *, size: float = 8) -> str:
    """A coloured disc with a short label."""
    return (
        f"<circle cx='{at[0]:.1f}' cy='{at[1]:.1f}' r='{size:g}' fill='{colour}' "
        f"stroke='{PAPER}' stroke-width='1.5'/>"
        + text(
            (at[0], at[1] + size * 0.42),
            words,
            size=size * 1.2,
            anchor="middle",
            colour=PAPER,
            bold=True,
        )
    )
