"""Chains of signals: found by order, by ends and by name, in a network and in UTDF."""

from itertools import pairwise

import pytest

from benchmarks.arterial7 import PLACES_M, build
from optimizer.planning.arterial import ArterialOptions, plan_arterial
from optimizer.planning.network import NetworkPlan
from sim.arterial import build_arterial
from sim.errors import ScenarioError
from sim.network import derive_network
from sim.planning.chain import chain_of
from sim.planning.chain_utdf import chain_of_utdf
from sim.planning.demand import demand_of
from sim.planning.from_net import planning_network
from sim.plans.from_utdf import planning_network_of
from sim.plans.utdf import parse_utdf
from sim.plans.utdf_writer import utdf_text
from sim.scenario import load_scenario
from sim.sumo_home import run_sumo_binary
from tests.optimizer.arterials import promised_and_shown

SIX = ("oak", "station", "mill", "market", "school", "ring")
SIGNALS = ("a", "b", "c", "as", "bs", "cs")
COLUMNS_M = {"w": -250, "a": 0, "b": 240, "c": 560, "e": 800}


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    scenario = load_scenario(str(build_arterial(tmp_path_factory.mktemp("arterial"))))
    return scenario, derive_network(scenario.net_file)


@pytest.fixture(scope="module")
def town(tmp_path_factory):
    """Three signals on a one-way street called High Street; Back Street joins their south arms."""
    folder = tmp_path_factory.mktemp("town")
    places = {name: (x, 0) for name, x in COLUMNS_M.items()}
    for name in "abc":
        places |= {
            f"{name}{end}": (COLUMNS_M[name], y)
            for end, y in (("n", 200), ("s", -200), ("t", -400))
        }
    nodes = [
        f'<node id="{name}" x="{x}" y="{y}" '
        f'type="{"traffic_light" if name in SIGNALS else "priority"}"/>'
        for name, (x, y) in places.items()
    ]
    ways = [(one, other, ' name="High Street"') for one, other in pairwise("wabce")]
    ways += [
        (one, other, ' name="Back Street"')
        for one, other in (("as", "bs"), ("bs", "as"), ("bs", "cs"))
    ]
    for name in "abc":
        for one, other in ((f"{name}n", name), (name, f"{name}s"), (f"{name}s", f"{name}t")):
            ways += [(one, other, ""), (other, one, "")]
    edges = [
        f'<edge id="{a}-{b}" from="{a}" to="{b}" numLanes="1" speed="13.89"{name}/>'
        for a, b, name in ways
    ]
    (folder / "t.nod.xml").write_text("<nodes>" + "".join(nodes) + "</nodes>")
    (folder / "t.edg.xml").write_text("<edges>" + "".join(edges) + "</edges>")
    run_sumo_binary(
        "netconvert",
        [
            *("-n", "t.nod.xml", "-e", "t.edg.xml", "-o", "t.net.xml", "--no-turnarounds"),
            *("--output.street-names", "--no-warnings"),
        ],
        folder,
    )
    return derive_network(folder / "t.net.xml")


def test_two_ends_are_joined_by_the_signals_between_them(street):
    _, network = street
    chain = chain_of(network, ["oak", "ring"])
    assert chain.sites == SIX
    assert chain == chain_of(network, [f" {site} " for site in SIX])
    assert chain.name == "oak to ring"
    # 400 m to 2010 m on the plan; stop lines lie a few metres before the middle of a junction.
    assert chain.distances_m[-1] == pytest.approx(1610.0, abs=10.0)
    assert chain.inbound is not None
    assert chain.outbound.groups[0] == ("W through",)
    assert chain.inbound.groups[0] == ("E through",)
    assert set(chain.outbound.turns) == {"through"}
    assert chain.outbound.speed_m_per_s == pytest.approx([13.89] * 5, rel=0.01)
    backwards = chain_of(network, ["ring", "oak"])
    assert backwards.sites == SIX[::-1]
    assert backwards.outbound.length_m == chain.inbound.length_m[::-1]


