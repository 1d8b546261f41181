"""Announcements between junctions: what they promise, how they age, and what is never believed."""

import logging
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.clock import Instant
from controller.intersection import (
    Detector,
    DetectorRole,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
)
from optimizer._platoons_reference import LIFETIME_MS
from optimizer.announcement import Announcement
from optimizer.links import Link
from optimizer.neighbours import Neighbourhood, exit_shares
from optimizer.platoons import IMPLEMENTATIONS, IncomingPlatoons
from optimizer.traffic.layout import layout_of

SITE = Intersection(
    name="b",
    groups=(SignalGroup(name="main"),),
    conflicts=(0,),
    intergreen_ms=((0,),),
    stages=(Stage(name="1", groups=("main",)),),
    detectors=(
        Detector(name="stop", role=DetectorRole.STOP_LINE, groups=("main",), lane="ab_0"),
        Detector(
            name="entry",
            role=DetectorRole.ENTRY,
            groups=("main",),
            lanes=("ab_0",),
            distance_m=200.0,
            travel_time_s=10.0,
            calls=False,
            extends=False,
        ),
    ),
    movements=(
        Movement(name="t", group="main", from_approach="ab", to_exit="bc", lanes=("ab_0",)),
        Movement(
            name="r", group="main", from_approach="ab", to_exit="bd", turn="right", lanes=("ab_0",)
        ),
    ),
)
LAYOUT = layout_of(SITE)
AB = Link(
    upstream="a",
    exit="ab",
    downstream="b",
    approach="ab",
    travel_s=15.0,
    entries=(("entry", 1.0),),
)
BC = Link(upstream="b", exit="bc", downstream="c", approach="bc", travel_s=10.0)
PERIOD_S, GREEN_S, PEAK = 60, 20, 0.6
MEAN = PEAK * GREEN_S / PERIOD_S
TRAVEL_S = 3 + 10
"""Over the junction to the entry loop, and from there to the stop line."""
HORIZON_S = 60


def at(second):
    return Instant(5_000 + 1_000 * second, 1_000 * second)


def platoon(second, seconds):
    """What leaves upstream in each second from *second* on: 20 s of green in each minute."""
    return np.array([PEAK * ((second + k) % PERIOD_S < GREEN_S) for k in range(seconds)])


def outflow(second, **changed):
    message = Announcement(
        site="a",
        sequence_no=second,
        start_utc_ms=1_000 * second,
        exits=("elsewhere", "ab"),
        outflow_veh=np.vstack([np.full(60, 3.0), platoon(second, 60)]),
    )
    return replace(message, **changed)


def taught(second, part=1.0):
    """Who has heard all announcements until *second*, of which *part* came."""
    ours = Neighbourhood(SITE, LAYOUT, (AB, BC))
    owed = 0.0
    for t in range(second - 1_200, second):
        ours.take(outflow(t))
        owed += part * platoon(t - 3, 1)[0]
        passed = int(owed)
        owed -= passed
        ours.learn(at(t), np.array([passed, -1], dtype=np.int32))
    return ours


def expected(ours, second, mean=MEAN):
    """Arrivals in each of the next seconds, of a lane that gets *mean* beyond the entry loop."""
    ours.learn(at(second), np.array([-1, -1], dtype=np.int32))
    arrivals = np.full((1, HORIZON_S), mean)
    ours.meet(np.ones((1, 1)), arrivals)
    return arrivals[0]


def test_the_platoon_is_expected_when_it_arrives_and_the_gap_behind_it():
    begun = 10 * PERIOD_S
    coming = expected(taught(begun), begun)
    assert coming[:10].tolist() == [MEAN] * 10  # counted by the loop, not announced
    assert coming[TRAVEL_S + 4 : TRAVEL_S + 12].min() > 1.6 * MEAN
    mid_gap = expected(taught(begun + 25), begun + 25)
    assert mid_gap[TRAVEL_S + 4 : TRAVEL_S + 12].max() < 0.4 * MEAN


def test_what_is_far_ahead_in_a_plan_is_hardly_believed():
    begun = 10 * PERIOD_S
    coming = expected(taught(begun + 21), begun + 21)
    next_platoon = slice(TRAVEL_S + 40, TRAVEL_S + 47)
    assert coming[next_platoon] == pytest.approx(MEAN, rel=0.15)


