"""A city of 1,000 signals and 5,000 links as cyclic flow profiles: plan it, then plan it again.

Run from the root of the repository: ``python -m benchmarks.network_grid``. The grid is synthetic:
streets with random spacings and flows, three stages a node, two-way everywhere, so that every link
depends on every other. Measured are a full plan from nothing (common cycle, splits, offsets) and a
plan after all counts have changed by up to a fifth, from the plan in force. Exit code 1 when
one of them takes longer than its limit or does not improve on its start.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace

import numpy as np

from optimizer.profiles.cycle import choose_cycle
from optimizer.profiles.improve import Effort, Progress, improve
from optimizer.profiles.model import IMPLEMENTATION, evaluate
from optimizer.profiles.network import (
    DELAY_AND_STOPS,
    Feed,
    GreenTimes,
    Link,
    Node,
    Setting,
    SignalNetwork,
)

PLAN_S_MAX, AGAIN_S_MAX = 60.0, 5.0
CYCLES_S = (60.0, 70.0, 80.0, 90.0, 100.0, 110.0, 120.0)
EAST, NORTH, WEST, SOUTH, LEFT = range(5)
NAMES = ("east", "north", "west", "south", "left")
COMING_FROM = {EAST: (0, -1), WEST: (0, 1), NORTH: (-1, 0), SOUTH: (1, 0)}
SPEED_M_PER_S = 13.9


def grid(rows: int, columns: int, seed: int) -> SignalNetwork:
    """A grid of two-way streets; five links a node: four approaches and a protected left turn."""
    rng = np.random.default_rng(seed)
    east_m = rng.uniform(150.0, 450.0, columns + 1)
    north_m = rng.uniform(150.0, 450.0, rows + 1)
    street = rng.uniform(500.0, 1100.0, (rows, 2))
    avenue = rng.uniform(200.0, 500.0, (columns, 2))
    links = []
    for row in range(rows):
        for column in range(columns):
            (east, west), (north, south) = street[row].tolist(), avenue[column].tolist()
            flows = {EAST: east, NORTH: north, WEST: west, SOUTH: south, LEFT: 0.12 * east}
            lengths = {
                kind: float(east_m[column + (right > 0)] if right else north_m[row + (down > 0)])
                for kind, (down, right) in COMING_FROM.items()
            }
            for kind, flow in flows.items():
                length = lengths[EAST if kind == LEFT else kind]
                links.append(_link((row, column), (rows, columns), kind, flow, length))
    nodes = tuple(
        Node(name=f"{row}/{column}", minimum_split_s=(15.0, 12.0, 20.0))
        for row in range(rows)
        for column in range(columns)
    )
    return SignalNetwork(nodes=nodes, links=tuple(links), steps_per_cycle=40)


def _link(
    at: tuple[int, int], size: tuple[int, int], kind: int, flow: float, length_m: float
) -> Link:
    approach = EAST if kind == LEFT else kind
    above, beside = (here + step for here, step in zip(at, COMING_FROM[approach], strict=True))
    is_inside = 0 <= above < size[0] and 0 <= beside < size[1]
    feeds: tuple[Feed, ...] = ()
    if is_inside:
        first = 5 * (above * size[1] + beside)
        through, turning = 0.8 * flow, 0.1 * flow
        sides = (NORTH, SOUTH) if approach in (EAST, WEST) else (EAST, WEST)
        travel = length_m / SPEED_M_PER_S
        feeds = tuple(
            Feed(link=first + source, flow_veh_per_h=share, travel_time_s=travel)
            for source, share in ((approach, through), (sides[0], turning), (sides[1], turning))
        )
    stage, after = {LEFT: (1, 2), NORTH: (2, 0), SOUTH: (2, 0)}.get(kind, (0, 1))
    lanes = 1 if kind in (LEFT, NORTH, SOUTH) else 2
    return Link(
        name=f"{at[0]}/{at[1]} {NAMES[kind]}",
        node=at[0] * size[1] + at[1],
        greens=(GreenTimes(start_stage=stage, start_lag_s=5, end_stage=after, end_lag_s=0),),
        saturation_veh_per_h=1800.0 * lanes,
        flow_veh_per_h=flow,
        feeds=feeds,
        storage_veh=lanes * length_m / 7.0 if is_inside else np.inf,
    )


def recounted(network: SignalNetwork, seed: int) -> SignalNetwork:
    """The network with every flow changed by up to a fifth."""
    rng = np.random.default_rng(seed)
    links = [
        replace(link, flow_veh_per_h=link.flow_veh_per_h * rng.uniform(0.8, 1.2))
        for link in network.links
    ]
    return replace(network, links=tuple(links))


def _tell(progress: Progress) -> None:
    if sys.stderr.isatty():
        print(f"\r{progress.phase} {progress.done}/{progress.of}   ", end="", file=sys.stderr)


def _plan(network: SignalNetwork, threads: int) -> tuple[Setting, float]:
    start, cpu_start = time.perf_counter(), time.process_time()
    chosen = choose_cycle(
        network,
        CYCLES_S,
        objective=DELAY_AND_STOPS,
        effort=Effort(kicks=0, clock=time.perf_counter, time_limit_s=PLAN_S_MAX - 8.0),
        threads=threads,
        on_progress=_tell,
    )
    seconds = time.perf_counter() - start
    found = chosen.best
    cpu_s = time.process_time() - cpu_start
    print(
        f"full plan: {seconds:.1f} s (limit {PLAN_S_MAX:g} s), {cpu_s:.1f} s of CPU, "
        f"{found.trials:,} timings tried at the last"
    )
    for cycle, index in chosen.index_by_cycle.items():
        print(f"  cycle {cycle:g} s: index {index:,.0f}")
    print(
        f"  index {found.index_before:,.0f} -> {found.index:,.0f} at {found.setting.cycle_s:g} s, "
        f"delay {found.evaluation.delay_veh:,.0f} veh-h/h, "
        f"{len(found.evaluation.oversaturated)} links over capacity"
    )
    return found.setting, seconds


def main() -> int:
    """Measure and print; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=25)
    parser.add_argument("--columns", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    network = grid(options.rows, options.columns, options.seed)
    print(f"{len(network.nodes):,} nodes, {len(network.links):,} links, {IMPLEMENTATION}")
    setting, plan_s = _plan(network, options.threads)

    counted = recounted(network, options.seed + 1)
    old = evaluate(counted, setting, DELAY_AND_STOPS).index
    start, cpu_start = time.perf_counter(), time.process_time()
    again = improve(
        counted,
        setting,
        objective=DELAY_AND_STOPS,
        effort=Effort(
            kicks=0, is_local=True, clock=time.perf_counter, time_limit_s=AGAIN_S_MAX - 1.5
        ),
    )
    again_s = time.perf_counter() - start
    print(
        f"after new counts: {again_s:.1f} s (limit {AGAIN_S_MAX:g} s), "
        f"{time.process_time() - cpu_start:.1f} s of CPU, "
        f"index {old:,.0f} -> {again.index:,.0f} ({again.index / old - 1:+.1%}), "
        f"{again.trials:,} timings tried"
    )
    return int(plan_s > PLAN_S_MAX or again_s > AGAIN_S_MAX or again.index >= old)


if __name__ == "__main__":
    sys.exit(main())
