"""Scenarios from configurations, networks and names; and everything that is wrong with some."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sim.errors import ScenarioError
from sim.scenario import CLEARING_S, load_scenario, time_s


def test_configuration_gives_absolute_files_and_window(crossroads):
    scenario = load_scenario(str(crossroads))
    assert scenario.name == "crossroads"
    assert scenario.net_file == crossroads.with_name("crossroads.net.xml").resolve()
    assert [path.name for path in scenario.route_files] == ["crossroads.rou.xml"]
    assert (scenario.begin_s, scenario.end_s, scenario.step_s) == (0.0, 600.0, 1.0)
    assert scenario.note == ""


def test_window_can_be_overridden(crossroads):
    scenario = load_scenario(str(crossroads), begin_s=60, end_s=120)
    assert (scenario.begin_s, scenario.end_s) == (60, 120)


def test_flat_configuration_with_synonyms_and_clock_times(crossroads, tmp_path):
    for path in crossroads.parent.iterdir():
        shutil.copy(path, tmp_path)
    (tmp_path / "extra.add.xml").write_text("<additional/>")
    config = tmp_path / "short.sumocfg"
    config.write_text(
        '<configuration><n v="crossroads.net.xml"/><r value="crossroads.rou.xml"/>'
        '<a value="extra.add.xml"/><b value="0:01:00"/><e value="120"/>'
        '<step-length value="0.5"/><tripinfo-output value="trips.xml"/></configuration>'
    )
    scenario = load_scenario(str(config))
    assert (scenario.begin_s, scenario.end_s, scenario.step_s) == (60, 120, 0.5)
    assert [path.name for path in scenario.additional_files] == ["extra.add.xml"]
    assert scenario.muted_options == ("tripinfo-output",)


def test_without_an_end_it_runs_an_hour_after_the_last_departure(crossroads):
    net, routes = (crossroads.with_name(f"crossroads.{kind}.xml") for kind in ("net", "rou"))
    scenario = load_scenario(str(net), routes=[routes])
    last_s = 4 * max(int(part.split('"')[0]) for part in routes.read_text().split('id="')[1:])
    assert scenario.end_s == last_s + CLEARING_S
    assert "names no end" in scenario.note


@pytest.mark.parametrize(("text", "seconds"), [("25200", 25_200), ("7:00:00", 25_200)])
def test_times_of_day(text, seconds):
    assert time_s(text) == seconds


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("<configuration/>", "names no net-file"),
        ("<configuration", "not a readable SUMO configuration"),
        ('<configuration><net-file value="gone.net.xml"/></configuration>', "gone.net.xml is m"),
        (
            '<configuration><net-file value="bad.sumocfg"/><begin value="soon"/></configuration>',
            "begin 'soon' is not a time",
        ),
        (
            '<configuration><net-file value="bad.sumocfg"/><begin value="9"/><end value="9"/>'
            "</configuration>",
            "window 9..9 s is empty",
        ),
    ],
)
def test_unusable_configurations_are_named(tmp_path, content, message):
    config = tmp_path / "bad.sumocfg"
    config.write_text(content)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_scenario(str(config))
    assert "\n" not in str(caught.value)
    assert "bad.sumocfg" in str(caught.value)


def test_missing_configuration():
    with pytest.raises(ScenarioError, match=r"nowhere\.sumocfg: there is no such file"):
        load_scenario("nowhere.sumocfg")


def test_network_without_routes(crossroads):
    with pytest.raises(ScenarioError, match="give its route files"):
        load_scenario(str(crossroads.with_name("crossroads.net.xml")))


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(ScenarioError, match=r"unknown scenario 'colonge8'.*cologne8"):
        load_scenario("colonge8")


def test_missing_route_file_is_named(crossroads):
    net = crossroads.with_name("crossroads.net.xml")
    with pytest.raises(ScenarioError, match=r"no\.rou\.xml is missing"):
        load_scenario(str(net), routes=[Path("no.rou.xml")])
