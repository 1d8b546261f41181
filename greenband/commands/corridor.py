"""``greenband corridor``: emergency corridors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenband.commands import corridor_client
from greenband.corridor_bench import VEHICLES, BenchRequest, carry_out_bench
from greenband.failures import guarded
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCENARIO

app = typer.Typer(no_args_is_help=True, help="Open the way for emergency vehicles.")
corridor_client.add_to(app)


@app.command("bench", epilog="Example:  greenband corridor bench cologne8 --seeds 3")
@guarded
def bench_command(
    scenario: SCENARIO,
    vehicles: Annotated[
        int, typer.Option(help="Emergency vehicles in each seed.", min=1, max=200)
    ] = VEHICLES,
    seeds: Annotated[
        str,
        typer.Option(help="4 means seeds 1 to 4; or a list such as 1,2,5-9.", metavar="N|LIST"),
    ] = "4",
    gps_lost: Annotated[
        bool, typer.Option("--gps-lost", help="Every vehicle falls silent half-way.")
    ] = False,
    crossing: Annotated[
        bool, typer.Option("--crossing", help="Vehicles come in pairs that meet at a signal.")
    ] = False,
    convention: CONVENTION = "field",
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; as many as there are cores.", min=1)
    ] = None,
    json_to: JSON_TO = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", "-o", help="Write a page with pictures.", metavar="FILE.html"),
    ] = None,
) -> None:
    """Send emergency vehicles through a scenario, without corridors and with them.

    They have no blue light, so that the signals alone make the difference. Three runs a seed: each
    vehicle alone with every signal green, the adaptive control, and the same with corridors.
    """
    carry_out_bench(
        BenchRequest(
            scenario=scenario,
            seeds=seeds,
            vehicles=vehicles,
            gps_lost=gps_lost,
            crossing=crossing,
            convention=convention,
            begin_s=begin,
            end_s=end,
            routes=tuple(routes or ()),
            workers=workers,
            json_to=json_to,
            report=report,
        )
    )
