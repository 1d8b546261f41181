import pickle
from xml.etree import ElementTree

import pytest
import sumolib

from controller.intersection import DetectorRole, bits
from controller.plan import check_plan
from controller.signals import Outputs
from sim.catalogue import fetch_scenario
from sim.convention import RESCO
from sim.errors import NetworkError
from sim.network import derive_network, loop_additional, signal_state
from sim.scenario import load_scenario
from tests.sim.networks import (
    KINDS,
    UNREGULATED,
    convert,
    crossroads,
    generate,
    two_nodes_one_controller,
)

RESCO_EIGHT = (
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"),
    *("grid4x4", "arterial4x4"),
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Networks of every kind, each generated once."""
    nets = {}

    def get(kind):
        if kind not in nets:
            name = "made.net.xml.gz" if kind == "crossings" else "made.net.xml"
            folder = tmp_path_factory.mktemp(kind.replace(" ", "-"))
            net = generate(folder, KINDS[kind], name)
            nets[kind] = net, derive_network(net)
        return nets[kind]

    return get


def state_of(junction, stage):
    return signal_state(junction, Outputs(junction.intersection.stage_masks[stage], 0))


def letter_differences(junction):
    """(shipped letter, ours) wherever a shipped stage shows another letter than its phase."""
    green = frozenset("gGoO")
    differences = set()
    for stage in range(junction.shipped_stages):
        ours = state_of(junction, stage)
        phases = [
            phase.state
            for phase in junction.shipped.phases
            if not set("yY") & set(phase.state)
            and all((a in green) == (b in green) for a, b in zip(phase.state, ours, strict=True))
        ]
        assert phases, f"{junction.id}: no phase looks like stage {stage}: {ours}"
        differences |= {pair for pair in zip(phases[0], ours, strict=True) if pair[0] != pair[1]}
    return differences


def assert_sound(network):
    for junction in network.junctions:
        site = junction.intersection
        check_plan(junction.shipped_plan, site)
        assert len(site.stages) >= junction.shipped_stages >= 1
        for mask in site.stage_masks:
            assert not any(site.conflicts[g] & mask for g in bits(mask))
        # loop i is detector i, and the buttons follow
        assert [loop.detector for loop in junction.loops] == list(range(len(junction.loops)))
        after = range(len(junction.loops), len(site.detectors))
        assert [button.detector for button in junction.buttons] == list(after)


@pytest.mark.parametrize("kind", KINDS)
def test_derives_sound_junctions_from_every_kind_of_network(made, kind):
    _, network = made(kind)
    assert_sound(network)


@pytest.mark.parametrize("kind", ["two lanes", "actuated", "crossings", "left-hand", "random"])
def test_no_stage_shows_major_green_to_two_foes_of_the_network(made, kind):
    """The oracle is sumolib's own reading of the right-of-way matrices."""
    net_file, network = made(kind)
    net = sumolib.net.readNet(str(net_file), withInternal=True, withPedestrianConnections=True)
    for junction in network.junctions:
        node = net.getNode(junction.nodes[0])
        request = {
            c.getTLLinkIndex(): (node.getLinkIndex(c), c.getFrom().getID())
            for edge in [*node.getIncoming(), *(e for e in net.getEdges() if e.isSpecial())]
            for connections in edge.getOutgoing().values()
            for c in connections
            if c.getTLSID() == junction.id and c.getTLLinkIndex() >= 0 and node.getLinkIndex(c) >= 0
        }
        assert request
        for stage in range(len(junction.intersection.stages)):
            state = state_of(junction, stage)
            lit = [i for i in request if state[i] == "G"]
            for i in lit:
                for j in lit:
                    if request[i][1] != request[j][1]:
                        assert not node.areFoes(request[i][0], request[j][0]), (stage, i, j)


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_stages_show_the_shipped_letters(made, kind):
    _, network = made(kind)
    for junction in network.junctions:
        # a turn that nobody opposes in its stage has right of way there
        assert letter_differences(junction) <= {("g", "G")}


@pytest.mark.parametrize("name", RESCO_EIGHT)
def test_resco_networks_derive_without_anything_unsafe(name):
    fetch_scenario(name)
    network = derive_network(load_scenario(name).net_file)
    assert_sound(network)
    assert [f for f in network.all_findings() if f.severity != "note"] == []
    for junction in network.junctions:
        assert letter_differences(junction) <= {("g", "G")}
        first, plan = junction.shipped.cycle_s, junction.shipped_plan
        assert plan.cycle_ms == first * 1000  # nothing had to be stretched


def test_resco_convention_has_three_seconds_of_yellow_and_no_all_red(made):
    net_file, network = made("two lanes")
    site = derive_network(net_file, convention=RESCO).junctions[4].intersection
    assert {group.ending_ms for group in site.groups} == {3_000}
    assert {ms for row in site.intergreen_ms for ms in row} == {0, 3_000}
    assert network.junctions[4].intersection.digest  # the field one derives as well


def test_field_intergreens_are_those_of_the_program(tmp_path):
    options = ("--tls.yellow.time", "4", "--tls.allred.time", "2")
    site = derive_network(crossroads(tmp_path, *options)).junctions[0].intersection
    north, east = site.group_index("N through"), site.group_index("E through")
    assert site.groups[north].ending_ms == 4_000
    assert site.intergreen_ms[north][east] == 6_000


def test_one_stage_of_a_left_turn_between_two_greens_is_no_intergreen(made):
    _, network = made("actuated")
    for junction in network.junctions:
        assert max(max(row) for row in junction.intersection.intergreen_ms) <= 5_000


def test_groups_are_named_by_compass_and_turn(tmp_path):
    site = derive_network(crossroads(tmp_path)).junctions[0].intersection
    assert {group.name for group in site.groups} == {
        f"{arm} {turn}" for arm in "NESW" for turn in ("left", "through", "right")
    }


def test_left_turns_give_way_to_the_opposing_stream_and_say_so_in_the_state(tmp_path):
    junction = derive_network(crossroads(tmp_path)).junctions[0]
    site = junction.intersection
    left, opposing = site.group_index("N left"), site.group_index("S through")
    assert site.yields_to[left] >> opposing & 1
    index = junction.links_of_group(left)[0].index
    assert signal_state(junction, Outputs(1 << left | 1 << opposing, 0))[index] == "g"
    assert signal_state(junction, Outputs(1 << left, 1 << opposing))[index] == "g"
    assert signal_state(junction, Outputs(1 << left, 0))[index] == "G"
    assert signal_state(junction, Outputs(0, 1 << left))[index] == "y"
    assert set(signal_state(junction, Outputs(0, 0))) == {"r"}
    assert set(signal_state(junction, Outputs(0, 0, flash=True))) == {"o"}


def test_pedestrians_get_walk_clearance_buffer_and_a_button(made):
    _, network = made("crossings")
    junction = network.junction("B1")
    site = junction.intersection
    for g in bits(site.pedestrian_groups):
        group = site.groups[g]
        assert group.name.startswith("ped ")
        (link,) = junction.links_of_group(g)
        length_m = network.lanes[f"{link.to_edge}_0"].length_m
        assert group.ending_ms >= length_m * 1000  # at 1.0 m/s
        assert 4_000 <= group.min_green_ms <= 7_000
        assert site.conflicts[g]
        for other in bits(site.conflicts[g]):
            assert site.intergreen_ms[g][other] == group.ending_ms + 3_000
        # nobody may start to cross during the clearance
        assert signal_state(junction, Outputs(0, 1 << g))[link.index] == "r"
    assert len(junction.buttons) == 4
    for button in junction.buttons:
        assert len(button.walking_areas) == 2
        detector = site.detectors[button.detector]
        assert detector.role is DetectorRole.PUSH_BUTTON
        assert detector.calls and not detector.extends


def test_a_controller_of_several_nodes_keeps_the_shipped_order(tmp_path):
    (junction,) = derive_network(two_nodes_one_controller(tmp_path)).junctions
    assert junction.nodes == ("a", "b")
    assert junction.keep_order
    assert len(junction.intersection.stages) == junction.shipped_stages
    assert letter_differences(junction) <= {("g", "G")}
    check_plan(junction.shipped_plan, junction.intersection)


def test_an_all_green_program_of_an_unregulated_node_is_split_into_safe_stages(tmp_path):
    network = derive_network(generate(tmp_path, UNREGULATED))
    junction = network.junction("B1")
    assert any(f.rule == "conflicting greens" for f in junction.findings)
    assert junction.shipped_stages > 1
    assert_sound(network)


def test_a_network_without_lights_says_so(tmp_path):
    net = generate(tmp_path, ("--grid", "--grid.number", "2"))
    with pytest.raises(NetworkError, match="has no traffic lights"):
        derive_network(net)


@pytest.mark.parametrize("kind", ["rail_signal", "rail_crossing"])
def test_rail_signals_are_no_traffic_lights(tmp_path, kind):
    net = generate(tmp_path, ("--grid", "--grid.number", "3", "--default-junction-type", kind))
    with pytest.raises(NetworkError, match="has no traffic lights"):
        derive_network(net)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"hello", "not a readable XML file"),
        (b"<routes/>", "not a SUMO network"),
        (b"", "not a readable XML file"),
        (b"\x1f\x8b broken", "not a readable XML file"),
    ],
)
def test_what_is_no_network_is_refused_in_one_line(tmp_path, content, complaint):
    path = tmp_path / "x.net.xml"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=complaint) as caught:
        derive_network(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(NetworkError, match="no such file"):
        derive_network(tmp_path / "absent.net.xml")


def test_a_roundabout_with_one_signal_derives(tmp_path):
    ring = [(30, 0), (0, 30), (-30, 0), (0, -30)]
    nodes = "".join(
        f'<node id="r{k}" x="{x}" y="{y}" type="{"traffic_light" if k == 0 else "priority"}"/>'
        f'<node id="o{k}" x="{x * 8}" y="{y * 8}"/>'
        for k, (x, y) in enumerate(ring)
    )
    edges = "".join(
        f'<edge id="ring{k}" from="r{k}" to="r{(k + 1) % 4}"/>'
        f'<edge id="in{k}" from="o{k}" to="r{k}"/><edge id="out{k}" from="r{k}" to="o{k}"/>'
        for k in range(4)
    )
    network = derive_network(convert(tmp_path, nodes, edges, "", "--roundabouts.guess"))
    assert [junction.id for junction in network.junctions] == ["r0"]
    assert_sound(network)


def test_a_network_can_be_sent_to_another_process(made):
    _, network = made("crossings")
    assert pickle.loads(pickle.dumps(network)).junctions == network.junctions


def test_loop_ids_are_unique_in_the_additional_file(made):
    _, network = made("two lanes")
    loops = ElementTree.fromstring(loop_additional(network)).findall("inductionLoop")
    ids = [loop.get("id") for loop in loops]
    assert len(ids) == len(set(ids)) == sum(len(j.loops) for j in network.junctions)
