"""Lines for time-space diagrams, what was green along them, and what the console remembers."""

import pytest

from edge.centre.values import SiteLive
from edge.corridors.streets import Street, Streets, Turn
from edge.corridors.values import Position
from greenband.console.history import KEPT_MS, SiteHistory
from greenband.console.lines import distance_m, greens, line_of, longest_line
from greenband.console.wishes import along, nearest


def street(name, start, end, shape, lanes=1, *, is_open=True):
    (x0, y0), (x1, y1) = shape
    return Street(
        name=name,
        label=name,
        from_node=start,
        to_node=end,
        length_m=abs(x1 - x0) + abs(y1 - y0),
        speed_m_per_s=10.0,
        lanes=lanes,
        shape=shape,
        open_to_emergency=is_open,
    )


@pytest.fixture
def streets():
    """West to east over signals J and K, and back; a lane leads north from J."""
    each = (
        street("w-j", "w", "j", ((0, 0), (100, 0)), 2),
        street("j-k", "j", "k", ((100, 0), (300, 0)), 2),
        street("k-e", "k", "e", ((300, 0), (400, 0)), 2),
        street("e-k", "e", "k", ((400, 5), (300, 5)), 2),
        street("k-j", "k", "j", ((300, 5), (100, 5)), 2),
        street("j-w", "j", "w", ((100, 5), (0, 5)), 2),
        street("j-n", "j", "n", ((100, 0), (100, 90))),
        street("path", "n", "x", ((100, 90), (200, 90)), is_open=False),
    )

    def turn(start, end, site, *groups):
        return Turn(from_street=start, to_street=end, crossing_m=10.0, site=site, groups=groups)

    return Streets(
        name="cross",
        streets={one.name: one for one in each},
        turns={
            "w-j": (turn("w-j", "j-k", "J", "W through"), turn("w-j", "j-n", "J", "W left")),
            "j-k": (turn("j-k", "k-e", "K", "W"),),
            "e-k": (turn("e-k", "k-j", "K", "E"),),
            "k-j": (turn("k-j", "j-w", "J", "E through"),),
        },
    )


def test_a_line_has_every_signal_and_who_comes_the_other_way(streets):
    line = line_of(("w-j", "j-k", "k-e"), streets)
    assert [(stop.site, stop.at_m) for stop in line.stops] == [("J", 100.0), ("K", 310.0)]
    assert [stop.groups for stop in line.stops] == [("W through",), ("W",)]
    assert [stop.back_groups for stop in line.stops] == [("E through",), ("E",)]
    assert line.length_m == 420.0


def test_a_line_that_turns_has_no_other_way_there(streets):
    (stop,) = line_of(("w-j", "j-n"), streets).stops
    assert stop.back_groups == ()


def test_the_longest_line_meets_the_most_signals(streets):
    assert longest_line(streets).route in {("w-j", "j-k", "k-e"), ("e-k", "k-j", "j-w")}


def test_how_far_a_vehicle_is(streets):
    route = ("w-j", "j-k", "k-e")
    there = Position(street="j-k", at_m=50.0, speed_m_per_s=9.0, utc_ms=0)
    assert distance_m(route, there, streets) == 160.0
    elsewhere = Position(street="j-n", at_m=50.0, speed_m_per_s=9.0, utc_ms=0)
    assert distance_m(route, elsewhere, streets) is None


def test_greens_are_when_all_groups_of_a_turn_are_green():
    changes = [
        (1_000, ("red", "green")),
        (2_000, ("green", "green")),
        (5_000, ("green", "ending")),
        (7_000, ("green", "green")),
    ]
    assert greens(changes, (0, 1), 9_000) == [(2_000, 5_000), (7_000, 9_000)]
    assert greens(changes, (1,), 9_000) == [(1_000, 5_000), (7_000, 9_000)]
    assert greens(changes, (), 9_000) == []
    assert greens(changes, (4,), 9_000) == []


def live(utc_ms, stage, green_ms, aspects=("red",)):
    return SiteLive(
        site="J", utc_ms=utc_ms, reachable=True, stage=stage, green_ms=green_ms, aspects=aspects
    )


def test_the_history_counts_each_green_once_and_forgets():
    history = SiteHistory()
    for second, stage, green_s in (
        *((10, "A", 2), (11, "A", 3), (11, "A", 3)),
        *((12, None, 0), (13, "A", 0), (14, "A", 1)),
        *((15, None, 0), (18, "B", 1)),
    ):
        history.look(live(second * 1_000, stage, green_s * 1_000))
    runs = [(run.stage, run.began_utc_ms, run.green_ms) for run in history.stages]
    assert runs == [("A", 8_000, 3_000), ("A", 13_000, 1_000), ("B", 17_000, 1_000)]
    history.look(live(20_000, "B", 3_000, ("green",)))
    history.look(live(30_000 + KEPT_MS, "B", 9_000, ("red",)))
    assert [shown.utc_ms for shown in history.shown] == [20_000, 30_000 + KEPT_MS]


def test_the_nearest_street_is_one_that_is_open(streets):
    found, at_m, away_m = nearest(streets, (150.0, 80.0))
    assert found.name == "j-n"
    assert (at_m, away_m) == (80.0, 50.0)
    assert along(((0, 0), (10, 0), (10, 10)), (12.0, 4.0)) == (14.0, 2.0)
