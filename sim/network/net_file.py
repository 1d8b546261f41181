"""Reads a SUMO network file into plain values: lanes, edges, nodes, connections.

Only what the derivation needs is kept. Files may be gzipped. No SUMO installation is used, so a
network can be inspected on a machine without one.
"""

from __future__ import annotations

import gzip
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, cast

from sim.errors import NetworkError

Point = tuple[float, float]

GZIP_MAGIC = b"\x1f\x8b"
_MOTORISED = {
    *("passenger", "private", "taxi", "bus", "coach", "delivery", "truck", "trailer"),
    *("motorcycle", "moped", "evehicle", "hov", "tram", "custom1", "custom2"),
}
"""Vehicle classes whose presence makes a lane worth a loop."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One lane. ``motorised`` is false where no road vehicle may drive (paths, cycle lanes).

    ``emergency``: whether an ambulance may.
    """

    id: str
    edge: str
    length_m: float
    speed_m_per_s: float
    width_m: float
    shape: tuple[Point, ...]
    motorised: bool
    emergency: bool = True


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge; ``function`` is empty for roads, else internal, crossing or walkingarea."""

    id: str
    from_node: str
    to_node: str
    function: str
    lanes: tuple[str, ...]
    name: str = ""


@dataclass(frozen=True, slots=True)
class Connection:
    """A way from one lane to another across a node.

    ``request`` is its position in the node's right-of-way matrices (-1 if it has none),
    ``link_indices`` its positions in the state string of the traffic light ``tl``.
    """

    from_lane: str
    to_lane: str
    from_edge: str
    to_edge: str
    via: str
    direction: str
    tl: str
    link_indices: tuple[int, ...]
    node: str
    request: int


@dataclass(frozen=True, slots=True)
class Node:
    """One node. ``foes[i]`` and ``yields[i]`` are bit masks over the node's connections."""

    id: str
    type: str
    position: Point
    shape: tuple[Point, ...]
    incoming_lanes: tuple[str, ...]
    foes: tuple[int, ...]
    yields: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class NetFile:
    """A network as it stands in its file."""

    path: Path
    lanes: Mapping[str, Lane]
    edges: Mapping[str, Edge]
    nodes: Mapping[str, Node]
    connections: tuple[Connection, ...]
    internal_length_m: Mapping[str, float]
    """Length of the way across the node that begins with an internal lane."""
    logics: tuple[ET.Element, ...]
    """The ``tlLogic`` elements, in file order."""
    left_hand: bool = False
    into: Mapping[str, tuple[Connection, ...]] = field(default_factory=dict)
    """Connections between road lanes, by the lane that they lead to."""
    out_of: Mapping[str, tuple[Connection, ...]] = field(default_factory=dict)
    """Connections between road lanes, by the lane that they come from."""
    at_node: Mapping[str, tuple[Connection, ...]] = field(default_factory=dict)
    """Connections of roads and crossings, by the node that they cross."""


def read_net(path: Path) -> NetFile:
    """Read the network at *path*; raises :class:`NetworkError` for anything else."""
    raw = _RawNet()
    root_tag = ""
    for root, element in read_elements(path):
        root_tag = root.tag
        raw.take(element)
        if root_tag == "net":
            raw.left_hand = root.get("lefthand") in {"true", "1"}
    if root_tag != "net" or not raw.edges:
        raise NetworkError(
            f"{path}: not a SUMO network (its root is <{root_tag or 'nothing'}>), "
            "give the .net.xml of the scenario"
        )
    return raw.finish(path)


def read_elements(path: Path) -> Iterator[tuple[ET.Element, ET.Element]]:
    """Yield (root, child) for every child of the root of a plain or gzipped XML file."""
    try:
        with open_plain_or_gzip(path) as stream:
            yield from _children(stream)
    except FileNotFoundError:
        raise NetworkError(f"{path}: there is no such file, check the path") from None
    except (ET.ParseError, OSError, UnicodeDecodeError, EOFError) as error:
        raise NetworkError(f"{path}: not a readable XML file ({error})") from None


def open_plain_or_gzip(path: Path) -> IO[bytes]:
    """Open *path* for reading, unpacking it if it is gzipped."""
    with path.open("rb") as probe:
        gzipped = probe.read(2) == GZIP_MAGIC
    return cast(IO[bytes], gzip.open(path, "rb") if gzipped else path.open("rb"))


def _children(stream: IO[bytes]) -> Iterator[tuple[ET.Element, ET.Element]]:
    root: ET.Element | None = None
    depth = 0
    for event, element in ET.iterparse(stream, events=("start", "end")):
        if event == "start":
            root = element if root is None else root
            depth += 1
            continue
        depth -= 1
        if depth == 1 and root is not None:
            yield root, element
            root.clear()
    if root is not None:
        yield root, root


def points(text: str | None) -> tuple[Point, ...]:
    """The x and y of a SUMO shape string."""
    return tuple(
        (float(x), float(y)) for x, y, *_ in (vertex.split(",") for vertex in (text or "").split())
    )


def _is_motorised(element: ET.Element) -> bool:
    allow, disallow = element.get("allow"), element.get("disallow")
    if allow is not None:
        return allow == "all" or not _MOTORISED.isdisjoint(allow.split())
    if disallow is not None:
        return disallow != "all" and not set(disallow.split()) >= _MOTORISED
    return True


def _lets_ambulances(element: ET.Element) -> bool:
    allow, disallow = element.get("allow"), element.get("disallow")
    if allow is not None:
        return allow == "all" or "emergency" in allow.split()
    return disallow is None or not {"all", "emergency"} & set(disallow.split())


