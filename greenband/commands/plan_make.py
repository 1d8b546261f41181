"""``greenband plan NET``: the best fixed-time plan for a network and its demand."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.commands.plan import MAKE, app
from greenband.extras import require_sumo
from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE
from greenband.selection import derive_scenario_network, get_scenario
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from collections.abc import Sequence

    from optimizer.planning.maker import MadePlan
    from optimizer.planning.network import PlanningNetwork

CYCLE_STEP_S = 10.0
SEARCH_LIMIT_S = 45.0
"""For each search of a zone; the search of a small network ends by itself."""
KICKS = 10
UTDF_SUFFIX = ".csv"


@app.command(MAKE, epilog="Example:  greenband plan make cologne8 (make may be left out)")
@guarded
def make_command(
    network: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO|UTDF",
            help="A named scenario, a .sumocfg, a .net.xml with --routes, or a UTDF file (.csv).",
        ),
    ],
    whole: Annotated[
        bool,
        typer.Option("--network", help="Plan all signals together; that is the default."),
    ] = True,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the plan goes.", metavar="FILE.json")
    ] = Path("plan.json"),
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
    name: Annotated[str, typer.Option(help="What the plan is called.")] = "network",
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    json_to: JSON_TO = None,
) -> None:
    """Make the best fixed-time plan for a network: cycles, stages, splits and offsets together.

    The demand is counted from the routes of the window, or it is the volumes of a UTDF file. The
    plan is written to a file; the table says what to expect of it, stream by stream.
    """
    cycles = parse_cycles(cycle)
    _require_objective(objective)
    if not scale > 0.0:
        raise UsageError(f"--scale {scale:g}: give a factor above 0")
    for target in (output, None if json_to in {None, STANDARD_OUTPUT} else Path(str(json_to))):
        if target is not None:
            ensure_writable(target)
    is_utdf = network.lower().endswith(UTDF_SUFFIX)
    if is_utdf:
        planning = _from_utdf(Path(network), scale)
    else:
        planning = _from_scenario(network, convention, scale, begin, end, routes or [])
    began_s = perf_counter()
    # Phases in rings cannot show every order of stages, so a UTDF file keeps its own.
    keep = "stages" if keep_stages else "order" if is_utdf else "nothing"
    made = _made(planning, cycles, objective, keep, name)
    seconds = perf_counter() - began_s
    from sim.plans.plan_json import to_json

    made = replace(made, plan=replace(made.plan, network=network))
    write_text(output, to_json(made.plan))
    if json_to != STANDARD_OUTPUT:
        from greenband.plan_table import print_plan

        print_plan(made, planning, seconds)
    if json_to is not None:
        from greenband.plan_table import plan_document

        print_json(plan_document(made, planning), json_to)
    say(f"plan: {output}")


def parse_cycles(text: str | None) -> tuple[float, ...] | None:
    """Seconds of ``"90"``, ``"60:120"`` or ``"60:120:5"``; raises :class:`UsageError`."""
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,3})(?::(\d{1,3})(?::(\d{1,3}))?)?", text.strip())
    first, last, step = (
        (int(part) if part else None for part in found.groups()) if found else (0,) * 3
    )
    if not first or (last is not None and last < first) or step == 0:
        raise UsageError(
            f"--cycle {text}: give seconds such as 90, a range such as 60:120, or with a step, "
            "60:120:5"
        )
    stop = last or first
    by = float(step or CYCLE_STEP_S)
    cycles = [first + by * k for k in range(int((stop - first) / by) + 1)]
    return tuple(cycles if cycles[-1] == stop else [*cycles, float(stop)])


def _require_objective(objective: str) -> None:
    from optimizer.planning.maker import OBJECTIVES

    if objective not in OBJECTIVES:
        raise UsageError(f"--objective {objective}: choose from {', '.join(OBJECTIVES)}")


def _from_utdf(path: Path, scale: float) -> PlanningNetwork:
    from optimizer.planning.network import scaled
    from sim.plans.from_utdf import planning_network_of
    from sim.plans.utdf import read_utdf

    planning, remarks = planning_network_of(read_utdf(path))
    for remark in remarks:
        say(str(remark))
    say(f"{path}: {len(planning.sites)} signals, {len(planning.streams)} lane groups")
    return scaled(planning, scale)


def _from_scenario(
    spec: str,
    convention_name: str,
    scale: float,
    begin_s: float | None,
    end_s: float | None,
    routes: Sequence[Path],
) -> PlanningNetwork:
    require_sumo()
    from sim.convention import convention
    from sim.planning.demand import demand_of
    from sim.planning.from_net import planning_network

    rules = convention(convention_name)
    scenario = get_scenario(spec, begin_s=begin_s, end_s=end_s, routes=routes)
    derived = derive_scenario_network(scenario, rules)
    demand = demand_of(scenario, derived).scaled(scale)
    say(
        f"{scenario.name}: {len(derived.junctions)} signals, {len(demand.turns)} turns with "
        f"demand between {demand.begin_s:g} and {demand.end_s:g} s"
    )
    return planning_network(derived, demand)


def _made(
    planning: PlanningNetwork,
    cycles_s: tuple[float, ...] | None,
    objective: str,
    keep: str,
    name: str,
) -> MadePlan:
    from greenband.plan_progress import watching_plan
    from optimizer.planning.maker import Keep, PlanningError, make_plan
    from optimizer.profiles.improve import Effort
    from sim.errors import ScenarioError

    effort = Effort(kicks=KICKS, clock=perf_counter, time_limit_s=SEARCH_LIMIT_S)
    try:
        with watching_plan() as on_progress:
            return make_plan(
                planning,
                cycles_s=cycles_s,
                objective=objective,
                keep=Keep(keep),
                name=name,
                on_progress=on_progress,
                effort=effort,
            )
    except PlanningError as error:
        raise ScenarioError(str(error)) from None
