"""Which emergency vehicles are sent: long ways over many signals, the same for the same seed."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar
from xml.sax.saxutils import quoteattr

from edge.corridors.routes import SIGNAL_WAIT_S, quickest_routes
from edge.corridors.streets import Streets, Turn
from edge.corridors.way import Way
from sim.corridors.values import TYPE_NAME, EmergencyTrip
from sim.errors import BenchError
from sim.scenario import Scenario

T = TypeVar("T")

SIGNALS_MIN = 4
WARM_UP_S = 300.0
"""The first vehicle meets traffic."""
CLEAR_S = 600.0
"""The last one has time to arrive."""
PAIRED_MAX = 60
"""Ways among which pairs are looked for."""
CROSSING_LEVELS = (10, 12)
TYPE = (
    f'<vType id="{TYPE_NAME}" vClass="emergency" guiShape="emergency" '
    'speedFactor="1" speedDev="0"/>'
)
"""No blue light: it keeps to the rules of the road, and only the signals make a difference."""


def emergency_trips(
    scenario: Scenario, streets: Streets, vehicles: int, seed: int, *, crossing: bool = False
) -> tuple[EmergencyTrip, ...]:
    """*vehicles* trips over at least four signals each (or as many as the network has on a way).

    They are spread over the window. With *crossing*, they come in pairs that meet at a signal where
    both can't have green. Raises :class:`BenchError` where no way has a signal, or no two cross.
    """
    ways = _signalled_ways(streets)
    if not ways:
        raise BenchError(
            f"{scenario.name}: no way from edge to edge of the network has a signal on it"
        )
    chance = random.Random(f"emergency {scenario.name} {seed}")
    begin_s, end_s = scenario.begin_s + WARM_UP_S, scenario.end_s - CLEAR_S
    if end_s <= begin_s:
        begin_s, end_s = scenario.begin_s, scenario.end_s - CLEAR_S / 2.0
    count = (vehicles + 1) // 2 if crossing else vehicles
    gap_s = (end_s - begin_s) / max(count, 1)
    departs = [begin_s + (k + chance.uniform(0.2, 0.8)) * gap_s for k in range(count)]
    if crossing:
        pairs = _in_turn(_crossing_pairs(scenario, ways, chance), chance)
        trips = [trip for s, pair in zip(departs, pairs, strict=False) for trip in _meet(pair, s)]
    else:
        long_ways = _in_turn(_over_many(ways, SIGNALS_MIN), chance)
        trips = [_trip(way, s) for s, way in zip(departs, long_ways, strict=False)]
    named = sorted(trips[:vehicles], key=lambda trip: trip.depart_s)
    return tuple(_named(trip, k) for k, trip in enumerate(named))


def _named(trip: EmergencyTrip, k: int) -> EmergencyTrip:
    return EmergencyTrip(
        name=f"emergency-{k + 1}",
        route=trip.route,
        depart_s=float(round(trip.depart_s)),
        level=trip.level,
    )


def _trip(way: Way, depart_s: float, level: int = CROSSING_LEVELS[0]) -> EmergencyTrip:
    return EmergencyTrip(name="", route=way.route, depart_s=depart_s, level=level)


def _signalled_ways(streets: Streets) -> list[Way]:
    """The quickest ways between the edges of the network that have a signal."""
    onward = [
        (turn.from_street, turn.to_street)
        for turns in streets.turns.values()
        for turn in turns
        if not _is_about_turn(streets, turn)
    ]
    entered, left = {to for _, to in onward}, {start for start, _ in onward}
    roads = sorted(name for name, street in streets.streets.items() if street.open_to_emergency)
    origins = [name for name in roads if name not in entered] or roads
    ends = [name for name in roads if name not in left] or roads
    ways = []
    for origin in origins:
        routes = quickest_routes(streets, origin)
        found = (Way(streets, routes[end]) for end in ends if end in routes)
        ways += [way for way in found if way.lines]
    return ways


def _is_about_turn(streets: Streets, turn: Turn) -> bool:
    return streets.streets[turn.from_street].from_node == streets.streets[turn.to_street].to_node


def _over_many(ways: Sequence[Way], signals: int) -> list[Way]:
    """Those of *ways* over at least *signals* signals, or over as many as any has."""
    least = min(signals, max(len(way.lines) for way in ways))
    return [way for way in ways if len(way.lines) >= least]


def _in_turn(each: Sequence[T], chance: random.Random) -> Iterator[T]:
    """All in random order, over and over."""
    while True:
        yield from chance.sample(each, len(each))


@dataclass(frozen=True, slots=True)
class _Pair:
    first: Way
    second: Way
    head_start_s: float
    """How much earlier the second has to depart to be at the signal with the first."""


def _crossing_pairs(scenario: Scenario, ways: Sequence[Way], chance: random.Random) -> list[_Pair]:
    """Pairs of ways that want one signal for themselves, over as many signals as can be."""
    for signals in range(SIGNALS_MIN, 0, -1):
        long_ways = _over_many(ways, signals)
        some = chance.sample(long_ways, min(len(long_ways), PAIRED_MAX))
        pairs = [
            pair
            for k, first in enumerate(some)
            for second in some[k + 1 :]
            if (pair := _crossing(first, second)) is not None
        ]
        if pairs:
            return pairs
    raise BenchError(f"{scenario.name}: no two ways cross at a signal, leave --crossing out")


def _crossing(first: Way, second: Way) -> _Pair | None:
    if first.route[0] == second.route[0]:
        return None
    for k, line in enumerate(first.lines):
        for j, other in enumerate(second.lines):
            if line.turn.site == other.turn.site and not (
                set(line.turn.stages) & set(other.turn.stages)
            ):
                there_s = first.free_at_s(line.at_m) + k * SIGNAL_WAIT_S / 4.0
                other_s = second.free_at_s(other.at_m) + j * SIGNAL_WAIT_S / 4.0
                return _Pair(first, second, other_s - there_s)
    return None


def _meet(pair: _Pair, depart_s: float) -> tuple[EmergencyTrip, EmergencyTrip]:
    low, high = CROSSING_LEVELS
    return (
        _trip(pair.first, depart_s + max(0.0, pair.head_start_s), low),
        _trip(pair.second, depart_s + max(0.0, -pair.head_start_s), high),
    )


def write_trips(trips: Sequence[EmergencyTrip], path: Path) -> Path:
    """*trips* as a SUMO route file at *path*."""
    lines = [
        f'<vehicle id={quoteattr(trip.name)} type="{TYPE_NAME}" depart="{trip.depart_s:g}" '
        'departLane="best" departSpeed="max" arrivalPos="max">'
        f"<route edges={quoteattr(' '.join(trip.route))}/></vehicle>"
        for trip in sorted(trips, key=lambda trip: trip.depart_s)
    ]
    path.write_text("\n".join(["<routes>", TYPE, *lines, "</routes>"]), encoding="utf-8")
    return path
