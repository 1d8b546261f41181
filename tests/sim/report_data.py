"""Synthetic comparisons for the report's tests: invented numbers, shaped like a real run's.

Nothing here was simulated; the figures come from a seeded generator around round values.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace

from sim.controls import CONTROLS
from sim.network import Network
from sim.results import (
    Comparison,
    ControlResult,
    FailedControl,
    GreenShare,
    MovementDelay,
    RunDetail,
    RunResult,
)

TYPICAL_DELAY_S = {
    "fixed": 49.0,
    "actuated": 41.5,
    "delay_based": 60.0,
    "webster": 58.0,
    "webster_coordinated": 66.0,
    "max_pressure_5": 26.5,
    "max_pressure_10": 25.3,
    "max_wave_5": 18.9,
    "max_wave_10": 17.9,
    "adaptive": 31.2,
}


def run(seed: int, delay_s: float, **changes: object) -> RunResult:
    """A run with figures that go with its delay."""
    figures = RunResult(
        seed=seed,
        scheduled=2046,
        finished=1990 - seed,
        undeparted=0,
        delay_s=delay_s,
        time_loss_s=delay_s - 0.9,
        depart_delay_s=0.9,
        waiting_s=delay_s * 0.6,
        stops=delay_s / 38,
        p95_time_loss_s=delay_s * 2.7,
        p95_waiting_s=delay_s * 2.1,
        max_waiting_s=delay_s * 6,
        co2_g_per_trip=260 + delay_s * 2.2,
        jammed=False,
        control_ms_per_step=0.2,
        wall_s=3.0,
    )
    return replace(figures, **changes)


def control(name: str, delays_s: Sequence[float], **changes: object) -> ControlResult:
    """A control with one run per delay, seeds from 1."""
    runs = tuple(run(seed, delay_s, **changes) for seed, delay_s in enumerate(delays_s, start=1))
    return ControlResult(name=name, sees=CONTROLS[name].sees, runs=runs)


def comparison(*controls: ControlResult, failed: Sequence[FailedControl] = ()) -> Comparison:
    """Those controls on a scenario that does not exist."""
    return Comparison(
        scenario="synthetic",
        convention="field",
        sumo="1.28.0",
        scale=1.0,
        controls=controls,
        failed=tuple(failed),
    )


def everything(
    network: Network, seeds: int = 5, names: Sequence[str] = tuple(TYPICAL_DELAY_S)
) -> Comparison:
    """Every control with *seeds* runs, the first run of each with invented detail on *network*."""
    dice = random.Random(7)
    controls = []
    for name in names:
        typical_s = TYPICAL_DELAY_S[name]
        delays_s = [typical_s * dice.gauss(1.0, 0.02) for _ in range(seeds)]
        made = control(name, delays_s)
        first = replace(made.runs[0], detail=detail(network, typical_s, dice))
        controls.append(replace(made, runs=(first, *made.runs[1:])))
    return comparison(*controls)


def detail(network: Network, delay_s: float, dice: random.Random) -> RunDetail:
    """Invented detail of a run with about *delay_s* of delay: one peak in the middle."""
    bins = tuple(
        (25_200.0 + 300 * k, delay_s * (0.6 + 0.8 * k / 11) * dice.gauss(1, 0.05), 170)
        for k in range(12)
    )
    return RunDetail(
        delay_by_departure=bins,
        edges={
            edge.id: _queue(delay_s, dice) for edge in network.edges.values() if not edge.function
        },
        movements=tuple(_movements(network, delay_s, dice)),
        greens=tuple(_greens(network, delay_s, dice)),
    )


def _queue(delay_s: float, dice: random.Random) -> tuple[float, float, float]:
    if dice.random() > 0.2:
        return (0.0, 0.1, 0.0)
    halting = dice.expovariate(1.0) * delay_s / 30
    return (halting, min(1.0, halting / 8), 0.1 if halting > delay_s / 13 else 0.0)


def _movements(network: Network, delay_s: float, dice: random.Random) -> list[MovementDelay]:
    seen = {}
    for junction in network.junctions:
        for link in junction.links:
            if link.turn == "crossing":
                continue
            mean_s = max(1.0, dice.gauss(delay_s * 0.7, delay_s * 0.3))
            seen[junction.id, link.from_edge, link.to_edge] = MovementDelay(
                junction=junction.id,
                from_edge=link.from_edge,
                to_edge=link.to_edge,
                turn=link.turn,
                vehicles=5 + 7 * len(seen) % 190,
                delay_s=mean_s,
                p95_delay_s=mean_s * 2.4,
            )
    return list(seen.values())


def _greens(network: Network, delay_s: float, dice: random.Random) -> list[GreenShare]:
    rows = []
    for junction in network.junctions:
        for group in junction.intersection.groups:
            share = dice.uniform(0.15, 0.6)
            greens = max(10, int(3600 / (delay_s * 1.8)))
            rows.append(
                GreenShare(
                    junction=junction.id,
                    group=group.name,
                    share=share,
                    greens=greens,
                    mean_green_s=3600 * share / greens,
                    shortest_green_s=max(group.min_green_ms / 1000, 2000 * share / greens),
                )
            )
    return rows