def test_a_lane_without_any_loop_upstream_is_fed_at_its_stop_line():
    bare = replace(SITE, detectors=SITE.detectors[:1])
    ours = Neighbourhood(bare, layout_of(bare), (AB,))
    for t in range(1_200):
        ours.take(outflow(t))
        came = np.array([platoon(t - 17, 1)[0] > 0.0 and t % 2], dtype=np.int32)
        ours.learn(at(t), came)
    arrivals = np.full((1, HORIZON_S), MEAN)
    ours.meet(np.ones((0, 1)), arrivals)
    comes_s = 2 + round(AB.travel_s)
    assert arrivals[0, comes_s + 4 : comes_s + 12].min() > 1.2 * MEAN
    assert arrivals[0, : comes_s - 6].max() < 0.8 * MEAN


@pytest.mark.parametrize("part", [0.25, 0.5])
def test_of_vehicles_that_turn_off_on_the_way_no_more_are_expected(part):
    begun = 10 * PERIOD_S
    whole = expected(taught(begun), begun) - MEAN
    some = expected(taught(begun, part), begun, part * MEAN) - part * MEAN
    assert some[TRAVEL_S + 6] == pytest.approx(part * whole[TRAVEL_S + 6], rel=0.2)


def test_a_silent_neighbour_leaves_the_mean_after_its_lifetime():
    begun = 10 * PERIOD_S
    ours, last = taught(begun), begun - 1
    assert expected(ours, last + LIFETIME_MS // 1_000).std() > 0.0
    assert expected(ours, last + LIFETIME_MS // 1_000 + 1).tolist() == [MEAN] * HORIZON_S


def test_a_lost_message_is_bridged_by_the_one_before():
    begun = 10 * PERIOD_S
    heard, missed = taught(begun), taught(begun)
    for t in range(begun, begun + 4):
        heard.take(outflow(t))
    near = slice(0, TRAVEL_S + 8)
    late, fresh = expected(missed, begun + 4)[near], expected(heard, begun + 4)[near]
    assert late == pytest.approx(fresh, abs=0.08)
    assert late.max() > 1.6 * MEAN


def test_who_starts_anew_expects_the_mean():
    ours = Neighbourhood(SITE, LAYOUT, (AB,))
    ours.take(outflow(600))
    assert expected(ours, 601) == pytest.approx(MEAN, abs=0.01)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"outflow_veh": np.full((2, 60), np.nan)}, "not everywhere from 0"),
        ({"outflow_veh": np.full((2, 60), -0.1)}, "not everywhere from 0"),
        ({"outflow_veh": np.full((2, 60), 6.1)}, "not everywhere from 0"),
        ({"outflow_veh": np.zeros((1, 60))}, r"shape \(1, 60\) for 2 names"),
        ({"outflow_veh": np.zeros(60)}, "shape"),
        ({"outflow_veh": np.zeros((2, 0))}, "1 to 300 s"),
        ({"outflow_veh": np.zeros((2, 301))}, "1 to 300 s"),
        ({"outflow_veh": np.zeros((2, 60), dtype=object)}, "float64"),
        ({"exits": ("ab", "ab")}, "twice"),
        ({"full": tuple(f"loop {k}" for k in range(300))}, "at most 256 detectors"),
        ({"full": None}, "at most 256 detectors"),
        ({"exits": ["ab", "x"]}, "at most 64 names"),
        ({"sequence_no": float("nan")}, "sequence_no is no whole number"),
        ({"start_utc_ms": "600000"}, "start_utc_ms is no whole number"),
        ({"outflow_veh": [[0.0]]}, "outflow is no array"),
        ({"site": None}, "site is no text"),
        ({"site": "z"}, "z is no neighbour"),
        ({"sequence_no": 599}, "out of order, number 599 after 599"),
        ({"start_utc_ms": 589_000}, "11 s old"),
        ({"start_utc_ms": 602_000}, "-2 s old"),
    ],
)
def test_what_cannot_be_is_refused_named_and_logged(changed, reason, caplog):
    ours = taught(600)
    assert ours.receive(at(599), outflow(599))
    before = expected(ours, 600)
    with caplog.at_level(logging.WARNING):
        assert not ours.receive(at(600), outflow(600, **changed))
    assert expected(ours, 600) == pytest.approx(before, abs=0.01)
    (record,) = caplog.records
    assert re.search(reason, record.message)
    assert record.message.startswith("b: refused announcement")


