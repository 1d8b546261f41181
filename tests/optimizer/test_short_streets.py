"""Short streets: what room a plan makes, who waits for it, and what is never believed."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.clock import Instant
from optimizer.announcement import Announcement
from optimizer.links import Link
from optimizer.neighbours import Neighbourhood
from optimizer.search import search
from optimizer.short_streets import LENGTH_MAX_M, SHORTEST_M, ShortStreets, capacity_veh
from optimizer.traffic.layout import layout_of
from tests.optimizer.search_problems import changes_of, random_problem
from tests.optimizer.test_neighbours import SITE

LAYOUT = layout_of(SITE)
INTO = Link(
    upstream="a",
    exit="ab",
    downstream="b",
    approach="ab",
    travel_s=1.0,
    length_m=16.0,
    feeds=(("za_0", "ab_0"),),
)
ONWARD = Link(
    upstream="b",
    exit="bc",
    downstream="c",
    approach="bc",
    travel_s=1.0,
    length_m=16.0,
    feeds=(("ab_0", "bc_0"),),
)
ONE_STAGE = changes_of(np.array([[True]]), np.array([[1]]), [1], [90])


def at(second):
    return Instant(1_000 * second, 1_000 * second)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 5), st.integers(1, 6))
def test_the_room_a_plan_makes_is_what_it_serves_when_everybody_waits(seed, stages, lanes):
    problem = random_problem(seed, stages, lanes, 40)
    crowded = replace(problem, queue_veh=np.full(lanes, 100.0), green_s=5)
    found = search(crowded)
    rates = np.asarray(problem.rate_veh_per_s)
    every = np.arange(lanes)
    capacity = capacity_veh(problem.changes, found.plan, rates, every, 40)
    assert capacity == pytest.approx(found.departures_veh, abs=0.01)


def test_room_is_what_is_free_and_what_the_plan_lets_out():
    ours = Neighbourhood(SITE, LAYOUT, (INTO,))
    ours.short_streets.note(np.array([1.0]))
    ours.short_streets.plan(at(10), ONE_STAGE, ((0, 30),), np.array([[0.5]]))
    told = ours.announce(at(10))
    # Two stand on 16 m, one does already, and one leaves every other second.
    assert told.rooms == ("ab_0",)
    assert told.room_veh[0, :4] == pytest.approx([1.5, 2.0, 2.5, 3.0])
    assert ours.announce(at(15)).room_veh[0, 0] == pytest.approx(1.5), "the plan goes on"
    assert ours.announce(at(25)) is None, "a plan that old says nothing"


def told_room(second, *room, number=1):
    return Announcement(
        site="c",
        sequence_no=number,
        start_utc_ms=1_000 * second,
        rooms=("bc_0",),
        room_veh=np.array([room]),
    )


def test_room_is_taken_as_of_now_and_forgotten_when_old():
    ours = Neighbourhood(SITE, LAYOUT, (ONWARD,))
    assert ours.receive(at(7), told_room(7, 1.0, 2.0, 3.0))
    share, room = ours.short_streets.exits(at(8), 4)
    assert share == pytest.approx(np.array([[0.75]])), "the others turn off"
    assert room.tolist() == [[2.0, 3.0, 3.0, 3.0]]
    assert ours.short_streets.exits(at(11), 4)[1].shape == (0, 4)
    assert ours.short_streets.exits(Instant(11_000, -90_000), 4)[1].shape == (0, 4)


def test_who_waits_to_come_in_is_expected_downstream():
    upstream = Neighbourhood(SITE, LAYOUT, (ONWARD,))
    upstream.short_streets.note(np.array([8.0]))
    told = upstream.announce(at(3))
    assert told.waiting == ("bc_0",)
    assert told.waiting_veh == pytest.approx([6.0])
    downstream = Neighbourhood(SITE, LAYOUT, (INTO,))
    assert downstream.short_streets.expected(at(3)).tolist() == [0.0]
    assert downstream.receive(at(4), replace(told, site="a", waiting=("ab_0",)))
    assert downstream.short_streets.expected(at(4)) == pytest.approx([6.0])
    assert downstream.short_streets.expected(at(9)).tolist() == [0.0]


def test_a_lane_that_leads_to_two_is_told_of_half_by_each():
    both = replace(ONWARD, feeds=(("ab_0", "bc_0"), ("ab_0", "bc_1")))
    ours = Neighbourhood(SITE, LAYOUT, (both,))
    ours.short_streets.note(np.array([8.0]))
    assert ours.announce(at(3)).waiting_veh == pytest.approx([3.0, 3.0])


def test_a_controller_over_several_nodes_tells_itself():
    inner = replace(ONWARD, downstream="b", approach="ab", feeds=(("ab_0", "ab_0"),))
    ours = Neighbourhood(SITE, LAYOUT, (inner,))
    ours.short_streets.note(np.array([4.0]))
    ours.short_streets.plan(at(0), ONE_STAGE, ((0, 30),), np.array([[0.5]]))
    ours.take(ours.announce(at(0)))
    assert ours.short_streets.exits(at(0), 2)[1].tolist() == [[0.5, 1.0]]
    assert ours.short_streets.expected(at(0)) == pytest.approx([3.0])


def test_long_streets_and_those_of_unknown_length_are_no_concern():
    for length_m in (0.0, LENGTH_MAX_M + 0.1):
        ours = Neighbourhood(SITE, LAYOUT, (replace(INTO, length_m=length_m),))
        assert not ours.short_streets.any
    ours = Neighbourhood(SITE, LAYOUT, (replace(INTO, share=0.3),))
    assert not ours.short_streets.any, "most of its vehicles come from elsewhere"


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"room_veh": np.array([[-1.0]])}, "room is not everywhere from 0"),
        ({"room_veh": np.array([[np.nan]])}, "room is not everywhere from 0"),
        ({"room_veh": np.zeros((2, 5))}, r"room of shape \(2, 5\) for 1 names"),
        ({"room_veh": np.zeros((1, 0))}, "1 to 300 s"),
        ({"rooms": ("bc_0", "bc_0")}, "twice"),
        ({"waiting": ("x",)}, r"waiting of shape \(0, 1\) for 1 names"),
        ({"waiting_veh": np.array([np.inf]), "waiting": ("x",)}, "waiting is not everywhere"),
        ({"waiting_veh": [1.0], "waiting": ("x",)}, "waiting is no array"),
    ],
)
def test_room_that_cannot_be_is_refused(changed, reason, caplog):
    ours = Neighbourhood(SITE, LAYOUT, (ONWARD,))
    with caplog.at_level("WARNING"):
        assert not ours.receive(at(7), replace(told_room(7, 1.0), **changed))
    assert caplog.records[0].message.startswith("b: refused announcement: c")
    assert re.search(reason, caplog.text)


@pytest.mark.parametrize(
    ("stage_share", "lanes", "avoided"),
    [
        # Left turns of lane 1 give way in stage 0 and need not in stage 1; stage 2 has the rest.
        ([[1.0, 0.5, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]], ["lane 1"], (0,)),
        # The same, but lane 2 goes nowhere else.
        ([[1.0, 0.5, 1.0], [1.0, 1.0, 0.0]], ["lane 1"], ()),
        # Nor lane 1.
        ([[1.0, 0.5, 0.0], [1.0, 0.0, 1.0]], ["lane 1"], ()),
        # Elsewhere they may give way.
        ([[1.0, 0.5, 1.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]], ["lane 0"], ()),
    ],
)
def test_nobody_has_to_give_way_at_the_end_of_a_short_street(stage_share, lanes, avoided):
    feeds = tuple(("elsewhere", lane) for lane in lanes)
    layout = replace(
        LAYOUT, lanes=tuple(replace(LAYOUT.lanes[0], name=f"lane {k}") for k in range(3))
    )
    link = replace(INTO, feeds=feeds, length_m=SHORTEST_M)
    ours = ShortStreets(SITE, layout, (link,), (), np.empty((0, 3)))
    assert ours.avoided(np.array(stage_share)) == avoided
    longer = replace(link, length_m=SHORTEST_M + 1.0)
    ours = ShortStreets(SITE, layout, (longer,), (), np.empty((0, 3)))
    assert ours.avoided(np.array(stage_share)) == (), "two stand there and are in nobody's way"


@pytest.mark.parametrize(
    ("length_m", "room", "closed"),
    [
        (12.0, [0.0] * 9, True),
        (12.0, [0.0] * 8 + [1.0], False),  # by the time that the first is there, it fits
        (12.0, [0.9] * 300, True),
        (SHORTEST_M + 1.0, [0.0] * 9, False),
    ],
)
def test_nobody_is_let_go_into_a_street_for_one_that_is_taken(length_m, room, closed):
    ours = Neighbourhood(SITE, LAYOUT, (replace(ONWARD, length_m=length_m),))
    assert not ours.short_streets.closed(at(7)).any(), "nothing is known"
    assert ours.receive(at(7), told_room(7, *room))
    assert ours.short_streets.closed(at(7)).tolist() == [closed]
    assert not ours.short_streets.closed(at(11)).any(), "old news"


def test_after_a_minute_it_is_tried_whether_a_street_is_really_taken():
    ours = Neighbourhood(SITE, LAYOUT, (replace(ONWARD, length_m=12.0),))
    found = []
    for second in range(70):
        assert ours.receive(at(second), told_room(second, 0.0, number=second + 1))
        found.append(bool(ours.short_streets.closed(at(second))[0]))
    assert found == [True] * 61 + [False] * 9


def test_a_short_street_is_full_as_its_queue_says():
    ours = Neighbourhood(SITE, LAYOUT, (INTO,))  # 16 m: two
    assert ours.short_streets.full_lanes(np.array([1.9])).tolist() == []
    assert ours.short_streets.full_lanes(np.array([2.0])).tolist() == [0]
