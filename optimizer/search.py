"""Search over the next stages of one junction and their durations: the front door.

Each second the tactical tier asks: stay in this stage, or change, and to which? The answer is the
first step of the best plan that the search finds over a horizon. The law stands in
:mod:`optimizer._search_reference`; here its inputs are checked and brought to integers, so that the
compiled kernel and the reference agree to the last unit.

*L* lanes (or any other queues, a crossing with its pedestrians for example), *S* stages, *H*
seconds of horizon, *E* exits. The kernel is used where it is built, the reference elsewhere or when
``GREENBAND_NO_EXT=1``; :data:`IMPLEMENTATION` says which, and it is logged on import.
"""

from __future__ import annotations

import logging
import math
import os
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cache

import numpy as np
from numpy.typing import ArrayLike

from optimizer import _search_reference
from optimizer.delay import Floats
from optimizer.search_stages import (
    NEVER_S,
    Integers,
    Plan,
    StageChanges,
    floats_of,
    padded,
    plan_after,
)

__all__ = [
    "IMPLEMENTATION",
    "IMPLEMENTATIONS",
    "NEVER_S",
    "Bound",
    "Plan",
    "SearchProblem",
    "SearchResult",
    "SearchSettings",
    "StageChanges",
    "plan_after",
    "search",
]

Search = Callable[..., int]

UNITS_PER_VEHICLE = 128
"""Queues and flows are counted in this part of a vehicle."""
QUEUE_MAX_VEH = 250.0
"""More vehicles than this in one lane, arrivals of the horizon included, count as this."""
FLOW_MAX_VEH_PER_S = 7.9
EXITS_MAX, BEAM_MAX = 16, 64
GREEN_MAX_S = 500_000
EXIT_SHARE_MIN = 0.1
"""A lane of which fewer vehicles go to an exit does not stand still when that exit is full."""
LATE = 1 << 46
"""What a second beyond a longest wait costs in the kernel: more than any delay."""
NONE = 1 << 62

_log = logging.getLogger(__name__)


def implementations() -> dict[str, Search]:
    """The implementations that can run here, by name, the preferred one first."""
    found: dict[str, Search] = {}
    if os.environ.get("GREENBAND_NO_EXT") != "1":
        try:
            from optimizer import _search_kernel
        except ImportError:
            _log.warning(
                "the search kernel is not built, the slow Python reference serves; "
                "run `python setup.py build_ext --inplace`"
            )
        else:
            found["kernel"] = _search_kernel.search
    found["python"] = _search_reference.search
    return found


IMPLEMENTATIONS = implementations()
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))
_log.info("search: %s", IMPLEMENTATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchSettings:
    """How far and how finely to search, and what counts besides delay."""

    beam: int = 4
    """Labels that are followed in every second."""
    labels: int = 1
    """Labels that are kept per second and stage."""
    grid_s: int = 5
    """Later stages may end at multiples of this after their start of green."""
    fine_s: int = 5
    """The running stage may end at each of the next seconds up to this, then at every other."""
    idle_s: int = 5
    """A stage that nobody uses now or within this time ends if somebody waits; 0 is never."""
    stop_cost_s: float = 3.0
    """Delay that a stop is worth."""
    red_s: float = 15.0
    """How long what is left at the horizon waits where the last stage does not serve it."""
    steps_max: int = 150_000
    """Seconds of traffic that one search may simulate; then the best plan so far is the answer."""

    def __post_init__(self) -> None:
        for name, low, high in (
            ("beam", 1, BEAM_MAX),
            ("labels", 1, 1_000),
            ("grid_s", 1, 1_000),
            ("fine_s", 0, 1_000),
            ("idle_s", 0, 1_000),
            ("stop_cost_s", 0.0, 100.0),
            ("red_s", 0.0, 1_000.0),
            ("steps_max", 0, 2_000_000_000),
        ):
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"{name}: {value} is not in {low}..{high}")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchProblem:
    """One junction now. Times count from now in whole seconds, lanes as in ``changes``."""

    changes: StageChanges
    arrivals_veh: ArrayLike
    """(L, H) vehicles that reach the stop line in each second of the horizon."""
    queue_veh: ArrayLike
    """(L,)"""
    rate_veh_per_s: ArrayLike
    """(S, L) saturation flow of each lane in each stage, 0 where it is red."""
    stage: int
    """The stage that is green, or that the change under way leads to."""
    green_s: int
    """How long it has been green; negative while it is still to come."""
    weight: ArrayLike | None = None
    """(L,) what a vehicle of the lane counts, for example its persons; 1 if None."""
    wait_limit_s: ArrayLike | None = None
    """(L,) when the head of the queue must have been served at the latest; negative if it is
    overdue, infinite where there is no limit. A plan that keeps all limits goes before any that
    does not, and among those the one that exceeds them least."""
    served_from_s: ArrayLike | None = None
    """(L,) when the lanes of ``stage`` get going (change under way, start-up); 0 if None."""
    exit_share: ArrayLike | None = None
    """(L, E) part of the lane's vehicles that go to each exit; only exits that may fill up."""
    exit_spare_veh: ArrayLike | None = None
    """(E,) or (E, H) vehicles that each exit can take from now until each second; beyond that, the
    lanes that lead there stand still."""
    incumbent: Plan = ()
    """The previous plan, as of now (:func:`plan_after`): the answer unless a better is found."""


