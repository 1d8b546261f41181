"""Corridors on the bench, with real SUMO: the map, the vehicles, both runs, the table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from controller.intersection import bits
from optimizer.corridor.changes import hindrance
from optimizer.corridor.lanes import lanes_of_turn
from optimizer.traffic.layout import layout_of
from sim.convention import FIELD
from sim.corridors.bench import bench, figures_of, junction_figures
from sim.corridors.streets_from_net import streets_from_net
from sim.corridors.trips import emergency_trips
from sim.errors import BenchError
from sim.network import derive_network
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario


@pytest.fixture(scope="module")
def scenario(crossroads):
    return load_scenario(str(crossroads))


@pytest.fixture(scope="module")
def arterial():
    scenario = load_scenario("arterial")
    network = derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)
    return scenario, network, streets_from_net(network)


@pytest.fixture(scope="module")
def measured(scenario):
    return bench(scenario, [101], 4, workers=1)


def test_every_signalled_turn_has_stages_that_show_its_groups(arterial):
    _, network, streets = arterial
    signalled = [turn for turns in streets.turns.values() for turn in turns if turn.site]
    assert {turn.site for turn in signalled} == {each.id for each in network.junctions}
    for turn in signalled:
        site = network.junction(turn.site).intersection
        wanted = site.mask(turn.groups)
        assert turn.stages
        for stage in turn.stages:
            assert wanted & ~site.mask_of_stage[stage] == 0
        lanes = layout_of(site).lanes
        around = lanes_of_turn(lanes, turn.lanes)
        hindered = [hindrance(site, turn.groups, around, stage) for stage in turn.stages]
        assert hindered == sorted(hindered), "stages in which it is hindered come last"
        for lane in turn.lanes:
            assert any(wanted >> group & 1 for group in bits(lanes[lane].groups))
        assert turn.crossing_m > 0


def test_streets_have_their_length_and_name(arterial):
    _, network, streets = arterial
    for name, street in streets.streets.items():
        edge = network.edges[name]
        assert street.label == (edge.name or name)
        assert street.length_m == pytest.approx(network.lanes[edge.lanes[-1]].length_m, rel=0.05)
        assert len(street.shape) >= 2


def test_the_same_seed_sends_the_same_vehicles(arterial):
    scenario, _, streets = arterial
    first = emergency_trips(scenario, streets, 12, 101)
    assert first == emergency_trips(scenario, streets, 12, 101)
    assert first != emergency_trips(scenario, streets, 12, 102)
    departs = [trip.depart_s for trip in first]
    assert departs == sorted(departs)
    assert scenario.begin_s + 300 <= departs[0] <= departs[-1] <= scenario.end_s - 600
    for trip in first:
        signals = [
            turn
            for start, to in pairwise(trip.route)
            for turn in streets.turns[start]
            if turn.to_street == to and turn.site
        ]
        assert len(signals) >= 4


def test_crossing_vehicles_come_in_pairs_of_different_level(arterial):
    scenario, _, streets = arterial
    trips = emergency_trips(scenario, streets, 6, 101, crossing=True)
    assert sorted(trip.level for trip in trips) == [10] * 3 + [12] * 3


def test_the_bench_measures_both_runs_of_every_vehicle(measured):
    figures = figures_of(measured)
    assert (figures.vehicles, figures.arrived, figures.closed) == (4, 4, 4)
    assert figures.violations == 0
    assert figures.within_3_cycles == 1.0
    assert figures.with_.signal_delay_s < figures.without.signal_delay_s
    assert figures.with_.travel_s < figures.without.travel_s
    assert figures.free_s <= figures.with_.travel_s
    assert 0 < figures.held_s < 60
    (row,) = junction_figures(measured)
    assert (row.site, row.vehicles) == ("B1", figures.junctions)
    assert row.with_delay_s < row.without_delay_s
    for pair in measured.pairs:
        assert pair.free.stops == 0, "alone, with every signal green"
        assert pair.with_.trip == pair.without.trip


def test_crossing_vehicles_that_fall_silent_are_served_and_let_go(scenario):
    lost = bench(scenario, [101], 2, crossing=True, gps_lost=True, workers=1)
    figures = figures_of(lost)
    assert (figures.arrived, figures.closed, figures.violations) == (2, 2, 0)
    assert figures.within_3_cycles == 1.0
    assert {pair.with_.trip.level for pair in lost.pairs} == {10, 12}


def test_bad_wishes_of_the_bench(scenario):
    with pytest.raises(BenchError, match="at least one seed and one vehicle"):
        bench(scenario, [], 4)
    with pytest.raises(BenchError, match="run it by greenband corridor bench"):
        run_once(RunSpec(scenario=scenario, control="sim.corridors.wiring:ADAPTIVE_CORRIDORS"))


def test_the_command_prints_writes_and_repeats(crossroads, tmp_path):
    page, document = tmp_path / "corridors.html", tmp_path / "corridors.json"
    command = [
        *(sys.executable, "-m", "greenband", "corridor", "bench", str(crossroads)),
        *("--vehicles", "2", "--seeds", "101-101", "--workers", "1"),
        *("--json", str(document), "-o", str(page)),
    ]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        cwd=root,
        env={**os.environ, "COLUMNS": "100"},
    )
    assert done.returncode == 0, done.stderr
    assert "signal delay, s" in done.stdout
    assert "3/3 adaptive with corridors, seed 101" in done.stderr
    found = json.loads(document.read_text())
    assert found["schema"] == 1
    assert (
        found["figures"]["with"]["signal_delay_s"] < found["figures"]["without"]["signal_delay_s"]
    )
    assert [ride["vehicle"] for ride in found["rides"]] == ["emergency-1", "emergency-2"]
    html = page.read_text()
    assert "Junction by junction" in html
    assert "http" not in html.replace("http://www.w3.org", "")
