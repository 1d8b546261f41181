"""Flow, saturation flow and demand from loop counts."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.clock import Instant
from controller.detection import SiteReadings
from optimizer.demand import DemandEstimator
from optimizer.flows import FlowMeter, count_fault
from optimizer.saturation import SaturationFlow
from tests.optimizer.points import LANES, World, junction, run

MAIN, SIDE = 1, 2


@pytest.mark.parametrize(
    ("count", "fault"),
    [
        (None, "missing count"),
        (math.nan, "count is not a number"),
        (math.inf, "count is not a number"),
        (-1, "negative count"),
        (5, "absurd count"),
        (0, None),
        (2, None),
    ],
)
def test_counts_that_cannot_be_have_a_name(count: float | None, fault: str | None) -> None:
    assert count_fault(count, 1.0) == fault


@given(
    st.lists(st.one_of(st.none(), st.integers(0, 2)), min_size=30, max_size=200),
    st.floats(20.0, 600.0),
)
def test_missing_counts_are_never_zero(counts: list[int | None], tau_s: float) -> None:
    """Dropping the missing seconds altogether gives the same flow."""
    gappy, dense = FlowMeter(tau_s), FlowMeter(tau_s)
    valid = 0
    for second, count in enumerate(counts):
        if count is not None:
            gappy.add(float(second), count, 1.0)
            dense.add(float(valid), count, 1.0)
            valid += 1
    assert gappy.mean(len(counts)).value == dense.mean(valid).value


def test_flow_mean_is_unbiased_from_the_start_and_ages() -> None:
    meter = FlowMeter(300.0)
    assert meter.mean(0.0).value is None
    for second in range(1, 61):
        meter.add(float(second), 1 if second % 6 == 0 else 0, 1.0)
    estimate = meter.mean(70.0)
    assert estimate.value == pytest.approx(600.0, rel=0.02)
    assert estimate.age_s == pytest.approx(10.0)
    assert 0.0 < estimate.variance < estimate.value**2
    assert meter.mean(1_000.0).value is None


def test_rolling_window_forgets_what_is_older() -> None:
    meter = FlowMeter(300.0)
    for second in range(1, 601):
        meter.add(float(second), 1 if second > 300 and second % 4 == 0 else 0, 1.0)
    assert meter.window(600.0, 5).value == pytest.approx(900.0)
    assert meter.window(600.0, 10).value == pytest.approx(450.0)
    with pytest.raises(ValueError, match="minutes: 16"):
        meter.window(600.0, 16)


def green(
    saturation: SaturationFlow, start_s: float, headway_s: float, vehicles: int, queue: bool = True
) -> None:
    """A green in which *vehicles* leave after 2 s of start-up loss."""
    saturation.begin(start_s, queue, protected=True)
    leave = [start_s + 2.0 + headway_s * (n + 1) for n in range(vehicles)]
    now = start_s
    while now < leave[-1] + 8.0:
        now += 0.5
        gone = sum(1 for time in leave if now - 0.5 < time <= now)
        saturation.see(now, gone, now < leave[-1])
    saturation.end(now)


@pytest.mark.parametrize("headway_s", [1.8, 2.4, 3.0])
def test_saturation_flow_is_learnt_from_headways(headway_s: float) -> None:
    saturation = SaturationFlow()
    for cycle in range(60):
        green(saturation, 100.0 * cycle, headway_s, 16)
    assert saturation.veh_per_h() == pytest.approx(3_600.0 / headway_s, rel=0.06)
    assert saturation.startup_loss_s == pytest.approx(2.0, abs=0.8)
    estimate = saturation.estimate(6_000.0)
    assert estimate.observations > 100.0
    assert estimate.variance**0.5 < 0.1 * saturation.veh_per_h()


def test_nothing_is_learnt_without_a_queue_or_with_a_blocked_exit() -> None:
    saturation = SaturationFlow()
    green(saturation, 0.0, 3.5, 12, queue=False)
    assert saturation.veh_per_h() == 1_800.0
    saturation.begin(100.0, True, protected=True)
    for second in range(30):
        saturation.see(101.0 + second, 1 if second in {2, 4, 6, 8, 10, 12} else 0, True)
    assert saturation.blocked
    saturation.end(131.0)
    assert saturation.veh_per_h() == 1_800.0
    assert saturation.estimate(131.0).observations == 0.0


@given(st.lists(st.tuples(st.integers(0, 2), st.booleans(), st.booleans()), max_size=300))
def test_saturation_flow_stays_in_bounds(steps: list[tuple[int, bool, bool]]) -> None:
    saturation = SaturationFlow()
    lit = False
    for second, (left, occupied, now_lit) in enumerate(steps):
        if now_lit and not lit:
            saturation.begin(float(second), occupied, protected=True)
        elif lit and not now_lit:
            saturation.end(float(second))
        elif lit:
            saturation.see(float(second), left, occupied)
        lit = now_lit
    assert 900.0 <= saturation.veh_per_h() <= 2_520.0
    assert 0.0 <= saturation.startup_loss_s <= 4.0


class Recorder:
    """Stands where the adaptive plan would: only estimates."""

    def __init__(self, estimator: DemandEstimator) -> None:
        self.estimator = estimator

    def observe(self, now, readings, outputs) -> None:
        self.estimator.observe(now, readings, outputs.green)

    def plan(self, now) -> None:
        return None


def estimated(world: World, seconds: int = 1_800) -> tuple[DemandEstimator, Instant]:
    estimator = DemandEstimator(world.site)
    run(world, seconds, Recorder(estimator))
    return estimator, world.now


def test_lane_group_and_movement_flows_of_a_running_junction() -> None:
    world = World({"main 1": 300.0, "main 2": 250.0, "side": 200.0, "left": 150.0})
    estimator, now = estimated(world)
    flows = {d.lane.name: d.flow.value for d in estimator.lane_demands(now)}
    for lane, flow in world.flows_veh_per_h.items():
        assert flows[lane] == pytest.approx(flow, rel=0.35)
    assert estimator.group_flow(now, 0).value == flows["main 1"] + flows["main 2"]
    assert estimator.movement_flow(now, "main through").value == flows["main 1"] + flows["main 2"]
    assert estimator.movement_flow(now, "side left").value == pytest.approx(flows["side"] / 2)
    with pytest.raises(KeyError, match="no movement 'north'"):
        estimator.movement_flow(now, "north")


def test_advance_loop_stands_in_and_both_broken_is_missing() -> None:
    flows = dict.fromkeys(LANES, 300.0)
    broken = ("side stop line", "left stop line", "left advance")
    estimator, now = estimated(World(flows, broken=broken))
    demands = {d.lane.name: d for d in estimator.lane_demands(now)}
    assert demands["side"].flow.value == pytest.approx(300.0, rel=0.35)
    assert demands["left"].flow.value is None
    assert estimator.group_flow(now, 2).value is None


def test_demand_exceeds_discharge_where_queues_are_not_cleared() -> None:
    world = World({"main 1": 900.0, "main 2": 200.0, "side": 100.0, "left": 100.0})
    estimator, now = estimated(world)
    demands = {d.lane.name: d for d in estimator.lane_demands(now)}
    assert world.queue["main 1"] > 30
    assert demands["main 1"].unserved > 1.3
    assert demands["main 2"].unserved < 1.1
    assert demands["side"].unserved == pytest.approx(1.0, abs=0.05)


def test_bad_counts_raise_named_faults_and_do_not_count() -> None:
    site = junction()
    estimator = DemandEstimator(site)
    n = len(site.detectors)
    zeros, free = (0,) * n, (False,) * n
    estimator.observe(Instant(0, 0), SiteReadings(zeros, zeros, free), 0)
    wild = (-4, *zeros[1:])
    estimator.observe(Instant(1_000, 0), SiteReadings(wild, zeros, free), 0)
    assert [fault.kind for fault in estimator.faults()] == ["negative count"]
    assert "main 1 stop line" in estimator.faults()[0].message
    estimator.observe(Instant(2_000, 0), SiteReadings(zeros, zeros, free), 0)
    assert estimator.faults() == ()


def test_time_that_does_not_pass_or_jumps_is_left_out() -> None:
    site = junction()
    estimator = DemandEstimator(site)
    n = len(site.detectors)
    ones = SiteReadings((1,) * n, (1,) * n, (False,) * n)
    for mono_ms in (0, 0, 500_000):
        estimator.observe(Instant(mono_ms, 0), ones, 0)
    assert all(d.flow.value is None for d in estimator.lane_demands(Instant(500_000, 0)))