class Bound(Enum):
    """The limit that decided what to do now."""

    NONE = "none"
    MIN_GREEN = "minimum green"
    MAX_GREEN = "maximum green"
    MAX_WAIT = "maximum wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What :func:`search` found; costs in weighted vehicle seconds, tail and stops included."""

    plan: Plan
    """From the running stage to the horizon; a stage that begins behind it is held for 0 s."""
    cost_s: float
    late_s: int
    """Lane seconds beyond the wait limits that the plan can't avoid; 0 if all are kept."""
    value_s: Floats
    """(S,) the best cost with each stage as the next one; that of the running stage is for staying
    to the horizon. Infinite where none was found before it was sure to be worse, or is later."""
    stay_cost_s: float
    """The best cost with the running stage for at least one second more; infinite as above."""
    change_cost_s: float
    """The best cost with a change now; infinite as above, or where it is not allowed."""
    incumbent_cost_s: float
    """Cost of the previous plan, infinite if it is later than the best."""
    departures_veh: Floats
    """(L, H) what the plan discharges in each second."""
    bound: Bound
    complete: bool
    """False when the search ran out of steps."""
    steps: int
    """Seconds of traffic that were simulated."""

    @property
    def next_stage(self) -> int:
        """The stage to ask for now: the running one, or the one to change to."""
        return self.plan[1][0] if self.plan[0][1] == 0 and len(self.plan) > 1 else self.plan[0][0]


def search(
    problem: SearchProblem,
    settings: SearchSettings = SearchSettings(),
    implementation: str | None = None,
) -> SearchResult:
    """The best plan for one junction.

    Raises :class:`ValueError` with the array and the fault when shapes disagree or a value is not
    finite or out of range.
    """
    ready = problem.changes.ready
    stages, lanes = problem.changes.n_stages, problem.changes.n_lanes
    if not 0 <= problem.stage < stages:
        raise ValueError(f"stage: there is no stage {problem.stage}, only 0..{stages - 1}")
    if not -GREEN_MAX_S <= problem.green_s <= GREEN_MAX_S:
        raise ValueError(f"green_s: {problem.green_s} is not in ±{GREEN_MAX_S}")
    queue, arrivals = _traffic(problem)
    most = queue + arrivals.sum(axis=0)
    weight, stop_weight, units = _weights(problem, settings, most)
    share, spare = _exits(problem, len(arrivals))
    horizon, width = arrivals.shape
    plan = np.empty((horizon + 2, 2), dtype=np.int32)
    value = np.empty(stages, dtype=np.int64)
    departures = np.zeros((horizon, width), dtype=np.int16)
    figures = np.zeros(7, dtype=np.int64)
    rows = IMPLEMENTATIONS[implementation or IMPLEMENTATION](
        arrivals,
        queue,
        weight,
        stop_weight,
        _rates(problem, width),
        ready["change_s"],
        ready["stops_s"],
        ready["starts_s"],
        _seconds("served_from_s", problem.served_from_s, lanes, 0),
        ready["min_green_s"],
        ready["max_green_s"],
        ready["allowed"],
        _seconds("wait_limit_s", problem.wait_limit_s, lanes, NEVER_S),
        share,
        spare,
        _incumbent(problem),
        np.array(
            (
                problem.stage,
                problem.green_s,
                settings.beam,
                settings.labels,
                settings.grid_s,
                settings.fine_s,
                settings.idle_s,
                round(16 * settings.red_s),
                settings.steps_max,
            ),
            dtype=np.int32,
        ),
        plan,
        value,
        departures,
        figures,
    )
    return _result(problem, plan[:rows], value, departures, figures, units)


