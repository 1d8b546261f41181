"""Small pieces of SVG as text. Colours and fonts come from the page's style sheet by class."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup, escape

Attribute = str | float | int


def element(name: str, *children: str, **attributes: Attribute) -> Markup:
    """One element; a trailing underscore of an attribute goes, inner ones become hyphens.

    Text in *children* is escaped unless it is :class:`~markupsafe.Markup` already.
    """
    written = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_plain(value))}"'
        for key, value in attributes.items()
    )
    inside = "".join(escape(child) for child in children)
    return Markup(f"<{name}{written}>{inside}</{name}>" if inside else f"<{name}{written}/>")


def ticks(top: float, wanted: int = 5) -> list[float]:
    """Round numbers from 0 to just above *top*, about *wanted* steps."""
    if top <= 0:
        return [0.0, 1.0]
    raw = top / wanted
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= raw * 0.999)
    return [index * step for index in range(math.ceil(top / step - 1e-9) + 1)]


def tick_text(value: float) -> str:
    """A tick without needless decimals."""
    return f"{value:g}"


def polyline(points: Sequence[tuple[float, float]]) -> str:
    """Path data of a line through *points*, to a tenth of a pixel."""
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _plain(value: Attribute) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
