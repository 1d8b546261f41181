"""Decisions out of real runs: as they are taken, whole, and into the report."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest

from controller.clock import Instant
from edge.junction_control import JunctionControl, standing_bounds
from sim.controls.tactical import TacticalNetwork
from sim.decisions import DecisionNote, Follower, Journal
from sim.detector_faults import DetectorFaults, FaultKind
from sim.network import derive_network
from sim.report.aggregate import aggregate
from sim.report.streets import streets_of
from sim.report.why import EXAMPLES, reasons
from sim.results import ControlResult
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from tests.sim.networks import two_nodes_one_controller


@pytest.fixture(scope="module")
def scenario(crossroads):
    return load_scenario(str(crossroads), end_s=300)


@pytest.fixture(scope="module")
def told(scenario):
    """(result, notes as they came, when they came) of one run under the adaptive control."""
    notes, times = [], []

    def take(note):
        notes.append(note)
        times.append(time.monotonic())

    spec = RunSpec(scenario=scenario, control="adaptive", detail=True, explain="all")
    return run_once(spec, on_decision=take), notes, times


def test_every_change_of_the_run_is_told_in_order(told, scenario):
    result, notes, _ = told
    assert len(notes) > 10
    assert [note.time_s for note in notes] == sorted(note.time_s for note in notes)
    assert {note.junction for note in notes} == {"B1"}
    assert list(result.detail.decisions) == notes
    pattern = r"change to \S+ \(.+\) from \S+ after \d+ s: .+; (waiting: .+|nobody waits elsewhere)"
    changes = [note for note in notes if note.why.startswith("change to")]
    assert len(changes) >= len(notes) - 3
    assert all(re.match(pattern, note.why) for note in changes)
    greens = sum(green.greens for green in result.detail.greens)
    assert greens >= len(changes), "each told change lit at least one group"


def test_the_bench_runs_the_control_of_the_roadside_and_the_greens_of_the_city(tmp_path):
    network = derive_network(two_nodes_one_controller(tmp_path))
    (junction,) = network.junctions
    assert junction.keep_order
    greens_s = ((5.0, 20.5),) * len(junction.shipped_greens_s)
    network = replace(network, junctions=(replace(junction, shipped_greens_s=greens_s),))
    (site,) = TacticalNetwork(network, Instant(0, 0)).sites
    assert type(site.control) is JunctionControl
    expected = standing_bounds(site.site, dict.fromkeys(junction.stage_greens_s, (5.0, 20.5)))
    assert expected is not None
    assert site.control.tactical._bounds.bounds == expected


def test_another_junction_or_nobody_asking_tells_nothing(scenario):
    notes = []
    spec = RunSpec(scenario=scenario, control="adaptive", explain="C7")
    result = run_once(spec, on_decision=notes.append)
    assert notes == [] and result.detail is None
    mute = RunSpec(scenario=scenario, control="fixed", explain="all")
    silent = run_once(mute, on_decision=notes.append)
    assert notes == [] and silent.scheduled > 0


def test_explaining_changes_no_figure(told, scenario):
    plain = run_once(RunSpec(scenario=scenario, control="adaptive"))
    assert plain.delay_s == told[0].delay_s
    assert plain.stops == told[0].stops


def test_the_report_has_what_decided(told, scenario):
    result, notes, _ = told
    network = derive_network(scenario.net_file)
    detail = aggregate(ControlResult(name="adaptive", sees="loops", runs=(result,)))
    found = reasons(streets_of(network), detail)
    (row,) = found.junctions
    assert row.changes == len(notes)
    assert sum(row.shares) == pytest.approx(1.0)
    assert set(found.limits) == {note.limit for note in notes}
    assert 0 < len(row.examples) <= max(EXAMPLES, len(found.limits))
    assert {why for _, why in row.examples} <= {note.why for note in notes}


def test_a_junction_without_any_detector_is_no_worse_than_its_plan(crossroads):
    scenario = load_scenario(str(crossroads))
    notes = []
    faults = DetectorFaults(junctions=1, kinds=(FaultKind.MISSING,))
    spec = RunSpec(scenario=scenario, control="adaptive", faults=faults, explain="all")
    blind = run_once(spec, on_decision=notes.append)
    fixed = run_once(RunSpec(scenario=scenario, control="fixed"))
    assert blind.delay_s <= fixed.delay_s * 1.03 + 0.5
    assert notes[-1].limit == "plan in force"
    assert "no detector of the junction works" in notes[-1].why


def test_a_follower_leaves_half_a_line_for_later(tmp_path):
    path = tmp_path / "decisions.jsonl"
    follower = Follower(path)
    assert list(follower.look()) == []
    journal = Journal(path, "a", keep=False)
    first, other = DecisionNote(1.0, "a", "less delay", "1 → 2"), DecisionNote(2.0, "b", "x", "y")
    journal.tell(first)
    journal.tell(other)
    journal.close()
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:9])
    assert list(follower.look()) == [first]
    path.write_bytes(whole + whole)
    assert list(follower.look()) == [first]
    assert list(follower.look()) == []
    assert journal.kept == []
