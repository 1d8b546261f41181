"""Vehicles drawn from a demand of turns, so that SUMO can drive what was only counted.

A vehicle enters with the flow that no chain brings to its first turn, at moments of a Poisson
process; at every signal its next turn is drawn from the chains. Its way begins as far upstream as
there is only one street that leads here, so that queues have room.
"""

from __future__ import annotations

import itertools
import random
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping

from sim.network.net_file import Connection, NetFile
from sim.planning.demand import Demand, Turn

_SECONDS_PER_HOUR = 3600.0
_TURNS_MAX = 200
"""Chains may run in circles; no drive passes more signals than that."""
_UPSTREAM_M = 500.0

Options = tuple[tuple[Turn, ...], tuple[float, ...]]


def drawn_routes(demand: Demand, net: NetFile, begin_s: float, end_s: float, seed: int) -> str:
    """The text of a route file with the trips of *demand* from *begin_s* to *end_s*.

    The same *seed* draws the same vehicles.
    """
    chance = random.Random(seed)
    following = _following(demand)
    roads = _Roads(net)
    trips = []
    for turn, flow in sorted(_entering(demand).items(), key=lambda item: _key(item[0])):
        for depart_s in _moments(chance, flow, begin_s, end_s):
            turns = tuple(_drive(chance, turn, following))
            trips.append((depart_s, turns))
    root = ET.Element("routes")
    for number, (depart_s, turns) in enumerate(sorted(trips, key=lambda trip: trip[0])):
        edges = [roads.beginning(turns[0].from_edge)]
        for turn in turns:
            edges += [turn.from_edge, turn.to_edge]
        once = [edge for edge, _ in itertools.groupby(edges)]
        attributes = {"id": f"drawn.{number}", "depart": f"{depart_s:.1f}"}
        attributes |= {"departLane": "best", "departSpeed": "max", "from": once[0], "to": once[-1]}
        if len(once) > 2:
            attributes["via"] = " ".join(once[1:-1])
        ET.SubElement(root, "trip", attributes)
    ET.indent(root)
    return ET.tostring(root, "unicode") + "\n"


def _key(turn: Turn) -> tuple[str, str, str]:
    return turn.junction, turn.from_edge, turn.to_edge


def _entering(demand: Demand) -> dict[Turn, float]:
    """By turn, the flow (veh/h) that comes to it past no other signal."""
    brought: dict[Turn, float] = defaultdict(float)
    for (_, turn), flow in demand.chains.items():
        brought[turn] += flow
    return {turn: max(0.0, flow - brought[turn]) for turn, flow in demand.turns.items()}


def _following(demand: Demand) -> Mapping[Turn, Options]:
    """By turn, the turns that may come next with their shares; the rest drives out."""
    found: dict[Turn, dict[Turn, float]] = defaultdict(dict)
    for (turn, after), flow in demand.chains.items():
        if demand.turns.get(turn, 0.0) > 0.0 and flow > 0.0:
            found[turn][after] = flow / demand.turns[turn]
    return {
        turn: (tuple(shares), tuple(itertools.accumulate(shares.values())))
        for turn, shares in found.items()
    }


def _moments(
    chance: random.Random, veh_per_h: float, begin_s: float, end_s: float
) -> Iterator[float]:
    if veh_per_h <= 0.0:
        return
    moment_s = begin_s + chance.expovariate(veh_per_h / _SECONDS_PER_HOUR)
    while moment_s < end_s:
        yield moment_s
        moment_s += chance.expovariate(veh_per_h / _SECONDS_PER_HOUR)


def _drive(chance: random.Random, turn: Turn, following: Mapping[Turn, Options]) -> Iterator[Turn]:
    for _ in range(_TURNS_MAX):
        yield turn
        turns, shares = following.get(turn, ((), ()))
        drawn = chance.random()
        after = next((t for t, upto in zip(turns, shares, strict=True) if drawn < upto), None)
        if after is None:
            return
        turn = after


class _Roads:
    """Where drives begin."""

    def __init__(self, net: NetFile) -> None:
        self._net = net
        self._into: dict[str, dict[str, list[Connection]]] = defaultdict(dict)
        for connection in net.connections:
            if connection.from_edge in net.edges and connection.to_edge in net.edges:
                ways = self._into[connection.to_edge].setdefault(connection.from_edge, [])
                ways.append(connection)
        self._found: dict[str, str] = {}

    def beginning(self, edge: str) -> str:
        """The edge from which a drive that enters by *edge* starts."""
        if edge not in self._found:
            self._found[edge] = self._upstream(edge)
        return self._found[edge]

    def _upstream(self, edge: str) -> str:
        length_m = self._length_m(edge)
        while length_m < _UPSTREAM_M:
            before = self._only_before(edge)
            if before is None:
                return edge
            edge, length_m = before, length_m + self._length_m(before)
        return edge

    def _only_before(self, edge: str) -> str | None:
        """The one street that leads to *edge* past no signal; None where there are more."""
        edges = self._net.edges
        ways = {
            name: connections
            for name, connections in self._into[edge].items()
            if not (
                edges[name].from_node == edges[edge].to_node
                and edges[name].to_node == edges[edge].from_node
            )
            and not edges[name].function
        }
        if len(ways) != 1:
            return None
        name, connections = next(iter(ways.items()))
        return None if any(connection.tl for connection in connections) else name

    def _length_m(self, edge: str) -> float:
        return max(
            (self._net.lanes[lane].length_m for lane in self._net.edges[edge].lanes), default=0.0
        )
