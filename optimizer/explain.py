"""A decision in one line that an engineer understands: what, what it gains, who waits, which limit.

    stay in 1 (E, W), 6 s green: changing now would cost 41 veh·s more; then 3 in 8 s;
    waiting: N through 4 (longest 23 s), S left 1

Costs are those of the search: weighted vehicle seconds over the horizon, stops included.
Nothing here runs unless somebody asks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from controller.intersection import Intersection
from optimizer.delay import Floats
from optimizer.search import Bound, SearchProblem, SearchResult

WAITING_SHOWN = 4
"""Lanes and crossings that a line names; the longest waits first."""
LEAST_QUEUE_VEH = 0.5
CLOSED_SHOWN = 4
SOON_S = 10
FREELY = 0.75
"""A lane that gets less than this part of its best rate is served badly."""
LESS_DELAY = "less delay"
FULL_STREET = "full street"
PLAN_IN_FORCE = "plan in force"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grounds:
    """What one decision was made from; all of it aligned with the lanes of ``problem``."""

    site: Intersection
    lane_groups: tuple[int, ...]
    """Per lane the mask of the signal groups that release it; crossings are lanes here."""
    problem: SearchProblem
    result: SearchResult
    wait_s: Floats
    """(L,) how long the first in each queue has waited."""
    assumed: int = 0
    """How many lanes run on assumed demand because none of their detectors works."""
    no_room: tuple[int, ...] = ()
    """Stages that end, and don't begin, as the short street after them is full."""


def limit(grounds: Grounds) -> str:
    """The limit that decided, in a word or two; ``less delay`` where none did."""
    bound = grounds.result.bound
    if bound is Bound.MAX_GREEN and grounds.problem.stage in grounds.no_room:
        return FULL_STREET
    return LESS_DELAY if bound is Bound.NONE else bound.value


def explain(grounds: Grounds) -> str:
    """One line on the decision; see the module."""
    parts = [_change(grounds) if _changes(grounds) else _stay(grounds)]
    if grounds.result.bound is Bound.MAX_WAIT:
        parts.append(_wait_limit(grounds))
    if grounds.no_room:
        names = ", ".join(grounds.site.stages[k].name for k in grounds.no_room)
        parts.append(f"no room in the short street after {names}")
    closed = _closed(grounds)
    if closed:
        parts.append(f"strategic bounds close {closed}")
    waiting, coming = _waiting(grounds), _coming(grounds)
    parts.append(f"waiting: {waiting}" if waiting else "nobody waits elsewhere")
    if coming:
        parts.append(f"coming in {SOON_S} s: {coming}")
    if grounds.assumed:
        parts.append(f"{grounds.assumed} lanes on assumed demand")
    if not grounds.result.complete:
        parts.append("search cut short")
    return "; ".join(parts)


def stage_in_words(site: Intersection, stage: int) -> str:
    """``3 (N, S left)``: the stage's name and who is green in it."""
    return f"{site.stages[stage].name} ({groups_in_words(site, site.stage_masks[stage])})"


def groups_in_words(site: Intersection, mask: int) -> str:
    """The groups of *mask*; an approach of which every group is in it goes by its own name."""
    chosen, all_turns = _turns(site, mask), _turns(site, site.all_groups)
    words = []
    for approach, turns in chosen.items():
        whole = turns == all_turns[approach] and len(turns) > 1
        words.append(approach if whole else f"{approach} {'+'.join(turns)}".strip())
    return ", ".join(words)


def _turns(site: Intersection, mask: int) -> dict[str, list[str]]:
    """Turns by approach, from group names such as ``NW left``."""
    found: dict[str, list[str]] = {}
    for name in site.names(mask):
        approach, _, turn = name.rpartition(" ")
        found.setdefault(approach or turn, []).append(turn if approach else "")
    return found


def _changes(grounds: Grounds) -> bool:
    return grounds.result.next_stage != grounds.problem.stage


def _stay(grounds: Grounds) -> str:
    problem, result = grounds.problem, grounds.result
    here = f"stay in {stage_in_words(grounds.site, problem.stage)}, {problem.green_s} s green"
    if result.bound is Bound.MIN_GREEN:
        left_s = int(problem.changes.ready["min_green_s"][problem.stage]) - problem.green_s
        why = f"minimum green has {left_s} s to run"
    elif result.bound is Bound.STRATEGIC:
        left_s = int(problem.changes.ready["min_green_s"][problem.stage]) - problem.green_s
        why = f"strategic bounds hold it for {left_s} s"
    elif math.isinf(result.change_cost_s):
        why = "every change now was sure to cost more"
    else:
        more = max(0.0, result.change_cost_s - result.stay_cost_s)
        why = f"changing now would cost {more:.0f} veh·s more"
    text = f"{here}: {why}"
    if len(result.plan) > 1 and result.plan[1][1] > 0:
        follower = grounds.site.stages[result.plan[1][0]].name
        text += f"; then {follower} in {result.plan[0][1]} s"
    return text


