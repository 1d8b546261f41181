"""Days of counts into a week's table of plans, and demand of whole days out of an hour's."""

import json
from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from sim.errors import CountsError, PlanFileError
from sim.network import derive_network
from sim.planning.count_places import own_places
from sim.planning.counts import DAY_S, EPOCH, Counts, weekday
from sim.planning.day_demand import DayMaker, read_profile, town_profile
from sim.planning.week import planned_week
from sim.plans.week_json import DayType, WeekPeriod, WeekTable, from_json, schema, to_json
from sim.scenario import load_scenario
from tests.sim.networks import crossroads

MONDAY = (date(2026, 3, 2) - EPOCH).days
MAIN, SIDE = (620.0, 90.0), (150.0, 480.0)
"""veh/h from north and south, and from east and west."""


@pytest.fixture(scope="module")
def cross(tmp_path_factory):
    return derive_network(crossroads(tmp_path_factory.mktemp("cross")))


def week_of(network, days, per_h, *, dated=True):
    """Counts of every loop until noon; *per_h*: (weekday, hour) to flows of the two streets."""
    (junction,) = network.junctions
    rng = np.random.default_rng(5)
    starts, rows = [], []
    for day in days:
        for k in range(48):
            along, across = per_h(weekday(day), k / 4.0)
            flows = [along if loop.lane[0] in "ns" else across for loop in junction.loops]
            rows.append(rng.poisson(np.asarray(flows) / 4.0))
            starts.append(day * DAY_S + 900.0 * k)
    vehicles = np.asarray(rows, dtype=float)
    return Counts(
        source="days.csv",
        interval_s=900.0,
        starts_s=np.asarray(starts),
        detectors=tuple(loop.id for loop in junction.loops),
        vehicles=vehicles,
        occupancy=np.full_like(vehicles, np.nan),
        is_dated=dated,
    )


def by_the_clock(day, hour):
    return SIDE if day < 5 and 6.0 <= hour < 10.0 else MAIN


@pytest.fixture(scope="module")
def planned(cross):
    counts = week_of(cross, range(MONDAY, MONDAY + 7), by_the_clock)
    return planned_week(cross, counts, own_places(cross))


def test_a_week_gets_its_day_types_periods_and_plans(planned):
    assert planned.day_types == ((0, 1, 2, 3, 4), (5, 6))
    assert [choice.chosen for choice in planned.choices] == [3, 1]
    assert planned.plans == ("1", "2")
    table = planned.table("cross")
    working, resting = table.day_types
    assert [(part.clock, part.plan) for part in working.periods] == [
        *(("00:00", "1"), ("06:00", "2"), ("10:00", "1"))
    ]
    assert [(part.clock, part.plan) for part in resting.periods] == [("00:00", "1")]
    assert table.plans == (("1", "plan-1.json"), ("2", "plan-2.json"))


def test_a_plan_is_made_for_the_demand_of_its_period(planned):
    _, estimate = planned.planning("2")
    flows = estimate.demand.turns
    across = sum(flow for turn, flow in flows.items() if turn.from_edge in {"ec", "wc"})
    along = sum(flow for turn, flow in flows.items() if turn.from_edge in {"nc", "sc"})
    assert across == pytest.approx(2 * SIDE[1], rel=0.1)
    assert along == pytest.approx(2 * SIDE[0], rel=0.15)


def test_what_was_weighed_can_be_drawn(planned):
    content = json.loads(json.dumps(planned.document()))
    working = content["day_types"][0]
    assert working["days"] == ["Mon", "Tue", "Wed", "Thu", "Fri"]
    assert len(working["flow_veh_per_h"]) == len(content["clock_s"]) == 48
    delays = [each["delay_veh_h"] for each in working["by_count"]]
    assert delays == sorted(delays, reverse=True)
    assert working["by_count"][2]["from_s"] == [0.0, 21_600.0, 36_000.0]
    assert working["chosen"] == 3
    assert all(
        q <= b
        for q, b in zip(working["quietest_veh_per_h"], working["busiest_veh_per_h"], strict=True)
    )


def test_days_that_nobody_counted_follow_the_day_before(cross):
    days = [MONDAY, MONDAY + 5]
    counts = week_of(cross, days, by_the_clock)
    part = replace(
        counts,
        vehicles=np.where(
            (counts.starts_s >= (MONDAY + 5) * DAY_S)[:, None], np.nan, counts.vehicles
        ),
    )
    both, lonely = (planned_week(cross, each, own_places(cross)) for each in (counts, part))
    assert both.day_types == ((0, 1, 2, 3, 4), (5, 6))
    assert "Sun was not counted: it has the table of Sat" in both.remarks
    assert lonely.day_types == ((0, 1, 2, 3, 4, 5, 6),)
    assert any("Sat 2026-03-07 is left out" in remark for remark in lonely.remarks)


