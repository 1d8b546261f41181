"""Faulty detectors: named, put aside, replaced by what still works, believed again when healed."""

from __future__ import annotations

import pytest

from controller.clock import Instant
from controller.detection import SiteReadings
from tests.optimizer.test_traffic import GREEN, RED, Drive

WEEK_MS = 7 * 24 * 3600 * 1000


def traffic_passes(world: Drive, vehicles: int, *names: str) -> None:
    """Vehicles at free flow over the loops *names*, 5 s apart, in green."""
    for _ in range(vehicles):
        for name in names:
            world.passes(name, GREEN)
        world.seconds(5 - len(names), GREEN)


def test_a_loop_stuck_on_is_found_by_the_other_loop_of_its_lane_and_heals():
    world = Drive("SA")
    traffic_passes(world, 30, "A main 1", "S main 1")
    world.held.add("A main 1")
    traffic_passes(world, 40, "S main 1")
    assert world.kinds() == {"stuck on"}
    assert "A main 1" in world.traffic.faults()[0].message
    assert world.lane().basis == "stop line"
    assert world.queue() < 3.0
    world.held.clear()
    world.seconds(20)
    assert world.kinds() == set()
    assert world.lane().basis == "stop line + advance"


def test_a_standing_queue_is_not_a_stuck_loop():
    world = Drive("SA")
    traffic_passes(world, 30, "A main 1", "S main 1")
    world.held |= {"A main 1", "S main 1"}
    world.seconds(600)
    assert world.kinds() == set()
    assert world.queue() > 5.0


def test_a_silent_stop_line_is_found_and_the_advance_loop_takes_over():
    world = Drive("SA")
    traffic_passes(world, 30, "A main 1", "S main 1")
    traffic_passes(world, 35, "A main 1")
    assert world.kinds() == {"silent"}
    assert world.lane().basis == "advance"
    traffic_passes(world, 10, "A main 1", "S main 1")
    assert world.kinds() == set()


def test_a_quiet_night_is_no_fault():
    world = Drive("SAE")
    traffic_passes(world, 30, "A main 1", "S main 1")
    world.seconds(3000)
    assert world.kinds() == set()
    assert world.lane().confidence == 1.0


def test_a_chattering_loop_is_put_aside_until_it_calms_down():
    world = Drive("SA")
    for _ in range(90):
        world.second(RED, {"A main 1": 2}, {"A main 1": 2})
    assert world.kinds() == {"chattering"}
    assert world.queue() < 5.0
    world.seconds(120)
    assert world.kinds() == set()


@pytest.mark.parametrize(
    ("entered", "left", "present", "kind"),
    [
        (None, None, None, "missing detector"),
        (-1, 0, False, "negative count"),
        (float("nan"), 0, False, "count is not a number"),
        (500, 0, False, "absurd count"),
        (0, 500, False, "absurd count"),
        (0, 3, False, "counts out of order"),
    ],
)
def test_a_reading_that_cannot_be_is_named_and_not_used(entered, left, present, kind):
    world = Drive("SA")
    world.stands("S main 1")
    world.seconds(5)
    d = world.names.index("A main 1")
    world.now = world.now.after(1_000)
    columns = [[0] * len(world.names), [0] * len(world.names), [False] * len(world.names)]
    columns[2][world.names.index("S main 1")] = True
    for column, value in zip(columns, (entered, left, present), strict=True):
        column[d] = value
    world.traffic.observe(world.now, SiteReadings(*(tuple(c) for c in columns)), RED)
    assert world.kinds() == {kind}
    assert world.queue() == pytest.approx(1.0, abs=0.1)
    world.second()
    assert world.kinds() == set()


def test_readings_of_another_junction_are_not_used():
    world = Drive("SA")
    world.stands("S main 1")
    world.seconds(5)
    world.now = world.now.after(1_000)
    world.traffic.observe(world.now, SiteReadings((1, 1), (0, 0), (True, True)), RED)
    assert world.kinds() == {"wrong junction"}
    assert world.queue() == pytest.approx(1.0, abs=0.1)


def test_a_clock_that_steps_back_is_named_and_its_reading_left_out():
    world = Drive("SA")
    world.passes("A main 1")
    before = world.arrivals()[:10].sum()
    world.now = Instant(world.now.mono_ms - 5_000, 0)
    world.passes("A main 1")
    assert world.kinds() == {"clock step"}
    assert world.arrivals()[:10].sum() == before
    world.passes("A main 1")
    assert world.kinds() == set()
    assert world.arrivals()[:10].sum() == pytest.approx(before + 1.0, abs=0.1)


def test_after_a_long_silence_the_queues_start_anew():
    world = Drive("SA")
    world.stands("S main 1")
    world.held.clear()
    world.now = world.now.after(120_000)
    world.second()
    assert "clock step" in world.kinds()
    assert world.queue() == 0.0


def test_a_lane_without_loops_gets_its_usual_part_of_the_lane_beside_it():
    world = Drive("S")
    for _ in range(240):
        world.second(GREEN, gone={"S main 1": 1}, came={"S main 1": 1})
        world.seconds(3, GREEN)
        world.second(GREEN, gone={"S main 2": 1}, came={"S main 2": 1})
    world.dead = {"S main 1"}
    world.seconds(30)
    lane, beside = world.lane(0), world.lane(1)
    assert lane.basis == "other lanes"
    assert 0.0 < lane.confidence < beside.confidence
    assert lane.rate_veh_per_s == pytest.approx(beside.rate_veh_per_s, rel=0.3)
    assert lane.age_s == pytest.approx(30.0, abs=2.0)


def test_a_junction_without_any_loop_lives_on_the_profile_of_that_weekday_and_time():
    world = Drive("S")
    for _ in range(250):
        world.second(GREEN, gone={"S main 1": 1}, came={"S main 1": 1})
        world.seconds(3, GREEN)
    learnt = world.lane().rate_veh_per_s
    world.dead = {name for name in world.names if name.startswith("S")}
    world.now = Instant(world.now.mono_ms, WEEK_MS)
    world.seconds(1200)
    assert world.lane().basis == "profile"
    assert world.lane().rate_veh_per_s == pytest.approx(learnt, rel=0.35)
    assert world.lane().confidence < 0.2
    assert world.kinds() == {"missing detector"}


def test_confidence_orders_the_layouts():
    found = []
    for roles in ("SAE", "SA", "SE", "S", "E", ""):
        world = Drive(roles)
        world.seconds(12)
        found.append(world.lane().confidence)
    assert found == sorted(found, reverse=True)
    assert found[-1] == 0.0
