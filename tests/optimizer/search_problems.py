"""Random junctions for the search, and a second opinion on what a plan costs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from optimizer.search import (
    Plan,
    SearchProblem,
    SearchSettings,
)
from optimizer.search_stages import NEVER_S, StageChanges

COMPLETE = SearchSettings(beam=64, labels=1_000, grid_s=1, fine_s=1_000, idle_s=0)


def changes_of(
    green: np.ndarray, change_s: np.ndarray, minimum: list[int], maximum: list[int], **given: Any
) -> StageChanges:
    """Lanes that end use 2 s of yellow, those that begin lose 1 s."""
    before, after = green[:, None, :], green[None, :, :]
    return StageChanges(
        change_s=change_s,
        stops_after_s=np.where(before & after, NEVER_S, np.where(before, 2, 0)),
        starts_after_s=np.where(after & ~before, change_s[:, :, None] + 1, NEVER_S),
        min_green_s=minimum,
        max_green_s=maximum,
        allowed=given.get("allowed", ~np.eye(len(green), dtype=bool)),
    )


def random_problem(seed: int, stages: int, lanes: int, horizon: int, **given: Any) -> SearchProblem:
    """Any junction; in a third of them the order of the stages is given."""
    rng = np.random.default_rng(seed)
    green = rng.random((stages, lanes)) < 0.4
    green[rng.integers(0, stages, lanes), np.arange(lanes)] = True
    allowed = ~np.eye(stages, dtype=bool)
    if rng.random() < 0.33:
        allowed = np.roll(np.eye(stages, dtype=bool), 1, axis=1)
    minimum = rng.integers(2, 6, stages)
    changes = changes_of(
        green,
        rng.integers(1, 5, (stages, stages)),
        minimum.tolist(),
        (minimum + rng.integers(0, 15, stages)).tolist(),
        allowed=allowed,
    )
    values: dict[str, Any] = {
        "changes": changes,
        "arrivals_veh": (rng.random((lanes, horizon)) < rng.uniform(0.0, 0.3)) * 1.0,
        "queue_veh": rng.integers(0, 8, lanes) * 1.0,
        "rate_veh_per_s": green * rng.choice([0.25, 0.5], lanes),
        "stage": int(rng.integers(stages)),
        "green_s": int(rng.integers(-3, 10)),
    }
    return SearchProblem(**{**values, **given})


def with_extras(problem: SearchProblem, seed: int) -> SearchProblem:
    """The same with some of everything that is optional."""
    rng = np.random.default_rng(seed)
    stages, lanes = problem.changes.n_stages, problem.changes.n_lanes
    values: dict[str, Any] = {
        name: getattr(problem, name) for name in SearchProblem.__dataclass_fields__
    }
    values["weight"] = rng.uniform(0.0, 5.0, lanes)
    if rng.random() < 0.6:
        some = rng.random(lanes) < 0.4
        values["wait_limit_s"] = np.where(some, rng.uniform(-5.0, 40.0, lanes), np.inf)
    if rng.random() < 0.4:
        values["exit_share"] = rng.dirichlet(np.ones(3), lanes)[:, :2]
        values["exit_spare_veh"] = rng.uniform(0.0, 6.0, 2)
    if rng.random() < 0.5:
        following = rng.integers(0, stages, 3).tolist()
        values["incumbent"] = ((problem.stage, 3), *((stage, 6) for stage in following))
    if rng.random() < 0.3:
        values["served_from_s"] = rng.integers(0, 5, lanes)
    return SearchProblem(**values)


def legal_plans(problem: SearchProblem) -> Iterator[Plan]:
    """Every plan of *problem* up to its horizon."""
    ready = problem.changes.ready
    horizon = np.shape(problem.arrivals_veh)[1]

    def extend(stage: int, elapsed: int, t: int) -> Iterator[Plan]:
        for hold in range(horizon - t + 1):
            if t + hold == horizon:
                yield ((stage, hold),)
                return
            if elapsed + hold >= ready["min_green_s"][stage]:
                for following in np.flatnonzero(ready["allowed"][stage]).tolist():
                    end = t + hold + int(ready["change_s"][stage, following])
                    rests = extend(following, 0, end) if end < horizon else [((following, 0),)]
                    for rest in rests:
                        yield ((stage, hold), *rest)
            if elapsed + hold >= ready["max_green_s"][stage]:
                return

    return extend(problem.stage, problem.green_s, 0)


def cost_of(problem: SearchProblem, plan: Plan, settings: SearchSettings) -> float:
    """Weighted vehicle seconds of *plan* in floating point, without exits and wait limits."""
    ready = problem.changes.ready
    rate = np.asarray(problem.rate_veh_per_s)
    arrivals = np.asarray(problem.arrivals_veh)
    lanes, horizon = arrivals.shape
    weight = np.ones(lanes) if problem.weight is None else np.asarray(problem.weight)
    green = np.zeros((horizon + 200, lanes))
    t = 0
    for row, (stage, hold) in enumerate(plan):
        green[t : t + hold] = rate[stage]
        if row:
            before = plan[row - 1][0]
            began = t - ready["change_s"][before, stage]
            for lane in np.flatnonzero(rate[stage]):
                start = int(ready["starts_s"][before, stage, lane])
                if start < NEVER_S:
                    green[began : began + start, lane] *= green[began : began + start, lane] < 0
            for lane in np.flatnonzero(rate[before]):
                stop = int(ready["stops_s"][before, stage, lane])
                green[began : min(t, began + stop), lane] = rate[before, lane]
        t += hold
        if row + 1 < len(plan):
            t += int(ready["change_s"][stage, plan[row + 1][0]])
    queue, cost = np.asarray(problem.queue_veh, dtype=float), 0.0
    for second in range(horizon):
        stopped = (green[second] == 0.0) | (queue > 0.5)
        cost += settings.stop_cost_s * float(weight @ (arrivals[:, second] * stopped))
        queue = np.maximum(0.0, queue + arrivals[:, second] - green[second])
        cost += float(weight @ queue)
    red = settings.red_s * (rate[plan[-1][0]] == 0.0)
    best = rate.max(axis=0)
    return cost + float(weight @ (queue * (queue / (2.0 * best) + red)))
