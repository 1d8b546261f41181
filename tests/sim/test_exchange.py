"""Announcements carried along a street between two derived junctions."""

import numpy as np

from controller.clock import Instant
from edge.exchange import Exchange
from optimizer.neighbours import Neighbourhood
from optimizer.traffic import JunctionTraffic
from sim.network import derive_network
from sim.network.links_between import links_between
from tests.sim.networks import convert
from tests.sim.test_links_between import ENDS, SIGNALS

LEARNT_S = 400
STREET = '<edge id="ab" from="a" to="b" numLanes="2" speed="10"/>'


def test_what_one_junction_plans_the_next_expects_and_nobody_else(tmp_path):
    network = derive_network(convert(tmp_path, SIGNALS, ENDS + STREET))
    links = links_between(network)
    traffic = {j.id: JunctionTraffic(j.intersection) for j in network.junctions}
    members = {
        j.id: Neighbourhood(j.intersection, traffic[j.id].layout, links) for j in network.junctions
    }
    exchange = Exchange(links, list(members.values()))
    lanes = len(traffic["a"].lanes)
    for second in range(LEARNT_S):
        now = Instant(1_000 * second, 1_000 * second)
        green = second % 40 < 20
        for name, member in members.items():
            passed = np.full_like(traffic[name].passed, int(green and second % 4 == 0))
            member.learn(now, passed)
            member.plan(now, np.full((lanes if name == "a" else 2, 60), 0.4 * green))
        exchange.carry(now)
    arrivals = {name: np.full((len(t.lanes), 60), 0.1) for name, t in traffic.items()}
    for name, member in members.items():
        member.meet(traffic[name].to_lane, arrivals[name])
    assert (arrivals["a"] == 0.1).all()
    (link,) = links
    on_street = [k for k, x in enumerate(traffic["b"].lanes) if x.name.startswith("ab_")]
    others = [k for k in range(len(traffic["b"].lanes)) if k not in on_street]
    assert (arrivals["b"][others] == 0.1).all()
    # The run ends in red, and no green is planned.
    assert arrivals["b"][on_street, round(link.travel_s) + 4 :].min(axis=1).max() < 0.05
