"""Cycle and splits of least HCM delay in two rings against Webster's, over random intersections.

Run from the root of the repository: ``python -m benchmarks.isolated_splits``. Webster's cycle is
``(1.5 L + 5) / (1 - Y)`` to the second, within the same range of cycles (the longest one from
Y = 0.95 on), his splits equalise the degree of saturation of the critical phases. "Equal X" are
such splits at the cycle that suits them best, found by trying all. Minimums hold for all, and all
are judged by HCM control delay d1 + d2 over 15 min. Then kernel and NumPy reference in turns on the
same arrays. Exit code 1 when others are better anywhere by more than the proof of ours allows, when
a proof is wider than 1 %, or when kernel and reference differ.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.delay import control_delay_s
from optimizer.splits import IMPLEMENTATIONS, SplitProblem, SplitSolution, optimise_splits

Floats = NDArray[np.float64]
LOADS = ((0.3, 0.6), (0.6, 0.8), (0.8, 0.95), (0.95, 1.1), (1.1, 1.6))
"""Critical flow over what the longest cycle serves."""
CYCLE_MIN_S, CYCLE_MAX_S = 40, 150
LOST_S = 4.0
"""Of every phase: start-up loss and clearance, less what is used of the yellow."""
WEBSTER_Y_MAX = 0.95
GAP_MAX = 0.01


@dataclass(frozen=True, slots=True)
class Intersections:
    """*n* intersections of eight phases in two rings, phase by phase as NEMA numbers them."""

    flow: Floats
    saturation: Floats
    minimum_s: Floats

    @property
    def ratio(self) -> Floats:
        """(n, rings, barriers, 2) flow over saturation flow."""
        ratios: Floats = (self.flow / self.saturation).reshape(-1, 2, 2, 2)
        return ratios

    @property
    def shortest_s(self) -> Floats:
        """(n, barriers) the least time between barriers."""
        minimum = self.minimum_s.reshape(-1, 2, 2, 2)
        shortest: Floats = minimum.sum(axis=3).max(axis=1)
        return shortest

    def problem(self, cycles_s: Floats) -> SplitProblem:
        """As the optimizer takes it."""
        n = len(self.flow)
        return SplitProblem(
            flow_veh_per_h=self.flow,
            saturation_veh_per_h=self.saturation,
            service=np.tile(np.eye(8), (n, 1, 1)),
            extra_green_s=np.full((n, 8), -LOST_S),
            minimum_green_s=self.minimum_s,
            lost_s=np.zeros(n),
            cycles_s=cycles_s,
            ring=np.tile([0, 0, 0, 0, 1, 1, 1, 1], (n, 1)),
            barrier=np.tile([0, 0, 1, 1, 0, 0, 1, 1], (n, 1)),
        )

    def delay_veh(self, splits_s: Floats, cycle_s: Floats) -> Floats:
        """(n,) mean number of delayed vehicles."""
        delay = control_delay_s(
            self.flow, self.saturation, splits_s - LOST_S, cycle_s[:, None], 0.25
        )
        total: Floats = (self.flow * delay).sum(axis=1) / 3600.0
        return total


def intersections(count: int, load: tuple[float, float], seed: int) -> Intersections:
    """Left turns of one lane, through traffic of one to three, flows at random up to the load."""
    rng = np.random.default_rng(seed)
    lanes = np.stack([np.ones((count, 4)), rng.integers(1, 4, (count, 4))], axis=2)
    saturation = (lanes * rng.uniform(1600.0, 1900.0, (count, 4, 2))).reshape(count, 8)
    need = rng.uniform(0.1, 1.0, (count, 8))
    critical = need.reshape(-1, 2, 2, 2).sum(axis=3).max(axis=1).sum(axis=1)
    served = 1.0 - 4 * LOST_S / CYCLE_MAX_S
    scale = rng.uniform(*load, count) * served / critical
    minimum = np.tile([9.0, 18.0], (count, 4))
    return Intersections(saturation * need * scale[:, None], saturation, minimum)


def webster(those: Intersections) -> tuple[Floats, Floats]:
    """(n, 8) splits and (n,) cycles by Webster's formula and equal degrees of saturation."""
    total = those.ratio.sum(axis=3).max(axis=1).sum(axis=1)
    cycle = np.where(
        total < WEBSTER_Y_MAX,
        (1.5 * 4 * LOST_S + 5.0) / np.maximum(1.0 - total, 0.05),
        float(CYCLE_MAX_S),
    )
    cycle = np.clip(
        np.rint(cycle), np.maximum(those.shortest_s.sum(axis=1), CYCLE_MIN_S), CYCLE_MAX_S
    )
    return equal_saturation(those, cycle), cycle


