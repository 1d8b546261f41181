"""``greenband plan NET``: the best fixed-time plan for a network and its demand."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.commands.plan import MAKE, app
from greenband.commands.plan_again import FROM, made_again, read_present, require_from_alone
from greenband.commands.plan_arterial import (
    ARTERIAL,
    BALANCE,
    find_chain,
    make_along,
    require_balance,
    write_along,
)
from greenband.commands.plan_isolated import CYCLE_STEP_S as ISOLATED_STEP_S
from greenband.commands.plan_isolated import (
    ISOLATED,
    LEAD_LAG,
    IsolatedWish,
    require_alone,
    write_isolated,
)
from greenband.commands.plan_trials import (
    TRIALS,
    TrialWish,
    best_in_sumo,
    print_trials,
    require_trials,
    trials_document,
)
from greenband.counted_demand import COUNTS, COUNTS_COLUMNS, DETECTORS, NET
from greenband.extras import require_sumo
from greenband.failures import UsageError, guarded
from greenband.files import ensure_writable, write_text
from greenband.options import BEGIN, CONVENTION, END, JSON_TO, ROUTES, SCALE
from greenband.persons import (
    OCCUPANCY,
    WALKERS,
    crossings_used,
    parse_occupancy,
    with_walkers,
)
from greenband.selection import derive_scenario_network, get_scenario
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from optimizer.planning.chain import Chain
    from optimizer.planning.maker import MadePlan
    from optimizer.planning.network import PlanningNetwork
    from sim.planning.trials import Trial

CYCLE_STEP_S = 10.0
WAVE_STEP_S = 2.0
"""A wave is found in milliseconds."""
SEARCH_LIMIT_S = 45.0
"""For the whole plan; the search of a small network ends by itself."""
KICKS = 10
UTDF_SUFFIX = ".csv"


@app.command(MAKE, epilog="Example:  greenband plan make cologne8 (make may be left out)")
@guarded
def make_command(
    network: Annotated[
        str,
        typer.Argument(
            metavar="SCENARIO|UTDF|COUNTS",
            help="A named scenario, a .sumocfg, a .net.xml with --routes or --counts, a UTDF file "
            "(.csv), or with --net a file of counts (.csv).",
        ),
    ],
    whole: Annotated[
        bool,
        typer.Option(
            "--network",
            help="Plan all signals together; that is the default. With --arterial, plan those "
            "beside it too.",
        ),
    ] = False,
    arterial: ARTERIAL = None,
    balance: BALANCE = None,
    isolated: ISOLATED = False,
    lead_lag: LEAD_LAG = False,
    present: FROM = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where the plan goes.", metavar="FILE.json")
    ] = Path("plan.json"),
    cycle: Annotated[
        str | None,
        typer.Option(help="The cycle in seconds, or from:to, or from:to:step.", metavar="S|A:B"),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(
            help="What is to be least; index is both. With --isolated delay, else index.",
            metavar="delay|stops|index",
        ),
    ] = None,
    keep_stages: Annotated[
        bool, typer.Option("--keep-stages", help="Leave every site its stages in their order.")
    ] = False,
    name: Annotated[
        str | None, typer.Option(help="What the plan is called; network, arterial or isolated.")
    ] = None,
    convention: CONVENTION = "field",
    scale: SCALE = 1.0,
    begin: BEGIN = None,
    end: END = None,
    routes: ROUTES = None,
    occupancy: OCCUPANCY = None,
    walkers: WALKERS = None,
    trials: TRIALS = None,
    counts: COUNTS = None,
    counts_columns: COUNTS_COLUMNS = None,
    detectors: DETECTORS = None,
    net: NET = None,
    json_to: JSON_TO = None,
) -> None:
    """Make the best fixed-time plan for a network: cycles, stages, splits and offsets together.

    The demand is counted from the routes of the window, or estimated from the counts of detectors
    (--counts, with --begin and --end), or it is the volumes of a UTDF file. Delay counts by
    persons, those on foot included, where it is known how many there are. The plan is written to a
    file; the table says what to expect of it, stream by stream.
    """
    # A plan that is there has its stages, and a network of its own.
    others = {"--isolated": isolated, "--arterial": arterial is not None}
    require_from_alone(present, others | {"--keep-stages": keep_stages})
    elsewhere = {"--counts": bool(counts or net), "--walkers": bool(walkers), "--from": present}
    require_trials(trials, network, {**others, **elsewhere})
    before = None if present is None else read_present(present)
    require_alone(isolated=isolated, whole=whole, along=arterial is not None, lead_lag=lead_lag)
    step_s = ISOLATED_STEP_S if isolated else CYCLE_STEP_S if arterial is None else WAVE_STEP_S
    cycles = parse_cycles(cycle, step_s)
    objective = objective or ("delay" if isolated else "index")
    require_objective(objective)
    require_balance(arterial, balance)
    if not scale > 0.0:
        raise UsageError(f"--scale {scale:g}: give a factor above 0")
    for target in (output, None if json_to in {None, STANDARD_OUTPUT} else Path(str(json_to))):
        if target is not None:
            ensure_writable(target)
    if net is not None:
        network, counts = net, _only_counts(network, counts)
    is_utdf = network.lower().endswith(UTDF_SUFFIX)
    _require_demand(
        counts=counts is not None,
        of_counts=counts_columns is not None or detectors is not None,
        of_routes=occupancy is not None,
        is_utdf=is_utdf,
    )
    chain = None if arterial is None else _chain(network, arterial, convention, is_utdf)
    if is_utdf:
        planning = _from_utdf(Path(network), scale, counts, (begin, end))
    elif counts is not None:
        from greenband.counted_demand import planning_from_counts

        given = (counts_columns, detectors, convention)
        planning = planning_from_counts(network, counts, given, (begin, end), scale)
    else:
        window = (begin, end)
        persons = parse_occupancy(occupancy)
        planning = _from_scenario(network, convention, scale, window, routes or [], persons)
    planning = with_walkers(planning, walkers)
    began_s = perf_counter()
    # Phases in rings cannot show every order of stages, so a UTDF file keeps its own.
    keep = "stages" if keep_stages else "order" if is_utdf else "nothing"
    if isolated:
        alone = IsolatedWish(
            network=network,
            cycles_s=cycles,
            objective=objective,
            keep=keep,
            name=name or "isolated",
            utdf=Path(network) if is_utdf else None,
            lead_lag=lead_lag,
        )
        write_isolated(planning, alone, (output, json_to))
        return
    wish = _Wish(network, cycles, objective, keep, name, (output, json_to), began_s)
    if chain is not None:
        _along(planning, wish, chain, balance, with_others=whole)
        return
    if before is not None:
        made = made_again(planning, before, cycles, objective, name)
        _write(made, planning, wish)
        return
    trial = None
    if trials is not None:
        place = (network, (begin, end), routes or [], convention)
        trial = TrialWish(*place, scale=scale, objective=objective, runs=trials)
    _together(planning, wish, trial)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What every kind of plan is asked for, and since when."""

    network: str
    cycles_s: tuple[float, ...] | None
    objective: str
    keep: str
    name: str | None
    targets: tuple[Path, str | None]
    began_s: float

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return perf_counter() - self.began_s


