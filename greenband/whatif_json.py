"""The JSON of a what-if, schema 1 (``docs/whatif.md``).

Keys may be added to it but never change their meaning. Times in seconds; everything is counted from
the present on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sim.results import RunResult
    from sim.statistics import Estimate
    from sim.whatif.asking import Answer
    from sim.whatif.figures import Place
    from sim.whatif.ranking import Ranked

SCHEMA = 1


def answer_document(answer: Answer) -> dict[str, Any]:
    """What ``--json`` writes for *answer*."""
    return {
        "schema": SCHEMA,
        "scenario": answer.scenario,
        "convention": answer.convention,
        "sumo": answer.sumo,
        "scale": answer.scale,
        "time_s": answer.present.time_s,
        "present_control": answer.present.control or None,
        "minutes": answer.minutes,
        "vehicles": answer.vehicles,
        "seeds": list(answer.seeds),
        "complete": answer.complete,
        "ranking": [_candidate(row) for row in answer.candidates],
        "failed": [{"name": each.name, "reason": each.reason} for each in answer.failed],
    }


def _candidate(row: Ranked) -> dict[str, Any]:
    alike = row.like_best
    return {
        "name": row.name,
        "sees": row.sees,
        "delay_s": _estimate(row.delay_s),
        "delay_veh_h": _estimate(row.delay_veh_h),
        "behind_s": _estimate(row.behind_s),
        "like_best": alike is not None,
        "more_seeds": None if alike is None else alike.more_seeds,
        "identical": alike is not None and alike.identical,
        "stops": _estimate(row.stops),
        "longest_queue_veh": _place(row.longest_queue_veh),
        "full_lane_min": row.full_lane_min,
        "longest_wait_s": _place(row.longest_wait_s),
        "worst_group_s": _place(row.worst_group),
        "walker_wait_s": row.walker_wait_s,
        "arrived": row.arrived,
        "standing": [list(point) for point in row.standing],
        "unsafe": list(row.unsafe),
        "runs": [_run(seed, run) for seed, run in row.runs.items()],
    }


def _run(seed: int, run: RunResult) -> dict[str, Any]:
    ahead = run.ahead
    assert ahead is not None
    return {
        "seed": seed,
        "delay_s": run.delay_s,
        "delay_veh_h": ahead.delay_veh_h,
        "stops": run.stops,
        "vehicles": ahead.vehicles,
        "arrived": ahead.arrived,
        "full_lane_min": ahead.full_lane_min,
        "walker_wait_s": ahead.walker_wait_s,
        "wall_s": run.wall_s,
    }


def _estimate(estimate: Estimate | None) -> dict[str, Any] | None:
    if estimate is None:
        return None
    return {"mean": estimate.mean, "half_width": estimate.half_width, "n": estimate.n}


def _place(place: Place | None) -> dict[str, Any] | None:
    return None if place is None else {"where": place.where, "value": place.value}