def _change(grounds: Grounds) -> str:
    problem, result = grounds.problem, grounds.result
    site = grounds.site
    before = f"{site.stages[problem.stage].name} after {problem.green_s} s"
    text = f"change to {stage_in_words(site, result.next_stage)} from {before}: "
    if limit(grounds) == FULL_STREET:
        return text + "the street after it is full"
    if result.bound is Bound.MAX_GREEN:
        return text + "its maximum green is over"
    if result.bound is Bound.STRATEGIC:
        return text + "strategic bounds end it"
    if math.isinf(result.stay_cost_s):
        return text + "staying was sure to cost more"
    return text + f"saves {max(0.0, result.stay_cost_s - result.change_cost_s):.0f} veh·s"


def _wait_limit(grounds: Grounds) -> str:
    late_s = grounds.result.late_s
    if late_s:
        return f"bound by maximum wait, which can't be kept any more ({late_s} s late in all)"
    return "bound by maximum wait"


def _closed(grounds: Grounds) -> str:
    """The stages that could follow now if no strategic bounds stood against it."""
    changes, stage = grounds.problem.changes, grounds.problem.stage
    if changes.unbounded is None or grounds.result.bound is Bound.MIN_GREEN:
        return ""
    closed = changes.unbounded.ready["allowed"][stage] > changes.ready["allowed"][stage]
    names = [grounds.site.stages[k].name for k in np.flatnonzero(closed)]
    more = [f"{len(names) - CLOSED_SHOWN} more"] if len(names) > CLOSED_SHOWN else []
    return ", ".join(names[:CLOSED_SHOWN] + more)


def _waiting(grounds: Grounds) -> str:
    """Who waits, or gives way where another stage would not ask it, by signal groups."""
    found: dict[tuple[int, bool], tuple[float, float]] = {}
    queues = _floats(grounds.problem.queue_veh)
    for k in _ill_served(grounds):
        if queues[k] >= LEAST_QUEUE_VEH:
            key = grounds.lane_groups[k], _is_red(grounds, k)
            known, longest_s = found.get(key, (0.0, 0.0))
            found[key] = known + queues[k], max(longest_s, float(grounds.wait_s[k]))
    rows = sorted(found.items(), key=lambda row: (-row[1][1], -row[1][0]))
    words = [
        _queue_in_words(grounds.site, mask, red, *row) for (mask, red), row in rows[:WAITING_SHOWN]
    ]
    if len(rows) > WAITING_SHOWN:
        words.append(f"{len(rows) - WAITING_SHOWN} more")
    return ", ".join(words)


def _coming(grounds: Grounds) -> str:
    """Who is expected soon where it is red."""
    found: dict[int, float] = {}
    expected = _floats(grounds.problem.arrivals_veh)[:, :SOON_S].sum(axis=1)
    for k in _ill_served(grounds):
        if _is_red(grounds, k):
            mask = grounds.lane_groups[k]
            found[mask] = found.get(mask, 0.0) + float(expected[k])
    rows = sorted(found.items(), key=lambda row: -row[1])
    return ", ".join(
        f"{groups_in_words(grounds.site, mask)} {vehicles:.0f}"
        for mask, vehicles in rows[:WAITING_SHOWN]
        if vehicles >= LEAST_QUEUE_VEH
    )


def _ill_served(grounds: Grounds) -> Iterator[int]:
    """Lanes that the running stage serves worse than another would."""
    rates = _floats(grounds.problem.rate_veh_per_s)
    now = rates[grounds.problem.stage]
    for k, groups in enumerate(grounds.lane_groups):
        if groups & grounds.site.pedestrian_groups or now[k] < FREELY * rates[:, k].max():
            yield k


def _is_red(grounds: Grounds, k: int) -> bool:
    green = grounds.site.stage_masks[grounds.problem.stage]
    groups = grounds.lane_groups[k]
    # Pedestrians who have called wait, whatever their lamp shows: they missed the walk.
    return not groups & green or bool(groups & grounds.site.pedestrian_groups)


def _queue_in_words(site: Intersection, mask: int, red: bool, queue: float, wait_s: float) -> str:
    who = groups_in_words(site, mask)
    if mask & site.pedestrian_groups:
        return f"pedestrians {who} {wait_s:.0f} s"
    if not red:
        return f"{who} {queue:.0f} giving way"
    return f"{who} {queue:.0f}" + (f" (longest {wait_s:.0f} s)" if wait_s >= 1.0 else "")


def _floats(values: ArrayLike) -> Floats:
    return np.asarray(values, dtype=np.float64)
