"""``greenband demo``: a real network under the shipped plan, the peers and ours, in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenband.bench import Request, carry_out
from greenband.failures import guarded
from greenband.options import JSON_TO
from greenband.terminal import STANDARD_OUTPUT, say

SCENARIO = "cologne8"
CONTROLS = "fixed,actuated,webster,max_pressure_10,max_wave_10,adaptive"
_NEXT = """\
try next
  greenband compare ingolstadt7 --seeds 3        a corridor in Ingolstadt
  greenband compare cologne8 --control all       every peer
  greenband inspect cologne8                     what was derived from the network
  greenband compare path/to/your.sumocfg         your own network"""


@guarded
def demo_command(
    seeds: Annotated[
        str,
        typer.Option(help="3 means seeds 1, 2, 3; or a list such as 1,2,5-9.", metavar="N|LIST"),
    ] = "3",
    report: Annotated[Path, typer.Option(help="Where the report goes.", metavar="FILE")] = Path(
        "out/report.html"
    ),
    json_to: JSON_TO = None,
) -> None:
    """Compare controls on eight real junctions of Cologne and write out/report.html."""
    request = Request(
        scenario=SCENARIO, controls=CONTROLS, seeds=seeds, report=report, json_to=json_to
    )
    say(f"{SCENARIO}: eight junctions of Cologne, one morning hour, under {CONTROLS}")
    carry_out(request)
    if json_to != STANDARD_OUTPUT:
        say(_NEXT)
