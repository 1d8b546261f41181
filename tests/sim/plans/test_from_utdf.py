"""A UTDF file alone as the planner needs it."""

from __future__ import annotations

import pytest

from controller.plan import check_plan
from controller.violations import InvalidError
from sim.errors import PlanFileError
from sim.plans.from_utdf import planning_network_of
from sim.plans.utdf import Utdf, parse_utdf
from sim.plans.utdf_site import site_of_node
from sim.plans.utdf_volumes import turns_of_utdf
from sim.plans.utdf_writer import utdf_text
from tests.sim.plans.plans_of import uneven_network_plan
from tests.sim.plans.utdf_town import TOWN


def _town(**changes: str) -> Utdf:
    text = TOWN
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new, 1)
    return parse_utdf(text, "town.csv")


def test_groups_conflicts_and_stages_come_from_the_phases():
    utdf = _town()
    made = site_of_node(utdf, utdf.signals()[0])
    site = made.site
    assert site.name == "Main and First"
    assert [stage.groups for stage in site.stages] == [
        ("EBL", "EBT"),
        ("EBL", "EBT", "WBT", "WBR", "walk 2"),
        ("SBL", "SBR"),
    ]
    left = site.group_index("EBL")
    assert set(site.names(site.yields_to[left])) == {"WBT", "WBR"}
    assert set(site.names(site.conflicts[left])) == {"SBL", "SBR"}
    south = site.group_index("SBL")
    assert site.intergreen_ms[site.group_index("EBT")][south] == 5_000
    assert site.intergreen_ms[south][site.group_index("walk 2")] == 5_000
    assert site.intergreen_ms[site.group_index("walk 2")][south] == 12_000


def test_the_present_plan_is_the_timing():
    utdf = _town()
    made = site_of_node(utdf, utdf.signals()[0])
    check_plan(made.present, made.site)
    assert [entry.split_ms for entry in made.present.stages] == [15_000, 36_000, 29_000]
    assert made.present.offset_ms == (10_000 - 15_000) % 80_000
    assert made.remarks == ()


def test_splits_that_are_too_short_are_mended_and_said():
    utdf = _town(**{"MaxGreen,1,11,31,,24": "MaxGreen,1,11,31,,2", "Length,1,80": "Length,1,58"})
    made = site_of_node(utdf, utdf.signals()[0])
    check_plan(made.present, made.site)
    assert made.present.cycle_ms == 58_000
    assert [remark.rule for remark in made.remarks] == ["minimum times"]


def test_streams_have_volumes_lanes_and_saturation():
    network, remarks = planning_network_of(_town())
    assert remarks == ()
    streams = {stream.name: stream for stream in network.streams}
    south = streams["Main and First SBL"]
    assert (south.flow_veh_per_h, south.saturation_veh_per_h, south.lanes) == (150.0, 1600.0, 1)
    assert south.groups == ("SBL", "SBR")
    assert streams["Main and Second EBT"].saturation_veh_per_h == 3800.0
    assert streams["Main and Second EBT"].groups == ("EBT", "EBL")
    left = streams["Main and First EBL"]
    assert [network.streams[k].name for k in left.gives_way_to] == ["Main and First WBT"]


def test_feeds_pass_a_bend_and_keep_the_volumes():
    network, _ = planning_network_of(_town())
    position = {stream.name: k for k, stream in enumerate(network.streams)}
    east = network.streams[position["Main and Second EBT"]]
    assert east.length_m == pytest.approx(1320 * 0.3048)
    assert east.travel_time_s == pytest.approx(30.0, abs=0.1)
    assert {feed.stream: feed.flow_veh_per_h for feed in east.feeds} == pytest.approx(
        {
            position["Main and First EBT"]: 700 * 600 / 800,
            position["Main and First SBL"]: 100 * 600 / 800,
        }
    )
    assert east.storage_veh == pytest.approx(1320 * 0.3048 * 2 / 7.5)
    outer = network.streams[position["Main and First EBT"]]
    assert outer.feeds == ()
    assert outer.storage_veh == float("inf")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"Volume,1,100": "Volume,1,*"}, "Volume of node 1, SBL is .\\*., and nothing else"),
        ({"Volume,1,100": "Volume,1,-4"}, "Volume of node 1, SBL is -4: give 0 or more"),
        ({"Time,1,,20.5": "Time,1,,2"}, "274 m at 48 km/h take 20 s, Time says 2 s: correct one"),
        ({"Speed,1,,30,30,30": "Speed,1,,30,0,30"}, "node 1, EB has a length but no speed"),
        ({"Phase1,1,4": "Phase1,1,8"}, "SBL of node 1 has phase 8, which has no BRP"),
        ({"Lanes,2,1,,0": "Lanes,2,0,,0"}, "SB of node 2 has movements but no lanes"),
        ({"[Links]": "[Streets]"}, "no \\[Links\\] section with distances and speeds"),
        ({"1,0,0,0,0,M": "1,3,0,0,0,M", "2,0,1320": "2,3,1320"}, "no node of TYPE 0"),
    ],
)
def test_what_is_missing_or_contradictory_is_said_with_its_place(changes, said):
    with pytest.raises(PlanFileError, match=said):
        planning_network_of(_town(**changes))


def test_a_yellow_that_nobody_may_show_is_refused():
    with pytest.raises(InvalidError, match=r"yellow 2000 ms is outside 3000\.\.6000"):
        planning_network_of(
            _town(**{"Yellow,1,3,4,,3": "Yellow,1,3,4,,2", "Length,1,80": "Length,1,79"})
        )


def test_volumes_go_to_sumo_and_back(small):
    plan = uneven_network_plan(small)
    turns = {
        (junction.id, link.from_edge, link.to_edge): 10.0 + k
        for junction in small.junctions
        for k, link in enumerate(junction.links)
        if link.turn != "crossing"
    }
    assert turns_of_utdf(parse_utdf(utdf_text(plan, small, turns)), small) == turns
    assert turns_of_utdf(parse_utdf(utdf_text(plan, small)), small) == {}