class _RawNet:
    """Collects elements while the file is read; connections need the edges that come before."""

    def __init__(self) -> None:
        self.lanes: dict[str, Lane] = {}
        self.edges: dict[str, Edge] = {}
        self.nodes: dict[str, Node] = {}
        self.connections: list[ET.Element] = []
        self.logics: list[ET.Element] = []
        self.left_hand = False

    def take(self, element: ET.Element) -> None:
        if element.tag == "edge":
            self._take_edge(element)
        elif element.tag == "junction":
            self._take_node(element)
        elif element.tag == "connection":
            self.connections.append(element)
        elif element.tag == "tlLogic":
            self.logics.append(element)

    def _take_edge(self, element: ET.Element) -> None:
        edge_id = element.get("id", "")
        lane_ids = []
        for lane in element.iter("lane"):
            lane_id = lane.get("id", "")
            lane_ids.append(lane_id)
            self.lanes[lane_id] = Lane(
                lane_id,
                edge_id,
                float(lane.get("length", "0")),
                float(lane.get("speed", "13.89")),
                float(lane.get("width", "3.2")),
                points(lane.get("shape")),
                _is_motorised(lane),
                _lets_ambulances(lane),
            )
        self.edges[edge_id] = Edge(
            edge_id,
            element.get("from", ""),
            element.get("to", ""),
            element.get("function", "").replace("normal", ""),
            tuple(lane_ids),
            element.get("name", ""),
        )

    def _take_node(self, element: ET.Element) -> None:
        if element.get("type") == "internal":
            return
        requests = sorted(element.iter("request"), key=lambda r: int(r.get("index", "0")))
        self.nodes[element.get("id", "")] = Node(
            element.get("id", ""),
            element.get("type", ""),
            (float(element.get("x", "0")), float(element.get("y", "0"))),
            points(element.get("shape")),
            tuple((element.get("incLanes") or "").split()),
            tuple(int(r.get("foes") or "0", 2) for r in requests),
            tuple(int(r.get("response") or "0", 2) for r in requests),
        )

    def finish(self, path: Path) -> NetFile:
        connections = tuple(self._numbered_connections())
        into, out_of, at_node = defaultdict(list), defaultdict(list), defaultdict(list)
        for connection in connections:
            at_node[connection.node].append(connection)
            if not (self._function(connection.from_edge) or self._function(connection.to_edge)):
                into[connection.to_lane].append(connection)
                out_of[connection.from_lane].append(connection)
        return NetFile(
            path=path,
            lanes=self.lanes,
            edges=self.edges,
            nodes=self.nodes,
            connections=connections,
            internal_length_m=self._internal_lengths(),
            logics=tuple(self.logics),
            left_hand=self.left_hand,
            into={lane: tuple(found) for lane, found in into.items()},
            out_of={lane: tuple(found) for lane, found in out_of.items()},
            at_node={node: tuple(found) for node, found in at_node.items()},
        )

    def _function(self, edge_id: str) -> str:
        return self.edges[edge_id].function

    def _internal_lengths(self) -> dict[str, float]:
        """Ways across a node may be cut by internal junctions; add up their pieces."""
        next_lane = {
            f"{c.get('from')}_{c.get('fromLane')}": c.get("via", "")
            for c in self.connections
            if (c.get("from") or "").startswith(":")
        }
        lengths = {}
        for lane in self.lanes.values():
            if self._function(lane.edge) == "internal":
                length, following = lane.length_m, next_lane.get(lane.id, "")
                if following in self.lanes:
                    length += self.lanes[following].length_m
                lengths[lane.id] = length
        return lengths

    def _numbered_connections(self) -> Iterator[Connection]:
        """Connections of roads and crossings, with their places in the nodes' matrices.

        SUMO numbers a node's connections lane by lane in the order of ``incLanes``; ways between
        walking areas and off the end of a crossing have no number.
        """
        by_lane = defaultdict(list)
        for element in self.connections:
            from_edge, to_edge = element.get("from", ""), element.get("to", "")
            if from_edge not in self.edges or to_edge not in self.edges:
                continue
            if self._function(from_edge) != "internal":
                connection = _connection(element, from_edge, to_edge)
                by_lane[connection.from_lane].append(connection)
        node_of_lane = {
            lane: node.id for node in self.nodes.values() for lane in node.incoming_lanes
        }
        for node in self.nodes.values():
            number = 0
            for lane in node.incoming_lanes:
                for connection in by_lane.pop(lane, ()):
                    numbered = self._is_numbered(connection)
                    yield replace(connection, node=node.id, request=number if numbered else -1)
                    number += numbered
        for lane, connections in by_lane.items():
            for connection in connections:
                node_id = node_of_lane.get(lane) or self._node_of_internal(connection.from_edge)
                yield replace(connection, node=node_id)

    def _node_of_internal(self, edge_id: str) -> str:
        edge = self.edges[edge_id]
        return edge.to_node or edge_id.removeprefix(":").rsplit("_", 1)[0]

    def _is_numbered(self, connection: Connection) -> bool:
        if self._function(connection.to_edge) == "walkingarea":
            return False
        return (
            self._function(connection.from_edge) != "walkingarea"
            or self._function(connection.to_edge) == "crossing"
        )


def _connection(element: ET.Element, from_edge: str, to_edge: str) -> Connection:
    indices = (int(element.get(key, "-1")) for key in ("linkIndex", "linkIndex2"))
    return Connection(
        from_lane=f"{from_edge}_{element.get('fromLane')}",
        to_lane=f"{to_edge}_{element.get('toLane')}",
        from_edge=from_edge,
        to_edge=to_edge,
        via=element.get("via", ""),
        direction=element.get("dir", "s"),
        tl=element.get("tl", ""),
        link_indices=tuple(index for index in indices if index >= 0),
        node="",
        request=-1,
    )
