"""``greenband run``: one run of one control, with SUMO's window if wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenband.bench import Request, carry_out
from greenband.failures import UsageError, guarded
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE, SCENARIO


@guarded
def run_command(
    scenario: SCENARIO,
    control: Annotated[str, typer.Option(help="The control to run.")] = "adaptive",
    seed: Annotated[int, typer.Option(help="SUMO's random seed.", min=1)] = 1,
    gui: Annotated[bool, typer.Option("--gui", help="Watch it in SUMO's window.")] = False,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    report: Annotated[
        Path | None, typer.Option(help="Write a report to this file.", metavar="FILE")
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(help="Say why, for every change of the signals.", metavar="JUNCTION|all"),
    ] = None,
    explain_to: Annotated[
        Path | None,
        typer.Option(help="Say it in this file; JSON lines if it ends in .jsonl.", metavar="FILE"),
    ] = None,
    save_state: Annotated[
        str | None,
        typer.Option(
            help="Save the state at second S, for greenband whatif.", metavar="S:FILE.xml.gz"
        ),
    ] = None,
    json_to: JSON_TO = None,
) -> None:
    """Run a scenario once under one control and print what came out."""
    if control == "all" or "," in control:
        raise UsageError("run takes one control: use greenband compare for several")
    carry_out(
        Request(
            scenario=scenario,
            controls=control,
            seeds=f"{seed}-{seed}",
            convention=convention,
            scale=scale,
            begin_s=begin,
            end_s=end,
            routes=tuple(routes or ()),
            report=report,
            json_to=json_to,
            gui=gui,
            explain=explain or ("all" if explain_to is not None else None),
            explain_to=explain_to,
            save_state=save_state,
        )
    )
