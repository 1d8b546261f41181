"""Records one street of a run: who drove where in a short window, and who reached its loops.

Vehicles are looked at once a second, and only on the street's edges. The loops are detectors of
SUMO that write down every passage; they touch nothing, so a watched run gives the figures of an
unwatched one.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import quoteattr

from optimizer.planning.chain import Chain, Way
from sim.network.model import Network
from sim.results import StreetRecord, Trajectory, WatchedLoop
from sim.simulation import Simulation

SAMPLE_S = 1.0
STRAIGHT_M = 3.0
"""A point this near to the straight line between its neighbours is left out."""
ADVANCE_M = 120.0
"""Advance loops lie so far before the stop line (400 feet): a queue must not stand on them, or they
would report when it starts, not when vehicles come. On a short street at four fifths of it."""
GAP_MAX_S = 30.0
"""Unseen for longer than a node takes to cross, a vehicle has left the street and come back."""
POINTS_MIN = 3
Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """A street, the window in which its vehicles are recorded, and its loops."""

    chain: Chain
    begin_s: float
    end_s: float
    loops: tuple[WatchedLoop, ...] = ()


def watch_street(network: Network, chain: Chain, begin_s: float, end_s: float) -> Watch:
    """The watch of *chain*, with advance loops on every lane before every signal."""
    loops = [
        loop
        for inbound, way in ((False, chain.outbound), (True, chain.inbound))
        if way is not None
        for loop in _loops(network, chain, way, inbound=inbound)
    ]
    return Watch(chain=chain, begin_s=begin_s, end_s=end_s, loops=tuple(loops))


def _loops(network: Network, chain: Chain, way: Way, *, inbound: bool) -> Iterator[WatchedLoop]:
    sites = chain.sites[::-1] if inbound else chain.sites
    lengths = way.length_m[::-1] if inbound else way.length_m
    stop_m, before_m = 0.0, -way.edges[0].begins_m if way.edges else 0.0
    for site, onward_m in zip(sites, (*lengths, 0.0), strict=True):
        place_m = stop_m - min(ADVANCE_M, 0.8 * before_m)
        edge = next((e for e in way.edges if e.begins_m + e.length_m > place_m + 1.0), None)
        if edge is not None and edge.begins_m < stop_m:
            position_m = max(place_m - edge.begins_m, 1.0)
            distance_m = stop_m - edge.begins_m - position_m
            for lane_id in network.edges[edge.id].lanes:
                lane = network.lanes[lane_id]
                if lane.motorised:
                    yield WatchedLoop(
                        id=f"watched {lane_id} {position_m:.0f}",
                        junction=site,
                        inbound=inbound,
                        lane=lane_id,
                        position_m=position_m,
                        distance_m=round(distance_m, 1),
                        travel_time_s=round(distance_m / lane.speed_m_per_s, 2),
                    )
        stop_m, before_m = stop_m + onward_m, onward_m


class StreetRecorder:
    """Looks at the street of one run, whose files go to *folder*."""

    def __init__(self, watch: Watch, folder: Path) -> None:
        self._watch = watch
        self._passages = folder / "passages.xml"
        self.additional = folder / "watched.add.xml"
        self.additional.write_text(_additional(watch.loops, self._passages.name), encoding="utf-8")
        self._driven: dict[tuple[str, bool], list[list[Point]]] = {}
        self._places = {
            (edge.id, inbound): _Place.of(watch.chain, edge.id, edge.length_m, inbound=inbound)
            for inbound, way in ((False, watch.chain.outbound), (True, watch.chain.inbound))
            if way is not None
            for edge in way.edges
        }
        self._next_s = watch.begin_s

    def record(self, simulation: Simulation) -> None:
        """Look at the vehicles, after a step, if it is time to."""
        now_s = simulation.time_ms / 1_000
        if now_s < self._next_s or now_s > self._watch.end_s:
            return
        self._next_s = now_s + SAMPLE_S
        vehicles_on = simulation.connection.edge.getLastStepVehicleIDs
        position_of = simulation.connection.vehicle.getLanePosition
        for (edge, inbound), place in self._places.items():
            for vehicle in vehicles_on(edge):
                point = (now_s, place.at_m(position_of(vehicle)))
                drives = self._driven.setdefault((vehicle, inbound), [])
                if not drives or now_s - drives[-1][-1][0] > GAP_MAX_S:
                    drives.append([])
                drives[-1].append(point)

    def result(self, lamps: Mapping[str, Sequence[tuple[float, str]]]) -> StreetRecord:
        """What was seen, once SUMO has ended; *lamps*: the changes of every junction."""
        return StreetRecord(
            chain=self._watch.chain,
            loops=self._watch.loops,
            begin_s=self._watch.begin_s,
            end_s=self._watch.end_s,
            trajectories=tuple(
                Trajectory(inbound=inbound, points=simplified(points))
                for (_, inbound), drives in self._driven.items()
                for points in drives
                if len(points) >= POINTS_MIN
            ),
            lamps={site: tuple(lamps.get(site, ())) for site in self._watch.chain.sites},
            passages=_read_passages(self._passages, self._watch.loops),
        )


@dataclass(frozen=True, slots=True)
class _Place:
    """From the position on an edge to metres along the street."""

    begin_m: float
    slope: float

    @classmethod
    def of(cls, chain: Chain, edge: str, length_m: float, *, inbound: bool) -> _Place:
        begin_m = chain.place_m(edge, 0.0, inbound=inbound) or 0.0
        end_m = chain.place_m(edge, length_m, inbound=inbound) or 0.0
        return cls(begin_m, (end_m - begin_m) / length_m if length_m > 0.0 else 0.0)

    def at_m(self, position_m: float) -> float:
        return self.begin_m + self.slope * position_m


def simplified(points: Sequence[Point], tolerance_m: float = STRAIGHT_M) -> tuple[Point, ...]:
    """Where the line through *points* bends, to a tenth of a second and metre.

    In each piece no point lies more than *tolerance_m* from the line (Douglas and Peucker 1973,
    with distances along the street).
    """
    keep = {0, len(points) - 1}
    pieces = [(0, len(points) - 1)]
    while pieces:
        first, last = pieces.pop()
        (t0, x0), (t1, x1) = points[first], points[last]
        worst, at = tolerance_m, -1
        for k in range(first + 1, last):
            t, x = points[k]
            off_m = abs(x - x0 - (x1 - x0) * (t - t0) / (t1 - t0))
            if off_m > worst:
                worst, at = off_m, k
        if at >= 0:
            keep.add(at)
            pieces += [(first, at), (at, last)]
    return tuple((round(points[k][0], 1), round(points[k][1], 1)) for k in sorted(keep))


def _additional(loops: Sequence[WatchedLoop], file: str) -> str:
    lines = ["<additional>"]
    lines += [
        f"    <instantInductionLoop id={quoteattr(loop.id)} lane={quoteattr(loop.lane)} "
        f'pos="{loop.position_m:g}" friendlyPos="true" file="{file}"/>'
        for loop in loops
    ]
    return "\n".join([*lines, "</additional>\n"])


def _read_passages(path: Path, loops: Sequence[WatchedLoop]) -> dict[str, tuple[float, ...]]:
    found: dict[str, list[float]] = {loop.id: [] for loop in loops}
    if loops and path.exists():
        for _, element in ET.iterparse(path):
            if element.tag == "instantOut" and element.get("state") == "enter":
                found[element.get("id", "")].append(float(element.get("time") or 0.0))
            element.clear()
    return {loop: tuple(times) for loop, times in found.items()}
