"""``greenband plan make … --from plan.json``: the plan in force, made to fit today's demand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError

if TYPE_CHECKING:
    from optimizer.planning.maker import MadePlan
    from optimizer.planning.network import NetworkPlan, PlanningNetwork

TIME_LIMIT_S = 45.0

FROM = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="Better this plan instead of making one from nothing: its zones, stages and their "
        "order stay. --cycle says how far its cycles may move.",
        metavar="PLAN.json",
        exists=True,
        dir_okay=False,
    ),
]


def require_from_alone(present: Path | None, others: dict[str, bool]) -> None:
    """Raise :class:`UsageError` where an option means nothing to a plan that is there already."""
    given = [option for option, is_given in others.items() if is_given]
    if present is not None and given:
        raise UsageError(f"--from betters a plan that is there already; leave out {given[0]}")


def read_present(path: Path) -> NetworkPlan:
    """The plan in *path*; raises :class:`UsageError` for a file of another kind."""
    from sim.plans.load import load_plan

    if path.suffix.lower() != ".json":
        raise UsageError(f"--from {path}: give a plan file (.json) that plan make has written")
    return load_plan(path, lambda _: None).plan


def made_again(
    planning: PlanningNetwork,
    present: NetworkPlan,
    cycles_s: tuple[float, ...] | None,
    objective: str,
    name: str | None,
) -> MadePlan:
    """*present*, better for *planning*; raises :class:`ScenarioError` if it does not fit.

    It keeps its name unless *name* is another one.
    """
    from optimizer.planning.maker import PlanningError
    from optimizer.profiles.improve import Effort
    from optimizer.strategic.again import plan_again
    from optimizer.strategic.retiming import CYCLE_RANGE_S
    from sim.errors import ScenarioError

    effort = Effort(kicks=0, is_local=True, clock=perf_counter, time_limit_s=TIME_LIMIT_S)
    cycle_range_s = CYCLE_RANGE_S if cycles_s is None else (min(cycles_s), max(cycles_s))
    try:
        return plan_again(
            planning,
            replace(present, name=name or present.name),
            objective=objective,
            cycle_range_s=cycle_range_s,
            effort=effort,
        )
    except PlanningError as error:
        raise ScenarioError(str(error)) from None
