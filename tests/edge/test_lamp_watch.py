"""How long a change takes, by what the lamps were seen to show: nothing is assumed too long."""

from __future__ import annotations

import pytest

from controller.intersection import GroupKind, Intersection, SignalGroup, Stage, conflict_masks
from edge.corridors.lamp_watch import LampWatch
from edge.corridors.stages import SiteTimes
from edge.corridors.values import SiteView

MAIN, SIDE, WALK = 1, 2, 4


def _site(*, walks: bool = True) -> Intersection:
    """Stage A: the main street; B: the side street, and with *walks* one across the main one."""
    walk = SignalGroup(name="walk", kind=GroupKind.PEDESTRIAN, min_green_ms=7_000, ending_ms=9_000)
    vehicles = (
        SignalGroup(name="main", min_green_ms=8_000),
        SignalGroup(name="side", min_green_ms=6_000),
    )
    groups = (*vehicles, walk) if walks else vehicles
    times = [[0] * len(groups) for _ in groups]
    pairs = [(0, 1), (0, 2)] if walks else [(0, 1)]
    for i, j in pairs:
        times[i][j] = times[j][i] = 5_000
    if walks:
        times[2][0] = 12_000
    return Intersection(
        name="J",
        groups=groups,
        conflicts=conflict_masks(len(groups), pairs),
        intergreen_ms=tuple(map(tuple, times)),
        stages=(
            Stage(name="A", groups=("main",)),
            Stage(name="B", groups=("side", "walk") if walks else ("side",)),
        ),
    )


def _running(stage: str, green: int, green_ms: int, ending: int = 0) -> SiteView:
    return SiteView(stage=stage, green=green, ending=ending, green_ms=green_ms)


def test_a_walk_is_finished_and_cleared_whenever_it_began():
    watch = LampWatch(_site())
    watch.look(0, _running("B", SIDE, 20_000))
    assert watch.change_s(0, "A") == 12.0, "it may begin up to the call"
    watch.look(1_000, _running("B", SIDE | WALK, 21_000))
    assert watch.change_s(1_000, "A") == 7.0 + 12.0
    watch.look(5_000, _running("B", SIDE | WALK, 25_000))
    assert watch.change_s(5_000, "A") == 3.0 + 12.0
    watch.look(30_000, _running("B", SIDE, 50_000, ending=WALK))
    assert watch.change_s(30_000, "A") == 12.0


def test_of_a_change_under_way_what_is_left_counts():
    watch = LampWatch(_site(walks=False))
    watch.look(0, _running("A", MAIN, 20_000))
    watch.look(1_000, SiteView(next_stage="B", green=0, ending=MAIN))
    assert watch.change_s(1_000, "B") == 5.0
    assert watch.change_s(4_000, "B") == 2.0
    assert watch.change_s(4_000, "A") == 2.0 + 6.0 + 5.0, "its minimum green, and the way back"
    # What is asked for meanwhile does not change where it leads.
    watch.look(4_000, SiteView(next_stage="A", green=0, ending=0))
    assert watch.change_s(4_000, "A") == 2.0 + 6.0 + 5.0
    watch.look(6_000, _running("B", SIDE, 0))
    watch.look(13_000, _running("B", SIDE, 7_000))
    assert watch.change_s(13_000, "A") == 5.0


def test_where_people_walk_a_change_under_way_takes_as_long_as_usual():
    watch = LampWatch(_site())
    watch.look(0, _running("A", MAIN, 20_000))
    watch.look(1_000, SiteView(next_stage="B", green=0, ending=MAIN))
    assert watch.change_s(1_000, "B") is None


@pytest.mark.parametrize("view", [SiteView(stage="A"), SiteView(green=0, ending=0), None])
def test_where_nobody_says_more_it_is_as_long_as_it_may_be(view):
    times = SiteTimes(_site())
    if view is not None:
        times.look(0, view)
    expected_s = 8.0 + 5.0 if view is not None and view.stage else times.usual_s("B")
    assert times.change_s(0, view, "B") == expected_s
