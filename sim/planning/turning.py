"""Turning flows out of detector counts.

Unknown are the vehicles of every turn on every lane of its stop line, and those of every way across
a node without signals. What is known of them, each with its deviation:

- a loop between the last fork and the stop line counts the turns of its lane together;
- loops across all lanes of an edge count what comes in and goes out there;
- what comes into an edge goes out of it, but for a few who begin or end their trip on it;
- without better knowledge the turns of a lane share it as drivers mostly do: straight on more than
  around a corner, and towards an arm the more, the more come from it.

The last says little where counts beyond the junction tell the turns apart, and is all there is
where none do. A detector that contradicts the others is believed less.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from statistics import fmean

import numpy as np

from optimizer.planning.least_squares import SAMPLES, Equations, Solution, solve
from sim.errors import CountsError
from sim.network.model import Network
from sim.network.net_file import Connection, NetFile, read_net
from sim.planning.count_places import CountPlace, CountPlaces
from sim.planning.counts import DAY_S, Counts
from sim.planning.demand import Demand, Turn
from sim.planning.flow_chains import chains_of

SHARE_OF_DIRECTION = {"s": 1.0, "r": 0.35, "R": 0.35, "l": 0.35, "L": 0.35, "t": 0.02}
"""How likely a turn is on a lane that has others too, by SUMO's letter of its direction."""
ATTRACTION = 0.5
"""Power of what comes from an arm, in what goes to it."""
SHARE_DEVIATION = 0.35
"""Of the share of a turn on its lane, if nothing but the lane is known."""
SAME_SECTION_M = 8.0
"""Loops on neighbouring lanes that are nearer than this along the road count one cross-section."""
AT_STOP_LINE_M = 15.0
FULL_OCCUPANCY = 0.4
"""A loop away from the stop line that is occupied so long has a queue on it."""
FAULTY_TRUST = 0.25
"""A detector that is believed less than this is named."""
_STOP_ERROR, _LANE_ERROR, _SECTION_ERROR = 0.02, 0.15, 0.03
"""Relative deviations of a count at the stop line, before drivers choose lanes, across a road."""
_ROUNDING_VEH_PER_H = 1.0
_FEW_VEH = 3.0
"""Vehicles under way between two counts, at the begin and the end of the window."""
_TRIP_ENDS_VEH_PER_H = 15.0
_TRIP_ENDS_SHARE = 0.03
_UNKNOWN_SPREAD = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class TurningEstimate:
    """Demand out of counts. ``deviation``: standard deviation of every turn's flow, veh/h.

    ``counted``: the turns of approaches whose stop lines are counted. ``remarks``: in sentences.
    """

    demand: Demand
    deviation: Mapping[Turn, float]
    counted: frozenset[Turn]
    remarks: tuple[str, ...]


def estimated_turns(network: Network, counts: Counts, places: CountPlaces) -> TurningEstimate:
    """The turning flows at the signals of *network* that *counts* speak for.

    All intervals of *counts* are one window. Raises :class:`CountsError` if no detector of it lies
    on the network, or nobody was counted.
    """
    by_id = places.by_id()
    flows = counts.flows_veh_per_h()
    known = {
        name: (by_id[name], float(flow))
        for name, flow in zip(counts.detectors, flows, strict=True)
        if name in by_id and isfinite(flow)
    }
    if not any(flow > 0.0 for _, flow in known.values()):
        raise CountsError(f"{counts.source}: nobody was counted in this time")
    hours = len(counts.starts_s) * counts.interval_s / 3600.0
    return _Estimator(network, known, max(hours, 1.0 / 60.0)).estimate(counts)


@dataclass(frozen=True, slots=True)
class _Way:
    """One unknown: a pair of edges, and the lane if it begins at a stop line with lamps."""

    from_edge: str
    to_edge: str
    direction: str
    lane: str = ""
    junction: str = ""


