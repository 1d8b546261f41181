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

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from types import ModuleType

import numpy as np
from numpy.typing import ArrayLike

from optimizer import _search_reference
from optimizer.delay import Floats
from optimizer.kernels import implementations
from optimizer.search_stages import NEVER_S, Plan, StageChanges, padded, plan_after
from optimizer.search_units import UNITS_PER_VEHICLE, in_units

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

BEAM_MAX = 64
GREEN_MAX_S = 500_000
LATE = 1 << 46
"""What a second beyond a longest wait costs in the kernel: more than any delay."""
NONE = 1 << 62


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
    standing_veh: float = 5.0
    """Waiting vehicles that one is worth that is let go where its exit is full: it stands in the
    junction then, in the way of others."""
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
            ("standing_veh", 0.0, 20.0),
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
    STRATEGIC = "strategic bounds"


OF_LAST_RANK = (Bound.NONE, Bound.MAX_GREEN)
"""What a wait limit is named before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """What :func:`search` found; costs in weighted vehicle seconds, tail and stops included."""

    plan: Plan
    """From the running stage to the horizon; a stage that begins behind it is held for 0 s."""
    cost_s: float
    late_s: int
    """Lane seconds beyond the wait limits that the plan can't avoid; 0 if all are kept."""
    stay_cost_s: float
    """The best cost with the running stage for at least one second more; infinite as above."""
    change_cost_s: float
    """The best cost with a change now; infinite as above, or where it is not allowed."""
    incumbent_cost_s: float
    """Cost of the previous plan, infinite if it is later than the best."""
    bound: Bound
    complete: bool
    """False when the search ran out of steps."""
    steps: int
    """Seconds of traffic that were simulated."""
    values: tuple[float, ...]
    """:attr:`value_s` as it came."""
    departures: bytes
    """:attr:`departures_veh` as it came: 16 bit units by second and padded lane."""
    lanes: int

    @property
    def next_stage(self) -> int:
        """The stage to ask for now: the running one, or the one to change to."""
        return self.plan[1][0] if self.plan[0][1] == 0 and len(self.plan) > 1 else self.plan[0][0]

    @property
    def value_s(self) -> Floats:
        """(S,) the best cost with each stage as the next one; of the running stage, for staying.

        Infinite where none was found before it was sure to be worse, or is later.
        """
        return np.array(self.values)

    @property
    def departures_veh(self) -> Floats:
        """(L, H) what the plan discharges in each second."""
        units = np.frombuffer(self.departures, dtype=np.int16).reshape(-1, padded(self.lanes))
        return units[:, : self.lanes].T / float(UNITS_PER_VEHICLE)


Found = tuple[Plan, Sequence[int], Sequence[int], bytes, float]
"""Plan, best cost by first next stage, figures, departures, and what a vehicle second is in units.
"""
Search = Callable[[SearchProblem, SearchSettings], Found]


def _by_reference(problem: SearchProblem, settings: SearchSettings) -> Found:
    arrays, units = in_units(problem, settings)
    horizon, width = arrays.arrivals.shape
    numbers = (
        *(problem.stage, problem.green_s, settings.beam, settings.labels, settings.grid_s),
        *(settings.fine_s, settings.idle_s, round(16 * settings.red_s), settings.steps_max),
        round(UNITS_PER_VEHICLE * settings.standing_veh),
    )
    plan = np.empty((horizon + 2, 2), dtype=np.int32)
    value = np.empty(problem.changes.n_stages, dtype=np.int64)
    departures = np.zeros((horizon, width), dtype=np.int16)
    figures = np.zeros(7, dtype=np.int64)
    rows = _search_reference.search(
        *arrays, np.array(numbers, dtype=np.int32), plan, value, departures, figures
    )
    found = tuple((stage, hold) for stage, hold in plan[:rows].tolist())
    return found, value.tolist(), figures.tolist(), departures.tobytes(), units


def _by_kernel(kernel: ModuleType) -> Search:
    def search(problem: SearchProblem, settings: SearchSettings) -> Found:
        try:
            answer: Found | None = kernel.search(problem.changes.compiled, problem, settings)
        except ValueError:
            answer = None
        if answer is None:
            in_units(problem, settings)
            raise ValueError("the problem does not fit its stages")
        return answer

    return search


IMPLEMENTATIONS: dict[str, Search] = implementations(
    "search", "optimizer._search_kernel", _by_kernel, python=_by_reference
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


def search(
    problem: SearchProblem,
    settings: SearchSettings = SearchSettings(),
    implementation: str | None = None,
) -> SearchResult:
    """The best plan for one junction.

    Raises :class:`ValueError` with the array and the fault when shapes disagree or a value is not
    finite or out of range.
    """
    stages = problem.changes.n_stages
    if not 0 <= problem.stage < stages:
        raise ValueError(f"stage: there is no stage {problem.stage}, only 0..{stages - 1}")
    if not -GREEN_MAX_S <= problem.green_s <= GREEN_MAX_S:
        raise ValueError(f"green_s: {problem.green_s} is not in ±{GREEN_MAX_S}")
    return _result(problem, *IMPLEMENTATIONS[implementation or IMPLEMENTATION](problem, settings))


def _result(
    problem: SearchProblem,
    plan: Plan,
    value: Sequence[int],
    figures: Sequence[int],
    departures: bytes,
    units: float,
) -> SearchResult:
    best, stay, change, late_estimate, incumbent, steps, complete = figures
    late, cost = divmod(best, LATE)
    before, beyond = late * LATE, (late + 1) * LATE

    def in_seconds(total: int) -> float:
        return (total - before) / units if total < beyond else math.inf

    bound = _green_bound(problem)
    if bound in OF_LAST_RANK and (late or late_estimate < cost):
        bound = Bound.MAX_WAIT
    return SearchResult(
        plan=plan,
        cost_s=cost / units,
        late_s=late,
        stay_cost_s=in_seconds(stay),
        change_cost_s=in_seconds(change),
        incumbent_cost_s=in_seconds(incumbent) if problem.incumbent else math.inf,
        bound=bound,
        complete=bool(complete),
        steps=steps,
        values=tuple([in_seconds(total) for total in value]),
        departures=departures,
        lanes=problem.changes.n_lanes,
    )


def _green_bound(problem: SearchProblem) -> Bound:
    """The limit on the running green that decides, if any does."""
    changes, stage, green_s = problem.changes, problem.stage, problem.green_s
    own = (changes.unbounded or changes).ready
    if green_s < changes.ready["min_green_s"][stage]:
        return Bound.MIN_GREEN if green_s < own["min_green_s"][stage] else Bound.STRATEGIC
    maximum_s = changes.ready["max_green_s"][stage]
    if green_s >= maximum_s:
        return Bound.MAX_GREEN if maximum_s == own["max_green_s"][stage] else Bound.STRATEGIC
    return Bound.NONE
