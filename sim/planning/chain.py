"""The signals of an arterial of a SUMO network, in driving order, with the streets between them.

:func:`chain_of` is the front door; what it gives is a :class:`~optimizer.planning.chain.Chain` of
plain values, for a planner and for pictures. :mod:`sim.planning.chain_utdf` does the same for UTDF.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Sequence

from optimizer.planning.chain import Chain, Way, WayEdge
from sim.network.links_between import links_between
from sim.network.model import Junction, Network, SignalLink
from sim.network.net_file import Connection, NetFile, read_net
from sim.planning.chain_search import Passage, Street, Streets

__all__ = ["Chain", "Way", "WayEdge", "chain_of"]


def chain_of(network: Network, names: Sequence[str]) -> Chain:
    """The chain of signals along *names*.

    *names*: junction ids in driving order; or the two ends, joined by the shortest and straightest
    way over signals; or one street name. The ways of the chain are what vehicles drive; inbound is
    None where there is no way back along the same signals. Raises
    :class:`~sim.errors.ScenarioError` for a signal that does not exist and for a pair without a
    street between them, and :class:`~sim.errors.NetworkError` if the file can't be read any more.
    """
    net = read_net(network.path)
    streets = Streets(
        where=network.name,
        places={junction.id: junction.position for junction in network.junctions},
        streets=tuple(_streets(network, net)),
        passages={
            (junction.id, *turn): passage
            for junction in network.junctions
            for turn, passage in _passages(junction, net)
        },
    )
    return streets.chain(names)


def _streets(network: Network, net: NetFile) -> Iterator[Street]:
    onward = _onward(net)
    for link in links_between(network):
        edges, free_s = _drive(net, onward, link.exit, link.approach)
        ends = [net.edges[edge].name.casefold() for edge in (link.exit, link.approach)]
        yield Street(
            upstream=link.upstream,
            exit=link.exit,
            downstream=link.downstream,
            approach=link.approach,
            length_m=edges[-1].begins_m + edges[-1].length_m,
            free_s=free_s,
            edges=edges,
            names=frozenset(ends[:1] if ends[0] and ends[0] == ends[1] else ()),
        )


def _onward(net: NetFile) -> dict[str, dict[str, Connection]]:
    """Of every edge, the edges that follow it without a signal in between."""
    found: dict[str, dict[str, Connection]] = defaultdict(dict)
    for connection in net.connections:
        if not connection.tl and connection.direction not in "tT":
            found[connection.from_edge].setdefault(connection.to_edge, connection)
    return found


def _drive(
    net: NetFile, onward: dict[str, dict[str, Connection]], first: str, last: str
) -> tuple[tuple[WayEdge, ...], float]:
    """The edges of the quickest way from *first* to *last*, both included, and its time."""
    queue: list[tuple[float, float, tuple[WayEdge, ...]]] = []

    def drive(at_s: float, at_m: float, way: tuple[WayEdge, ...], edge: str) -> None:
        length_m, speed = _edge_of(net, edge)
        own = WayEdge(id=edge, begins_m=round(at_m, 2), length_m=length_m)
        heapq.heappush(queue, (at_s + length_m / speed, at_m + length_m, (*way, own)))

    drive(0.0, 0.0, (), first)
    done = set()
    while queue:
        at_s, at_m, way = heapq.heappop(queue)
        edge = way[-1].id
        if edge == last:
            return way, at_s
        if edge in done:
            continue
        done.add(edge)
        for following, connection in onward[edge].items():
            across_m, across_s = _across(net, connection.via, following)
            drive(at_s + across_s, at_m + across_m, way, following)
    raise AssertionError(f"{first} and {last} are ends of one street")


def _edge_of(net: NetFile, edge: str) -> tuple[float, float]:
    """Length (m) and speed limit (m/s) of the road lanes of *edge*."""
    lanes = [net.lanes[lane] for lane in net.edges[edge].lanes]
    lanes = [lane for lane in lanes if lane.motorised] or lanes
    length_m = max(lane.length_m for lane in lanes)
    return length_m, max(0.1, *(lane.speed_m_per_s for lane in lanes))


def _across(net: NetFile, via: str, following: str) -> tuple[float, float]:
    """Length and time of the way over a node."""
    length_m = net.internal_length_m.get(via, 0.0)
    speed = net.lanes[via].speed_m_per_s if via in net.lanes else _edge_of(net, following)[1]
    return length_m, length_m / max(0.1, speed)


def _passages(junction: Junction, net: NetFile) -> Iterator[tuple[tuple[str, str], Passage]]:
    turns: dict[tuple[str, str], list[SignalLink]] = defaultdict(list)
    for link in junction.links:
        road = net.lanes[link.from_lane].motorised if link.from_lane in net.lanes else False
        if link.turn != "crossing" and road:
            turns[link.from_edge, link.to_edge].append(link)
    for turn, links in turns.items():
        masks = dict.fromkeys(link.group for link in links if link.group is not None)
        length_m, free_s = _across(net, links[0].via, links[0].to_edge)
        yield (
            turn,
            Passage(
                turn=links[0].turn,
                groups=tuple(junction.intersection.groups[group].name for group in sorted(masks)),
                length_m=length_m,
                free_s=free_s,
                approach_m=_edge_of(net, turn[0])[0],
                exit_m=_edge_of(net, turn[1])[0],
            ),
        )
