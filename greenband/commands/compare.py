"""``greenband compare``: controls beside each other on one scenario."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenband.bench import Request, carry_out, default_report
from greenband.corridor_bench import BenchRequest, carry_out_bench
from greenband.failures import guarded
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE, SCENARIO
from greenband.terminal import STANDARD_OUTPUT


@guarded
def compare_command(
    scenario: SCENARIO,
    control: Annotated[
        str, typer.Option(help="Controls, separated by commas, or all.", metavar="A,B|all")
    ] = "fixed,actuated,adaptive",
    seeds: Annotated[
        str,
        typer.Option(help="3 means seeds 1, 2, 3; or a list such as 1,2,5-9.", metavar="N|LIST"),
    ] = "3",
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    workers: Annotated[
        int | None, typer.Option(help="Runs at a time; as many as there are cores.", min=1)
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Where the report goes; out/SCENARIO-report.html.", metavar="FILE"),
    ] = None,
    svg: Annotated[
        Path | None, typer.Option(help="Write the report's pictures there, too.", metavar="DIR")
    ] = None,
    json_to: JSON_TO = None,
    corridor: Annotated[
        bool,
        typer.Option("--corridor", help="As corridor bench: adaptive without and with corridors."),
    ] = False,
) -> None:
    """Run a scenario under several controls and say what each gained.

    Writes a table and a report in one HTML file; with --json - only JSON, unless --report is given.
    """
    if report is None and json_to != STANDARD_OUTPUT:
        report = default_report(scenario)
    if corridor:
        carry_out_bench(
            BenchRequest(
                scenario=scenario,
                seeds=seeds,
                convention=convention,
                begin_s=begin,
                end_s=end,
                routes=tuple(routes or ()),
                workers=workers,
                json_to=json_to,
                report=report,
            )
        )
        return
    carry_out(
        Request(
            scenario=scenario,
            controls=control,
            seeds=seeds,
            convention=convention,
            scale=scale,
            begin_s=begin,
            end_s=end,
            routes=tuple(routes or ()),
            workers=workers,
            report=report,
            json_to=json_to,
            svg=svg,
        )
    )
