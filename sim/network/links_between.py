"""Which exit of a junction leads to which approach of which other: the streets in between.

From an exit edge the way is followed over unsignalised nodes until a stop line. Where it forks,
straight on is taken to be more likely than turning until the junctions have learnt better.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from controller.intersection import DetectorRole
from optimizer.links import Link
from sim.network.model import Junction, Network
from sim.network.net_file import Connection, NetFile, read_net

LIMIT_M = 1_000.0
"""Farther than this a platoon has dispersed, and nobody fills the street up."""
STRAIGHT_PART = 4.0
"""Vehicles that go straight on at a fork, for each one that turns."""
SHARE_MIN = 0.05
"""A way that fewer take is not followed."""


def links_between(network: Network) -> tuple[Link, ...]:
    """All links between the junctions of *network*, by upstream junction and exit.

    Raises :class:`sim.errors.NetworkError` if the network file can't be read any more.
    """
    net = read_net(network.path)
    approaches = {
        link.from_edge: junction for junction in network.junctions for link in junction.links
    }
    return tuple(
        link
        for junction in network.junctions
        for exit_edge in _exits(junction)
        for link in _Walk(net, approaches, junction, exit_edge).links()
    )


def _exits(junction: Junction) -> tuple[str, ...]:
    movements = junction.intersection.movements
    return tuple(dict.fromkeys(m.to_exit for m in movements if m.turn != "crossing"))


@dataclass(frozen=True, slots=True)
class _Way:
    """A way from the exit to the beginning of *edge*."""

    edge: str
    length_m: float = 0.0
    travel_s: float = 0.0
    share: float = 1.0
    begins_s: tuple[tuple[str, float], ...] = ()
    """When each edge on the way is reached, its own beginning included."""


@dataclass
class _Walk:
    """Downstream from one exit."""

    net: NetFile
    approaches: dict[str, Junction]
    upstream: Junction
    exit: str

    def links(self) -> Iterator[Link]:
        """The links of this exit; several ways to one approach become one link."""
        found: dict[str, list[_Way]] = defaultdict(list)
        for way in self._ways():
            found[way.edge].append(way)
        for approach, ways in found.items():
            yield self._link(approach, ways)

    def _ways(self) -> Iterator[_Way]:
        pending = [_Way(self.exit, begins_s=((self.exit, 0.0),))]
        while pending:
            way = pending.pop()
            ended = self._over(way)
            if way.edge in self.approaches:
                yield ended
            elif ended.length_m < LIMIT_M and ended.share >= SHARE_MIN:
                pending += self._onward(ended)

    def _over(self, way: _Way) -> _Way:
        """The way with its last edge driven to the end."""
        lanes = [self.net.lanes[lane] for lane in self.net.edges[way.edge].lanes]
        lanes = [lane for lane in lanes if lane.motorised] or lanes
        length_m = max(lane.length_m for lane in lanes)
        return _Way(
            way.edge,
            way.length_m + length_m,
            way.travel_s + length_m / max(lane.speed_m_per_s for lane in lanes),
            way.share,
            way.begins_s,
        )

    def _onward(self, way: _Way) -> Iterator[_Way]:
        across: dict[str, Connection] = {}
        for lane in self.net.edges[way.edge].lanes:
            for connection in self.net.out_of.get(lane, ()):
                if connection.direction not in "tT" and not connection.tl:
                    across.setdefault(connection.to_edge, connection)
        known = {edge for edge, _ in way.begins_s}
        parts = {e: STRAIGHT_PART if c.direction == "s" else 1.0 for e, c in across.items()}
        for edge, connection in across.items():
            if edge in known:
                continue
            across_m = self.net.internal_length_m.get(connection.via, 0.0)
            speed = max(self.net.lanes[lane].speed_m_per_s for lane in self.net.edges[edge].lanes)
            begins_s = way.travel_s + across_m / speed
            yield _Way(
                edge,
                way.length_m + across_m,
                begins_s,
                way.share * parts[edge] / sum(parts.values()),
                (*way.begins_s, (edge, begins_s)),
            )

    def _link(self, approach: str, ways: list[_Way]) -> Link:
        junction = self.approaches[approach]
        nearest = min(ways, key=lambda way: way.travel_s)
        begins_s: dict[str, float] = {}
        for way in ways:
            for edge, at_s in way.begins_s:
                begins_s[edge] = min(at_s, begins_s.get(edge, at_s))
        return Link(
            upstream=self.upstream.id,
            exit=self.exit,
            downstream=junction.id,
            approach=approach,
            travel_s=round(nearest.travel_s, 2),
            length_m=round(min(way.length_m for way in ways), 1),
            share=sum(way.share for way in ways),
            feeds=tuple(self._feeds(junction, approach, ways)),
            entries=self._entries(junction, approach, begins_s),
        )

    def _feeds(
        self, junction: Junction, approach: str, ways: Sequence[_Way]
    ) -> Iterator[tuple[str, str]]:
        """Which stop-line lanes upstream lead to which downstream.

        On a street of one edge the connections say so. Where the way is longer vehicles have time
        to change lanes, and any lane that leads to the exit may lead to any of the approach.
        """
        leaving = [link for link in self.upstream.links if link.to_edge == self.exit]
        one_edge = all(way.edge == self.exit for way in ways)
        arriving = dict.fromkeys(x.from_lane for x in junction.links if x.from_edge == approach)
        pairs = dict.fromkeys(
            (link.from_lane, lane)
            for link in leaving
            for lane in arriving
            if not one_edge or lane == link.to_lane
        )
        yield from pairs

    def _entries(
        self, junction: Junction, approach: str, begins_s: dict[str, float]
    ) -> tuple[tuple[str, float], ...]:
        """The first loops of *approach* that the exit's vehicles pass, and when.

        On a street too short for entry loops these are the advance loops.
        """
        for role in (DetectorRole.ENTRY, DetectorRole.ADVANCE):
            found = tuple(self._loops(junction, approach, begins_s, role))
            if found:
                return found
        return ()

    def _loops(
        self, junction: Junction, approach: str, begins_s: dict[str, float], role: DetectorRole
    ) -> Iterator[tuple[str, float]]:
        for loop in junction.loops:
            detector = junction.intersection.detectors[loop.detector]
            edge = self.net.lanes[loop.lane].edge
            ours = loop.approach == approach and edge in begins_s
            if ours and detector.role is role:
                speed = self.net.lanes[loop.lane].speed_m_per_s
                yield detector.name, round(begins_s[edge] + loop.position_m / speed, 2)
