"""``greenband plan make … --trials N``: the plans that the model likes best, tried in SUMO."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from greenband.failures import UsageError
from greenband.selection import get_scenario
from greenband.terminal import results

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from optimizer.planning.maker import MadePlan
    from optimizer.planning.network import NetworkPlan
    from sim.planning.trials import Trial

TRIALS_MAX = 20
TRIALS = Annotated[
    int | None,
    typer.Option(
        help="Try the best plans in so many runs of SUMO each, and take the one that does best "
        "there. Worth it where queues block streets.",
        metavar="RUNS",
    ),
]


@dataclass(frozen=True, slots=True)
class TrialWish:
    """Where to try plans, how often, and what for."""

    network: str
    window: tuple[float | None, float | None]
    routes: Sequence[Path]
    convention: str
    _: KW_ONLY
    scale: float
    objective: str
    runs: int


def require_trials(runs: int | None, network: str, others: Mapping[str, object]) -> None:
    """Raise :class:`UsageError` unless plans can be tried so often, with those other options."""
    if runs is None:
        return
    if not 1 <= runs <= TRIALS_MAX:
        raise UsageError(f"--trials {runs}: give a number of runs from 1 to {TRIALS_MAX}")
    what = "--trials tries plans made from a scenario's routes in that scenario"
    given = [option for option, is_given in others.items() if is_given]
    if given:
        raise UsageError(f"{what}; leave out {given[0]}")
    if network.lower().endswith(".csv"):
        raise UsageError(f"{what}; {network} has none")


def best_in_sumo(
    made: MadePlan, wish: TrialWish, make: Callable[[float], MadePlan]
) -> tuple[MadePlan, tuple[Trial, ...]]:
    """Of *made* and its rivals the one that does best in SUMO, and all of them as they were tried.

    *make*: a plan at one cycle. Raises :class:`BenchError` if a run fails.
    """
    from greenband.progress import watching
    from sim.convention import convention
    from sim.planning.trials import NEAR, best_of, rivals, tried

    plans = tuple(rivals(made, make))
    if len(plans) == 1:
        note = f"no plan with another cycle comes within {NEAR:.0%} of this one: none was tried"
        return replace(made, notes=(*made.notes, note)), ()
    begin_s, end_s = wish.window
    scenario = get_scenario(wish.network, begin_s=begin_s, end_s=end_s, routes=wish.routes)
    with watching(len(plans) * wish.runs) as on_progress:
        trials = tried(
            plans,
            scenario,
            wish.runs,
            convention=convention(wish.convention),
            scale=wish.scale,
            on_progress=on_progress,
        )
    best = best_of(trials, wish.objective)
    note = (
        f"of {len(trials)} plans tried in SUMO, {wish.runs} "
        f"run{'' if wish.runs == 1 else 's'} each, "
        + (
            "the model's first choice did best"
            if best is trials[0]
            else f"one of {_cycles(best)} did better than the model's first choice of "
            f"{_cycles(trials[0])}"
        )
    )
    return replace(best.made, notes=(*best.made.notes, note)), trials


def print_trials(trials: Sequence[Trial], taken: NetworkPlan) -> None:
    """Print how every plan did, the one that was taken marked."""
    from greenband.plan_table import plain_table

    table = plain_table(("tried in SUMO",), ("expected veh-h/h", "delay s", "stops", "on foot s"))
    for trial in trials:
        table.add_row(
            _cycles(trial) + ("  ← taken" if trial.made.plan.plans == taken.plans else ""),
            f"{trial.made.delay_veh:.1f}",
            f"{trial.delay_s:.1f}",
            f"{trial.stops:.2f}",
            "" if trial.walking_delay_s is None else f"{trial.walking_delay_s:.1f}",
        )
    results().print(table)


def trials_document(trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """How every plan did, as data; in the order of what the model expected."""
    return [
        {
            "cycles_s": list(trial.cycles_s),
            "expected_delay_veh_h_per_h": trial.made.delay_veh,
            "seeds": [run.seed for run in trial.runs],
            "delay_s": trial.delay_s,
            "stops": trial.stops,
            "pedestrian_delay_s": trial.walking_delay_s,
        }
        for trial in trials
    ]


def _cycles(trial: Trial) -> str:
    return " and ".join(f"{cycle:g}" for cycle in trial.cycles_s) + " s"