def _along(
    planning: PlanningNetwork,
    wish: _Wish,
    chain: Chain,
    balance: float | None,
    *,
    with_others: bool,
) -> None:
    from optimizer.planning.arterial import ArterialOptions
    from optimizer.planning.maker import Keep

    options = ArterialOptions(
        cycles_s=wish.cycles_s,
        objective=wish.objective,
        keep=Keep(wish.keep),
        ratio=balance,
        name=wish.name or "arterial",
    )
    found = make_along(planning, chain, options, with_others=with_others)
    found = replace(found, made=_called(found.made, wish.network))
    write_along(planning, found, wish.seconds, wish.targets)


def _together(planning: PlanningNetwork, wish: _Wish, trial: TrialWish | None) -> None:
    make = partial(
        made_plan,
        planning,
        objective=wish.objective,
        keep=wish.keep,
        name=wish.name or "network",
    )
    made, trials = make(wish.cycles_s), None
    if trial is not None:
        made, trials = best_in_sumo(made, trial, lambda cycle_s: make((cycle_s,)))
    _write(made, planning, wish, trials)
    if trial is None and any(each.saturation > 1.0 for each in made.predictions):
        say(
            "over capacity the model is least sure of itself: of a scenario's plans, --trials 2 "
            "takes the one that does best in SUMO"
        )