def test_a_part_of_a_day_without_dates_is_every_day(cross):
    counts = week_of(cross, [0], by_the_clock, dated=False).within(5 * 3600.0, 12 * 3600.0)
    week = planned_week(cross, counts, own_places(cross))
    assert week.day_types == (tuple(range(7)),)
    assert any("only 05:00 to 12:00 was counted" in remark for remark in week.remarks)
    assert week.table("cross").day_types[0].periods[0].minute == 0
    with pytest.raises(CountsError, match="15 minutes of the day are counted"):
        planned_week(cross, counts.within(5 * 3600.0, 5.25 * 3600.0), own_places(cross))


TABLE = WeekTable(
    network="cross",
    plans=(("1", "plan-1.json"), ("2", "plan-2.json")),
    day_types=(
        DayType(
            days=(0, 1, 2, 3, 4),
            periods=(WeekPeriod(minute=0, plan="1"), WeekPeriod(minute=390, plan="2")),
        ),
        DayType(days=(5, 6), periods=(WeekPeriod(minute=0, plan="1"),)),
    ),
)


def test_the_table_of_a_week_comes_back_from_its_file():
    assert from_json(to_json(TABLE)) == TABLE
    described = schema()["properties"]
    assert set(described) == set(json.loads(to_json(TABLE)))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ('"schema": 1', '"schema": 2', "schema is 2, this version reads 1"),
        ('"Sun"', '"Sat"', "every day of the week must stand in one"),
        ('"06:30"', '"24:30"', "from '24:30' is no time of day"),
        ('"06:30"', '"00:00"', "day_types of Mon: periods must begin at 00:00 and go on in order"),
        ('"plan": "2"', '"plan": "3"', "day_types of Mon: there is no plan '3'"),
        ('"days"', '"day"', "this is no week's table of plans"),
    ],
)
def test_a_table_that_leaves_a_gap_is_refused(was, now, said):
    with pytest.raises(PlanFileError) as caught:
        from_json(to_json(TABLE).replace(was, now))
    assert said in str(caught.value)


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hour")
    crossroads(folder)
    (folder / "made.rou.xml").write_text(
        '<routes><vType id="slow" maxSpeed="10"/>'
        '<flow id="a" type="slow" from="nc" to="cs" begin="0" end="3600" vehsPerHour="300"/>'
        '<flow id="b" from="wc" to="ce" begin="0" end="3600" vehsPerHour="200"/></routes>'
    )
    return load_scenario(
        str(folder / "made.net.xml"), routes=[folder / "made.rou.xml"], begin_s=0.0, end_s=3600.0
    )


def test_a_day_is_drawn_by_the_clock_the_weekday_and_the_entry(crossing, tmp_path):
    profile = tmp_path / "profile.csv"
    profile.write_text(
        "days,time,factor,from\nMon-Fri,06:00,2.0,\nMon-Fri,08:00,0.5,\nMon-Fri,06:00,1,wc\n"
        "Sat,06:00,0,\n"
    )
    maker = DayMaker(crossing, read_profile(profile), tmp_path)
    text = maker.scenario(0, 6 * 3600.0, 10 * 3600.0, 7).route_files[0].read_text()
    north = text.count('edges="nc cs"')
    assert north == pytest.approx(2 * 600 + 2 * 150, rel=0.1)
    assert text.count('edges="wc ce"') == pytest.approx(4 * 200, rel=0.12)
    assert text.count('type="slow"') == north
    departures = [float(part.split('"')[0]) for part in text.split('depart="')[1:]]
    assert departures == sorted(departures)
    again = maker.scenario(0, 6 * 3600.0, 10 * 3600.0, 7).route_files[0].read_text()
    assert again == text
    resting = maker.scenario(5, 6 * 3600.0, 10 * 3600.0, 7).route_files[0].read_text()
    assert "<vehicle " not in resting
    sunday = maker.scenario(6, 6 * 3600.0, 7 * 3600.0, 7).route_files[0].read_text()
    assert sunday.count("<vehicle ") == pytest.approx(500, rel=0.15)  # nothing is said: factor 1


def test_a_town_is_busiest_when_people_go_to_work():
    profile = town_profile()
    assert profile.at(2, 7.5 * 3600.0, "any") > profile.at(2, 11.0 * 3600.0, "any") > 0.0
    assert profile.at(6, 7.5 * 3600.0, "any") < 0.3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("Mon-Fry,06:00,1", "profile.csv:2: days 'Mon-Fry'"),
        ("Fri-Mon,06:00,1", "Mon comes before Fri"),
        ("Mon,25:00,1", "time '25:00' is no time of day"),
        ("Mon,06:00,many", "factor 'many' is no number"),
    ],
)
def test_a_profile_that_says_nothing_is_named_with_its_line(row, said, tmp_path):
    profile = tmp_path / "profile.csv"
    profile.write_text(f"days,time,factor\n{row}\n")
    with pytest.raises(CountsError) as caught:
        read_profile(profile)
    assert said in str(caught.value)
