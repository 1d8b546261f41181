"""Queues and arrivals from loops: each rule of the law, on both implementations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import (
    Detector,
    DetectorRole,
    GroupKind,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    conflict_masks,
)
from optimizer.traffic import JunctionTraffic
from optimizer.traffic.model import IMPLEMENTATIONS

TRAVEL_S, ENTRY_S = 3.0, 15.0
GREEN = 0b001
RED = 0b010
LANES = ("main 1", "main 2", "side")


def junction(roles: str = "SAE") -> Intersection:
    """A main road with two lanes and a side road with one, loops by the letters of *roles*."""
    names = {"S": DetectorRole.STOP_LINE, "A": DetectorRole.ADVANCE, "E": DetectorRole.ENTRY}
    detectors = []
    for lane in LANES:
        group = lane.split()[0]
        for letter, metres, travel_s in (("S", 4.0, 0.3), ("A", 40.0, TRAVEL_S)):
            if letter in roles:
                detectors.append(
                    Detector(
                        name=f"{letter} {lane}",
                        role=names[letter],
                        groups=(group,),
                        lane=lane,
                        distance_m=metres,
                        travel_time_s=travel_s,
                    )
                )
    if "E" in roles:
        detectors.append(
            Detector(
                name="E main",
                role=DetectorRole.ENTRY,
                groups=("main",),
                distance_m=200.0,
                travel_time_s=ENTRY_S,
                calls=False,
            )
        )
    detectors.append(
        Detector(name="button", role=DetectorRole.PUSH_BUTTON, groups=("walk",), extends=False)
    )
    intergreen = 4_000
    conflicts = conflict_masks(3, [(0, 1), (1, 2)])
    return Intersection(
        name="crossroads",
        groups=(
            SignalGroup(name="main"),
            SignalGroup(name="side"),
            SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, min_green_ms=6_000),
        ),
        conflicts=conflicts,
        intergreen_ms=tuple(
            tuple(intergreen if conflicts[i] >> j & 1 else 0 for j in range(3)) for i in range(3)
        ),
        stages=(Stage(name="A", groups=("main", "walk")), Stage(name="B", groups=("side",))),
        movements=(
            Movement(name="m", group="main", from_approach="M", to_exit="x", lanes=LANES[:2]),
            Movement(name="s", group="side", from_approach="S", to_exit="x", lanes=LANES[2:]),
        ),
        detectors=tuple(detectors),
    )


class Drive:
    """Feeds one :class:`JunctionTraffic` second by second."""

    def __init__(
        self, roles: str, implementation: str | None = None, site: Intersection | None = None
    ) -> None:
        self.site = site or junction(roles)
        self.traffic = JunctionTraffic(self.site, implementation)
        self.names = [detector.name for detector in self.site.detectors]
        self.now = Instant(1_000_000, 0)
        self.held: set[str] = set()
        self.dead: set[str] = set()

    def second(
        self,
        green: int = RED,
        came: dict[str, int] | None = None,
        gone: dict[str, int] | None = None,
    ) -> None:
        self.now = self.now.after(1_000)
        columns = (
            [(came or {}).get(name, 0) for name in self.names],
            [(gone or {}).get(name, 0) for name in self.names],
            [name in self.held for name in self.names],
        )
        for column in columns:
            for d, name in enumerate(self.names):
                if name in self.dead:
                    column[d] = None
        self.traffic.observe(self.now, SiteReadings(*(tuple(c) for c in columns)), green)

    def seconds(self, n: int, green: int = RED) -> None:
        for _ in range(n):
            self.second(green)

    def queue(self, lane: int = 0) -> float:
        return float(self.traffic.forecast(60)[0][lane])

    def arrivals(self, lane: int = 0) -> np.ndarray:
        return self.traffic.forecast(60)[1][lane]

    def passes(self, name: str, green: int = RED) -> None:
        self.second(green, {name: 1}, {name: 1})

    def stands(self, name: str, green: int = RED) -> None:
        self.held.add(name)
        self.second(green, {name: 1})

    def leaves(self, name: str, green: int = GREEN) -> None:
        self.held.discard(name)
        self.second(green, gone={name: 1})

    def kinds(self) -> set[str]:
        return {fault.kind for fault in self.traffic.faults()}

    def lane(self, k: int = 0):
        return self.traffic.lane_states()[k]


@pytest.fixture(params=sorted(IMPLEMENTATIONS))
def drive(request: pytest.FixtureRequest):
    return lambda roles: Drive(roles, str(request.param))


def test_a_vehicle_of_the_advance_loop_is_due_after_its_travel_time_and_leaves_with_the_loop(drive):
    world = drive("SA")
    world.passes("A main 1")
    assert world.arrivals()[3] == pytest.approx(1.0)
    assert world.queue() == 0.0
    world.seconds(2)
    world.stands("S main 1")
    assert world.queue() == 1.0
    world.seconds(5)
    assert world.traffic.head_wait_s[0] == pytest.approx(5.0)
    world.leaves("S main 1")
    assert world.queue() == 0.0


def test_what_stands_on_the_stop_line_is_never_lost(drive):
    world = drive("SA")
    world.stands("S main 1")
    world.seconds(100)
    assert world.queue() == 1.0
    assert world.traffic.head_wait_s[0] > 95.0


def test_a_vehicle_that_never_comes_is_forgotten(drive):
    world = drive("SA")
    world.passes("A main 1")
    world.seconds(4)
    assert world.queue() == 1.0
    world.seconds(5)
    assert world.queue() == 0.0


def test_stop_line_alone_nobody_in_red_until_someone_stands_then_more_come_then_a_gap_clears(drive):
    world = drive("S")
    for _ in range(40):
        world.passes("S main 1", GREEN)
        world.seconds(4, GREEN)
    world.seconds(10)
    assert world.queue() == 0.0
    world.stands("S main 1")
    assert world.queue() == 1.0
    world.seconds(20)
    grown = world.queue()
    assert 2.0 < grown < 12.0
    world.leaves("S main 1")
    assert world.queue() == pytest.approx(grown - 1.0, abs=0.5)
    world.seconds(4, GREEN)
    assert world.queue() == 0.0


def test_entry_vehicles_come_to_the_lanes_by_share_and_the_advance_loop_tells_the_lane(drive):
    world = drive("SAE")
    world.passes("E main")
    one, two = world.arrivals(0), world.arrivals(1)
    assert one[:20].sum() == pytest.approx(0.5, abs=0.2)
    assert one[15] == pytest.approx(two[15])
    world.seconds(11)
    world.passes("A main 2")
    assert world.arrivals(1)[3] >= 1.0
    assert world.arrivals(0)[:10].sum() < 0.05


def test_lanes_without_advance_loops_get_their_share_of_what_is_due(drive):
    world = drive("SE")
    world.stands("S main 1")
    world.passes("E main")
    world.seconds(16)
    assert world.queue() == pytest.approx(1.5, abs=0.05)


def test_shares_follow_what_leaves(drive):
    world = drive("SE")
    for _ in range(200):
        world.passes("E main", GREEN)
        world.seconds(3, GREEN)
        world.passes("S main 1", GREEN)
        world.seconds(3, GREEN)
    shares = world.traffic._model.shares()[0]
    assert shares[0] > 0.85
    world.passes("E main", GREEN)
    assert world.arrivals(0)[14:16].sum() > 0.8


def test_queue_beyond_the_advance_loop(drive):
    world = drive("SA")
    world.stands("S main 1")
    world.stands("A main 1")
    assert world.queue() <= 2.0
    world.seconds(10)
    assert world.queue() >= 5.0
    assert world.lane().over_advance
    world.leaves("A main 1")
    world.seconds(6, GREEN)
    assert not world.lane().over_advance


def test_spillback_to_the_entry_loop_fills_the_approach(drive):
    world = drive("SAE")
    world.held |= {"S main 1", "S main 2", "A main 1", "A main 2", "E main"}
    world.seconds(60)
    lane = world.lane()
    assert lane.spilled_back
    assert world.queue(0) + world.queue(1) > 15.0
    assert not world.lane(2).spilled_back


def test_vehicles_trapped_behind_the_queue_of_another_lane_count_with_it(drive):
    world = drive("SAE")
    for lane in range(2):
        for _ in range(40):  # half of the vehicles come to each lane
            world.passes("E main")
            world.passes(f"A {LANES[lane]}")
    for _ in range(10):
        world.passes("E main")
    world.stands("S main 1")
    world.held.add("A main 1")
    world.seconds(20)
    trapped = world.traffic.trapped
    assert trapped[0] > 2.0, "the other half can't get past it"
    assert trapped[1] == trapped[2] == 0.0
    assert world.queue(1) == 0.0
    world.held.add("A main 2")
    world.seconds(4)
    assert world.traffic.trapped.max() == 0.0, "each stands in its own queue"


def test_shares_are_not_unlearnt_while_a_queue_stands(drive):
    world = drive("SAE")
    for _ in range(20):
        world.passes("E main")
        world.seconds(3)
    world.held |= {"S main 1", "A main 1"}
    world.seconds(5)
    before = world.traffic.to_lane.sum()
    world.held.clear()
    world.seconds(30)  # everybody is late, and dropped
    assert world.traffic.to_lane.sum() == pytest.approx(before)


def test_after_a_silence_it_goes_on_however_long_it_had_run(drive):
    world = drive("SAE")
    world.now = Instant(world.now.mono_ms, 0)
    world.passes("A main 1")
    for _ in range(60):
        world.now = world.now.after(50_000)  # 50 s at a time, over 14 h with what follows
        for _ in range(17):
            world.now = world.now.after(49_000)
            world.second()
    world.passes("A main 1")
    world.now = world.now.after(90_000)
    world.second()
    assert any(fault.kind == "clock step" for fault in world.traffic.faults())
    world.passes("A main 1")
    world.seconds(1)
    assert world.traffic.faults() == ()
    assert world.arrivals(0).sum() >= 1.0


def test_a_street_is_full_while_a_queue_stands_on_its_first_loops(drive):
    world = drive("SAE")
    world.stands("E main")
    world.seconds(2)
    assert world.traffic.full_entries() == ()
    world.seconds(2)
    assert world.traffic.full_entries() == ("E main",)
    assert full_lanes(world) == ["main 1", "main 2"]
    world.leaves("E main")
    assert world.traffic.full_entries() == ()
    world.stands("A side")
    world.seconds(1)
    assert world.traffic.full_entries() == ("A side",), "a street without an entry loop"
    assert full_lanes(world) == ["side"]


def full_lanes(world):
    traffic = world.traffic
    return [
        lane.name for lane, full in zip(traffic.lanes, traffic.full_lanes(), strict=True) if full
    ]


def test_a_queue_on_an_entry_loop_is_no_fault_while_its_neighbours_flow(drive):
    world = drive("SAE")
    world.stands("E main")
    for _ in range(50):
        world.passes("S main 2", GREEN)
        world.seconds(2, GREEN)
    assert world.traffic.faults() == ()


def test_a_blocked_exit_is_recognised_and_released(drive):
    world = drive("SA")
    world.stands("S main 1")
    world.seconds(30)
    assert world.traffic.blocked[0] == 1.0
    world.seconds(9, GREEN)
    assert world.traffic.blocked[0] < 0.5
    assert world.lane().blocked
    assert world.traffic.blocked[1] == 1.0
    assert (world.traffic.blocked_in_stages[:, 0] < 0.5).all()
    assert (world.traffic.blocked_in_stages[:, 1] == 1.0).all()
    world.leaves("S main 1")
    assert world.traffic.blocked[0] == 1.0


def test_who_finds_no_gap_may_still_go_where_nobody_is_given_way_to():
    site = junction("SA")
    both, alone = Stage(name="A", groups=("main", "walk")), Stage(name="C", groups=("main",))
    site = replace(site, stages=(both, *site.stages[1:], alone), yields_to=(0b100, 0, 0))
    world = Drive("SA", site=site)
    world.stands("S main 1")
    world.seconds(9, GREEN | 0b100)
    factors = world.traffic.blocked_in_stages[:, 0]
    assert factors[0] < 0.5, "those who walk leave no gap"
    assert factors[2] == 1.0
    world.seconds(9, GREEN)
    assert (world.traffic.blocked_in_stages[:, 0] < 0.5).all(), "then it is the exit"


@pytest.mark.parametrize("roles", ["A", "E", "AE"])
def test_without_stop_line_the_lamps_empty_the_queue(drive, roles):
    world = drive(roles)
    for _ in range(6):
        world.passes(f"{roles[0]} main" if roles[0] == "E" else "A main 1")
    world.seconds(20)
    waiting = world.queue(0) + world.queue(1)
    assert waiting > 2.0
    world.seconds(20, GREEN)
    assert world.queue(0) + world.queue(1) < 0.5


def test_an_advance_loop_that_fails_and_returns_keeps_the_queue(drive):
    world = drive("SA")
    world.stands("S main 1")
    world.passes("A main 1")
    world.passes("A main 1")
    world.seconds(5)
    assert world.queue() == 3.0
    world.dead = {"A main 1"}
    world.second()
    assert world.queue() == pytest.approx(3.0, abs=0.2)
    world.dead = set()
    world.second()
    assert world.queue() == 3.0


def test_saturation_flow_is_learnt_from_the_discharge(drive):
    world = drive("SA")
    before = float(world.traffic.rates[0, 0])
    for _ in range(10):
        world.stands("S main 1")
        world.seconds(10)
        for _ in range(12):
            world.leaves("S main 1")
            world.stands("S main 1", GREEN)
            world.second(GREEN)
        world.leaves("S main 1")
        world.seconds(5)
    assert float(world.traffic.rates[0, 0]) < 0.9 * before
    assert world.traffic.rates[1, 0] == 0.0
    assert world.lane().saturation.observations > 0


def test_what_passed_sources_and_stop_lines_is_told_and_minus_one_where_nothing_is_known(drive):
    world = drive("SAE")
    sources = len(world.traffic.layout.sources)
    assert world.traffic.passed.tolist() == [-1] * (sources + 3)
    world.passes("S main 1")
    assert world.traffic.passed.tolist() == [0] * sources + [1, 0, 0]
    world.second()
    assert world.traffic.passed.tolist() == [0] * (sources + 3)
    assert world.traffic.to_lane.shape == (sources, 3)


def test_an_advance_loop_before_a_fork_serves_all_its_lanes(drive):
    site = junction("SE")
    shared = replace(
        site.detectors[-2],
        name="fork",
        role=DetectorRole.ADVANCE,
        lanes=LANES[:2],
        distance_m=40.0,
        travel_time_s=TRAVEL_S,
    )
    world = drive("SE")
    world.site = replace(site, detectors=(*site.detectors, shared))
    world.traffic = JunctionTraffic(world.site)
    world.names = [detector.name for detector in world.site.detectors]
    world.passes("E main")
    world.seconds(11)
    world.passes("fork")
    assert world.arrivals(0)[2:4].sum() == pytest.approx(0.5, abs=0.05)
    assert world.arrivals(0)[:12].sum() == pytest.approx(0.5, abs=0.1)


def test_a_site_without_loops_or_lanes_is_no_error(drive):
    world = drive("")
    world.seconds(3)
    assert world.lane().confidence == 0.0
    assert world.lane().basis == "nothing"
    bare = JunctionTraffic(replace(world.site, movements=(), detectors=()))
    bare.observe(Instant(0, 0), SiteReadings((), (), ()), GREEN)
    assert bare.forecast(10)[1].shape == (0, 10)


VALUES = st.sampled_from([0, 0, 0, 0, 0, 1, 1, 2, None, -1, 1000, float("nan"), 1.0])
HELD = st.sampled_from([False, False, True, True, None])


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(["SAE", "SA", "SE", "S", "A", "E"]),
    st.lists(
        st.tuples(
            st.lists(VALUES, min_size=8, max_size=8),
            st.lists(VALUES, min_size=8, max_size=8),
            st.lists(HELD, min_size=8, max_size=8),
            st.sampled_from([GREEN, RED, 0]),
            st.sampled_from([1000, 1000, 1000, 100, 0, -500, 90_000]),
            st.integers(1, 12),
        ),
        max_size=25,
    ),
)
def test_whatever_is_read_both_implementations_agree_on_finite_traffic(roles, steps):
    site = junction(roles)
    n = len(site.detectors)
    models = [JunctionTraffic(site, name) for name in IMPLEMENTATIONS]
    now = Instant(0, 0)
    for entered, left, occupied, green, step_ms, repeats in steps:
        for _ in range(repeats):
            now = now.after(step_ms)
            readings = SiteReadings(tuple(entered[:n]), tuple(left[:n]), tuple(occupied[:n]))
            found = []
            for model in models:
                model.observe(now, readings, green)
                found.append((*model.forecast(30), model.blocked, model.head_wait_s))
            for values in zip(*found, strict=True):
                for value in values:
                    assert np.isfinite(value).all()
                    assert (value >= 0.0).all()
                    np.testing.assert_allclose(value, values[0], atol=1e-9)
            assert models[0].faults() == models[-1].faults()
            assert all(0.0 <= lane.confidence <= 1.0 for lane in models[0].lane_states())
