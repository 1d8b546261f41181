import json
import subprocess
import sys

import pytest

from controller.intersection import DetectorRole
from sim.arterial import build_arterial
from sim.network import derive_network, loop_additional
from tests.sim.networks import convert

ARMS = "".join(
    f'<node id="{a}" x="{x}" y="{y}"/>'
    for a, x, y in (("n", 0, 200), ("e", 200, 0), ("s", 0, -200))
) + "".join(
    f'<edge id="{a}c" from="{a}" to="c"/><edge id="c{a}" from="c" to="{a}"/>' for a in "nes"
)


def west_arm(folder, nodes, edges, connections=""):
    """A signal ``c`` whose western approach is made of *nodes* and *edges*; its loops by role."""
    ends = '<node id="c" x="0" y="0" type="traffic_light"/><node id="w" x="-300" y="0"/>'
    arm_nodes, arm_edges = ARMS[: ARMS.index("<edge")], ARMS[ARMS.index("<edge") :]
    net = convert(folder, ends + arm_nodes + nodes, arm_edges + edges, connections)
    network = derive_network(net)
    (junction,) = network.junctions
    found = {role: [] for role in DetectorRole}
    for loop in junction.loops:
        detector = junction.intersection.detectors[loop.detector]
        if loop.approach == "last":
            found[detector.role].append((loop, detector))
    return network, found


def test_stop_line_advance_and_entry_on_a_plain_approach(tmp_path):
    network, found = west_arm(tmp_path, "", '<edge id="last" from="w" to="c"/>')
    length_m = network.lanes["last_0"].length_m
    ((stop, _),) = found[DetectorRole.STOP_LINE]
    ((advance, detector),) = found[DetectorRole.ADVANCE]
    ((entry, entry_detector),) = found[DetectorRole.ENTRY]
    assert stop.position_m == pytest.approx(length_m - 4)
    assert advance.position_m == pytest.approx(length_m - 40)
    assert entry.position_m == pytest.approx(length_m - 230)
    assert detector.calls and detector.extends and detector.lane == "last_0"
    assert not entry_detector.calls and not entry_detector.extends
    assert entry.travel_time_s == pytest.approx(1.08 * 230 / 13.89 + 1, abs=0.1)


def test_loops_before_a_stub_lie_on_the_lanes_that_feed_it_one_to_one(tmp_path):
    stub = '<node id="x" x="-12" y="0"/>'
    edges = (
        '<edge id="first" from="w" to="x" numLanes="2"/><edge id="last" from="x" to="c" '
        'numLanes="2" length="0.5"/>'
    )
    network, found = west_arm(tmp_path, stub, edges)
    assert network.lanes["last_0"].length_m < 1
    assert {loop.lane for loop, _ in found[DetectorRole.STOP_LINE]} == {"first_0", "first_1"}
    for loop, detector in found[DetectorRole.ADVANCE]:
        assert loop.lane == detector.lane.replace("last", "first")
        assert detector.distance_m == pytest.approx(40)
    upstream_m = network.lanes["first_0"].length_m
    for loop, detector in found[DetectorRole.ADVANCE]:
        stub_m = network.lanes[detector.lane].length_m
        across_m = 40 - stub_m - (upstream_m - loop.position_m)
        assert across_m >= -1e-6  # the way across the node between counts too


def test_a_pocket_shares_the_advance_loop_before_its_fork(tmp_path):
    pocket = '<node id="x" x="-24" y="0"/>'
    edges = (
        '<edge id="first" from="w" to="x" numLanes="1"/>'
        '<edge id="last" from="x" to="c" numLanes="2" length="12"/>'
    )
    fork = "".join(
        f'<connection from="first" to="last" fromLane="0" toLane="{k}"/>' for k in range(2)
    )
    _, found = west_arm(tmp_path, pocket, edges, fork)
    assert len(found[DetectorRole.STOP_LINE]) == 2
    ((loop, detector),) = found[DetectorRole.ADVANCE]
    assert loop.lane == "first_0"
    assert set(loop.stop_lanes) == {"last_0", "last_1"}
    # nobody knows there which lane a vehicle will take
    assert detector.lane == "" and not detector.calls and not detector.extends


