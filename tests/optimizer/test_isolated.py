"""One signal alone: permitted turns against a count by time, timings against brute force."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from optimizer.isolated.greens import effective_greens_s
from optimizer.isolated.outcomes import mean_delay_s, outcomes
from optimizer.isolated.signal import LaneGroup, Phase, Signal, Window, exchanges
from optimizer.isolated.solve import CycleError, Goal, best_timing, costs_veh
from optimizer.planning.gaps import discharge_veh_per_h

CLEARANCE_S = 4.0
OPPOSING = {1: 2, 3: 4, 5: 6, 7: 8}
BESIDE = {1: 6, 5: 2, 3: 8, 7: 4}
"""The through phase of a left turn's own approach, in which it is permitted."""
FLOWS = (110.0, 800.0, 90.0, 420.0, 150.0, 950.0, 70.0, 380.0)


def nema(
    flows: tuple[float, ...] = FLOWS,
    *,
    permitted: bool = False,
    lags: tuple[int, ...] = (),
    minimums_s: tuple[float, float] = (9.0, 14.0),
    period_h: float = 0.25,
) -> Signal:
    """Phases 1 to 8 in two rings, the odd ones left turns of one lane; *lags* come second."""
    phases, place = [], {}
    for ring, barrier, pair in ((0, 0, (1, 2)), (0, 1, (3, 4)), (1, 0, (5, 6)), (1, 1, (7, 8))):
        for number in reversed(pair) if pair[0] in lags else pair:
            place[number] = len(phases)
            phases.append(
                Phase(
                    name=str(number),
                    minimum_s=minimums_s[number % 2 == 0],
                    ring=ring,
                    barrier=barrier,
                )
            )
    groups = []
    for number in range(1, 9):
        turns = number % 2 == 1
        own = [number] + ([BESIDE[number]] if permitted and turns else [])
        groups.append(
            LaneGroup(
                name=str(number),
                flow_veh_per_h=flows[number - 1],
                saturation_veh_per_h=1700.0 if turns else 3500.0,
                windows=tuple(
                    Window(phases=(place[each],), end_lag_s=-CLEARANCE_S) for each in own
                ),
                rivals=(OPPOSING[number] - 1,) if permitted and turns else (),
            )
        )
    return Signal(name="x", phases=tuple(phases), groups=tuple(groups), period_h=period_h)


def every_timing(signal: Signal, cycle: int) -> np.ndarray:
    """All splits (m, 8) in whole seconds."""
    minimum = signal.minimums_s.astype(int)
    found = []
    for first in range(minimum[:2].sum(), cycle - minimum[2:4].sum() + 1):
        parts = []
        for part, length in ((0, first), (2, cycle - first), (4, first), (6, cycle - first)):
            low, high = minimum[part], minimum[part + 1]
            parts.append([(a, length - a) for a in range(low, length - high + 1)])
        found += [[*a, *b, *c, *d] for a, b, c, d in product(*parts)]
    return np.array(found, dtype=float)


def counted_green_s(signal: Signal, at: int, splits: list[float], cycle: float) -> float:
    """What :func:`effective_greens_s` works out, counted in steps of a hundredth of a second."""
    step = 0.01
    times = np.arange(step / 2, cycle, step)
    starts = {}
    clock = {0: 0.0, 1: 0.0}
    for k, phase in enumerate(signal.phases):
        starts[k] = clock[phase.ring]
        clock[phase.ring] += splits[k]

    def lit(group: LaneGroup) -> np.ndarray:
        on = np.zeros(len(times), dtype=bool)
        for window in group.windows:
            begin = starts[window.phases[0]] + window.start_lag_s
            end = starts[window.phases[-1]] + splits[window.phases[-1]] + window.end_lag_s
            on |= (times - begin) % cycle < end - begin
        return on

    group = signal.groups[at]
    rival = signal.groups[group.rivals[0]]
    opposed = lit(rival)
    # The rival's queue of two cycles, so that the first has filled it.
    queue, has_queue = 0.0, np.zeros(len(times), dtype=bool)
    waits_until = -1.0
    for turn in range(2):
        for k, on in enumerate(opposed):
            now = turn * cycle + times[k]
            if on and not opposed[k - 1]:
                waits_until = now + signal.start_loss_s
            queue += rival.flow_veh_per_h / 3600.0 * step
            if on and now >= waits_until:
                queue = max(0.0, queue - rival.saturation_veh_per_h / 3600.0 * step)
            has_queue[k] = queue > 1e-9
    flow = np.where(has_queue, rival.saturation_veh_per_h, rival.flow_veh_per_h)
    own = lit(group)
    rate = np.array(
        [
            discharge_veh_per_h(q, group.saturation_veh_per_h, 1, 1.0) / group.saturation_veh_per_h
            if on
            else 1.0
            for on, q in zip(opposed, flow, strict=True)
        ]
    )
    begins = own & ~np.roll(own, 1)
    return float((own * rate).sum() * step - signal.loss_s * (begins * rate).sum())


@pytest.mark.parametrize("lags", [(), (5,), (1, 5)])
@pytest.mark.parametrize("splits", [(12, 38, 12, 28, 20, 30, 12, 28), (25, 25, 15, 25) * 2])
def test_permitted_turns_are_what_is_counted(
    lags: tuple[int, ...], splits: tuple[float, ...]
) -> None:
    signal = replace(nema(permitted=True, lags=lags), start_loss_s=2.5, end_gain_s=1.5)
    given = np.array([splits], dtype=float)
    greens = effective_greens_s(signal, given, np.array([90.0]))[0]
    for at in (0, 4):
        counted = counted_green_s(signal, at, list(map(float, splits)), 90.0)
        assert greens[at] == pytest.approx(counted, abs=0.1)
    order = [int(phase.name) for phase in signal.phases]
    assert greens[1] == pytest.approx(splits[order.index(2)] - CLEARANCE_S - 1.0)