def _write(
    made: MadePlan,
    planning: PlanningNetwork,
    wish: _Wish,
    trials: Sequence[Trial] | None = None,
) -> None:
    from sim.plans.plan_json import to_json

    output, json_to = wish.targets
    made = _called(made, wish.network)
    write_text(output, to_json(made.plan))
    if json_to != STANDARD_OUTPUT:
        from greenband.plan_table import print_plan

        print_plan(made, planning, wish.seconds)
        if trials:
            print_trials(trials, made.plan)
    if json_to is not None:
        from greenband.plan_table import plan_document

        document = plan_document(made, planning)
        if trials:
            document["trials"] = trials_document(trials)
        print_json(document, json_to)
    say(f"plan: {output}")


def _called(made: MadePlan, network: str) -> MadePlan:
    """*made* as the plan for *network*, as the user calls it."""
    return replace(made, plan=replace(made.plan, network=network))


def _chain(network: str, arterial: str, convention: str, is_utdf: bool) -> Chain:
    if not is_utdf:
        require_sumo()
    return find_chain(network, arterial, convention, is_utdf=is_utdf)


def parse_cycles(text: str | None, step_s: float = CYCLE_STEP_S) -> tuple[float, ...] | None:
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
    by = float(step or step_s)
    cycles = [first + by * k for k in range(int((stop - first) / by) + 1)]
    return tuple(cycles if cycles[-1] == stop else [*cycles, float(stop)])


def require_objective(objective: str) -> None:
    """Raise :class:`UsageError` unless *objective* is one that plans can be made for."""
    from optimizer.planning.maker import OBJECTIVES

    if objective not in OBJECTIVES:
        raise UsageError(f"--objective {objective}: choose from {', '.join(OBJECTIVES)}")


def _require_demand(*, counts: bool, of_counts: bool, of_routes: bool, is_utdf: bool) -> None:
    """Raise :class:`UsageError` for options that belong to another kind of demand."""
    if of_routes and (is_utdf or counts):
        raise UsageError("--occupancy goes with routes: counts and volumes name no classes")
    if of_counts and not counts:
        raise UsageError("--counts-columns and --detectors go with --counts")


def _only_counts(first: str, counts: Path | None) -> Path:
    if counts is not None or not first.lower().endswith(UTDF_SUFFIX):
        raise UsageError(
            f"with --net the first word is a file of counts (.csv), but it is {first}: give the "
            "network first and the counts with --counts"
        )
    return Path(first)


def _from_utdf(
    path: Path, scale: float, counts: Path | None, window: tuple[float | None, float | None]
) -> PlanningNetwork:
    from optimizer.planning.network import scaled
    from sim.plans.from_utdf import planning_network_of
    from sim.plans.utdf import read_utdf

    utdf = read_utdf(path)
    if counts is not None:
        from greenband.counted_demand import utdf_with_counts

        utdf = utdf_with_counts(utdf, counts, *window)
    planning, remarks = planning_network_of(utdf)
    for remark in remarks:
        say(str(remark))
    lane_groups = sum(not stream.is_pedestrian for stream in planning.streams)
    crossings = crossings_used(len(planning.streams) - lane_groups)
    say(f"{path}: {len(planning.sites)} signals, {lane_groups} lane groups{crossings}")
    return scaled(planning, scale)


def _from_scenario(
    spec: str,
    convention_name: str,
    scale: float,
    window: tuple[float | None, float | None],
    routes: Sequence[Path],
    occupancy: Mapping[str, float],
) -> PlanningNetwork:
    require_sumo()
    from sim.convention import convention
    from sim.planning.demand import demand_of
    from sim.planning.from_net import planning_network

    rules = convention(convention_name)
    scenario = get_scenario(spec, begin_s=window[0], end_s=window[1], routes=routes)
    derived = derive_scenario_network(scenario, rules)
    demand = demand_of(scenario, derived, occupancy).scaled(scale)
    say(
        f"{scenario.name}: {len(derived.junctions)} signals, {len(demand.turns)} turns with "
        f"demand between {demand.begin_s:g} and {demand.end_s:g} s"
        f"{crossings_used(len(demand.walks))}"
    )
    return planning_network(derived, demand)


def made_plan(
    planning: PlanningNetwork,
    cycles_s: tuple[float, ...] | None,
    *,
    objective: str,
    keep: str,
    name: str,
) -> MadePlan:
    """The plan for *planning*, progress shown; raises :class:`ScenarioError` if none can be."""
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
