"""``greenband plan NET --isolated``: every signal its own best cycle and splits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError
from greenband.files import ensure_writable, write_text
from greenband.isolated_table import TimedSignal, isolated_document, print_isolated
from greenband.terminal import STANDARD_OUTPUT, print_json, say

if TYPE_CHECKING:
    from optimizer.isolated.signal import Signal
    from optimizer.isolated.solve import Goal, Timing
    from optimizer.planning.network import NetworkPlan, PlanningNetwork

CYCLE_MIN_S, CYCLE_MAX_S, CYCLE_STEP_S = 40, 120, 1.0
BEYOND_SHORTEST_S = 30
"""Cycles that are tried where the minimums alone take longer than the longest usual one."""
UTDF_SUFFIX = ".csv"

ISOLATED = Annotated[
    bool,
    typer.Option(
        "--isolated",
        help="Plan every signal alone, by HCM delay; a UTDF file gets its splits in rings.",
    ),
]
LEAD_LAG = Annotated[
    bool,
    typer.Option(
        "--lead-lag",
        help="With --isolated and a UTDF file: turns may lead or lag as is best.",
    ),
]


@dataclass(frozen=True, slots=True)
class IsolatedWish:
    """What was asked for; *utdf* is the file that the demand came with, if it was one."""

    network: str
    cycles_s: tuple[float, ...] | None
    objective: str
    keep: str
    name: str
    utdf: Path | None
    lead_lag: bool = False


def require_alone(*, isolated: bool, whole: bool, along: bool, lead_lag: bool) -> None:
    """Raise :class:`UsageError` if ``--isolated`` is asked for together with its opposites."""
    if isolated and (whole or along):
        raise UsageError("--isolated plans every signal alone: leave out --network and --arterial")
    if lead_lag and not isolated:
        raise UsageError("--lead-lag is for signals alone: add --isolated")


def write_isolated(
    planning: PlanningNetwork, wish: IsolatedWish, to: tuple[Path, str | None]
) -> None:
    """Plan, print and write: the plan to ``to[0]``, JSON of it all to ``to[1]``.

    A plan made from a UTDF file comes with that file's new version, ``NAME.csv`` for ``NAME.json``.
    """
    from sim.plans.plan_json import document, to_json

    output, json_to = to
    new_utdf = None if wish.utdf is None else output.with_suffix(UTDF_SUFFIX)
    if new_utdf is not None:
        ensure_writable(new_utdf)
        if wish.utdf is not None and new_utdf.resolve() == wish.utdf.resolve():
            raise UsageError(f"{new_utdf} is the file that it is made from: give -o another name")
    began_s = perf_counter()
    if wish.utdf is None:
        signals, plan = _in_stages(planning, wish)
        text = ""
    else:
        signals, plan, text = _in_rings(planning, wish, wish.utdf, output)
    if new_utdf is not None:
        write_text(new_utdf, text)
    if output != new_utdf:
        write_text(output, to_json(plan))
    if json_to != STANDARD_OUTPUT:
        print_isolated(wish.network, signals, perf_counter() - began_s)
    if json_to is not None:
        print_json(isolated_document(document(plan), signals), json_to)
    if new_utdf is not None:
        say(f"UTDF: {new_utdf}")
    if output != new_utdf:
        say(f"plan: {output}")


def _goal(objective: str) -> Goal:
    from optimizer.isolated.solve import Goal
    from optimizer.planning.maker import OBJECTIVES

    weights, _ = OBJECTIVES[objective]
    return Goal(delay=weights.delay, stop_s=weights.stop_s)


def _words(objective: str) -> str:
    from optimizer.planning.maker import OBJECTIVES

    return f"each signal alone: {OBJECTIVES[objective][1]} (HCM)"


def _cycles(wish: IsolatedWish, shortest_s: float) -> Sequence[float]:
    if wish.cycles_s is not None:
        return wish.cycles_s
    first = max(CYCLE_MIN_S, ceil(shortest_s - 1e-9))
    last = CYCLE_MAX_S if first <= CYCLE_MAX_S else first + BEYOND_SHORTEST_S
    return tuple(float(cycle) for cycle in range(first, last + 1))


def _timed(timing: Timing, present: float | None) -> TimedSignal:
    from optimizer.isolated.outcomes import outcomes

    return TimedSignal(timing, outcomes(timing.signal, timing.splits_s, timing.cycle_s), present)


def _present_delay_s(signal: Signal, splits_s: Sequence[float]) -> float | None:
    """Mean delay with today's splits; None for those that no cycle has room for."""
    from optimizer.isolated.outcomes import mean_delay_s, outcomes

    first = [part[0] for part in signal.barriers.values()]
    cycle_s = sum(splits_s[k] for part in first for k in part)
    if not signal.groups or not cycle_s > 0.0:
        return None
    return mean_delay_s(outcomes(signal, splits_s, cycle_s))