def _result(
    problem: SearchProblem,
    plan: Integers,
    value: Integers,
    departures: Integers,
    figures: Integers,
    units: float,
) -> SearchResult:
    best, stay, change, late_estimate, incumbent, steps, complete = figures.tolist()
    late, cost = divmod(best, LATE)

    def in_seconds(total: int) -> float:
        return (total - late * LATE) / units if total < (late + 1) * LATE else math.inf

    rows = tuple((stage, hold) for stage, hold in plan.tolist())
    ready = problem.changes.ready
    if problem.green_s < ready["min_green_s"][problem.stage]:
        bound = Bound.MIN_GREEN
    elif late or late_estimate < cost:
        bound = Bound.MAX_WAIT
    elif problem.green_s >= ready["max_green_s"][problem.stage]:
        bound = Bound.MAX_GREEN
    else:
        bound = Bound.NONE
    return SearchResult(
        plan=rows,
        cost_s=cost / units,
        late_s=late,
        value_s=np.array([in_seconds(total) for total in value.tolist()]),
        stay_cost_s=in_seconds(stay),
        change_cost_s=in_seconds(change),
        incumbent_cost_s=in_seconds(incumbent) if problem.incumbent else math.inf,
        departures_veh=departures[:, : problem.changes.n_lanes].T / float(UNITS_PER_VEHICLE),
        bound=bound,
        complete=bool(complete),
        steps=steps,
    )


def _traffic(problem: SearchProblem) -> tuple[Integers, Integers]:
    """Queue (P,) and arrivals (H, P) in units, rounded so that no arrival is lost over time."""
    lanes = problem.changes.n_lanes
    horizon = np.shape(problem.arrivals_veh)[-1]
    if horizon < 1:
        raise ValueError("arrivals_veh: the horizon needs at least one second")
    waiting = floats_of("queue_veh", problem.queue_veh, (lanes,), 1e6)
    flow = floats_of("arrivals_veh", problem.arrivals_veh, (lanes, horizon), 1e6)
    queue = np.zeros(padded(lanes), dtype=np.int16)
    arrivals = np.zeros((horizon, len(queue)), dtype=np.int16)
    queue[:lanes] = np.minimum(waiting, QUEUE_MAX_VEH) * UNITS_PER_VEHICLE + 0.5
    room = QUEUE_MAX_VEH * UNITS_PER_VEHICLE - queue[:lanes]
    sums = np.cumsum(np.minimum(flow, FLOW_MAX_VEH_PER_S).T * UNITS_PER_VEHICLE, axis=0)
    sums = np.minimum(sums + 0.5, room).astype(np.int16)
    arrivals[0, :lanes] = sums[0]
    np.subtract(sums[1:], sums[:-1], out=arrivals[1:, :lanes])
    return queue, arrivals


def _rates(problem: SearchProblem, width: int) -> Integers:
    shape = problem.changes.n_stages, problem.changes.n_lanes
    flow = floats_of("rate_veh_per_s", problem.rate_veh_per_s, shape, QUEUE_MAX_VEH)
    rate = np.zeros((shape[0], width), dtype=np.int16)
    # What is served at all is served by at least one unit.
    rate[:, : shape[1]] = np.where(flow > 0.0, np.maximum(flow * UNITS_PER_VEHICLE + 0.5, 1.0), 0.0)
    return rate


