"""The window planner and the time that a change takes, by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.intersection import GroupKind, Intersection, SignalGroup, Stage, conflict_masks
from optimizer.corridor.changes import change_s, hindrance, usual_change_s, walks
from optimizer.corridor.windows import Approach, WindowSettings, windows

PLAIN = WindowSettings(
    startup_loss_s=2.0, headway_s=2.0, margin_s=4.0, hedge_s=0.0, coming=1.0, come_along=0.5
)


def _site() -> Intersection:
    groups = (
        SignalGroup(name="main", min_green_ms=8_000),
        SignalGroup(name="side", min_green_ms=6_000),
        SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, min_green_ms=7_000, ending_ms=9_000),
        SignalGroup(name="left"),
    )
    pairs = [(0, 1), (0, 2), (1, 3)]
    times = [[0] * 4 for _ in range(4)]
    for i, j in pairs:
        times[i][j], times[j][i] = 5_000, 5_000
    times[2][0] = 11_000
    return Intersection(
        name="J",
        groups=groups,
        conflicts=conflict_masks(4, pairs),
        intergreen_ms=tuple(map(tuple, times)),
        stages=(
            Stage(name="A", groups=("main", "left")),
            Stage(name="B", groups=("side", "walk")),
            Stage(name="C", groups=("side",)),
        ),
        yields_to=(0, 0b100, 0, 0b1),
    )


def test_a_change_waits_for_minimum_green_walk_and_clearance():
    site = _site()
    assert change_s(site, "A", 0, "A") == 0.0
    assert change_s(site, "A", 20_000, "C") == 5.0
    assert change_s(site, "A", 2_000, "C") == 6.0 + 5.0
    # The walk is finished (3 s left), then its clearance of 11 s.
    assert change_s(site, "B", 4_000, "A") == 3.0 + 11.0
    assert change_s(site, "B", 60_000, "A") == 11.0
    # To A: from B 7 s of walk and 11 s of clearance, from C 6 s and 5 s.
    assert usual_change_s(site, "A") == (18.0 + 11.0) / 2
    assert change_s(site, None, 0, "A") == usual_change_s(site, "A")
    assert change_s(site, "gone", 0, "A") == usual_change_s(site, "A")
    with pytest.raises(KeyError):
        change_s(site, "A", 0, "gone")


def test_who_gives_way_to_whom_in_a_stage():
    site = _site()
    alone, main_and_left = ((), ()), ((0b1001,), (0b1001,))
    assert hindrance(site, ("left",), alone, "A") > 0
    assert hindrance(site, ("main",), alone, "A") == 0
    assert hindrance(site, ("main",), main_and_left, "A") > 0, "who turns left in front of it"
    assert hindrance(site, ("side",), ((0b0010,), (0b0010,)), "C") == 0
    red = hindrance(site, ("side",), ((0b1010,), (0b1010,)), "C")
    beside = hindrance(site, ("side",), ((0b0010,), (0b0010, 0b1000)), "C")
    assert red > beside > 0, "red for who turns left in front of it, or on the lane beside it"
    assert walks(site, ("side",), "B") == 1
    assert walks(site, ("side",), "C") == 0


def test_a_free_way_is_green_a_margin_before_the_vehicle():
    (window,) = windows([Approach(drive_s=30.0, room_m=400.0, change_s=7.0)], settings=PLAIN)
    assert window.eta_s == window.free_eta_s == 30.0
    assert window.green_from_s == 26.0
    assert window.ask_from_s == 19.0


def test_a_queue_needs_its_start_and_a_headway_each():
    approach = Approach(drive_s=60.0, room_m=800.0, queue_veh=8.0, coming_veh=2.0, change_s=7.0)
    (window,) = windows([approach], settings=PLAIN)
    assert window.green_from_s == 60.0 - 4.0 - (2.0 + 2.0 * 10)


def test_no_more_stand_in_front_than_there_is_room_for():
    (window,) = windows([Approach(drive_s=4.0, room_m=21.0, queue_veh=30.0)], settings=PLAIN)
    assert window.eta_s == 2.0 + 2.0 * 3


def test_who_comes_too_late_for_a_queue_is_expected_behind_it():
    """The second junction is reached later, and from a standstill."""
    first = Approach(drive_s=10.0, room_m=150.0, queue_veh=10.0, change_s=8.0)
    second = Approach(drive_s=20.0, room_m=300.0)
    one, two = windows([first, second], settings=PLAIN)
    assert one.eta_s == 8.0 + 22.0
    assert two.eta_s == one.eta_s + 20.0 + PLAIN.start_loss_s
    assert two.free_eta_s == 30.0


def test_those_in_front_come_along():
    first = Approach(drive_s=60.0, room_m=900.0, queue_veh=10.0)
    second = Approach(drive_s=20.0, room_m=300.0)
    _, two = windows([first, second], settings=PLAIN)
    assert two.green_from_s == two.eta_s - 4.0 - (2.0 + 2.0 * 5)


def test_a_full_street_is_opened_no_later_than_the_junction_behind_it():
    first = Approach(drive_s=60.0, room_m=900.0, queue_veh=12.0)
    full = Approach(drive_s=5.0, room_m=70.0, queue_veh=10.0)
    empty = Approach(drive_s=5.0, room_m=70.0)
    settings = WindowSettings(come_along=0.0, hedge_s=0.0)
    one, two = windows([first, full], settings=settings)
    assert two.green_from_s <= one.green_from_s
    one, two = windows([first, empty], settings=settings)
    assert two.green_from_s > one.green_from_s


approaches = st.lists(
    st.builds(
        Approach,
        drive_s=st.floats(0.0, 200.0),
        room_m=st.floats(0.0, 2_000.0),
        queue_veh=st.floats(0.0, 200.0),
        coming_veh=st.floats(0.0, 50.0),
        change_s=st.floats(0.0, 60.0),
    ),
    max_size=20,
)


@given(approaches, st.booleans())
def test_windows_keep_their_order(given_approaches, standing):
    found = windows(given_approaches, standing=standing)
    assert len(found) == len(given_approaches)
    eta_s = 0.0
    for window, approach in zip(found, given_approaches, strict=True):
        assert window.ask_from_s <= window.green_from_s <= window.eta_s
        assert window.eta_s >= max(eta_s + approach.drive_s, window.free_eta_s) - 1e-6
        eta_s = window.eta_s