class _Estimator:
    """Sets the equations up and reads the answer."""

    def __init__(
        self, network: Network, known: Mapping[str, tuple[CountPlace, float]], hours: float
    ) -> None:
        self._network, self._known, self._hours = network, known, hours
        self._net = read_net(network.path)
        self._ways = list(_ways(network, self._net))
        self._out: dict[str, list[int]] = defaultdict(list)
        self._into: dict[str, list[int]] = defaultdict(list)
        self._on_lane: dict[str, list[int]] = defaultdict(list)
        for k, way in enumerate(self._ways):
            self._out[way.from_edge].append(k)
            self._into[way.to_edge].append(k)
            if way.lane:
                self._on_lane[way.lane].append(k)
        self._equations = Equations(len(self._ways))
        self._equation_of: dict[str, int] = {}
        positive = [flow for _, flow in known.values() if flow > 0.0]
        self._typical = float(np.median(positive))

    def estimate(self, counts: Counts) -> TurningEstimate:
        """See :func:`estimated_turns`."""
        self._add_lanes()
        self._add_sections()
        self._add_balances()
        self._add_shares()
        solution = solve(self._equations)
        turns: dict[Turn, float] = defaultdict(float)
        spread: dict[Turn, np.ndarray] = defaultdict(lambda: np.zeros(SAMPLES))
        for k, way in enumerate(self._ways):
            if way.junction:
                turn = Turn(way.junction, way.from_edge, way.to_edge)
                turns[turn] += float(solution.values[k])
                spread[turn] = spread[turn] + solution.samples[k]
        chains = chains_of(
            [(way.from_edge, way.to_edge, way.junction) for way in self._ways],
            solution.values,
        )
        counted = frozenset(
            Turn(way.junction, way.from_edge, way.to_edge)
            for way in self._ways
            if way.junction and way.lane in self._counted_lanes()
        )
        begin_s = float(counts.starts_s[0])
        begin_s = begin_s % DAY_S if counts.is_dated else begin_s
        return TurningEstimate(
            demand=Demand(
                begin_s=begin_s,
                end_s=begin_s + self._hours * 3600.0,
                turns={turn: flow for turn, flow in turns.items() if flow >= 0.5},
                chains={chain: flow for chain, flow in chains.items() if flow >= 0.5},
            ),
            deviation={turn: float(values.std()) for turn, values in spread.items()},
            counted=counted,
            remarks=(*self._remarks(solution, counted), *self._queues(counts)),
        )

    def _counted_lanes(self) -> set[str]:
        return {place.lane for place, _ in self._known.values() if place.lane in self._on_lane}

    def _deviation(self, flow: float, relative: float) -> float:
        return relative * flow + _FEW_VEH / self._hours + _ROUNDING_VEH_PER_H

    def _scale(self, lane: str) -> float:
        """What may well pass on *lane*, so that a dead loop's 0 is not the surest count of all."""
        edge = self._net.lanes[lane].edge
        own = [flow for place, flow in self._known.values() if place.lane == lane]
        beside = [
            flow
            for place, flow in self._known.values()
            if place.lane != lane and self._net.lanes[place.lane].edge == edge
        ]
        return max(*own, 0.5 * fmean(beside) if beside else 0.0)

    def _add_lanes(self) -> None:
        """Loops on lanes that end at lamps: the turns of the lane together."""
        for name, (place, flow) in self._known.items():
            ways = self._on_lane.get(place.lane)
            if not ways:
                continue
            before_m = self._net.lanes[place.lane].length_m - place.position_m
            relative = _STOP_ERROR if before_m <= AT_STOP_LINE_M else _LANE_ERROR
            scale = self._scale(place.lane)
            self._equation_of[name] = self._equations.add(
                [(k, 1.0) for k in ways],
                flow,
                self._deviation(scale, relative),
                rough=self._deviation(scale, _LANE_ERROR),
            )

    def _add_sections(self) -> None:
        """Loops across a whole road: what comes onto the edge, or leaves it."""
        for edge, names in self._sections():
            lanes = [
                lane for lane in self._net.edges[edge].lanes if self._net.lanes[lane].motorised
            ]
            place = self._known[names[0]][0]
            if all(self._known[name][0].lane in self._on_lane for name in names) and (
                self._net.lanes[place.lane].length_m - place.position_m <= AT_STOP_LINE_M
            ):
                continue  # said lane by lane already
            flow = sum(self._known[name][1] for name in names)
            part = len({self._known[name][0].lane for name in names}) / max(len(lanes), 1)
            relative = _SECTION_ERROR if part == 1.0 else 1.0 - part
            flow /= part
            upper = place.position_m < 0.5 * self._net.lanes[place.lane].length_m
            into, out = self._into.get(edge, []), self._out.get(edge, [])
            ways = (into or out) if upper else (out or into)
            if ways:
                number = self._equations.add(
                    [(k, 1.0) for k in ways],
                    flow,
                    self._deviation(flow, relative),
                    rough=self._deviation(flow, max(relative, _SECTION_ERROR)),
                )
                for name in names:
                    self._equation_of.setdefault(name, number)

    def _sections(self) -> Iterator[tuple[str, list[str]]]:
        """(edge, the detectors of one cross-section)."""
        by_edge: dict[str, list[tuple[float, str]]] = defaultdict(list)
        for name, (place, _) in self._known.items():
            by_edge[self._net.lanes[place.lane].edge].append((place.position_m, name))
        for edge, found in by_edge.items():
            found.sort()
            section: list[str] = []
            for position_m, name in found:
                first_m = self._known[section[0]][0].position_m if section else position_m
                lanes = {self._known[other][0].lane for other in section}
                if position_m - first_m > SAME_SECTION_M or self._known[name][0].lane in lanes:
                    yield edge, section
                    section = []
                section.append(name)
            yield edge, section

    def _add_balances(self) -> None:
        """What comes into an edge goes out of it; few trips begin or end there."""
        few = _TRIP_ENDS_VEH_PER_H + _TRIP_ENDS_SHARE * self._typical + _FEW_VEH / self._hours
        for edge in sorted(set(self._out) & set(self._into)):
            comes = [(k, 1.0) for k in self._into[edge]]
            goes = [(k, -1.0) for k in self._out[edge]]
            self._equations.add([*comes, *goes], 0.0, few)

    def _add_shares(self) -> None:
        """How turns share a lane, or ways out an edge; and a wide guess of each."""
        came = self._came_from()
        lane_flow = {place.lane: flow for place, flow in self._at_stop_lines()}
        for ways in (*self._on_lane.values(), *self._unsignalled()):
            weights = [self._weight(self._ways[k], came) for k in ways]
            flow = lane_flow.get(self._ways[ways[0]].lane, self._typical)
            for k, weight in zip(ways, weights, strict=True):
                share = weight / sum(weights)
                guess = share * flow
                spread = _UNKNOWN_SPREAD * max(flow, self._typical)
                self._equations.add([(k, 1.0)], guess, spread + 1.0)
                if len(ways) > 1:
                    terms = [(other, (1.0 if other == k else 0.0) - share) for other in ways]
                    deviation = SHARE_DEVIATION * flow * min(1.0, 2.0 * share + 0.2)
                    self._equations.add(terms, 0.0, deviation + 1.0)

    def _unsignalled(self) -> Iterator[list[int]]:
        for ways in self._out.values():
            own = [k for k in ways if not self._ways[k].lane]
            if own:
                yield own

    def _weight(self, way: _Way, came: Mapping[str, float]) -> float:
        return SHARE_OF_DIRECTION.get(way.direction, 0.35) * came.get(way.to_edge, 1.0)

    def _came_from(self) -> dict[str, float]:
        """How much an exit attracts: what comes from the same arm, relative to the others there."""
        by_approach: dict[str, float] = defaultdict(float)
        for place, flow in self._at_stop_lines():
            by_approach[self._net.lanes[place.lane].edge] += flow
        nodes = {
            (edge.from_node, edge.to_node): name
            for name, edge in self._net.edges.items()
            if not edge.function
        }
        found: dict[str, float] = {}
        for approach, flow in by_approach.items():
            for edge in self._arm(approach, nodes):
                found[edge] = max(flow, 5.0)
        exits: dict[str, list[str]] = defaultdict(list)
        for way in self._ways:
            if way.junction:
                exits[way.junction].append(way.to_edge)
        return {
            edge: (found[edge] / fmean(found[e] for e in own if e in found)) ** ATTRACTION
            for own in exits.values()
            for edge in own
            if edge in found
        }

    def _at_stop_lines(self) -> Iterator[tuple[CountPlace, float]]:
        """For each counted lane with lamps its count nearest to them."""
        nearest: dict[str, tuple[CountPlace, float]] = {}
        for place, flow in self._known.values():
            if place.lane in self._on_lane:
                known = nearest.get(place.lane)
                if known is None or known[0].position_m < place.position_m:
                    nearest[place.lane] = (place, flow)
        yield from nearest.values()

    def _arm(self, approach: str, nodes: Mapping[tuple[str, str], str]) -> Iterator[str]:
        """The exit edges that begin where *approach* ends and lead back along its street."""
        node = self._net.edges[approach].to_node
        edge, upstream = approach, self._net.edges[approach].from_node
        for _ in range(4):
            back = nodes.get((node, upstream))
            if back is not None:
                yield back
                return
            feeding = {
                c.from_edge
                for lane in self._net.edges[edge].lanes
                for c in self._net.into.get(lane, ())
            }
            if len(feeding) != 1:
                return
            (edge,) = feeding
            upstream = self._net.edges[edge].from_node

    def _queues(self, counts: Counts) -> Iterator[str]:
        """Loops behind the stop line that a queue stands on most of the time."""
        known = np.isfinite(counts.occupancy)
        mean = np.where(known, counts.occupancy, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
        full = []
        for name, busy in zip(counts.detectors, mean, strict=True):
            place = self._known[name][0] if name in self._known else None
            if place is not None and busy >= FULL_OCCUPANCY:
                before_m = self._net.lanes[place.lane].length_m - place.position_m
                if place.lane not in self._on_lane or before_m > AT_STOP_LINE_M:
                    full.append(name)
        if full:
            more = f" and {len(full) - 3} others" if len(full) > 3 else ""
            yield (
                f"a queue stands on {', '.join(full[:3])}{more} most of the time: there the counts "
                "say what could leave, and more may have come"
            )

    def _remarks(self, solution: Solution, counted: frozenset[Turn]) -> Iterator[str]:
        names: dict[int, list[str]] = defaultdict(list)
        for name, number in self._equation_of.items():
            names[number].append(name)
        for number, own in names.items():
            if solution.trust[number] < FAULTY_TRUST:
                flow = sum(self._known[name][1] for name in own)
                are = "detector" if len(own) == 1 else "detectors"
                yield (
                    f"{are} {' + '.join(own)}: {flow:.0f} veh/h contradict the others around, they "
                    "are hardly believed"
                )
        every = {
            Turn(way.junction, way.from_edge, way.to_edge) for way in self._ways if way.junction
        }
        blind = sorted({turn.from_edge for turn in every - counted})
        if blind:
            more = f" and {len(blind) - 3} others" if len(blind) > 3 else ""
            yield (
                f"no detector at {len(blind)} approaches ({', '.join(blind[:3])}{more}): their "
                "flows are guessed from what comes and goes around them"
            )


def _ways(network: Network, net: NetFile) -> Iterator[_Way]:
    """Every unknown once."""
    signals = {
        (link.from_edge, link.to_edge): junction.id
        for junction in network.junctions
        for link in junction.links
        if link.turn != "crossing"
    }
    seen: set[_Way] = set()
    for connection in net.connections:
        if not _is_road(connection, net):
            continue
        pair = (connection.from_edge, connection.to_edge)
        junction = signals.get(pair, "")
        lane = connection.from_lane if junction else ""
        way = _Way(*pair, connection.direction, lane, junction)
        key = _Way(*pair, "", lane, junction)
        if key not in seen:
            seen.add(key)
            yield way


def _is_road(connection: Connection, net: NetFile) -> bool:
    edges: Sequence[str] = (connection.from_edge, connection.to_edge)
    return (
        all(not net.edges[edge].function for edge in edges)
        and net.lanes[connection.from_lane].motorised
        and net.lanes[connection.to_lane].motorised
    )
