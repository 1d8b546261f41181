"""Splits for 12,000 intersections x 8 stages in one call: the kernel against vectorised NumPy.

Run from the root of the repository: ``python -m benchmarks.splits_kernel``. Both run in turns in
one process on the same arrays; the ratio is that of the medians. Exit code 1 when the kernel is
less than 5 times as fast or the results differ.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from optimizer.splits import IMPLEMENTATIONS, SplitProblem, SplitSolution, optimise_splits

TARGET_RATIO = 5.0


def city(intersections: int, stages: int, lane_groups: int) -> SplitProblem:
    """Random intersections at 50 to 110 % load; three lane groups in ten run in two stages."""
    rng = np.random.default_rng(1958)
    rows = np.arange(intersections)
    service = np.zeros((intersections, stages, lane_groups))
    for group in range(lane_groups):
        first = rng.integers(0, stages, intersections)
        service[rows, first, group] = 1.0
        again = rng.random(intersections) < 0.3
        service[rows[again], (first[again] + 1) % stages, group] = 1.0
    saturation = rng.uniform(1500.0, 2000.0, (intersections, lane_groups))
    need = rng.uniform(0.2, 1.0, (intersections, lane_groups))
    critical = (service * need[:, None, :]).max(axis=2).sum(axis=1)
    load = rng.uniform(0.5, 1.1, intersections)
    return SplitProblem(
        flow_veh_per_h=saturation * need * (0.75 * load / critical)[:, None],
        saturation_veh_per_h=saturation,
        service=service,
        extra_green_s=np.full((intersections, lane_groups), -1.0),
        minimum_green_s=rng.uniform(5.0, 7.0, (intersections, stages)),
        lost_s=np.full(intersections, 4.0 * stages),
        cycles_s=[120.0],
    )


def measure(
    problem: SplitProblem, repetitions: int
) -> tuple[dict[str, list[float]], dict[str, SplitSolution]]:
    """Seconds of every repetition and the solution, by implementation, run in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    solutions: dict[str, SplitSolution] = {}
    for _ in range(repetitions):
        for name, times in seconds.items():
            start = time.perf_counter()
            solutions[name] = optimise_splits(problem, name)
            times.append(time.perf_counter() - start)
    return seconds, solutions


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intersections", type=int, default=12_000)
    parser.add_argument("--stages", type=int, default=8)
    parser.add_argument("--lane-groups", type=int, default=16)
    parser.add_argument("--repetitions", type=int, default=7)
    options = parser.parse_args()
    if "kernel" not in IMPLEMENTATIONS:
        print("the kernel is not built; run `python setup.py build_ext --inplace`", file=sys.stderr)
        return 2
    problem = city(options.intersections, options.stages, options.lane_groups)
    seconds, solutions = measure(problem, options.repetitions)
    print(
        f"{options.intersections:,} intersections x {options.stages} stages x "
        f"{options.lane_groups} lane groups, one call, checks included, "
        f"{options.repetitions} repetitions"
    )
    for name, times in seconds.items():
        print(
            f"  {name:7s} median {1e3 * statistics.median(times):7.1f} ms"
            f"   best {1e3 * min(times):7.1f} ms   worst {1e3 * max(times):7.1f} ms"
        )
    ratio = statistics.median(seconds["numpy"]) / statistics.median(seconds["kernel"])
    off = np.abs(solutions["kernel"].green_s - solutions["numpy"].green_s).max()
    print(f"  ratio {ratio:.1f} (target {TARGET_RATIO:g}), largest difference {off:.1e} s of green")
    return 0 if ratio >= TARGET_RATIO and off < 1e-6 else 1


if __name__ == "__main__":
    sys.exit(main())