def test_a_turn_that_leads_waits_for_less_after_its_arrow() -> None:
    """Phases 1 and 6 overlap: the turn's arrow goes over into its permitted green."""
    signal = nema(permitted=True)
    arrow_only = effective_greens_s(
        nema(), np.array([[20.0, 30, 12, 28, 12, 38, 12, 28]]), np.array([90.0])
    )
    both = effective_greens_s(
        signal, np.array([[20.0, 30, 12, 28, 12, 38, 12, 28]]), np.array([90.0])
    )
    assert arrow_only[0, 0] == pytest.approx(16.0)
    # 1 ends at 16 s, 2 begins at 20 s: free until then, through gaps afterwards.
    assert both[0, 0] > 20.0


def test_exchanges_keep_both_rings_together() -> None:
    moves = exchanges(nema())
    assert len(moves) == 4 * 2 + 2 * (2 * 2) ** 2
    lengths = moves.reshape(-1, 2, 2, 2).sum(axis=3)
    assert (lengths[:, 0] == lengths[:, 1]).all()
    assert (moves.sum(axis=1) == 0).all()


@pytest.mark.parametrize("permitted", [False, True])
@pytest.mark.parametrize("scale", [0.8, 1.3])
def test_no_whole_seconds_are_better(permitted: bool, scale: float) -> None:
    signal = nema(tuple(scale * flow for flow in FLOWS), permitted=permitted)
    cycle = 60
    candidates = every_timing(signal, cycle)
    assert len(candidates) > 5_000
    cycles = np.full(len(candidates), float(cycle))
    best = min(
        float(costs_veh(signal, part, own, Goal()).min())
        for part, own in zip(np.array_split(candidates, 8), np.array_split(cycles, 8), strict=True)
    )
    timing = best_timing([signal], [float(cycle)], Goal())
    assert timing.cost_veh == pytest.approx(best, rel=1e-9)
    assert set(np.array(timing.splits_s) % 1.0) == {0.0}
    if permitted:
        assert timing.bound_veh is None
    else:
        assert timing.gap is not None
        assert 0.0 <= timing.gap < 0.01


def test_leading_or_lagging_is_all_the_same_without_permitted_turns() -> None:
    leads, lags = nema(), nema(lags=(1, 3, 5, 7))
    cycles = [70.0, 80.0, 90.0]
    one, other = (best_timing([each], cycles, Goal()) for each in (leads, lags))
    assert one.cost_veh == pytest.approx(other.cost_veh, rel=1e-6)
    coupled = [
        best_timing([nema(permitted=True, lags=own)], cycles, Goal()).cost_veh for own in ((), (5,))
    ]
    assert coupled[0] != pytest.approx(coupled[1], rel=1e-3)
    best = best_timing([nema(permitted=True, lags=own) for own in ((), (5,))], cycles, Goal())
    assert best.cost_veh == min(coupled)


def test_the_cycle_is_the_best_of_all() -> None:
    signal = nema()
    cycles = [float(cycle) for cycle in range(50, 121)]
    timing = best_timing([signal], cycles, Goal())
    each = {cycle: best_timing([signal], [cycle], Goal()).cost_veh for cycle in cycles[::10]}
    assert timing.cost_veh <= min(each.values())
    assert timing.bound_veh is not None
    assert timing.bound_veh <= min(timing.cost_by_cycle.values())
    stops = best_timing([signal], cycles, Goal(delay=0.0, stop_s=60.0))
    assert stops.cycle_s > timing.cycle_s, "long cycles have fewer stops"


def test_over_capacity_there_is_a_timing_and_what_it_leaves() -> None:
    signal = nema(tuple(2.0 * flow for flow in FLOWS))
    timing = best_timing([signal], [100.0, 120.0], Goal())
    assert timing.cycle_s == 120.0
    told = outcomes(timing.signal, timing.splits_s, timing.cycle_s)
    full = [each for each in told if each.saturation > 1.0]
    assert len(full) >= 4
    for each in full:
        left = 0.25 * (each.flow_veh_per_h - each.capacity_veh_per_h)
        assert each.residual_veh == pytest.approx(left)
        assert each.clearing_s == pytest.approx(3600.0 * left / each.capacity_veh_per_h)
        assert each.level_of_service == "F"
    assert mean_delay_s(told) > 80.0
    equal = np.array([30.0] * 8)
    assert timing.cost_veh < float(costs_veh(signal, equal[None], np.array([120.0]), Goal())[0])


def test_what_waits_at_the_start_counts() -> None:
    signal = nema()
    waiting = replace(
        signal,
        groups=(
            *signal.groups[:3],
            replace(signal.groups[3], initial_queue_veh=25.0),
            *signal.groups[4:],
        ),
    )
    cycles = [90.0]
    calm, busy = (best_timing([each], cycles, Goal()) for each in (signal, waiting))
    assert busy.splits_s[3] > calm.splits_s[3]
    assert busy.cost_veh > calm.cost_veh


def test_too_short_a_cycle_says_how_long_it_has_to_be() -> None:
    with pytest.raises(CycleError, match="x needs a cycle of at least 46 s"):
        best_timing([nema()], [40.0, 45.0], Goal())


def test_nobody_comes() -> None:
    empty = replace(nema(), groups=())
    timing = best_timing([empty], [60.0, 70.0], Goal())
    assert (timing.cycle_s, timing.cost_veh) == (60.0, 0.0)
    assert sum(timing.splits_s) == 120.0
