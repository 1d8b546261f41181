"""The streets between junctions, on networks made with SUMO's own tools."""

import pytest

from controller.intersection import DetectorRole
from sim.network import derive_network
from sim.network.links_between import links_between
from tests.sim.networks import convert

SIGNALS = """
    <node id="w" x="-300" y="0"/><node id="a" x="0" y="0" type="traffic_light"/>
    <node id="as" x="0" y="-200"/><node id="b" x="400" y="0" type="traffic_light"/>
    <node id="bs" x="400" y="-200"/><node id="e" x="700" y="0"/>"""
ENDS = """
    <edge id="wa" from="w" to="a"/><edge id="asa" from="as" to="a"/>
    <edge id="aas" from="a" to="as"/><edge id="bsb" from="bs" to="b"/>
    <edge id="be" from="b" to="e"/>"""


def links_of(folder, nodes, edges):
    network = derive_network(convert(folder, SIGNALS + nodes, ENDS + edges))
    return network, links_between(network)


def test_a_street_from_signal_to_signal(tmp_path):
    network, links = links_of(
        tmp_path, "", '<edge id="ab" from="a" to="b" numLanes="2" speed="10"/>'
    )
    (link,) = links
    length_m = network.lanes["ab_0"].length_m
    assert (link.upstream, link.exit, link.downstream, link.approach) == ("a", "ab", "b", "ab")
    assert link.share == 1.0
    assert link.travel_s == pytest.approx(length_m / 10.0, abs=0.01)
    entries = {
        detector.name
        for detector in network.junction("b").intersection.detectors
        if detector.role is DetectorRole.ENTRY and detector.name.startswith("entry ab")
    }
    assert {name for name, _ in link.entries} == entries
    assert len(entries) == 2
    for loop in network.junction("b").loops:
        name = network.junction("b").intersection.detectors[loop.detector].name
        for entry, after_s in link.entries:
            if name == entry:
                assert after_s == pytest.approx(loop.position_m / 10.0, abs=0.01)


def test_a_fork_divides_the_vehicles_and_straight_on_gets_most(tmp_path):
    _, (link,) = links_of(
        tmp_path,
        '<node id="m" x="200" y="0"/><node id="ms" x="200" y="-200"/>',
        '<edge id="am" from="a" to="m"/><edge id="mb" from="m" to="b"/>'
        '<edge id="mms" from="m" to="ms"/>',
    )
    assert (link.exit, link.approach) == ("am", "mb")
    assert link.share == pytest.approx(4.0 / 5.0)


def test_two_ways_to_one_approach_are_one_link(tmp_path):
    network, (link,) = links_of(
        tmp_path,
        '<node id="m" x="150" y="0"/><node id="n" x="200" y="60"/><node id="o" x="250" y="0"/>',
        '<edge id="am" from="a" to="m"/><edge id="mo" from="m" to="o"/>'
        '<edge id="mn" from="m" to="n"/><edge id="no" from="n" to="o"/>'
        '<edge id="ob" from="o" to="b"/>',
    )
    assert (link.exit, link.approach, link.share) == ("am", "ob", 1.0)
    shortest_m = sum(network.lanes[f"{edge}_0"].length_m for edge in ("am", "mo", "ob"))
    assert link.travel_s == pytest.approx(shortest_m / 13.89, rel=0.1)


def test_exits_that_leave_the_network_lead_nowhere_and_a_ring_ends(tmp_path):
    _, links = links_of(
        tmp_path,
        '<node id="m" x="200" y="0"/><node id="n" x="250" y="100"/>',
        '<edge id="am" from="a" to="m"/><edge id="mn" from="m" to="n"/>'
        '<edge id="nm" from="n" to="m"/>',
    )
    assert links == ()


def test_a_street_too_short_for_entry_loops_has_its_advance_loops(tmp_path):
    nodes = SIGNALS.replace('x="400"', 'x="40"')
    network = derive_network(
        convert(tmp_path, nodes, ENDS + '<edge id="ab" from="a" to="b" numLanes="2"/>')
    )
    (link,) = links_between(network)
    assert network.lanes["ab_0"].length_m < 40.0
    detectors = {x.name: x.role for x in network.junction("b").intersection.detectors}
    assert {detectors[name] for name, _ in link.entries} == {DetectorRole.ADVANCE}
