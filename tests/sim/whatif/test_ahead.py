"""From a present of the arterial on, in real SUMO."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from sim.arterial import build_arterial
from sim.errors import BenchError, ScenarioError
from sim.network import derive_network
from sim.network.net_file import read_net
from sim.planning.demand import RouteUse, counted, demand_of
from sim.planning.drawn_routes import drawn_routes
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from sim.whatif.asking import Question, ask, check_candidates, saved_at
from sim.whatif.keep import Keep
from sim.whatif.present import read_present

AT_S = 200.0
AHEAD_S = 60.0


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    return load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))


@pytest.fixture(scope="module")
def network(arterial):
    return derive_network(arterial.net_file)


@pytest.fixture(scope="module")
def starts(arterial, tmp_path_factory):
    """By the control that ran until then, the present."""
    folder = tmp_path_factory.mktemp("states")
    return {
        control: saved_at(
            arterial,
            Keep(AT_S, folder / f"{control}.xml.gz"),
            RunSpec(scenario=arterial, control=control, seed=101),
        )
        for control in ("fixed", "adaptive")
    }


def ahead(start, control, seed=101, seconds=AHEAD_S):
    scenario = replace(start.scenario, begin_s=AT_S, end_s=AT_S + seconds)
    return run_once(RunSpec(scenario=scenario, control=control, seed=seed, present=start.state))


@pytest.fixture(scope="module")
def runs(starts):
    """(control until now, candidate) to its run."""
    pairs = [
        ("fixed", "fixed"),
        ("fixed", "adaptive"),
        ("fixed", "actuated"),
        ("adaptive", "max_pressure_5"),
        ("adaptive", "fixed"),
    ]
    return {(before, after): ahead(starts[before], after) for before, after in pairs}


def test_nothing_unsafe_is_shown_while_a_candidate_takes_over(runs):
    assert {pair: run.ahead.unsafe for pair, run in runs.items() if run.ahead.unsafe} == {}


def test_everybody_begins_with_the_same_present(runs):
    first = {before: set() for before, _ in runs}
    for (before, _), run in runs.items():
        first[before].add(run.ahead.standing[0])
        assert run.ahead.standing[0][0] == 0.0
        assert run.ahead.standing[-1][0] == AHEAD_S
    assert all(len(each) == 1 for each in first.values())
    counted_vehicles = {
        run.ahead.vehicles for (before, _), run in runs.items() if before == "fixed"
    }
    assert max(counted_vehicles) - min(counted_vehicles) <= 2


def test_only_what_is_lost_from_now_on_counts(runs):
    for run in runs.values():
        assert 0 < run.delay_s < AHEAD_S
        assert run.ahead.delay_veh_h == pytest.approx(run.delay_s * run.scheduled / 3600)
        assert 0 <= run.ahead.longest_wait_s.value <= AHEAD_S
        assert run.ahead.walkers > 0 and 0 <= run.ahead.walker_wait_s <= AHEAD_S


def test_another_control_makes_another_future(runs):
    delays = {after: run.delay_s for (before, after), run in runs.items() if before == "fixed"}
    assert len(set(delays.values())) == len(delays)
    assert delays["adaptive"] < delays["fixed"]


def test_the_same_seed_repeats_a_run_and_another_one_does_not(starts, runs):
    again = ahead(starts["fixed"], "fixed")
    other = ahead(starts["fixed"], "fixed", seed=102)
    before = runs["fixed", "fixed"]
    assert again.delay_s == before.delay_s
    assert again.ahead == before.ahead
    assert other.delay_s != before.delay_s


def test_a_state_remembers_who_ran_and_what_the_loops_saw(starts, network):
    present = read_present(starts["adaptive"].state, starts["adaptive"].scenario)
    assert present.control == "adaptive"
    assert set(present.lamps) == {junction.id for junction in network.junctions}
    heard = present.heard[network.junctions[0].id]
    assert len(heard.readings) == AT_S
    assert sum(came for step in heard.readings for _, came, _, _ in step) > 30


def test_the_question_is_answered_with_a_ranking(starts, network, tmp_path):
    told = []
    question = Question(
        starts=dict.fromkeys((101, 102), starts["fixed"]),
        candidates=("fixed", "actuated"),
        minutes=0.25,
    )
    answer = ask(question, network, tmp_path, told.append)
    assert {row.name for row in answer.candidates} == {"fixed", "actuated"}
    best, second = answer.candidates
    assert best.delay_s.mean <= second.delay_s.mean
    assert second.behind_s.n == 2
    assert answer.complete and answer.seeds == (101, 102)
    assert [each.done for each in told] == [1, 2, 3, 4]
    assert answer.present.control == "fixed"


def test_ctrl_c_leaves_what_is_known(starts, network, tmp_path):
    def stop_after_two(progress):
        if progress.done == 2:
            raise KeyboardInterrupt

    question = Question(
        starts=dict.fromkeys((101, 102, 103), starts["fixed"]),
        candidates=("fixed", "actuated"),
        minutes=0.1,
        workers=1,
    )
    answer = ask(question, network, tmp_path, stop_after_two)
    assert not answer.complete
    assert answer.seeds == (101,)
    assert len(answer.candidates) == 2


def test_a_time_outside_of_the_scenario(arterial, tmp_path):
    spec = RunSpec(scenario=arterial, control="fixed")
    for time_s in (0.0, 3600.0, 9999.0):
        with pytest.raises(ScenarioError, match=f"{time_s:g} s is no time between"):
            saved_at(arterial, Keep(time_s, tmp_path / "state.xml"), spec)


def test_candidates_that_do_not_differ(network):
    with pytest.raises(BenchError, match="only one candidate"):
        check_candidates(("fixed",), network)


def test_drawn_vehicles_make_the_turns_of_the_demand(arterial, network, tmp_path):
    """A turn's count scatters by its root."""
    demand = demand_of(arterial, network)
    net = read_net(arterial.net_file)
    hours = 3
    text = drawn_routes(demand, net, 0.0, 3600.0 * hours, seed=5)
    assert text == drawn_routes(demand, net, 0.0, 3600.0 * hours, seed=5)
    assert text != drawn_routes(demand, net, 0.0, 3600.0 * hours, seed=6)
    trips = [
        RouteUse((trip.get("from"), *trip.get("via", "").split(), trip.get("to")), 1.0)
        for trip in ET.fromstring(text)
    ]
    drawn = counted(trips, network, 0.0, 3600.0 * hours)
    for turn, flow in demand.turns.items():
        seen = drawn.turns.get(turn, 0.0)
        assert abs(seen - flow) <= 5 * (flow / hours) ** 0.5 + 0.5, turn


def test_drawn_vehicles_drive(arterial, network, tmp_path):
    demand = demand_of(arterial, network)
    routes = tmp_path / "drawn.rou.xml"
    net = read_net(arterial.net_file)
    routes.write_text(drawn_routes(demand, net, 0.0, 200.0, seed=1))
    scenario = replace(arterial, route_files=(routes,), end_s=200.0)
    run = run_once(RunSpec(scenario=scenario, control="fixed"))
    expected = sum(demand.turns.values()) - sum(demand.chains.values())
    assert run.scheduled == pytest.approx(expected * 200 / 3600, rel=0.35)
    assert run.undeparted < run.scheduled / 4
