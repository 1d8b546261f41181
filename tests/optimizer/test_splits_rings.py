"""Splits of phases in rings: both implementations, brute force, proofs, and the HCM by hand."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from optimizer.delay import control_delay_s, delay_terms
from optimizer.splits import IMPLEMENTATIONS, SplitProblem, SplitSolution, optimise_splits

Arrays = dict[str, Any]
RING = [0, 0, 0, 0, 1, 1, 1, 1]
BARRIER = [0, 0, 1, 1, 0, 0, 1, 1]
"""Phases 1 to 8, numbered as NEMA does."""


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def implementation(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def dual_rings(
    seed: int, n: int, load: tuple[float, float] = (0.4, 1.2), queued: float = 0.0
) -> Arrays:
    """Eight phases, one lane group each, at some load of the critical ring."""
    rng = np.random.default_rng(seed)
    saturation = np.tile([1600.0, 3400.0, 1600.0, 1750.0] * 2, (n, 1))
    need = rng.uniform(0.1, 1.0, (n, 8))
    sums = need.reshape(n, 2, 2, 2).sum(axis=3).max(axis=1).sum(axis=1)
    return {
        "flow_veh_per_h": saturation * need * (0.8 * rng.uniform(*load, n) / sums)[:, None],
        "saturation_veh_per_h": saturation,
        "service": np.tile(np.eye(8), (n, 1, 1)),
        "extra_green_s": np.full((n, 8), -4.5),
        "minimum_green_s": rng.integers(8, 16, (n, 8)).astype(float),
        "lost_s": np.zeros(n),
        "ring": np.tile(RING, (n, 1)),
        "barrier": np.tile(BARRIER, (n, 1)),
        "initial_queue_veh": rng.uniform(0, 20, (n, 8)) * (rng.random((n, 8)) < queued),
    }


def total_delay(arrays: Arrays, row: int, splits: np.ndarray, cycle: float) -> np.ndarray:
    """Total delay (veh) of candidate splits (m, 8), from the delay formula alone."""
    flow = arrays["flow_veh_per_h"][row]
    delay = control_delay_s(
        flow,
        arrays["saturation_veh_per_h"][row],
        splits + arrays["extra_green_s"][row],
        cycle,
        initial_queue_veh=arrays["initial_queue_veh"][row],
    )
    return (flow * delay).sum(axis=-1) / 3600.0


def every_split(minimum: np.ndarray, cycle: int) -> np.ndarray:
    """All splits (m, 8) in whole seconds that keep both rings together."""
    found = []
    shortest = minimum.reshape(2, 2, 2).sum(axis=2).max(axis=0).astype(int)
    for first in range(shortest[0], cycle - shortest[1] + 1):
        lengths = (first, cycle - first, first, cycle - first)
        parts = [
            [(a, length - a) for a in range(int(low), length - int(high) + 1)]
            for length, (low, high) in zip(lengths, minimum.reshape(4, 2), strict=True)
        ]
        found += [[*a, *b, *c, *d] for a, b, c, d in product(*parts)]
    return np.array(found, dtype=float)


def rings_of(solution: SplitSolution) -> np.ndarray:
    """(n, rings, barriers) how long each ring takes between barriers."""
    return solution.green_s.reshape(-1, 2, 2, 2).sum(axis=3)


@pytest.mark.parametrize("queued", [0.0, 0.4])
@pytest.mark.parametrize("stop_s", [0.0, 20.0])
def test_equals_reference(implementation: str, queued: float, stop_s: float) -> None:
    arrays = dual_rings(5, 25, queued=queued)
    problem = SplitProblem(**arrays, cycles_s=[75.0, 90.0, 120.0], stop_s=stop_s)
    found, reference = (
        optimise_splits(problem, name, with_bound=True) for name in (implementation, "numpy")
    )
    assert found.delay_veh == pytest.approx(reference.delay_veh, rel=1e-10)
    assert found.green_s == pytest.approx(reference.green_s, abs=1e-6)
    assert found.bound_veh == pytest.approx(reference.bound_veh, rel=1e-9)


def test_no_splits_in_whole_seconds_are_better(implementation: str) -> None:
    arrays = dual_rings(11, 4, load=(0.5, 1.3))
    arrays["minimum_green_s"] = np.tile([12.0, 14, 11, 13, 13, 12, 12, 14], (4, 1))
    cycle = 62
    candidates = every_split(arrays["minimum_green_s"][0], cycle)
    assert len(candidates) > 5_000
    problem = SplitProblem(**arrays, cycles_s=[float(cycle)])
    solution = optimise_splits(problem, implementation, with_bound=True)
    for row in range(4):
        brute = total_delay(arrays, row, candidates, cycle).min()
        own = total_delay(arrays, row, solution.green_s[row], cycle)
        assert own == pytest.approx(solution.delay_veh[row, 0], rel=1e-9)
        assert solution.delay_veh[row, 0] <= brute * (1.0 + 1e-5)
        assert solution.bound_veh[row, 0] <= brute
        assert brute <= solution.delay_veh[row, 0] * 1.02, "whole seconds cost little"


@pytest.mark.parametrize("load", [(0.2, 0.7), (0.7, 1.0), (1.0, 1.6)])
def test_the_proof_holds_and_is_close(load: tuple[float, float]) -> None:
    arrays = dual_rings(23, 60, load)
    cycles = np.arange(70.0, 151.0, 20.0)
    solution = optimise_splits(SplitProblem(**arrays, cycles_s=cycles), with_bound=True)
    gap = 1.0 - solution.bound_veh.min(axis=1) / solution.delay_veh.min(axis=1)
    assert gap.max() < 2e-3
    assert gap.min() > -1e-9
    rng = np.random.default_rng(1)
    for row in range(60):
        splits = random_splits(rng, arrays["minimum_green_s"][row], 110.0, 400)
        assert total_delay(arrays, row, splits, 110.0).min() >= solution.bound_veh[row, 2]


def random_splits(
    rng: np.random.Generator, minimum: np.ndarray, cycle: float, count: int
) -> np.ndarray:
    by_part = minimum.reshape(2, 2, 2)
    shortest = by_part.sum(axis=2).max(axis=0)
    share = rng.random(count)
    spare = cycle - shortest.sum()
    lengths = np.stack([shortest[0] + share * spare, shortest[1] + (1.0 - share) * spare], axis=1)
    splits = np.zeros((count, 2, 2, 2))
    beyond = lengths[:, None, :] - by_part.sum(axis=2)
    inside = rng.random((count, 2, 2))
    splits[..., 0] = by_part[..., 0] + beyond * inside
    splits[..., 1] = by_part[..., 1] + beyond * (1.0 - inside)
    return splits.reshape(count, 8)


def test_with_queues_at_the_start_nothing_random_beats_the_bound() -> None:
    arrays = dual_rings(29, 40, (0.8, 1.2), queued=0.5)
    solution = optimise_splits(SplitProblem(**arrays, cycles_s=[120.0]), with_bound=True)
    assert (solution.bound_veh <= solution.delay_veh * (1.0 + 1e-12)).all()
    assert np.median(1.0 - solution.bound_veh / solution.delay_veh) < 0.01
    rng = np.random.default_rng(2)
    for row in range(40):
        splits = random_splits(rng, arrays["minimum_green_s"][row], 120.0, 400)
        assert total_delay(arrays, row, splits, 120.0).min() >= solution.bound_veh[row, 0]


def test_rings_stay_together_and_minimums_hold(implementation: str) -> None:
    arrays = dual_rings(31, 50, (0.2, 1.5), queued=0.2)
    cycles = [70.0, 100.0, 140.0]
    solution = optimise_splits(SplitProblem(**arrays, cycles_s=cycles), implementation)
    rings = rings_of(solution)
    assert rings[:, 0] == pytest.approx(rings[:, 1], abs=1e-9)
    assert rings.sum(axis=2)[:, 0] == pytest.approx(solution.cycle_s)
    assert (solution.green_s >= arrays["minimum_green_s"] - 1e-9).all()


def test_a_ring_may_have_nothing_between_two_barriers(implementation: str) -> None:
    """Phases 1, 2 and 6 before the barrier, only 4 behind it: as three stages would do."""
    flow = np.array([[150.0, 900.0, 500.0, 800.0]])
    arrays = {
        "flow_veh_per_h": flow,
        "saturation_veh_per_h": np.array([[1600.0, 3400.0, 1700.0, 3400.0]]),
        "minimum_green_s": np.array([[9.0, 15.0, 12.0, 15.0]]),
        "extra_green_s": np.full((1, 4), -4.0),
        "lost_s": [0.0],
        "cycles_s": [80.0],
    }
    by_rings = optimise_splits(
        SplitProblem(
            **arrays, service=np.eye(4)[None], ring=[[0, 0, 0, 1]], barrier=[[0, 0, 1, 0]]
        ),
        implementation,
    )
    service = np.array([[[1.0, 0, 0, 1], [0, 1, 0, 1], [0, 0, 1, 0]]])
    stages = {**arrays, "minimum_green_s": np.array([[9.0, 15.0, 12.0]])}
    by_stages = optimise_splits(SplitProblem(**stages, service=service), implementation)
    assert by_rings.delay_veh == pytest.approx(by_stages.delay_veh, rel=1e-6)
    assert by_rings.green_s[0, :3] == pytest.approx(by_stages.green_s[0], abs=0.05)


def test_over_capacity_the_splits_follow_flow_over_root_of_saturation() -> None:
    """Far over capacity d2 grows as q^2 / (s g): least delay leaves X in the ratio of 1/sqrt(s)."""
    arrays = {
        "flow_veh_per_h": [[1600.0, 3000.0]],
        "saturation_veh_per_h": [[1700.0, 3400.0]],
        "service": [np.eye(2)],
        "extra_green_s": [[-4.0, -4.0]],
        "minimum_green_s": [[10.0, 10.0]],
        "lost_s": [0.0],
        "cycles_s": [120.0],
    }
    solution = optimise_splits(SplitProblem(**arrays, period_h=4.0))
    x = np.array([1600 / 1700, 3000 / 3400]) * 120.0 / (solution.green_s[0] - 4.0)
    assert (x > 1.5).all()
    assert x[0] / x[1] == pytest.approx(2**0.5, rel=0.02)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ring": np.zeros((2, 7))}, r"ring: shape \(2, 7\)"),
        ({"barrier": np.full((2, 8), 9)}, r"barrier: every phase needs 0..7"),
        ({"initial_queue_veh": np.full((2, 8), -1.0)}, r"initial_queue_veh: -1.0 at \(0, 0\)"),
        ({"stop_s": -1.0}, "stop_s: -1.0"),
    ],
)
def test_bad_input_is_named(change: Arrays, message: str) -> None:
    arrays = {**dual_rings(1, 2), "cycles_s": [90.0], **change}
    with pytest.raises(ValueError, match=message):
        optimise_splits(SplitProblem(**arrays))


def test_the_shortest_cycle_is_that_of_the_longest_rings() -> None:
    arrays = dual_rings(1, 1)
    arrays["minimum_green_s"] = np.array([[10.0, 20, 10, 15, 12, 25, 10, 10]])
    with pytest.raises(ValueError, match="no cycle of at least 62 s"):
        optimise_splits(SplitProblem(**arrays, cycles_s=[61.0]))
    tight = optimise_splits(SplitProblem(**arrays, cycles_s=[62.0]))
    assert tight.green_s[0].reshape(4, 2).sum(axis=1) == pytest.approx([37.0, 25, 37, 25])


# c = 900 veh/h (1800 x 30/60), T = 0.25 h
@pytest.mark.parametrize(
    ("flow", "queue", "d1", "d3"),
    [
        # Gone after t = 9 / (900 - 720) h = 0.05 h: d3 = 1800 x 9 x 0.05 / (900 x 0.25);
        # d1 is saturated (15 s) for a fifth of the period, else 12.5 s.
        (720.0, 9.0, 15.0 * 0.2 + 12.5 * 0.8, 3.6),
        # Not gone: u = 1 - 180 x 0.25 / 60 = 0.25, d3 = 1800 x 60 x 1.25 x 0.25 / 225.
        (720.0, 60.0, 15.0, 150.0),
        # Over capacity: u = 1, t = T, d3 = 3600 x 10 / 900.
        (1000.0, 10.0, 15.0, 40.0),
        (720.0, 0.0, 12.5, 0.0),
    ],
)
def test_initial_queue_delay_by_hand(flow: float, queue: float, d1: float, d3: float) -> None:
    x, capacity = flow / 900.0, 900.0
    d2 = 225.0 * ((x - 1) + ((x - 1) ** 2 + 4.0 * x / (capacity * 0.25)) ** 0.5)
    delay = control_delay_s(
        np.array(flow), np.array(1800.0), np.array(30.0), 60.0, initial_queue_veh=queue
    )
    assert delay == pytest.approx(d1 + d2 + d3, rel=1e-9)


def test_hcm_delay_over_capacity_by_hand() -> None:
    """X = 1.2, c = 500 veh/h, C = 90 s, g/C = 0.25, T = 0.25 h."""
    delay = control_delay_s(np.array(600.0), np.array(2000.0), np.array(22.5), 90.0)
    d1 = 0.5 * 90.0 * 0.75**2 / (1.0 - 0.25)
    d2 = 225.0 * (0.2 + (0.04 + 4.0 * 1.2 / (500.0 * 0.25)) ** 0.5)
    assert delay == pytest.approx(d1 + d2, rel=1e-12)
    assert delay == pytest.approx(33.75 + 108.0, abs=0.05)


@pytest.mark.parametrize("queue", [0.0, 12.0, 90.0])
@pytest.mark.parametrize("stop_s", [0.0, 20.0])
def test_derivatives_and_pieces(queue: float, stop_s: float) -> None:
    green = np.linspace(4.3, 87.2, 79)

    def at(values: np.ndarray, piece: int | None = None) -> Any:
        return delay_terms(
            np.array(900.0), np.array(1800.0), values, 90.0, 0.25, queue, 1.0, stop_s, piece
        )

    step = 1e-4
    up, down = at(green + step), at(green - step)
    assert at(green).slope == pytest.approx(
        (up.total_veh - down.total_veh) / (2 * step), rel=1e-5, abs=1e-7
    )
    pieces = [at(green, piece) for piece in range(3)]
    least = np.min([each.total_veh for each in pieces], axis=0)
    assert least == pytest.approx(at(green).total_veh, rel=1e-12)
    for each in pieces:
        assert (each.curvature >= 0.0).all()
        assert (np.diff(each.slope) >= -1e-9).all()
