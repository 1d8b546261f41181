"""The tactical search: both implementations, against brute force and the limits of the street."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from optimizer.search import (
    IMPLEMENTATIONS,
    Bound,
    SearchProblem,
    SearchSettings,
    plan_after,
    search,
)
from optimizer.search_stages import NEVER_S, StageChanges
from tests.optimizer.search_problems import (
    COMPLETE,
    changes_of,
    cost_of,
    legal_plans,
    random_problem,
    with_extras,
)

ROOT = Path(__file__).parents[2]
SEEDS = st.integers(0, 10**9)


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def crossroads(**given: Any) -> SearchProblem:
    """Two stages with one lane each, 4 s apart, 5..30 s of green; stage 0 has just had its 5 s."""
    green = np.eye(2, dtype=bool)
    values: dict[str, Any] = {
        "changes": changes_of(green, np.full((2, 2), 4), [5, 5], [30, 30]),
        "arrivals_veh": np.zeros((2, 60)),
        "queue_veh": [0.0, 0.0],
        "rate_veh_per_s": 0.5 * green,
        "stage": 0,
        "green_s": 5,
    }
    return SearchProblem(**{**values, **given})


@settings(max_examples=60, deadline=None)
@given(seed=SEEDS, stages=st.integers(1, 5), lanes=st.integers(1, 10), horizon=st.integers(1, 40))
def test_kernel_and_reference_agree_to_the_last_unit(
    seed: int, stages: int, lanes: int, horizon: int
) -> None:
    problem = with_extras(random_problem(seed, stages, lanes, horizon), seed + 1)
    rng = np.random.default_rng(seed)
    how = SearchSettings(
        beam=int(rng.integers(1, 8)),
        labels=int(rng.integers(1, 4)),
        idle_s=int(rng.integers(0, 6)),
        steps_max=int(rng.choice([0, 200, 5_000, 150_000])),
    )
    first, *others = (search(problem, how, name) for name in IMPLEMENTATIONS)
    for other in others:
        for name in (*type(first).__dataclass_fields__, "value_s", "departures_veh"):
            assert np.array_equal(getattr(first, name), getattr(other, name)), name


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, stages=st.integers(2, 3), lanes=st.integers(1, 4), horizon=st.integers(4, 12))
def test_the_complete_search_is_optimal(seed: int, stages: int, lanes: int, horizon: int) -> None:
    problem = random_problem(seed, stages, lanes, horizon)
    least = min(cost_of(problem, plan, COMPLETE) for plan in legal_plans(problem))
    for name in IMPLEMENTATIONS:
        found = search(problem, COMPLETE, name)
        # Clearing times are in 1/16 s, which is the only rounding here.
        assert found.cost_s == pytest.approx(least, rel=0.01, abs=0.1), name
        assert cost_of(problem, found.plan, COMPLETE) == pytest.approx(least, rel=0.01, abs=0.1)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, stages=st.integers(1, 5), lanes=st.integers(1, 8))
def test_plans_keep_greens_and_order(seed: int, stages: int, lanes: int) -> None:
    problem = with_extras(random_problem(seed, stages, lanes, 40), seed)
    found = search(problem)
    ready = problem.changes.ready
    allowed = np.asarray(ready["allowed"])
    assert found.plan[0][0] == problem.stage
    for row, ((stage, hold), (following, _)) in enumerate(
        zip(found.plan, found.plan[1:], strict=False)
    ):
        shown = hold + (problem.green_s if row == 0 else 0)
        assert allowed[stage, following]
        assert shown >= ready["min_green_s"][stage]
        assert shown <= ready["max_green_s"][stage] or (row == 0 and hold == 0)
    last, hold = found.plan[-1]
    shown = hold + (problem.green_s if len(found.plan) == 1 else 0)
    assert shown <= ready["max_green_s"][last] or not allowed[last].any()
    spent = sum(hold for _, hold in found.plan) + sum(
        int(ready["change_s"][a, b])
        for (a, _), (b, _) in zip(found.plan, found.plan[1:], strict=False)
    )
    assert spent == 40 or (spent > 40 and found.plan[-1][1] == 0)


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, stages=st.integers(1, 5), lanes=st.integers(1, 8))
def test_departures_are_vehicles_that_were_there(seed: int, stages: int, lanes: int) -> None:
    problem = with_extras(random_problem(seed, stages, lanes, 40), seed)
    found = search(problem)
    left = np.asarray(problem.queue_veh)[:, None] + np.cumsum(
        np.asarray(problem.arrivals_veh) - found.departures_veh, axis=1
    )
    assert left.min() >= -1e-9
    assert found.departures_veh.min() >= 0.0
    assert (found.departures_veh <= np.max(problem.rate_veh_per_s, axis=0)[:, None]).all()


@settings(max_examples=40, deadline=None)
@given(seed=SEEDS, stages=st.integers(2, 5), lanes=st.integers(1, 8))
def test_the_answer_is_never_worse_than_the_previous_plan(
    seed: int, stages: int, lanes: int
) -> None:
    problem = with_extras(random_problem(seed, stages, lanes, 40), seed)
    rough = search(problem, SearchSettings(beam=1, grid_s=10))
    again = replace(problem, incumbent=rough.plan)
    kept = search(again, SearchSettings(steps_max=0))
    assert not kept.complete
    assert (kept.plan, kept.cost_s, kept.late_s) == (rough.plan, rough.cost_s, rough.late_s)
    for how in (SearchSettings(), SearchSettings(steps_max=50), SearchSettings(beam=1)):
        better = search(again, how)
        assert (better.late_s, better.cost_s) <= (rough.late_s, rough.cost_s)


@settings(max_examples=25, deadline=None)
@given(seed=SEEDS, lanes=st.integers(2, 4))
def test_wait_limits_are_kept_where_a_plan_can_keep_them(seed: int, lanes: int) -> None:
    problem = random_problem(seed, 2, lanes, 12)
    limit = np.random.default_rng(seed).integers(1, 12, lanes)
    waiting = np.flatnonzero(
        (np.asarray(problem.queue_veh) > 0.0)
        & (np.asarray(problem.rate_veh_per_s)[problem.stage] == 0.0)
    )

    def late_s(plan: tuple[tuple[int, int], ...]) -> int:
        ready, rate = problem.changes.ready, np.asarray(problem.rate_veh_per_s)
        total, due, t = 0, set(waiting.tolist()), 0
        for (stage, hold), (following, _) in itertools.pairwise(plan):
            t += hold
            for lane in sorted(due):
                if rate[following, lane]:
                    served = t + int(ready["starts_s"][stage, following, lane])
                    total += max(0, served - int(limit[lane]))
                    due.discard(lane)
            t += int(ready["change_s"][stage, following])
        # What is still due can be reached only after the horizon.
        return total + sum(max(1, 12 - int(limit[lane])) for lane in due)

    possible = any(late_s(plan) == 0 for plan in legal_plans(problem))
    found = search(replace(problem, wait_limit_s=limit), COMPLETE)
    if possible:
        assert found.late_s == 0
        assert late_s(found.plan) == 0 or found.plan[-1][1] == 0
    for how in (COMPLETE, SearchSettings()):
        plain = search(replace(problem, wait_limit_s=np.full(lanes, np.inf)), how)
        assert plain.late_s == 0


def test_a_single_vehicle_waits_no_longer_than_its_limit(implementation: str) -> None:
    arrivals = np.zeros((2, 60))
    arrivals[0] = 0.45
    flood = crossroads(arrivals_veh=arrivals, queue_veh=[20.0, 1.0])
    without = search(flood, implementation=implementation)
    assert without.plan[0][1] > 15
    limited = search(replace(flood, wait_limit_s=[np.inf, 12.0]), implementation=implementation)
    # 4 s of change and 1 s of start-up before the vehicle leaves.
    assert limited.plan[0][1] <= 7
    assert limited.plan[1][0] == 1
    assert limited.late_s == 0
    assert limited.bound is Bound.MAX_WAIT
    assert limited.departures_veh[1, 12] > 0.0
    overdue = search(replace(flood, wait_limit_s=[np.inf, -10.0]), implementation=implementation)
    assert overdue.next_stage == 1
    assert overdue.late_s == 15
    assert overdue.bound is Bound.MAX_WAIT


def test_minimum_and_maximum_green_are_named_when_they_decide(implementation: str) -> None:
    waiting = crossroads(queue_veh=[0.0, 8.0], green_s=2)
    early = search(waiting, implementation=implementation)
    assert (early.plan[0], early.next_stage, early.bound) == ((0, 3), 0, Bound.MIN_GREEN)
    at_maximum = crossroads(queue_veh=[30.0, 0.0], green_s=30)
    late = search(at_maximum, implementation=implementation)
    assert (late.next_stage, late.bound) == (1, Bound.MAX_GREEN)
    free = search(replace(waiting, green_s=6), implementation=implementation)
    assert (free.next_stage, free.bound) == (1, Bound.NONE)
    assert free.change_cost_s < free.stay_cost_s
    assert free.cost_s == free.change_cost_s == free.value_s[1]


def test_a_full_exit_holds_its_lanes_and_others_go(implementation: str) -> None:
    waiting = crossroads(queue_veh=[12.0, 6.0])
    free = search(waiting, implementation=implementation)
    assert free.next_stage == 0
    full = replace(waiting, exit_share=[[1.0], [0.0]], exit_spare_veh=[0.0])
    held = search(full, implementation=implementation)
    assert held.next_stage == 1
    assert held.departures_veh[0].sum() == 0.0
    some = search(replace(full, exit_spare_veh=[3.0]), implementation=implementation)
    assert some.departures_veh[0].sum() == pytest.approx(3.0)
    opens = np.where(np.arange(60) < 20, 0.0, 100.0)[None]
    later = search(replace(full, exit_spare_veh=opens), implementation=implementation)
    assert later.departures_veh[0, :20].sum() == 0.0
    assert later.departures_veh[0].sum() > 3.0


def test_heavier_lanes_go_first(implementation: str) -> None:
    equal = crossroads(queue_veh=[6.0, 6.0])
    assert search(equal, implementation=implementation).next_stage == 0
    bus = replace(equal, weight=[1.0, 30.0])
    assert search(bus, implementation=implementation).next_stage == 1


def test_a_stage_that_is_still_to_come_serves_nobody(implementation: str) -> None:
    coming = crossroads(queue_veh=[5.0, 0.0], green_s=-3, served_from_s=[4, 0])
    found = search(coming, implementation=implementation)
    assert found.plan[0][1] >= 8
    assert found.departures_veh[0, :4].sum() == 0.0
    assert found.departures_veh[0, 4] == 0.5


def test_a_platoon_is_met_by_its_green(implementation: str) -> None:
    arrivals = np.zeros((2, 60))
    arrivals[1, 20:30] = 0.5
    found = search(crossroads(arrivals_veh=arrivals), implementation=implementation)
    assert found.departures_veh[1, 20:31].sum() == pytest.approx(5.0, abs=0.6)


@pytest.mark.parametrize(
    ("seconds", "rest"),
    [
        (0, ((0, 10), (1, 20), (0, 0))),
        (4, ((0, 6), (1, 20), (0, 0))),
        (10, ((0, 0), (1, 20), (0, 0))),
        (12, ()),
        (14, ((1, 20), (0, 0))),
        (30, ((1, 4), (0, 0))),
        (500, ((0, 0),)),
    ],
)
def test_plan_after(seconds: int, rest: tuple[tuple[int, int], ...]) -> None:
    plan = ((0, 10), (1, 20), (0, 0))
    assert plan_after(plan, seconds, crossroads().changes) == rest


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"stage": 2}, "stage: there is no stage 2"),
        ({"queue_veh": [1.0]}, r"queue_veh: shape \(1,\)"),
        ({"queue_veh": [1.0, float("nan")]}, "queue_veh: not every value is a number"),
        ({"queue_veh": [1.0, -1.0]}, "queue_veh: not every value"),
        ({"arrivals_veh": np.full((2, 60), np.inf)}, "arrivals_veh: not every value"),
        ({"arrivals_veh": np.zeros((2, 0))}, "arrivals_veh: the horizon"),
        ({"rate_veh_per_s": np.ones((3, 2))}, "rate_veh_per_s: shape"),
        ({"weight": [1.0, -2.0]}, "weight: not every value"),
        ({"wait_limit_s": [1.0, float("nan")]}, "wait_limit_s: not every value"),
        ({"green_s": 10**7}, "green_s"),
        ({"incumbent": ((0, 3), (7, 5))}, "incumbent: there is no stage 7"),
        ({"exit_share": [[2.0], [0.0]], "exit_spare_veh": [1.0]}, "exit_share: not every value"),
    ],
)
def test_bad_input_is_named(fault: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        search(crossroads(**fault))


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ({"max_green_s": [30, 4]}, "max_green_s: 4 s of stage 1 is below its minimum green, 5 s"),
        ({"change_s": np.full((2, 3), 4)}, r"change_s: shape \(2, 3\)"),
        ({"change_s": np.full((2, 2), 4.5)}, "change_s: whole seconds"),
        ({"min_green_s": [5, np.nan]}, "min_green_s: not every value"),
        ({"starts_after_s": np.full((2, 2, 2), 500)}, "starts_after_s: a lane starts more than"),
        ({"stops_after_s": np.zeros((2, 2, 65))}, "stops_after_s: 65 lanes"),
    ],
)
def test_bad_stages_are_named(fault: dict[str, Any], message: str) -> None:
    values: dict[str, Any] = {
        "change_s": np.full((2, 2), 4),
        "stops_after_s": np.zeros((2, 2, 2)),
        "starts_after_s": np.full((2, 2, 2), NEVER_S),
        "min_green_s": [5, 5],
        "max_green_s": [30, 30],
        "allowed": 1 - np.eye(2),
    }
    with pytest.raises(ValueError, match=message):
        StageChanges(**{**values, **fault})


def test_bad_settings_are_named() -> None:
    with pytest.raises(ValueError, match=r"beam: 0 is not in 1\.\.64"):
        SearchSettings(beam=0)


def test_the_reference_serves_without_the_kernel() -> None:
    code = "from optimizer import search; print(search.IMPLEMENTATION)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, "GREENBAND_NO_EXT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "python"


def test_a_green_into_a_full_street_ends_for_the_sake_of_one_vehicle() -> None:
    green = np.array([[True, False], [False, True]])
    problem = SearchProblem(
        changes=changes_of(green, np.full((2, 2), 4), [2, 2], [90, 90]),
        arrivals_veh=np.zeros((2, 40)),
        queue_veh=[6.0, 1.0],
        rate_veh_per_s=green * 0.5,
        stage=0,
        green_s=5,
        exit_share=[[1.0], [0.0]],
        exit_spare_veh=np.repeat([[0.0, 20.0]], 20, axis=1),
    )
    who_stands_in_the_junction = search(problem, SearchSettings(standing_veh=5.0))
    assert who_stands_in_the_junction.plan[0] == (0, 0)
    # There is room later, and the plan comes back for it.
    assert who_stands_in_the_junction.plan[2][0] == 0
    free = search(replace(problem, exit_spare_veh=[20.0]))
    assert free.plan[0][1] > 5
