"""``greenband plan week``: from days of counts to plans and the table of when each runs."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.commands.plan import app
from greenband.commands.plan_make import made_plan, parse_cycles, require_objective
from greenband.counted_demand import (
    COUNTS_COLUMNS,
    DETECTORS,
    described,
    load_counts,
    remark,
)
from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.options import CONVENTION, JSON_TO, SCALE
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from optimizer.planning.network import NetworkPlan, PlanningNetwork
    from sim.planning.week import PlannedWeek

WEEK_FILE, PERIODS_FILE = "week.json", "periods.json"


@app.command("week", epilog="Example:  greenband plan week arterial --counts days.csv -o week/")
@guarded
def week_command(
    network: Annotated[
        str | None,
        typer.Argument(metavar="NET|SCENARIO", help="The network or scenario.", show_default=False),
    ] = None,
    counts: Annotated[
        Path | None, typer.Option(help="Days of counts, with dates.", metavar="FILE.csv")
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The folder for the plans.", metavar="DIR")
    ] = Path("week"),
    shortest: Annotated[
        int, typer.Option(help="Shortest period, in minutes.", min=15, max=720)
    ] = 30,
    most: Annotated[int, typer.Option(help="Most periods of a day.", min=1, max=24)] = 12,
    worth: Annotated[
        float,
        typer.Option(
            help="What one more plan must save: a part of the delay of a single one.", min=0.0
        ),
    ] = 0.01,
    cycle: Annotated[
        str | None,
        typer.Option(help="The cycle in seconds, or from:to, or from:to:step.", metavar="S|A:B"),
    ] = None,
    objective: Annotated[
        str,
        typer.Option(help="What is to be least; index is both.", metavar="delay|stops|index"),
    ] = "index",
    keep_stages: Annotated[
        bool, typer.Option("--keep-stages", help="Leave every site its stages in their order.")
    ] = False,
    counts_columns: COUNTS_COLUMNS = None,
    detectors: DETECTORS = None,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    tables_only: Annotated[
        bool, typer.Option("--periods-only", help="Say when to change plan, make no plans.")
    ] = False,
    print_schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of week.json, and do no more.")
    ] = False,
    json_to: JSON_TO = None,
) -> None:
    """Find when to change plan in days of counts, and make a plan for every period.

    Days that are alike share a table; a further plan must pay. Writes the plans, week.json (which
    runs when) and periods.json (what other numbers of plans would cost).
    """
    if print_schema:
        from sim.plans.week_json import schema

        print_json(schema(), json_to or STANDARD_OUTPUT)
        return
    if network is None or counts is None:
        raise UsageError("give a network and --counts, such as plan week arterial --counts FILE")
    cycles = parse_cycles(cycle)
    require_objective(objective)
    if not scale > 0.0:
        raise UsageError(f"--scale {scale:g}: give a factor above 0")
    ensure_writable(output / WEEK_FILE)
    from greenband.week_table import print_week
    from sim.planning.week import planned_week

    derived, read, places = load_counts(network, counts, counts_columns, detectors, convention)
    scaled = replace(read, vehicles=read.vehicles * scale)
    week = planned_week(derived, scaled, places, shortest_s=60.0 * shortest, most=most, worth=worth)
    remark(week.remarks)
    write_text(output / PERIODS_FILE, json.dumps(week.document(), indent=2) + "\n")
    if json_to != STANDARD_OUTPUT:
        print_week(week)
    if json_to is not None:
        from sim.plans.week_json import document

        table = document(week.table(network))
        print_json({"schema": 1, "week": table, "weighed": week.document()}, json_to)
    if tables_only:
        say(f"wrote {output / PERIODS_FILE}")
        return
    keep = "stages" if keep_stages else "nothing"
    for name in week.plans:
        planning = _planning(week, name)
        made = made_plan(planning, cycles, objective=objective, keep=keep, name=f"plan {name}")
        _write(made.plan, network, output / f"plan-{name}.json")
        say(f"plan {name}: {made.delay_veh:.1f} veh-h/h of delay expected")
    from sim.plans.week_json import to_json

    write_text(output / WEEK_FILE, to_json(week.table(network)))
    say(f"week: {output / WEEK_FILE}, {len(week.plans)} plans")


def _planning(week: PlannedWeek, name: str) -> PlanningNetwork:
    """The network under the demand of the period that the plan *name* is for."""
    planning, estimate = week.planning(name)
    say(f"plan {name}: {described(estimate)}")
    return planning


def _write(plan: NetworkPlan, network: str, path: Path) -> None:
    from sim.plans.plan_json import to_json

    write_text(path, to_json(replace(plan, network=network)))
    say(f"wrote {path}")
