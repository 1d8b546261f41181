"""One decision of the tactical search: its time, a city's second, and kernel against reference.

Run from the root of the repository: ``python -m benchmarks.search_kernel``. Times are of the
processor, checks and conversions of the front door included. Exit code 1 when a target is missed:
99 % of the decisions of a saturated 8-stage junction with a 90 s horizon within 5 ms, 1,000
ordinary junctions within one second, the kernel 50 times as fast as the reference with the same
results.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass

import numpy as np

from optimizer.search import (
    IMPLEMENTATIONS,
    SearchProblem,
    SearchResult,
    search,
)
from optimizer.search_stages import NEVER_S, StageChanges

DECISION_P99_MS = 5.0
CITY_S = 1.0
RATIO = 50.0
SATURATION_VEH_PER_S = 0.5
KNOWN_S = 20
"""Single vehicles are known this far ahead, beyond only their flow."""


@dataclass(frozen=True, slots=True)
class Size:
    """A kind of junction, and how full it is."""

    stages: int
    lanes: int
    horizon_s: int
    load: float
    queue_max_veh: int


SATURATED = (Size(8, 12, 90, 1.1, 12), Size(8, 16, 90, 1.1, 12), Size(8, 16, 90, 1.3, 25))
ORDINARY = (
    Size(4, 8, 60, 0.5, 3),
    Size(4, 10, 75, 0.8, 5),
    Size(6, 10, 75, 0.6, 4),
    Size(8, 12, 90, 0.7, 4),
    Size(6, 12, 60, 1.1, 10),
)


def junction(size: Size, seed: int) -> SearchProblem:
    """A random junction: every lane is green in one or several stages, changes take 4 to 7 s."""
    rng = np.random.default_rng(seed)
    stages, lanes = size.stages, size.lanes
    green = rng.random((stages, lanes)) < 1.0 / stages
    green[rng.integers(0, stages, lanes), np.arange(lanes)] = True
    change = rng.integers(4, 8, (stages, stages))
    before, after = green[:, None, :], green[None, :, :]
    stays = before & after
    changes = StageChanges(
        change_s=change,
        stops_after_s=np.where(stays, NEVER_S, np.where(before, 2, 0)),
        starts_after_s=np.where(after & ~before, change[:, :, None] + 1, NEVER_S),
        min_green_s=rng.integers(5, 8, stages),
        max_green_s=np.full(stages, 60),
        allowed=~np.eye(stages, dtype=bool),
    )
    # At full load the lanes that need most fill the hour with the lost time of 40 %.
    flow = size.load * 0.6 * SATURATION_VEH_PER_S * rng.uniform(0.4, 1.0, lanes) * 2.0 / stages
    arrivals = np.repeat(flow[:, None], size.horizon_s, axis=1)
    arrivals[:, :KNOWN_S] = rng.random((lanes, KNOWN_S)) < flow[:, None]
    return SearchProblem(
        changes=changes,
        arrivals_veh=arrivals,
        queue_veh=rng.integers(0, size.queue_max_veh + 1, lanes).astype(float),
        rate_veh_per_s=SATURATION_VEH_PER_S * green,
        stage=int(rng.integers(0, stages)),
        green_s=int(rng.integers(0, 30)),
        wait_limit_s=rng.uniform(10.0, 150.0, lanes),
    )


def timed(problem: SearchProblem, implementation: str) -> tuple[float, SearchResult]:
    """Processor seconds and result of one decision."""
    start = time.thread_time()
    result = search(problem, implementation=implementation)
    return time.thread_time() - start, result


def decisions(count: int) -> bool:
    """Single decisions of saturated junctions."""
    print(f"one decision, saturated, {count} junctions each")
    met = True
    for size in SATURATED:
        problems = [junction(size, seed) for seed in range(count)]
        runs = [timed(problem, "kernel") for problem in problems]
        milliseconds = 1e3 * np.array([seconds for seconds, _ in runs])
        p99 = float(np.percentile(milliseconds, 99))
        steps = np.array([result.steps for _, result in runs])
        met &= p99 <= DECISION_P99_MS
        print(
            f"  {size.stages} stages, {size.lanes} lanes, {size.horizon_s} s, load {size.load}: "
            f"median {np.median(milliseconds):.2f} ms   p99 {p99:.2f} ms   "
            f"worst {milliseconds.max():.2f} ms   {steps.max():,} steps at most   "
            f"{sum(result.complete for _, result in runs)} complete"
        )
    return met


def city(count: int) -> bool:
    """All junctions of a city, one after the other."""
    problems = [junction(ORDINARY[seed % len(ORDINARY)], seed) for seed in range(count)]
    start = time.thread_time()
    for problem in problems:
        search(problem, implementation="kernel")
    seconds = time.thread_time() - start
    print(f"{count:,} ordinary junctions on one core: {seconds:.2f} s")
    return seconds <= CITY_S * count / 1_000


def ratio(count: int) -> bool:
    """Kernel and reference in turns on the same junctions."""
    totals = {"kernel": 0.0, "python": 0.0}
    same = True
    for seed in range(count):
        problem = junction(ORDINARY[seed % len(ORDINARY)], seed)
        results = {}
        for name in totals:
            seconds, results[name] = timed(problem, name)
            totals[name] += seconds
        same &= results["kernel"].plan == results["python"].plan
        same &= results["kernel"].cost_s == results["python"].cost_s
    found = totals["python"] / totals["kernel"]
    print(
        f"reference {1e3 * totals['python'] / count:.0f} ms, kernel "
        f"{1e3 * totals['kernel'] / count:.2f} ms a decision: ratio {found:.0f}, results "
        f"{'the same' if same else 'DIFFERENT'}"
    )
    return found >= RATIO and same


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=300)
    parser.add_argument("--junctions", type=int, default=1_000)
    parser.add_argument("--compared", type=int, default=10)
    options = parser.parse_args()
    if "kernel" not in IMPLEMENTATIONS:
        print("the kernel is not built; run `python setup.py build_ext --inplace`", file=sys.stderr)
        return 2
    met = [decisions(options.decisions), city(options.junctions), ratio(options.compared)]
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