def equal_saturation(those: Intersections, cycle_s: Floats) -> Floats:
    """(n, 8) splits that leave the critical phases equally full, where minimums let them."""
    ratio = those.ratio
    critical = ratio.sum(axis=3).max(axis=1)
    lengths = _shared(critical, np.full_like(critical, 2 * LOST_S), those.shortest_s, cycle_s)
    minimum = those.minimum_s.reshape(-1, 2, 2, 2)
    splits = np.zeros_like(minimum)
    for ring in range(2):
        for barrier in range(2):
            splits[:, ring, barrier] = _shared(
                ratio[:, ring, barrier],
                np.full((len(cycle_s), 2), LOST_S),
                minimum[:, ring, barrier],
                lengths[:, barrier],
            )
    return splits.reshape(-1, 8)


def best_equal_saturation(those: Intersections, cycles_s: Floats) -> Floats:
    """(n,) the delay of such splits at the cycle that suits them best."""
    shortest = those.shortest_s.sum(axis=1)
    best = np.full(len(those.flow), np.inf)
    for candidate in cycles_s:
        cycle = np.maximum(shortest, candidate)
        best = np.minimum(best, those.delay_veh(equal_saturation(those, cycle), cycle))
    return best


def _shared(need: Floats, lost_s: Floats, minimum_s: Floats, total_s: Floats) -> Floats:
    """(n, 2) times that add up: green by need, but no time below its minimum."""
    green = (total_s - lost_s.sum(axis=1))[:, None] * need / need.sum(axis=1, keepdims=True)
    first = np.clip(
        (green + lost_s)[:, 0], minimum_s[:, 0], np.maximum(total_s - minimum_s[:, 1], 0.0)
    )
    return np.stack([first, total_s - first], axis=1)


def compare(count: int, seed: int) -> bool:
    """Print ours against Webster's by load; whether all is as it has to be."""
    cycles = np.arange(CYCLE_MIN_S, CYCLE_MAX_S + 1, dtype=np.float64)
    print(f"{count} intersections per row, eight phases in two rings, cycles of {cycles[0]:g} to")
    print(f"{cycles[-1]:g} s, every whole second; HCM delay s/veh, T = 15 min\n")
    print(
        "  load         Webster  equal X  ours   saved of Webster: median   mean  of equal X: mean"
    )
    sound = True
    for load in LOADS:
        those = intersections(count, load, seed)
        began = time.perf_counter()
        solution = optimise_splits(those.problem(cycles), with_bound=True)
        seconds = time.perf_counter() - began
        ours = those.delay_veh(solution.green_s, solution.cycle_s)
        splits, cycle = webster(those)
        theirs = those.delay_veh(splits, cycle)
        equal = best_equal_saturation(those, cycles)
        gap = 1.0 - solution.bound_veh.min(axis=1) / ours
        least = np.minimum(theirs, equal)
        vehicles = those.flow.sum() / 3600.0
        is_best = ours <= least * (1.0 + np.maximum(gap, 0.0) + 1e-9)
        sound &= bool(is_best.all() and gap.max() <= GAP_MAX)
        print(
            f"  {load[0]:4.2f}..{load[1]:4.2f} {theirs.sum() / vehicles:8.1f}"
            f"{equal.sum() / vehicles:9.1f}{ours.sum() / vehicles:6.1f}"
            f"{np.median(1.0 - ours / theirs):19.1%}{1.0 - ours.sum() / theirs.sum():11.1%}"
            f"{1.0 - ours.sum() / equal.sum():12.1%}"
        )
        print(
            f"      median cycle {np.median(cycle):.0f} s, ours "
            f"{np.median(solution.cycle_s):.0f} s; proved to {gap.max():.2%}; {seconds:.2f} s"
        )
    return sound


def measure(count: int, repetitions: int) -> bool:
    """Print kernel against reference; whether they agree."""
    those = intersections(count, (0.5, 1.2), 7)
    problem = those.problem(np.arange(70.0, 131.0, 10.0))
    seconds: dict[str, list[float]] = {name: [] for name in IMPLEMENTATIONS}
    found: dict[str, SplitSolution] = {}
    for _ in range(repetitions):
        for name, times in seconds.items():
            began = time.perf_counter()
            found[name] = optimise_splits(problem, name)
            times.append(time.perf_counter() - began)
    print(f"\n{count} intersections x 7 cycles, {repetitions} repetitions in turns")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"  {name:7s} median {1e3 * median:8.1f} ms, {1e6 * median / count / 7:.1f} us each")
    ratio = statistics.median(seconds["numpy"]) / statistics.median(seconds["kernel"])
    off = np.abs(found["kernel"].green_s - found["numpy"].green_s).max()
    print(f"  ratio {ratio:.1f}, largest difference {off:.1e} s of green")
    return bool(off < 1e-6)


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--intersections", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1958)
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    if "kernel" not in IMPLEMENTATIONS:
        print("the kernel is not built; run `python setup.py build_ext --inplace`", file=sys.stderr)
        return 2
    sound = compare(options.intersections, options.seed)
    agree = measure(max(20, options.intersections // 2), options.repetitions)
    return 0 if sound and agree else 1


if __name__ == "__main__":
    sys.exit(main())
