"""Colours and strokes of the pictures, in one style sheet, for light and dark pages.

In a page the colours are variables, which follow the reader's scheme. A file of its own has them
written out, because drawing programs know no variables.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

LIGHT = {
    "paper": "#ffffff",
    "ink": "#1b2126",
    "soft": "#59636b",
    "rule": "#dde2e6",
    "line": "#9aa4ab",
    "road": "#dfe3e7",
    "kerb": "#b4bcc3",
    "green": "#35a06f",
    "yellow": "#f0c400",
    "red": "#c9302c",
    "hatch": "#f3c4c1",
    "clearance": "#8fd0b1",
    "out": "#0072b2",
    "in": "#c25a00",
}
DARK = {
    "paper": "#14181b",
    "ink": "#e8ecee",
    "soft": "#a7b0b7",
    "rule": "#2c343a",
    "line": "#6b757d",
    "road": "#333b42",
    "kerb": "#5a656d",
    "green": "#3fb684",
    "yellow": "#f0c400",
    "red": "#ef6a63",
    "hatch": "#5a2825",
    "clearance": "#20694b",
    "out": "#56b4e9",
    "in": "#f0a04b",
}
FONT = '"Helvetica Neue", Helvetica, Arial, "Liberation Sans", sans-serif'
_RULES = """
.gb text { font-family: FONT; font-size: 12px; fill: var(--gb-ink); }
.gb .t-title { font-size: 17px; font-weight: 700; }
.gb .t-head { font-size: 13.5px; font-weight: 700; }
.gb .t-bold { font-weight: 700; }
.gb .t-soft { fill: var(--gb-soft); }
.gb .t-small { font-size: 11px; fill: var(--gb-soft); }
.gb .t-tiny { font-size: 10px; fill: var(--gb-soft); }
.gb .t-inside { font-size: 11px; font-weight: 700; }
.gb .t-on { fill: #ffffff; font-weight: 700; }
.gb .t-out { fill: var(--gb-out); font-weight: 700; font-size: 11px; }
.gb .t-in { fill: var(--gb-in); font-weight: 700; font-size: 11px; }
.gb .halo { stroke: var(--gb-paper); stroke-width: 3px; paint-order: stroke; }
.gb .paper { fill: var(--gb-paper); }
.gb .tick { stroke: var(--gb-rule); stroke-width: 1; fill: none; }
.gb .tick-strong { stroke: var(--gb-line); stroke-width: 1; fill: none; }
.gb .axis { stroke: var(--gb-ink); stroke-width: 1.2; fill: none; }
.gb .barrier { stroke: var(--gb-ink); stroke-width: 3; fill: none; }
.gb .stop-line { stroke: var(--gb-ink); stroke-width: 2; fill: none; }
.gb .lamp-green { fill: var(--gb-green); }
.gb .lamp-yellow { fill: var(--gb-yellow); }
.gb .lamp-red { fill: var(--gb-hatch); }
.gb .lamp-hatch { stroke: var(--gb-red); stroke-width: 1.6; fill: none; }
.gb .lamp-clearance { fill: var(--gb-clearance); }
.gb .lamp-frame { fill: none; stroke: var(--gb-line); stroke-width: .6; }
.gb .band-out { fill: var(--gb-out); fill-opacity: .20; }
.gb .band-in { fill: var(--gb-in); fill-opacity: .20; }
.gb .edge-out { stroke: var(--gb-out); stroke-width: 1; fill: none; }
.gb .edge-in { stroke: var(--gb-in); stroke-width: 1; fill: none; stroke-dasharray: 5 3; }
.gb .way-out { stroke: var(--gb-out); stroke-width: .8; fill: none; stroke-linejoin: round; }
.gb .way-in { stroke: var(--gb-in); stroke-width: .8; fill: none; stroke-linejoin: round; }
.gb .road { fill: var(--gb-road); stroke: none; }
.gb .lane { stroke: var(--gb-road); fill: none; stroke-linecap: butt; stroke-linejoin: round; }
.gb .ring { fill: none; stroke: var(--gb-line); }
.gb .flow { stroke: var(--gb-ink); stroke-width: 2; fill: none; stroke-linejoin: round; }
.gb .flow-yields { stroke-dasharray: 4 3; }
.gb .flow-tip { fill: var(--gb-ink); }
.gb .walk { stroke: var(--gb-green); stroke-width: 5; fill: none; stroke-dasharray: 2.5 2; }
.gb .phase { fill: var(--gb-paper); stroke: var(--gb-ink); stroke-width: 1.2; }
.gb .hit-green { fill: none; stroke: var(--gb-ink); stroke-width: 3.8; stroke-linecap: round; }
.gb .hit-red { fill: none; stroke: var(--gb-red); stroke-width: 2.8; stroke-linecap: square; }
.gb .begin-green { stroke: var(--gb-green); stroke-width: 2.2; fill: none; }
.gb .begin-yellow { stroke: var(--gb-yellow); stroke-width: 2.2; fill: none; }
.gb .begin-red { stroke: var(--gb-red); stroke-width: 2.2; fill: none; }
.gb .area-green { fill: var(--gb-green); fill-opacity: .13; }
""".replace("FONT", FONT)


def page_style() -> str:
    """The style sheet for a page that holds pictures: variables, for light, dark and print."""
    return "\n".join(
        [
            f".gb {{ {_variables(LIGHT)} }}",
            f"@media (prefers-color-scheme: dark) {{ .gb {{ {_variables(DARK)} }} }}",
            f"@media print {{ .gb {{ {_variables(LIGHT)} }} }}",
            _RULES.strip(),
        ]
    )


def file_style() -> str:
    """The style sheet inside a file of its own: colours written out."""
    return "\n".join(
        [
            _written(LIGHT),
            "@media (prefers-color-scheme: dark) {",
            _written(DARK),
            "}",
        ]
    )


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--gb-{name}: {colour};" for name, colour in colours.items())


def _written(colours: Mapping[str, str]) -> str:
    return re.sub(r"var\(--gb-([a-z]+)\)", lambda found: colours[found[1]], _RULES.strip())
