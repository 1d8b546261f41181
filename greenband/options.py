"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

SCENARIO = Annotated[
    str,
    typer.Argument(
        metavar="SCENARIO",
        help="A named scenario (see scenarios list), a .sumocfg, or a .net.xml with --routes.",
    ),
]
CONVENTION = Annotated[
    str,
    typer.Option(
        help="field: the network's own yellow and all-red; resco: 3 s yellow, no all-red.",
        metavar="field|resco",
    ),
]
SCALE = Annotated[float, typer.Option(help="Multiply the demand.", metavar="FACTOR")]
BEGIN = Annotated[
    float | None,
    typer.Option(help="Begin of the window, in seconds of the simulation.", metavar="S"),
]
END = Annotated[float | None, typer.Option(help="End of the window.", metavar="S")]
ROUTES = Annotated[
    list[Path] | None,
    typer.Option(help="Route file for a .net.xml; may be repeated.", metavar="FILE"),
]
JSON_TO = Annotated[
    str | None,
    typer.Option("--json", help="Write JSON to a file, or to standard output.", metavar="FILE|-"),
]
AS_JSON = Annotated[
    bool, typer.Option("--json", help="Write JSON to standard output, and nothing else.")
]
