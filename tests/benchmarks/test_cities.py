"""Generated cities: the same every time, readable by the bench, and what each is meant to be."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from benchmarks.cities import main
from benchmarks.towns.kinds import KINDS, build
from sim.network import derive_network
from sim.scenario import load_scenario

BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.fixture(scope="module")
def cities(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cities")
    assert main([str(folder), "--controls", "none"]) == 0
    return {name: load_scenario(str(folder / name / f"{name}.sumocfg")) for name in BY_NAME}


def _elements(path):
    """What a file of SUMO says, without its comment about when it was made."""
    return ET.canonicalize(path.read_text(), with_comments=False)


@pytest.mark.parametrize("name", BY_NAME)
def test_every_city_has_signals_and_traffic_for_half_an_hour(cities, name):
    city = cities[name]
    departures = [float(v.get("depart")) for v in ET.parse(city.route_files[0]).iter("vehicle")]
    assert len(derive_network(city.net_file).junctions) >= 8
    assert len(departures) > 500
    assert max(departures) <= 1_800
    assert city.end_s == 3_600


def test_a_city_is_the_same_whenever_it_is_generated(cities, tmp_path):
    again = load_scenario(str(build(BY_NAME["old_town"], tmp_path, 1)))
    other = load_scenario(str(build(BY_NAME["old_town"], tmp_path / "other", 2)))
    first = cities["old_town"]
    for get in (lambda city: city.net_file, lambda city: city.route_files[0]):
        assert _elements(get(again)) == _elements(get(first))
        assert _elements(get(other)) != _elements(get(first))


def test_divided_roads_have_signals_over_four_nodes_that_keep_their_order(cities):
    junctions = derive_network(cities["divided_roads"].net_file).junctions
    assert all(junction.keep_order for junction in junctions)


def test_the_mixed_city_has_walkers_at_signals(cities):
    city = cities["mixed_walkers"]
    assert len(list(ET.parse(city.route_files[1]).iter("person"))) > 300
    assert any(junction.buttons for junction in derive_network(city.net_file).junctions)


def test_the_table_has_a_row_per_control(tmp_path, capsys):
    assert main([str(tmp_path), "--kinds", "mixed_walkers", "--controls", "fixed"]) == 0
    row = capsys.readouterr().out.splitlines()[-1].strip("| ").split(" | ")
    assert row[:2] == ["mixed_walkers", "fixed"]
    finished, _, scheduled = row[3].partition(" of ")
    assert 0 < float(finished) <= float(scheduled)


def test_an_unknown_kind_is_one_sentence(tmp_path, capsys):
    assert main([str(tmp_path), "--kinds", "village"]) == 1
    assert "unknown kind of city 'village'" in capsys.readouterr().err