def test_a_vehicle_has_a_place_on_the_axis_of_the_chain(street):
    _, network = street
    chain = chain_of(network, SIX)
    for way, back in ((chain.outbound, False), (chain.inbound, True)):
        ids = [edge.id for edge in way.edges]
        assert all(
            network.edges[one].to_node == network.edges[other].from_node
            for one, other in pairwise(ids)
        )
        for k, approach in enumerate(way.approaches):
            edge = next(each for each in way.edges if each.id == approach)
            place = chain.place_m(approach, edge.length_m, inbound=back)
            assert place == pytest.approx(chain.distances_m[k], abs=0.1)
        places = [chain.place_m(edge, 0.0, inbound=back) for edge in ids]
        assert places == sorted(places, reverse=back)
    assert chain.place_m("elsewhere", 1.0) is None


def test_one_way_and_street_names(town):
    chain = chain_of(town, ["high street"])
    assert (chain.sites, chain.inbound, chain.name) == (("a", "b", "c"), None, "high street")
    assert chain_of(town, ["Back Street"]).sites == ("as", "bs", "cs")
    assert chain_of(town, ["a", "c"]).sites == ("a", "b", "c")
    with pytest.raises(ScenarioError, match="only one from b to c: give the signals in driving"):
        chain_of(town, ["c", "b", "a"])


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["oak", "elsewhere"], "has no signal elsewhere: it has market, mill, oak"),
        (["oak", "mill", "ring"], "no street leads from oak to mill in arterial; name the signals"),
        (["oak"], "needs two signals or more, there is only oak"),
        (["oak", "station", "oak"], "oak comes twice"),
        (["Main Street"], r"called 'Main Street' \(it has no street names\)"),
    ],
)
def test_what_is_no_arterial_is_said(street, names, said):
    with pytest.raises(ScenarioError, match=said):
        chain_of(street[1], names)


def test_the_bands_of_the_arterial_stand_in_the_street(street):
    scenario, network = street
    planning = planning_network(network, demand_of(scenario, network))
    found = plan_arterial(planning, chain_of(network, SIX), ArterialOptions(cycles_s=(70.0, 80.0)))
    (band,) = found.bands
    assert (band.first, band.last) == (0, 5)
    assert band.efficiency > 0.3
    for promised, shown in promised_and_shown(planning, found):
        assert shown == pytest.approx(promised, abs=0.1)


def test_utdf_has_the_same_chain_and_keeps_the_order_of_its_phases(street):
    _, network = street
    plan = NetworkPlan(name="now", zones=(), plans=tuple(j.shipped_plan for j in network.junctions))
    turns = [
        (junction.id, link.from_edge, link.to_edge)
        for junction in network.junctions
        for link in junction.links
        if link.turn != "crossing"
    ]
    utdf = parse_utdf(utdf_text(plan, network, dict.fromkeys(turns, 200.0)))
    chain = chain_of_utdf(utdf, ["oak", "ring"])
    assert chain.sites == SIX
    assert chain.outbound.groups[0] == ("EBT",)
    assert chain.inbound is not None and chain.inbound.groups[0] == ("WBT",)
    assert chain.distances_m[-1] == pytest.approx(chain_of(network, SIX).distances_m[-1], rel=0.1)
    number = {site.description: node for node, site in utdf.nodes.items()}
    assert chain_of_utdf(utdf, [str(number["oak"]), "ring"]).sites == SIX
    planning, _ = planning_network_of(utdf)
    found = plan_arterial(planning, chain, ArterialOptions(cycles_s=(80.0,)))
    for promised, shown in promised_and_shown(planning, found):
        assert shown == pytest.approx(promised, abs=0.1)
    with pytest.raises(ScenarioError, match="no street leads from oak to mill"):
        chain_of_utdf(utdf, ["oak", "mill", "ring"])


def test_seven_signals_of_another_arterial(tmp_path):
    scenario = load_scenario(str(build(tmp_path)))
    network = derive_network(scenario.net_file)
    chain = chain_of(network, ["s0", "s6"])
    assert chain.distances_m[-1] == pytest.approx(PLACES_M[-1], abs=5.0)
    planning = planning_network(network, demand_of(scenario, network))
    found = plan_arterial(planning, chain, ArterialOptions(cycles_s=(74.0,)))
    assert found.bands[0].gap < 0.01
    for promised, shown in promised_and_shown(planning, found):
        assert shown == pytest.approx(promised, abs=0.1)