def test_every_branch_of_a_merge_has_its_entry_loop(tmp_path):
    merge = '<node id="x" x="-100" y="0"/><node id="v" x="-200" y="150"/>'
    edges = (
        '<edge id="one" from="w" to="x"/><edge id="two" from="v" to="x"/>'
        '<edge id="last" from="x" to="c"/>'
    )
    _, found = west_arm(tmp_path, merge, edges)
    assert {loop.lane for loop, _ in found[DetectorRole.ENTRY]} == {"one_0", "two_0"}
    for _, detector in found[DetectorRole.ENTRY]:
        assert 100 < detector.distance_m <= 230.01


def test_an_entry_too_near_to_the_advance_loop_is_left_out(tmp_path):
    _, found = west_arm(
        tmp_path, '<node id="v" x="-60" y="0"/>', '<edge id="last" from="v" to="c"/>'
    )
    assert found[DetectorRole.ADVANCE] and not found[DetectorRole.ENTRY]


def test_no_loop_lies_on_a_cycle_lane_or_a_sidewalk(tmp_path):
    lanes = '<lane index="0" allow="pedestrian"/><lane index="1" allow="bicycle"/><lane index="2"/>'
    edges = f'<edge id="last" from="w" to="c" numLanes="3">{lanes}</edge>'
    _, found = west_arm(tmp_path, "", edges)
    placed = {loop.lane for loops in found.values() for loop, _ in loops}
    assert placed == {"last_2"}


RUN = """
import json, sys, libsumo
config, loops, controllers = sys.argv[1:4]
libsumo.start(["sumo", "-c", config, "-a", loops, "--no-step-log", "--no-warnings",
               "--error-log", sys.argv[4]])
seen = {loop: 0 for loop in libsumo.inductionloop.getIDList()}
starts = {tls: [] for tls in controllers.split()}
for second in range(400):
    libsumo.simulationStep()
    for tls in starts:
        starts[tls].append(libsumo.trafficlight.getRedYellowGreenState(tls))
    for loop in seen:
        seen[loop] += libsumo.inductionloop.getLastStepVehicleNumber(loop)
libsumo.close()
print("RESULT" + json.dumps([seen, starts]))
"""


@pytest.fixture(scope="module")
def arterial_run(tmp_path_factory):
    """(network, vehicles per loop, state per second and junction) of 400 s of the arterial."""
    folder = tmp_path_factory.mktemp("arterial")
    config = build_arterial(folder)
    network = derive_network(folder / "arterial.net.xml")
    loops = folder / "loops.add.xml"
    loops.write_text(loop_additional(network))
    ids = " ".join(junction.id for junction in network.junctions)
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(config), str(loops), ids, str(folder / "errors.log")],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "errors.log").read_text() == ""
    line = next(line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    seen, states = json.loads(line.removeprefix("RESULT"))
    return network, seen, states


def test_sumo_takes_the_loops_and_vehicles_drive_over_them(arterial_run):
    network, seen, _ = arterial_run
    assert set(seen) == {loop.id for j in network.junctions for loop in j.loops}
    assert sum(1 for count in seen.values() if count) > 0.9 * len(seen)


def test_shipped_plans_start_their_greens_when_sumo_does(arterial_run):
    network, _, states = arterial_run
    for junction in network.junctions:
        plan, site = junction.shipped_plan, junction.intersection
        start_s = plan.offset_ms / 1000
        for entry in plan.stages:
            mask = site.stage_masks[site.stage_index(entry.stage)]
            lit = {
                link.index
                for g in range(len(site.groups))
                if mask >> g & 1
                for link in junction.links_of_group(g)
            }
            for second in range(round(start_s), 400, round(plan.cycle_ms / 1000)):
                if second == 0:
                    continue
                now = {i for i, c in enumerate(states[junction.id][second]) if c in "gG"}
                before = {i for i, c in enumerate(states[junction.id][second - 1]) if c in "gG"}
                assert now == lit, (junction.id, entry.stage, second)
                assert before != lit or "y" in states[junction.id][second - 1]
            start_s += entry.split_ms / 1000
