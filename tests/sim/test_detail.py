"""What a report draws of a run, on one crossroads whose truth is known."""

from __future__ import annotations

import pytest

from sim.detail import edge_queues, green_shares, movement_delays
from sim.free_flow import FreeFlow
from sim.network import derive_network
from sim.network.net_file import read_net
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario


@pytest.fixture(scope="module")
def scenario(crossroads):
    return load_scenario(str(crossroads))


@pytest.fixture(scope="module")
def run(scenario):
    return run_once(RunSpec(scenario=scenario, control="fixed", detail=True))


def test_detail_changes_no_figure(scenario, run):
    plain = run_once(RunSpec(scenario=scenario, control="fixed"))
    assert plain.delay_s == run.delay_s
    assert plain.detail is None


def test_bins_add_up_to_the_mean_delay(run):
    bins = run.detail.delay_by_departure
    assert [start for start, _, _ in bins] == [0, 300]
    assert sum(trips for *_, trips in bins) == run.scheduled
    assert sum(delay * trips for _, delay, trips in bins) / run.scheduled == pytest.approx(
        run.delay_s
    )


def test_greens_are_those_of_the_shipped_program(scenario, run):
    network = derive_network(scenario.net_file)
    (junction,) = network.junctions
    phases = junction.shipped.phases
    for group, share in zip(junction.intersection.groups, run.detail.greens, strict=True):
        (link, *_) = junction.links_of_group(junction.intersection.group_index(group.name))
        green_s = sum(p.duration_s for p in phases if p.state[link.index] in "Gg")
        assert share.group == group.name
        assert share.share == pytest.approx(green_s / junction.shipped.cycle_s, abs=0.06)


def test_movements_carry_the_vehicles_that_passed(run):
    movements = run.detail.movements
    passed = sum(movement.vehicles for movement in movements)
    assert run.finished <= passed <= run.scheduled - run.undeparted
    assert {movement.turn for movement in movements} == {"left", "through", "right"}
    for movement in movements:
        assert 0 <= movement.delay_s <= movement.p95_delay_s + 60
    mean_s = sum(m.delay_s * m.vehicles for m in movements) / passed
    assert mean_s == pytest.approx(run.time_loss_s, rel=0.35)


def test_queues_are_where_the_signal_is(run):
    edges = run.detail.edges
    approaches = {"A1B1", "C1B1", "B0B1", "B2B1"}
    assert min(edges[edge][0] for edge in approaches) > max(
        halting for edge, (halting, _, _) in edges.items() if edge not in approaches
    )
    for halting, largest, spilled in edges.values():
        assert halting >= 0
        assert 0 <= spilled <= 1
        assert 0 <= largest <= 1


def test_queue_shares_from_samples(scenario, tmp_path):
    edges, queues = tmp_path / "edges.xml", tmp_path / "queues.xml"
    edges.write_text('<m><interval><edge id="A1B1" waitingTime="1200"/></interval></m>')
    length_m = FreeFlow.of(read_net(scenario.net_file)).length_m["A1B1"]
    full = '<data timestep="{}"><lanes><lane id="A1B1_1" queueing_length="{}"/></lanes></data>'
    queues.write_text(
        "<q>" + "".join(full.format(k * 10, length_m * 0.95) for k in range(30)) + "</q>"
    )
    found = edge_queues(edges, queues, FreeFlow.of(read_net(scenario.net_file)), scenario)
    assert found["A1B1"] == (2.0, pytest.approx(0.95), pytest.approx(0.5))


def test_delay_of_a_vehicle_is_its_time_beyond_free_flow(scenario, tmp_path):
    net = read_net(scenario.net_file)
    free = FreeFlow.of(net)
    exit_s = 100 + free.edge_s("A1B1") + 30
    routes = tmp_path / "routes.xml"
    routes.write_text(
        f'<routes><vehicle id="v" depart="100" departPos="0"><route edges="A1B1 B1C1" '
        f'exitTimes="{exit_s} {exit_s + 20}"/></vehicle>'
        '<vehicle id="stuck" depart="100" departPos="0"><route edges="A1B1 B1C1" '
        'exitTimes="-1 -1"/></vehicle></routes>'
    )
    (movement,) = movement_delays(routes, derive_network(scenario.net_file), free)
    assert (movement.from_edge, movement.to_edge, movement.vehicles) == ("A1B1", "B1C1", 1)
    assert movement.delay_s == pytest.approx(30)


def test_green_shares_of_recorded_states(scenario):
    (junction,) = derive_network(scenario.net_file).junctions
    red = "r" * len(junction.constant_letters)
    changes = [(0, "G" * len(red)), (20, red), (50, "G" * len(red)), (60, red)]
    for share in green_shares(junction, changes, 0, 100):
        assert share.share == pytest.approx(0.3)
        assert (share.greens, share.mean_green_s, share.shortest_green_s) == (2, 15, 10)
