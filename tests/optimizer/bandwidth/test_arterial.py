"""What an arterial and its file may hold, and how faults are told."""

import json

import pytest

from controller.violations import InvalidError
from optimizer.bandwidth.arterial_json import KEYS, arterial_from, schema, unknown_keys
from tests.optimizer.bandwidth.streets import street

FILE = {
    "id": "Main Street",
    "distance_m": [300, 400],
    "red_outbound": [0.5, 0.45, 0.5],
    "cycle_range_s": [60, 90],
    "speed_range_kmh": [40, 55],
}


def read(**changes):
    return arterial_from({**FILE, **changes})


def faults(**changes):
    with pytest.raises(InvalidError) as caught:
        read(**changes)
    return str(caught.value)


def test_what_is_left_out_has_its_default():
    arterial = read()
    assert arterial.red_inbound == arterial.red_outbound
    assert arterial.queue_clearance_inbound == (0.0, 0.0, 0.0)
    assert arterial.patterns == ((), (), ())
    assert arterial.max_slowness_change_s_per_m == (float("inf"),)
    assert (arterial.k, arterial.one_way) == (1.0, False)
    assert arterial.speed_range_kmh == ((40.0, 55.0), (40.0, 55.0))


def test_one_number_or_list_may_stand_for_all():
    arterial = read(
        red_inbound=0.4,
        queue_clearance_inbound=0.02,
        patterns=[2, 1],
        left_turn_outbound=0.1,
        cycle_range_s=75,
        speed_range_kmh=[[40, 50], 45],
        max_slowness_change_s_per_m=0.01,
        volume_outbound_veh_h=[500, 600],
    )
    assert arterial.red_inbound == (0.4,) * 3
    assert arterial.patterns == ((1, 2),) * 3
    assert arterial.cycle_range_s == (75.0, 75.0)
    assert arterial.speed_range_kmh == ((40.0, 50.0), (45.0, 45.0))
    assert arterial.volume_outbound_veh_per_h == (500.0, 600.0)
    assert read(patterns=[[1], None, []]).patterns == ((1,), (), ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"distance_m": None}, "distance_m: this key is needed"),
        ({"distance_m": [300]}, "distance_m: 1 values, but 3 signals (red_outbound) need 2"),
        ({"red_outbound": [0.5]}, "red_outbound: 1 signals"),
        ({"red_outbound": [0.5, "x", 0.5]}, 'red_outbound[1]: "x" is not a number'),
        ({"red_outbound": [0.5, 1.2, 0.5]}, "red_outbound[1]: 1.2 is not a number in 0..0.999"),
        ({"red_inbound": [0.5, float("nan"), 0.5]}, "red_inbound[1]"),
        ({"distance_m": [300, -4]}, "distance_m[1]: -4 is not a number in 1..100000"),
        ({"cycle_range_s": [90, 60]}, "cycle_range_s: [90.0, 60.0] must be two values"),
        ({"speed_range_kmh": [0, 50]}, "speed_range_kmh[0]: 0 is not a number in 1..300"),
        ({"patterns": [[1], [5], []]}, "patterns[1]: 5 is no left-turn pattern, give 1..4"),
        ({"patterns": ["a"]}, "patterns[0]"),
        ({"patterns": [1], "left_turn_inbound": 0.6}, "left_turn_inbound[0]: 0.6 is longer than"),
        ({"n": 4}, "n: 4, but red_outbound has 3 values"),
        ({"k": -1}, "k: -1 is not a number in 0..1000"),
        ({"one_way": 1}, "one_way: 1 must be true or false"),
        (
            {"speed_range_kmh": [[20, 22], [60, 70]], "max_slowness_change_s_per_m": 0.01},
            "no speed in this range keeps max_slowness_change_s_per_m",
        ),
    ],
)
def test_faults_say_where_and_what(changes, said):
    message = faults(**changes)
    assert said in message
    assert "the arterial (Main Street) is not valid" in message


def test_all_faults_of_a_kind_are_named_at_once():
    message = faults(red_outbound=[0.5, 2, 0.5], distance_m=[0, 100], k=-2)
    assert all(part in message for part in ("red_outbound[1]", "distance_m[0]", "k:"))


def test_what_is_no_arterial_is_told():
    with pytest.raises(InvalidError, match="an arterial is an object"):
        arterial_from([1, 2])


def test_the_schema_knows_the_keys_that_are_read():
    properties = schema()["$defs"]["arterial"]["properties"]
    assert set(properties) - {"id", "n"} == KEYS
    for name, each in properties.items():
        text = json.dumps(each)
        required = name in schema()["$defs"]["arterial"]["required"]
        assert required or "Default:" in text, name


def test_a_slip_of_the_pen_is_found():
    assert unknown_keys({**FILE, "red_outbnd": 1, "source": "field"}) == ["red_outbnd"]


def test_a_limit_of_change_narrows_the_speeds_of_neighbours():
    arterial = street(
        speed_range_kmh=((36.0, 36.0), (20.0, 72.0), (20.0, 72.0)),
        max_slowness_change_s_per_m=(0.01, 0.02),
    )
    first, second, third = arterial.slowness_ranges_s_per_m
    assert first == pytest.approx((0.1, 0.1))
    assert second == pytest.approx((0.09, 0.11))
    assert third == pytest.approx((0.07, 0.13))