def _weights(
    problem: SearchProblem, settings: SearchSettings, most: Integers
) -> tuple[Integers, Integers, float]:
    """Weights (P,) of a queue and of a stop as integers, and what a vehicle second is in units.

    *most* (P,) is the longest queue that each lane may get. The weights are as fine as the sums
    of an implementation allow: 2^23 for a lane and second, 2^15 for a weight.
    """
    lanes = problem.changes.n_lanes
    weight = np.ones(lanes)
    if problem.weight is not None:
        weight = floats_of("weight", problem.weight, (lanes,), 1e6)
    heaviest = max(float(weight.max()), 1e-6)
    longest = max(float((weight * most[:lanes]).max()), 1e-6)
    scale = min((1 << 23) / longest, ((1 << 13) - 1) / (heaviest * max(1.0, settings.stop_cost_s)))
    # A power of two, so that simple weights stay exact.
    scale = 2.0 ** math.floor(math.log2(scale))
    queue_weight = np.zeros(padded(lanes), dtype=np.int16)
    stop_weight = np.zeros(padded(lanes), dtype=np.int16)
    queue_weight[:lanes] = weight * scale + 0.5
    stop_weight[:lanes] = weight * (scale * settings.stop_cost_s) + 0.5
    return queue_weight, stop_weight, scale * UNITS_PER_VEHICLE


@cache
def _same(lanes: int, value: int) -> Integers:
    return np.full(padded(lanes), value, dtype=np.int32)


def _seconds(name: str, values: ArrayLike | None, lanes: int, otherwise: int) -> Integers:
    if values is None:
        return _same(lanes, otherwise)
    times = np.asarray(values, dtype=np.float64)
    if times.shape != (lanes,):
        raise ValueError(f"{name}: shape {times.shape}, but changes ask for {(lanes,)}")
    if np.isnan(times).any():
        raise ValueError(f"{name}: not every value is a number")
    seconds = _same(lanes, otherwise).copy()
    seconds[:lanes] = np.floor(np.clip(times, -NEVER_S, NEVER_S))
    return seconds


def _exits(problem: SearchProblem, horizon: int) -> tuple[Integers, Integers]:
    """Shares (E, P) in units and the vehicles that have room (E, H) in units squared."""
    lanes = problem.changes.n_lanes
    if problem.exit_share is None or problem.exit_spare_veh is None:
        return np.empty((0, padded(lanes)), dtype=np.int16), np.empty((0, horizon), dtype=np.int32)
    exits = np.shape(problem.exit_share)[-1]
    if exits > EXITS_MAX:
        raise ValueError(f"exit_share: {exits} exits; at most {EXITS_MAX} can be")
    part = floats_of("exit_share", problem.exit_share, (lanes, exits), 1.0)
    spare = np.asarray(problem.exit_spare_veh, dtype=np.float64)
    if spare.ndim == 1:
        spare = np.broadcast_to(spare[:, None], (len(spare), horizon))
    spare = floats_of("exit_spare_veh", spare, (exits, horizon), 1e9)
    share = np.zeros((exits, padded(lanes)), dtype=np.int16)
    share[:, :lanes] = np.where(part >= EXIT_SHARE_MIN, part * UNITS_PER_VEHICLE + 0.5, 0.0).T
    room = np.minimum(spare * UNITS_PER_VEHICLE**2, (1 << 31) - 1)
    return share, np.ascontiguousarray(room, dtype=np.int32)


def _incumbent(problem: SearchProblem) -> Integers:
    """The rows of the previous plan as far as they fit the stages, (R, 2)."""
    rows = np.array(problem.incumbent, dtype=np.int32).reshape(-1, 2)
    if len(rows) and (rows[0, 0] != problem.stage or rows[:, 0].min() < 0):
        return np.empty((0, 2), dtype=np.int32)
    if len(rows) and rows[:, 0].max() >= problem.changes.n_stages:
        raise ValueError(f"incumbent: there is no stage {rows[:, 0].max()}")
    return rows
