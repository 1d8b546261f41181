"""Neighbours in two processes are neighbours as in one; and greens that always hold, always do."""

from dataclasses import replace

import pytest

from controller.clock import Instant
from controller.violations import InvalidError
from edge import announcement_json
from edge.exchange import Exchange
from edge.junction_control import JunctionControl, standing_bounds
from optimizer.bounds import StrategicBounds
from sim.controls.tactical import TacticalNetwork
from sim.network import derive_network
from tests.controller.crossroads import crossroads
from tests.edge.sites import plan
from tests.edge.test_daemon_lockstep import two_crossroads
from tests.firmware_bridge.rig import days_readings

BEGIN = Instant(25_200_000, 25_200_000)
SECONDS = 200


def test_announcements_over_the_wire_do_what_those_in_the_process_do(tmp_path):
    network = derive_network(two_crossroads(tmp_path))
    together, apart = TacticalNetwork(network, BEGIN), TacticalNetwork(network, BEGIN)
    edges = [Exchange(apart.links, [site.control.tactical.neighbours]) for site in apart.sites]
    streams = [
        days_readings(j.intersection, SECONDS, 3 + k) for k, j in enumerate(network.junctions)
    ]
    now, carried, deaf = BEGIN, 0, TacticalNetwork(network, BEGIN)
    waiting = [[], []]
    differs = False
    for readings in zip(*streams, strict=True):
        expected = together.step(now, readings)
        for edge, messages in zip(edges, waiting, strict=True):
            for message in messages:
                edge.receive(now, message)
        shown = [site.step(now, seen) for site, seen in zip(apart.sites, readings, strict=True)]
        alone = [site.step(now, seen) for site, seen in zip(deaf.sites, readings, strict=True)]
        payloads = [announcement_json.encode(edge.carry(now)) for edge in edges]
        waiting = [announcement_json.decode(payload)[0] for payload in payloads[::-1]]
        carried += sum(map(len, waiting))
        assert shown == expected
        differs |= alone != expected
        now = now.after(1_000)
    assert carried > SECONDS / 4
    assert differs  # or nothing would have been carried


def test_nothing_is_heard_of_who_is_silent(tmp_path):
    network = derive_network(two_crossroads(tmp_path))
    control = TacticalNetwork(network, BEGIN)
    members = [site.control.tactical.neighbours for site in control.sites]
    members[0].full = ("a loop",)
    exchange = Exchange(control.links, members[:1])
    assert [each.site for each in exchange.carry(BEGIN)] == [members[0].site.name]
    assert not exchange.carry(BEGIN, {members[0].site.name})


def test_bounds_of_the_centre_narrow_what_always_holds_and_end():
    site = crossroads()
    control = JunctionControl(site, plan(site.name), greens_s={"A": (6.0, 30.0)})
    bounds = StrategicBounds(
        site=site.name,
        sequence_no=5,
        valid_from_utc_ms=0,
        valid_to_utc_ms=10_000,
        min_green_s={"A": 4.0},
        max_green_s={"A": 50.0, "B": 20.0},
    )
    control.bound(bounds)
    assert in_force(control) == ({"A": 6.0}, {"A": 30.0, "B": 20.0})
    with pytest.raises(InvalidError, match="below the minimum"):
        control.bound(replace(bounds, sequence_no=6, max_green_s={"A": 5.5}))
    assert in_force(control) == ({"A": 6.0}, {"A": 30.0, "B": 20.0})
    from optimizer.tactical import Running

    control.decide(Instant(1_000, 9_999), Running(stage=None))
    assert in_force(control)[1] == {"A": 30.0, "B": 20.0}
    control.decide(Instant(2_000, 10_000), Running(stage=None))
    assert in_force(control) == ({"A": 6.0}, {"A": 30.0})


def in_force(control):
    bounds = control.tactical._bounds.bounds
    return dict(bounds.min_green_s), dict(bounds.max_green_s)


def test_a_walk_may_need_more_than_the_longest_green():
    site = crossroads()
    bounds = standing_bounds(site, {"A": (3.0, 4.0), "B": (5.0, float("inf"))})
    assert bounds.max_green_s == {"A": site.stage_minimum_ms(site.mask_of_stage["A"]) / 1_000}
    assert standing_bounds(site, {"B": (0.0, float("inf"))}) is None


@pytest.mark.parametrize("most_s", [600.0, float("inf")])
def test_a_shortest_green_holds_also_without_a_longest_one(most_s):
    site = crossroads()
    bounds = standing_bounds(site, {"B": (20.0, most_s)})
    assert (bounds.min_green_s, bounds.max_green_s) == ({"B": 20.0}, {})
    control = JunctionControl(site, plan(site.name), greens_s={"B": (20.0, most_s)})
    assert in_force(control) == ({"B": 20.0}, {})


def test_a_longest_green_is_never_made_longer_than_it_has_to_be():
    bounds = standing_bounds(crossroads(), {"B": (5.0, 30.5)})
    assert bounds.max_green_s == {"B": 30.0}