def test_a_neighbour_that_started_anew_is_heard_again():
    ours = Neighbourhood(SITE, LAYOUT, (AB,))
    assert ours.receive(at(100), outflow(100))
    assert not ours.receive(at(105), outflow(105, sequence_no=1))
    assert ours.receive(at(111), outflow(111, sequence_no=1))


def test_the_plan_is_announced_by_exit_and_shifted_until_it_is_too_old():
    ours = Neighbourhood(SITE, LAYOUT, (AB, BC))
    assert ours.announce(at(0)) is None
    ours.plan(at(7), np.array([[0.4, 0.0, 0.8, *[0.0] * 27]]))
    first, third = ours.announce(at(7)), ours.announce(at(9))
    assert (first.site, first.exits, first.start_utc_ms) == ("b", ("bc",), 7_000)
    assert first.outflow_veh[0, :3] == pytest.approx([0.3, 0.0, 0.6])
    assert third.start_utc_ms == 9_000
    assert third.outflow_veh[0, 0] == pytest.approx(0.6)
    assert third.sequence_no == first.sequence_no + 1
    assert ours.announce(at(18)) is None


BC = Link(
    upstream="b",
    exit="bc",
    downstream="c",
    approach="bc",
    travel_s=12.0,
    entries=(("entry 1", 1.0), ("entry 2", 1.0)),
)


def told_full(*names, number=1, utc_ms=0):
    return Announcement(site="c", sequence_no=number, start_utc_ms=utc_ms, full=names)


def test_a_full_street_takes_green_its_use_until_it_has_room_or_is_silent():
    ours = Neighbourhood(SITE, LAYOUT, [BC])
    assert ours.room(at(0)) is None
    assert ours.receive(at(0), told_full("entry 1", "entry 2"))
    # 0.6 / 0.8 of the lane go there, and who is behind them stands too.
    assert ours.room(at(1)) == pytest.approx([0.1])
    assert ours.room(at(4)) is None, "what is old is forgotten"
    assert ours.room(Instant(0, -3_600_000)) is None, "nor does a clock that steps back keep it"
    assert ours.receive(at(5), told_full("entry 1", number=2, utc_ms=5_000))
    assert ours.room(at(5)) is None, "there is room in its other lane"


def test_who_is_full_says_so_even_without_a_plan():
    ours = Neighbourhood(SITE, LAYOUT, [AB])
    assert ours.announce(at(0)) is None
    ours.full = ("entry",)
    message = ours.announce(at(1))
    assert message.full == ("entry",)
    assert message.exits == ()


def test_lanes_divide_by_their_movements():
    shares = exit_shares(SITE, ["ab_0"], ["bd", "bc", "unknown"])
    assert shares[:, 0] == pytest.approx([0.25, 0.75, 0.0])


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_kernel_and_reference_agree(data):
    links = [
        replace(AB, exit=f"e{i}", share=data.draw(st.floats(0.1, 1.0)), entries=(("entry", after),))
        for i, after in enumerate(data.draw(st.lists(st.floats(0.0, 59.0), min_size=1, max_size=3)))
    ]
    both = [IncomingPlatoons(SITE, LAYOUT, links, name) for name in IMPLEMENTATIONS]
    random = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    second = 100
    for _ in range(data.draw(st.integers(1, 12))):
        second += data.draw(st.sampled_from([1, 1, 1, 4, 200]))
        message = outflow(
            second,
            start_utc_ms=1_000 * second + data.draw(st.integers(-900, 900)),
            exits=tuple(link.exit for link in links),
            outflow_veh=random.random((len(links), int(random.integers(1, 150)))),
        )
        passed = random.integers(-1, 3, 2).astype(np.int32)
        found = []
        for one in both:
            one.take(message)
            one.learn(at(second + 1), passed)
            arrivals = np.full((1, 90), 0.2)
            one.meet(np.full((1, 1), 0.7), arrivals)
            found.append(arrivals)
        assert all(other == pytest.approx(found[0], abs=1e-12) for other in found)
