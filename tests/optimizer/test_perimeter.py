"""Gating: an area that would fill up and stop keeps moving, and its gates let out what they may."""

import numpy as np
import pytest

from controller.clock import Instant
from optimizer.gates import ORDER_LIFETIME_MS, GatedExits
from optimizer.perimeter import CriticalAccumulation, Gate, PerimeterControl

STORAGE_VEH = 1_000.0
CRITICAL_VEH = 300.0
MOST_OUT = 2.0
GATES = tuple(Gate(site=f"j{k}", exit="in", most_veh_per_s=1.0) for k in range(4))


def outflow(n: float) -> float:
    """veh/s that get out of an area which holds *n*: most at the critical number."""
    if n < CRITICAL_VEH:
        return MOST_OUT * n / CRITICAL_VEH
    return MOST_OUT * max(0.0, 1.0 - (n - CRITICAL_VEH) / (STORAGE_VEH - CRITICAL_VEH))


def area(perimeter: PerimeterControl | None, demand, hours: float = 3.0):
    """(served vehicles, (seconds,) accumulation) of *demand* (veh/s at each second)."""
    n = served = outside = 0.0
    seen = []
    for second in range(int(hours * 3600)):
        orders = perimeter.orders() if perimeter else {}
        most = sum(orders.values()) if orders else 4.0
        outside += demand(second)
        come = min(outside, most, STORAGE_VEH - n)
        gone = min(n, outflow(n))
        outside, n, served = outside - come, n + come - gone, served + gone
        if perimeter:
            perimeter.observe(n, gone)
        seen.append(n)
    return served, np.array(seen)


def rush(second: int) -> float:
    return 2.6 if second < 5_400 else 0.3


def test_an_area_that_locks_up_alone_is_kept_moving_and_released():
    locked, _ = area(None, rush)
    perimeter = PerimeterControl(GATES, STORAGE_VEH)
    moving, n = area(perimeter, rush)
    assert moving > 1.25 * locked
    assert n[1_800:5_400].max() < 1.5 * CRITICAL_VEH
    assert not perimeter.closed, "the rush is over"
    assert perimeter.orders() == {}


def test_an_area_that_never_fills_is_left_alone():
    perimeter = PerimeterControl(GATES, STORAGE_VEH)
    area(perimeter, lambda _: 0.8, 1.0)
    assert not perimeter.closed


def test_every_gate_always_lets_some_in():
    perimeter = PerimeterControl(GATES, STORAGE_VEH)
    for _ in range(1_200):
        perimeter.observe(STORAGE_VEH, 0.0)
    assert perimeter.closed
    assert perimeter.orders() == {gate: gate.least_veh_per_s for gate in GATES}


def test_what_is_no_number_is_passed_over():
    perimeter = PerimeterControl(GATES, STORAGE_VEH)
    for _ in range(200):
        perimeter.observe(float("nan"), 0.0)
        perimeter.observe(900.0, float("inf"))
    assert not perimeter.closed


def test_the_critical_accumulation_is_where_most_got_out():
    critical = CriticalAccumulation(STORAGE_VEH)
    assert critical.veh == 250.0
    for _ in range(10):
        for n in np.arange(10.0, 600.0, 20.0):
            critical.learn(n, outflow(n))
    assert critical.veh == pytest.approx(CRITICAL_VEH, abs=50.0)


def test_an_area_seen_only_when_empty_says_nothing_of_when_it_is_full():
    critical = CriticalAccumulation(STORAGE_VEH)
    for _ in range(10):
        critical.learn(20.0, 0.1)
    assert critical.veh == 250.0


@pytest.mark.parametrize("storage", [0.0, -1.0, float("nan"), float("inf")])
def test_a_storage_that_cannot_be_is_named(storage):
    with pytest.raises(ValueError, match="storage_veh"):
        CriticalAccumulation(storage)


def test_a_gate_without_a_range_is_named():
    with pytest.raises(ValueError, match=r"gate a to b: 0\.6 to 0\.5 veh/s"):
        Gate(site="a", exit="b", least_veh_per_s=0.6)


def at(second: float) -> Instant:
    return Instant(round(1_000 * second), 0)


def test_a_gate_lets_out_its_rate_and_what_was_saved():
    gates = GatedExits(("in", "out"), np.array([[1.0, 0.5], [0.0, 0.5]]))
    assert gates.exits(10)[1].shape == (0, 10)
    gates.order(at(0), {"in": 0.2})
    share, room = gates.exits(10)
    assert share.tolist() == [[1.0], [0.5]]
    assert room[0] == pytest.approx(3.0 + 0.2 * np.arange(1, 11))
    for second in range(1, 11):
        gates.observe(at(second), np.array([0.5, 0.5]))
    assert gates.exits(5)[1][0, 0] == 0.0, "they went faster than they may"
    for second in range(11, 100):
        gates.observe(at(second), np.zeros(2))
    assert gates.exits(5)[1][0, 0] == pytest.approx(6.2), "half a minute's is kept at most"


def test_an_order_that_is_not_renewed_ends():
    gates = GatedExits(("in",), np.ones((1, 1)))
    gates.order(at(0), {"in": 0.2})
    gates.observe(at(ORDER_LIFETIME_MS / 1_000), np.zeros(1))
    assert gates.any
    gates.observe(at(ORDER_LIFETIME_MS / 1_000 + 1), np.zeros(1))
    assert not gates.any


@pytest.mark.parametrize(
    ("orders", "reason"),
    [
        ({"nowhere": 0.2}, "'nowhere' is no exit"),
        ({"in": -0.1}, "in: -0.1 veh/s is no flow"),
        ({"in": float("nan")}, "in: nan veh/s is no flow"),
    ],
)
def test_an_order_that_cannot_be_changes_nothing(orders, reason):
    gates = GatedExits(("in",), np.ones((1, 1)))
    gates.order(at(0), {"in": 0.2})
    with pytest.raises(ValueError, match=reason):
        gates.order(at(1), orders)
    assert gates.any
