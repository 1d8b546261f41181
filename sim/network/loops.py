"""Where the loops lie: stop line, advance and entry, by distance along the chain of lanes.

An approach often ends in a stub edge of a metre or less, fed lane by lane by the edge before it.
Distances are therefore measured along the chain of lanes: upstream over unsignalised nodes for as
long as each lane is fed by exactly one lane that feeds nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from sim.network.net_file import Connection, NetFile

STOP_LINE_M = 4.0
"""From the stop line: the first vehicle of a queue stands on the loop."""
ADVANCE_M = 40.0
POCKET_M = 20.0
"""Where the chain of a lane is shorter than this, its advance loops lie before the fork."""
ENTRY_LIMIT_M = 230.0
ENTRY_INSET_M = 8.0
"""Behind the beginning of the edge on which traffic enters the approach."""
ENTRY_SPACING_M = 15.0
"""An entry loop nearer than this to the advance loop says nothing new."""
LOOP_SPACING_M = 8.0
"""Two loops nearer than about a car and its gap count the same vehicle."""
_TRAVEL_TIME_FACTOR = 1.08
_TRAVEL_TIME_EXTRA_S = 1.0


@dataclass(frozen=True, slots=True)
class Place:
    """A place for a loop: ``position_m`` on the lane, ``distance_m`` upstream of the stop line."""

    lane: str
    position_m: float
    distance_m: float
    travel_time_s: float
    share: float = 1.0


def loop_places(net: NetFile, stop_lane: str) -> tuple[Place, Place | None]:
    """Stop-line and advance places of the lane *stop_lane*; the advance one may not exist."""
    stop = _place_on_chain(net, stop_lane, STOP_LINE_M)
    advance = _place_on_chain(net, stop_lane, ADVANCE_M)
    apart = advance.distance_m - stop.distance_m >= LOOP_SPACING_M
    return stop, advance if apart else None


def _place_on_chain(net: NetFile, stop_lane: str, distance_m: float) -> Place:
    """The place *distance_m* upstream, or as far upstream as the chain reaches."""
    start_m, travel_s = 0.0, 0.0
    for lane_id, gap_m in _chain(net, stop_lane):
        lane = net.lanes[lane_id]
        end_m = start_m + gap_m
        travel_s += gap_m / lane.speed_m_per_s
        here_m = min(max(distance_m - end_m, 0.0), lane.length_m)
        place = Place(
            lane_id,
            _on_lane(lane.length_m - here_m, lane.length_m),
            end_m + here_m,
            travel_s + here_m / lane.speed_m_per_s,
        )
        if distance_m <= end_m + lane.length_m:
            return place
        start_m = end_m + lane.length_m
        travel_s += lane.length_m / lane.speed_m_per_s
    return place


def _on_lane(position_m: float, length_m: float) -> float:
    """Keep clear of both ends, where SUMO would not see a vehicle pass."""
    margin_m = min(0.1, length_m / 2)
    return round(min(max(position_m, margin_m), length_m - margin_m), 3)


def _chain(net: NetFile, lane_id: str) -> Iterator[tuple[str, float]]:
    """(lane, length of the way across the node downstream of it), upstream from the stop line."""
    seen = {lane_id}
    yield lane_id, 0.0
    while True:
        feeding = [c for c in net.into.get(lane_id, ()) if net.lanes[c.from_lane].motorised]
        if len(feeding) != 1:
            return
        (connection,) = feeding
        lane_id = connection.from_lane
        if connection.tl or len(net.out_of[lane_id]) != 1 or lane_id in seen:
            return
        seen.add(lane_id)
        yield lane_id, net.internal_length_m.get(connection.via, 0.0)


def pocket_places(net: NetFile, stop_lanes: Sequence[str]) -> dict[Place, tuple[str, ...]]:
    """Advance places upstream of short turning pockets, with the stop lanes behind each.

    A pocket opens where one lane feeds several, or several lanes feed one. There an advance loop
    can only be shared by all lanes behind the fork.
    """
    found: dict[str, tuple[Place, list[str]]] = {}
    for stop_lane in stop_lanes:
        for place in _upstream_places(net, stop_lane):
            _, behind = found.setdefault(place.lane, (place, []))
            behind.append(stop_lane)
    return {place: tuple(behind) for place, behind in found.values()}


def _upstream_places(net: NetFile, stop_lane: str) -> list[Place]:
    places, seen = [], {stop_lane}
    pending = [(stop_lane, 0.0, 0.0)]
    while pending:
        lane_id, end_m, travel_s = pending.pop()
        lane = net.lanes[lane_id]
        start_m = end_m + lane.length_m
        here_m = min(max(ADVANCE_M - end_m, 0.0), lane.length_m)
        feeding = [
            c
            for c in net.into.get(lane_id, ())
            if not c.tl and c.from_lane not in seen and net.lanes[c.from_lane].motorised
        ]
        if start_m < ADVANCE_M and feeding:
            for connection in feeding:
                seen.add(connection.from_lane)
                across_m = net.internal_length_m.get(connection.via, 0.0)
                through_s = travel_s + (lane.length_m + across_m) / lane.speed_m_per_s
                pending.append((connection.from_lane, start_m + across_m, through_s))
        elif lane_id != stop_lane:
            position_m = _on_lane(lane.length_m - here_m, lane.length_m)
            travel_s += here_m / lane.speed_m_per_s
            places.append(Place(lane_id, position_m, end_m + here_m, travel_s))
    return places


def leads_only_to(net: NetFile, lane_id: str, stop_lanes: Collection[str]) -> bool:
    """Whether every way on from *lane_id* comes to one of *stop_lanes* before any signal."""
    pending, seen = [lane_id], {lane_id}
    while pending:
        lane = pending.pop()
        if lane in stop_lanes:
            continue
        onward = net.out_of.get(lane, ())
        if not onward or any(c.tl for c in onward):
            return False
        fresh = {c.to_lane for c in onward} - seen
        seen |= fresh
        pending += fresh
    return True


@dataclass(frozen=True, slots=True)
class _Leaf:
    """An edge reached upstream, with the way from its end to the stop line."""

    edge: str
    end_m: float
    travel_s: float
    share: float
    path: frozenset[str]


def entry_places(net: NetFile, approach: str) -> tuple[Place, ...]:
    """Places of the entry loops of an approach, on every lane of every edge where it begins.

    The approach begins at a signal, at a source, or 230 m upstream of the stop line.
    """
    nearest: dict[str, Place] = {}
    pending = [_Leaf(approach, 0.0, 0.0, 1.0, frozenset((approach,)))]
    while pending:
        leaf = pending.pop()
        start_m = leaf.end_m + _length(net, leaf.edge)
        feeding = () if start_m >= ENTRY_LIMIT_M else _feeding_edges(net, leaf)
        if feeding:
            pending += feeding
        else:
            for place in _places_at_start(net, leaf):
                known = nearest.get(place.lane)
                if known is None or place.distance_m < known.distance_m:
                    nearest[place.lane] = place
    return tuple(nearest[lane] for lane in sorted(nearest))


def _length(net: NetFile, edge: str) -> float:
    return max(net.lanes[lane].length_m for lane in net.edges[edge].lanes)


def _speed(net: NetFile, edge: str) -> float:
    return max(net.lanes[lane].speed_m_per_s for lane in net.edges[edge].lanes)


def _feeding_edges(net: NetFile, leaf: _Leaf) -> tuple[_Leaf, ...]:
    """The edges that lead into *leaf* over an unsignalised node; none at a signal."""
    feeding: dict[str, Connection] = {}
    for lane in net.edges[leaf.edge].lanes:
        for connection in net.into.get(lane, ()):
            if connection.tl:
                return ()
            if connection.direction not in "tT" and net.lanes[connection.from_lane].motorised:
                feeding.setdefault(connection.from_edge, connection)
    length_m = _length(net, leaf.edge)
    travel_s = leaf.travel_s + length_m / _speed(net, leaf.edge)
    found = []
    for edge, connection in feeding.items():
        if edge in leaf.path:
            return ()
        across_m = net.internal_length_m.get(connection.via, 0.0)
        exits = {c.to_edge for lane in net.edges[edge].lanes for c in net.out_of.get(lane, ())}
        found.append(
            _Leaf(
                edge,
                leaf.end_m + length_m + across_m,
                travel_s + across_m / _speed(net, edge),
                leaf.share / max(1, len(exits)),
                leaf.path | {edge},
            )
        )
    return tuple(found)


def _places_at_start(net: NetFile, leaf: _Leaf) -> Iterator[Place]:
    for lane_id in net.edges[leaf.edge].lanes:
        lane = net.lanes[lane_id]
        if not lane.motorised:
            continue
        farthest_m = min(ENTRY_LIMIT_M - leaf.end_m, lane.length_m - ENTRY_INSET_M)
        back_m = max(farthest_m, min(lane.length_m, ENTRY_INSET_M) / 2)
        travel_s = leaf.travel_s + back_m / lane.speed_m_per_s
        yield Place(
            lane_id,
            _on_lane(lane.length_m - back_m, lane.length_m),
            leaf.end_m + back_m,
            _TRAVEL_TIME_FACTOR * travel_s + _TRAVEL_TIME_EXTRA_S,
            leaf.share,
        )
