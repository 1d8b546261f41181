"""``greenband plan NET --arterial``: a plan for a chain of signals by its green wave."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError
from greenband.files import write_text
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from optimizer.planning.arterial import ArterialOptions
    from optimizer.planning.arterial_result import ArterialPlan
    from optimizer.planning.chain import Chain
    from optimizer.planning.network import PlanningNetwork

ARTERIAL = Annotated[
    str | None,
    typer.Option(
        help="Plan these signals by their green wave: in driving order, or the two ends, or a "
        "street's name.",
        metavar="J1,J2,…",
    ),
]
BALANCE = Annotated[
    float | None,
    typer.Option(
        help="With --arterial: inbound band as a part of the outbound one; by volume if left out.",
        metavar="RATIO",
    ),
]
RATIO_MAX = 100.0
SEARCH_LIMIT_S = 45.0
"""For each search of a zone beside the arterial."""


def require_balance(arterial: str | None, balance: float | None) -> None:
    """Refuse a ratio that is none."""
    if balance is None:
        return
    if arterial is None:
        raise UsageError("--balance is of the two directions of an arterial: give --arterial")
    if not 0.0 <= balance <= RATIO_MAX:
        raise UsageError(f"--balance {balance:g}: give a ratio from 0 to {RATIO_MAX:g}")


def find_chain(spec: str, arterial: str, convention: str, *, is_utdf: bool) -> Chain:
    """The chain that *arterial* names in a network, scenario or UTDF file."""
    names = [name.strip() for name in arterial.split(",")]
    if not any(names):
        raise UsageError(
            "--arterial: give signals in driving order with commas between them, or the two ends"
        )
    if is_utdf:
        from sim.planning.chain_utdf import chain_of_utdf
        from sim.plans.utdf import read_utdf

        chain = chain_of_utdf(read_utdf(Path(spec)), names)
    else:
        from greenband.selection import get_network
        from sim.planning.chain import chain_of

        chain = chain_of(get_network(spec, convention), names)
    both = "both ways" if chain.inbound is not None else "one way"
    say(f"{chain.name}: {' - '.join(chain.sites)}, {chain.distances_m[-1]:.0f} m, {both}")
    return chain


def make_along(
    planning: PlanningNetwork, chain: Chain, options: ArterialOptions, *, with_others: bool
) -> ArterialPlan:
    """The plan along *chain* and, *with_others*, of the sites beside it on their own."""
    from greenband.plan_progress import watching_plan
    from optimizer.planning.arterial import plan_arterial
    from optimizer.planning.beside import joined, without
    from optimizer.planning.maker import PlanningError, make_plan
    from optimizer.profiles.improve import Effort
    from sim.errors import ScenarioError

    try:
        with watching_plan() as on_progress:
            found = plan_arterial(planning, chain, options, on_progress)
            others = without(planning, chain.sites)
            if not with_others or not others.sites:
                return found
            beside = make_plan(
                others,
                cycles_s=options.cycles_s,
                objective=options.objective,
                keep=options.keep,
                name=options.name,
                on_progress=on_progress,
                effort=Effort(kicks=10, clock=perf_counter, time_limit_s=SEARCH_LIMIT_S),
            )
    except PlanningError as error:
        raise ScenarioError(str(error)) from None
    return replace(found, made=joined(planning, found.made, beside))


def write_along(
    planning: PlanningNetwork, found: ArterialPlan, seconds: float, to: tuple[Path, str | None]
) -> None:
    """Write the plan *found* to the first file of *to*, its table, and JSON to the second."""
    from greenband.arterial_table import arterial_document, print_arterial
    from sim.plans.plan_json import to_json

    output, json_to = to
    write_text(output, to_json(found.made.plan))
    if json_to != STANDARD_OUTPUT:
        print_arterial(found, planning, seconds)
    if json_to is not None:
        print_json(arterial_document(found, planning), json_to)
    say(f"plan: {output}")
