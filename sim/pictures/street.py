"""Which streets a report draws: those that pass the most signals straight on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from optimizer.planning.chain import Way
from optimizer.planning.network import PlanningNetwork
from sim.network.links_between import links_between
from sim.network.model import Network

CRUISE = 0.94
"""Cruise speed as a part of the speed limit."""
SIGNALS_MIN = 2
Step = tuple[str, str]
"""A site and the approach by which it is come to."""


def travel_s(way: Way) -> tuple[float, ...]:
    """From each signal to the next at cruise speed."""
    return tuple(free_s / CRUISE for free_s in way.free_s)


def main_streets(network: Network, at_most: int = 1) -> list[tuple[str, ...]]:
    """The signals of the longest streets of *network* that go straight on through them.

    Of equally long ones those with the most lanes; none of a single signal, and no two
    that share more than one signal.
    """
    lanes: dict[Step, int] = {}
    exits: dict[Step, str] = {}
    for junction in network.junctions:
        for movement in junction.intersection.movements:
            if movement.turn == "through":
                step = (junction.id, movement.from_approach)
                if len(movement.lanes) >= lanes.get(step, 0):
                    lanes[step] = len(movement.lanes)
                    exits[step] = movement.to_exit
    onward: dict[Step, tuple[float, Step]] = {}
    for link in links_between(network):
        for step, exit_edge in exits.items():
            if step[0] == link.upstream and exit_edge == link.exit:
                best = onward.get(step, (0.0, step))
                onward[step] = max(best, (link.share, (link.downstream, link.approach)))
    following = {step: to for step, (_, to) in onward.items()}
    weights = {step: float(count) for step, count in lanes.items()}
    return _longest({*lanes, *following.values()}, following, weights, at_most)


def main_streets_of_planning(network: PlanningNetwork, at_most: int = 1) -> list[tuple[str, ...]]:
    """The same for what a planner is given, by the vehicles that go on from through to through."""
    streams = network.streams
    onward: dict[Step, tuple[float, Step]] = {}
    flows: dict[Step, float] = defaultdict(float)
    for stream in streams:
        if "through" not in stream.turn:
            continue
        here = (network.sites[stream.site].name, stream.approach)
        flows[here] += stream.flow_veh_per_h
        for feed in stream.feeds:
            before = streams[feed.stream]
            if "through" in before.turn:
                step = (network.sites[before.site].name, before.approach)
                onward[step] = max(onward.get(step, (0.0, step)), (feed.flow_veh_per_h, here))
    following = {step: to for step, (_, to) in onward.items()}
    return _longest(set(flows), following, flows, at_most)


def _longest(
    steps: Iterable[Step],
    following: Mapping[Step, Step],
    weights: Mapping[Step, float],
    at_most: int,
) -> list[tuple[str, ...]]:
    ways = [tuple(_followed(step, following)) for step in sorted(steps)]
    known = {tuple(site for site, _ in way) for way in ways}

    def worth(way: tuple[Step, ...]) -> tuple[int, bool, float]:
        sites = tuple(site for site, _ in way)
        return len(way), sites[::-1] in known, sum(weights.get(step, 0.0) for step in way)

    found: list[tuple[str, ...]] = []
    for way in sorted(ways, key=worth, reverse=True):
        sites = tuple(site for site, _ in way)
        apart = all(len(set(sites) & set(other)) <= 1 for other in found)
        if len(sites) >= SIGNALS_MIN and apart and len(found) < at_most:
            found.append(sites)
    return found


def _followed(step: Step, following: Mapping[Step, Step]) -> Iterator[Step]:
    passed: set[str] = set()
    at: Step | None = step
    while at is not None and at[0] not in passed:
        passed.add(at[0])
        yield at
        at = following.get(at)
