"""Counts in CSV: our own form and others', and every fault named with its line."""

import numpy as np
import pytest

from sim.errors import CountsError
from sim.planning.count_places import CountPlace, CountPlaces
from sim.planning.counts import weekday
from sim.planning.counts_file import counts_csv, parse_counts

A, B = CountPlace("J/0", "in_0", 90.0), CountPlace("J/1", "in_1", 90.0)
PLACES = CountPlaces(
    {("", "J/0"): A, ("J", "J/0"): A, ("J", "stop a"): A, ("J", "stop, b"): B, ("", "J/1"): B}
)
HEAD = "time,site,detector,interval_s,count,occupancy_percent\n"


def own(*rows):
    return HEAD + "".join(f"{row}\n" for row in rows)


def test_our_own_form_comes_back_as_it_was():
    text = own(
        "2026-03-02T07:00:00,J,stop a,300,23,11.5",
        '2026-03-02T07:00:00,J,"stop, b",300,4,',
        "2026-03-02T07:05:00,J,stop a,300,0,0.0",
    )
    counts = parse_counts(text, PLACES)
    assert counts.detectors == ("J/0", "J/1")
    assert counts.interval_s == 300.0
    assert counts.is_dated
    assert [counts.day_name(day) for day in counts.days] == ["Mon 2026-03-02"]
    assert weekday(counts.days[0]) == 0
    assert counts.vehicles[0].tolist() == [23.0, 4.0]
    assert counts.vehicles[1][0] == 0.0
    assert np.isnan(counts.vehicles[1][1])  # missing is not zero
    assert counts.occupancy[0][0] == pytest.approx(0.115)
    assert counts.flows_veh_per_h().tolist() == [138.0, 48.0]
    assert "1 of 2 detectors miss intervals, most of all J/1 (1 of 2)" in counts.remarks[-1]
    assert counts_csv(counts, {"J/0": ("J", "stop a"), "J/1": ("J", "stop, b")}) == text


def test_any_table_by_the_names_of_its_columns():
    text = "Zeit;Sensor;q;Belegung\n02.03.2026 07:00;J/0;12;3,5\n02.03.2026 07:15;J/0;13,5;4\n"
    columns = {"time": "Zeit", "detector": "Sensor", "count": "q", "occupancy_percent": "Belegung"}
    counts = parse_counts(text, PLACES, columns)
    assert counts.interval_s == 900.0
    assert counts.vehicles[:, 0].tolist() == [12.0, 13.5]
    assert counts.occupancy[0, 0] == pytest.approx(0.035)
    assert counts.starts_s[0] % 86_400.0 == 7 * 3600.0


def test_the_wide_form_has_a_column_for_each_detector():
    counts = parse_counts("t,J/0,J/1\n0,5,6\n300,7,\n600,8,9\n", PLACES, {"time": "t"})
    assert counts.vehicles[:, 0].tolist() == [5.0, 7.0, 8.0]
    assert np.isnan(counts.vehicles[1, 1])
    assert not counts.is_dated


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("600,J,stop a,300,-4,", "a negative count (J/0)"),
        ("600,J,stop a,300,nan,", "a count that is no number (nan)"),
        ("600,J,stop a,300,many,", "a count that is no number (many)"),
        ("600,J,stop a,300,301,", "more vehicles than a lane lets pass (J/0)"),
        ("600,J,stop z,300,4,", "an unknown detector (J / stop z)"),
        ("noon,J,stop a,300,4,", "no time that can be read (noon)"),
        ("600,J,stop a,300,,", "not counted (J/0)"),
        ("450,J,stop a,300,4,", "a time between two intervals (the clock stepped)"),
        ("600,J,stop a,60,4,", "an interval other than 300 s"),
        ("2026-03-02T00:00,J,stop a,300,4,", "a time of another kind than the others"),
        ("300,J,stop a,300,6,", "a row that is there twice (J/0)"),
    ],
)
def test_what_cannot_be_is_left_out_and_named_with_its_line(row, said):
    counts = parse_counts(own("0,J,stop a,300,5,", "300,J,stop a,300,6,", row), PLACES, None, "c")
    assert f"c:4: 1 value left out: {said}" in counts.remarks
    assert counts.vehicles[:, 0].tolist() == [5.0, 6.0]


def test_two_rows_that_disagree_are_both_left_out():
    rows = ("0,J,J/0,300,5,", "300,J,J/0,300,6,", "600,J,J/0,300,7,", "300,J,J/0,300,9,")
    counts = parse_counts(own(*rows), PLACES, None, "c")
    assert counts.starts_s.tolist() == [0.0, 600.0]
    assert (
        "c:5: 1 value left out: two rows of one interval that disagree, both (the clock stepped "
        "back) (J/0)"
    ) in counts.remarks
    assert any("1 intervals of day 0 are missing for all detectors" in r for r in counts.remarks)


def test_many_faults_of_one_kind_are_one_sentence():
    rows = [f"{300 * k},J,stop {k},300,5," for k in range(9)]
    counts = parse_counts(own("0,J,stop a,300,5,", *rows), PLACES, None, "c")
    assert (
        "c:3: 9 values left out: an unknown detector (J / stop 0, J / stop 1, J / stop 2 and 6 "
        "others), here first"
    ) in counts.remarks


@pytest.mark.parametrize(
    ("text", "columns", "said"),
    [
        ("", None, "no column time in an empty line"),
        ("a,b\n1,2\n", None, "--counts-columns time=NAME"),
        ("a,b\n1,2\n", {"time": "c"}, "c:1: there is no column 'c', only a, b"),
        ("a,b\n1,2\n", {"clock": "a"}, "there is no column 'clock': choose from time, site"),
        ("time,detector\n1,2\n", None, "no column count"),
        (own("0,J,x,300,1,", "1,J,J/0,300,-1,"), None, "nothing in it can be used"),
        ("time,detector,count\n0,J/0,1\n", None, "the length of the interval is unknown"),
    ],
)
def test_a_file_without_counts_says_why(text, columns, said):
    with pytest.raises(CountsError, match="c") as caught:
        parse_counts(text, PLACES, columns, "c")
    assert said in str(caught.value)


def test_a_part_of_the_day_of_some_days():
    rows = [
        f"2026-03-{2 + d:02}T{h:02}:00:00,J,J/0,3600,{10 * d + h},"
        for d in range(3)
        for h in (6, 7, 8)
    ]
    counts = parse_counts(own(*rows), PLACES)
    first = counts.days[0]
    chosen = counts.within(7 * 3600.0, 8 * 3600.0, [first, first + 2])
    assert chosen.vehicles[:, 0].tolist() == [7.0, 27.0]
    assert counts.within(7 * 3600.0, None).vehicles[:, 0].tolist() == [7, 8, 17, 18, 27, 28]