def _in_stages(
    planning: PlanningNetwork, wish: IsolatedWish
) -> tuple[list[TimedSignal], NetworkPlan]:
    from optimizer.isolated.solve import CycleError
    from optimizer.isolated.stages import best_stage_timing, stage_plan, stage_signal
    from optimizer.planning.maker import Keep
    from optimizer.planning.network import NetworkPlan
    from optimizer.planning.sequences import Layout
    from optimizer.planning.timing import positions_of
    from sim.errors import ScenarioError

    signals, plans = [], []
    for at, planned in enumerate(planning.sites):
        order = positions_of(planned)
        present = stage_signal(planning, at, order)
        changes = Layout(planned.site, order).interstages_ms
        today = [
            (entry.split_ms + changes[k] - changes[(k + 1) % len(changes)]) / 1000
            for k, entry in enumerate(planned.present.stages)
        ]
        cycles = _cycles(wish, present.shortest_cycle_s)
        try:
            timing, stages = best_stage_timing(
                planning, at, cycles, _goal(wish.objective), Keep(wish.keep)
            )
        except CycleError as error:
            raise ScenarioError(str(error)) from None
        signals.append(_timed(timing, _present_delay_s(present, today)))
        plans.append(stage_plan(planning, at, stages, timing, wish.name))
    plan = NetworkPlan(
        name=wish.name,
        zones=(),
        plans=tuple(plans),
        network=wish.network,
        objective=_words(wish.objective),
    )
    return signals, plan


def _in_rings(
    planning: PlanningNetwork, wish: IsolatedWish, path: Path, output: Path
) -> tuple[list[TimedSignal], NetworkPlan, str]:
    from optimizer.isolated.solve import CycleError, best_timing
    from sim.errors import PlanFileError
    from sim.plans.utdf import parse_utdf, read_utdf_text
    from sim.plans.utdf_rings import isolated_plan, ring_signals, with_timings

    text = read_utdf_text(path)
    utdf = parse_utdf(text, str(path))
    signals, timings = [], {}
    for each in ring_signals(utdf, planning, lead_lag=wish.lead_lag):
        present = each.variants[0]
        cycles = _cycles(wish, present.shortest_cycle_s)
        try:
            timing = best_timing(each.variants, cycles, _goal(wish.objective))
        except CycleError as error:
            raise PlanFileError(f"{path}: node {each.node.id}: {error}") from None
        today = [each.site.timing.phase(int(p.name)).split_ms / 1000 for p in present.phases]
        signals.append(_timed(timing, _present_delay_s(present, today)))
        timings[each.node.id] = timing
    new = with_timings(text, timings, str(path))
    plan, remarks = isolated_plan(
        parse_utdf(new, str(output.with_suffix(UTDF_SUFFIX))),
        planning,
        _goal(wish.objective),
        wish.name,
        _words(wish.objective),
    )
    if output.suffix != UTDF_SUFFIX:
        for remark in remarks:
            say(str(remark))
    return signals, plan, new
