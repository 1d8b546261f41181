"""``greenband hil``: the simulation as a street, with real cabinets and the real daemon in it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from greenband.extras import require_report, require_sumo
from greenband.failures import guarded
from greenband.files import ensure_writable
from greenband.hil_json import hil_document
from greenband.hil_table import print_hil
from greenband.hil_wish import Wish
from greenband.names import scenario_name
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE, SCENARIO
from greenband.progress import watching_seconds
from greenband.terminal import STANDARD_OUTPUT, print_json, say


@guarded
def hil_command(
    scenario: SCENARIO,
    speed: Annotated[
        str,
        typer.Option(
            help="1: real clocks; lockstep: as fast as possible; N: lock-step, N times real time.",
            metavar="1|N|lockstep",
        ),
    ] = "lockstep",
    link: Annotated[
        str, typer.Option(help="What lies between edge and cabinets.", metavar="tcp|tls|rtu")
    ] = "tcp",
    broker: Annotated[
        str, typer.Option(help="The MQTT broker.", metavar="embedded|none|URL")
    ] = "embedded",
    device: Annotated[
        list[str] | None,
        typer.Option(
            help="A cabinet that is there already, such as tcp://HOST:PORT?unit=1=J1.",
            metavar="URL=JUNCTION",
        ),
    ] = None,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            help="Break something on purpose, such as cut@120:J1:20; may be repeated.",
            metavar="KIND@SECOND[:JUNCTION][:FOR_S]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="SUMO's random seed.", min=1)] = 1,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    report: Annotated[
        Path | None,
        typer.Option(help="Where the report goes; out/SCENARIO-hil.html.", metavar="FILE"),
    ] = None,
    json_to: JSON_TO = None,
    keep: Annotated[
        Path | None,
        typer.Option(help="Keep all files of the run in this empty folder.", metavar="DIR"),
    ] = None,
) -> None:
    """Run adaptive control through real cabinets, wires and the daemon, with SUMO as the street.

    Every cabinet is a program of its own behind a real socket or a pseudo-terminal. The same run in
    one process goes beside it, to compare with. Faults: cut, stall, slow, corrupt (the link),
    freeze, kill (the cabinet), daemon, broker, missing, stuck-on, stuck-off, chatter (the
    detectors), clock.
    """
    require_sumo()
    if report is None and json_to != STANDARD_OUTPUT:
        report = Path("out") / f"{scenario_name(scenario)}-hil.html"
    if report is not None:
        require_report()
    wish = Wish(
        scenario=scenario,
        speed=speed,
        link=link,
        broker=broker,
        devices=tuple(device or ()),
        faults=tuple(fault or ()),
        seed=seed,
        convention=convention,
        scale=scale,
        begin_s=begin,
        end_s=end,
        routes=tuple(routes or ()),
        keep=keep,
    )
    spec, network = wish.prepared()
    for path in (report, json_to):
        if path is not None and path != STANDARD_OUTPUT:
            ensure_writable(Path(path))
    from sim.hil.bench import run_bench

    with watching_seconds() as on_progress:
        result = run_bench(spec, network, say, on_progress)
    if json_to != STANDARD_OUTPUT:
        print_hil(result)
    if json_to is not None:
        print_json(hil_document(result), json_to)
    if report is not None:
        from sim.hil.report import write_hil_report

        write_hil_report(result, report, command=wish.command())
        say(f"report: {report}")
