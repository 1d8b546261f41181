"""Trips through a generated town: who drives from where to where, from a seed.

Trips are drawn here and routed by duarouter with randomly weighted edges, so that drivers spread
over parallel streets as they do in a town, instead of all taking the shortest way.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sim.network.net_file import Connection, Edge, NetFile, read_net
from sim.sumo_home import run_sumo_binary

DEMAND_S = 1_800.0
"""How long vehicles depart; the run goes on for as long again."""
_PROFILE = ((0.0, 600.0, 0.8), (600.0, 1_500.0, 1.2), (1_500.0, DEMAND_S, 0.8))
"""(from, to, factor): a peak in the middle."""
_CENTRE_SHARE = 0.3
"""The centre is what lies within this share of the town's radius."""
_SHORTEST_TRIP = 0.35
"""Of the town's radius: nobody drives less far than this as the crow flies."""
_LONGEST_WALK_M = 500.0
_TRIES = 50

OUTSIDE, CENTRE, ANYWHERE = "outside", "centre", "anywhere"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """Vehicles per hour from one part of the town to another.

    ``outside`` means streets that begin or end at the edge of the network.
    """

    veh_per_h: float
    origin: str
    destination: str


@dataclass(frozen=True, slots=True)
class _Place:
    edge: str
    x_m: float
    y_m: float
    weight: float

    def distance_m(self, other: _Place) -> float:
        return math.hypot(self.x_m - other.x_m, self.y_m - other.y_m)


def write_demand(
    folder: Path, name: str, streams: Sequence[Stream], *, walkers_per_h: float, seed: int
) -> list[str]:
    """Write the routes of *streams*, and of walkers, for ``name.net.xml`` in *folder*.

    Returns the names of the route files. Raises :class:`sim.errors.SumoError` when duarouter fails.
    """
    net = read_net(folder / f"{name}.net.xml")
    dice = random.Random(seed)
    trips = folder / f"{name}.trips.xml"
    trips.write_text("\n".join(_trips(_Town(net), streams, dice)) + "\n", encoding="utf-8")
    run_sumo_binary(
        "duarouter",
        [
            *("-n", f"{name}.net.xml", "-r", trips.name, "-o", f"{name}.rou.xml"),
            *("--weights.random-factor", "1.7", "--weights.tls-penalty", "8"),
            *("--alternatives-output", "NUL"),
            *("--seed", str(seed), "--ignore-errors", "--no-warnings", "--no-step-log"),
        ],
        folder,
    )
    if not walkers_per_h:
        return [f"{name}.rou.xml"]
    walks = folder / f"{name}.ped.xml"
    lines = _walks(_Town(net, on_foot=True), walkers_per_h, dice)
    walks.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [f"{name}.rou.xml", walks.name]


class _Town:
    """Where trips can begin and end."""

    def __init__(self, net: NetFile, *, on_foot: bool = False) -> None:
        roads = [edge for edge in net.edges.values() if not edge.function]
        places = [_place(net, edge, on_foot=on_foot) for edge in roads]
        x_m = sum(p.x_m for p in places) / len(places)
        y_m = sum(p.y_m for p in places) / len(places)
        middle = _Place("", x_m, y_m, 0.0)
        self.radius_m = max(place.distance_m(middle) for place in places)
        entries, exits, inner, central = [], [], [], []
        for edge, place in zip(roads, places, strict=True):
            if not any(_leads_on(c) for lane in edge.lanes for c in net.into.get(lane, ())):
                entries.append(place)
            elif not any(_leads_on(c) for lane in edge.lanes for c in net.out_of.get(lane, ())):
                exits.append(place)
            else:
                inner.append(place)
            if place.distance_m(middle) < _CENTRE_SHARE * self.radius_m:
                central.append(place)
        self.origins: Mapping[str, list[_Place]] = {
            OUTSIDE: entries, CENTRE: central, ANYWHERE: inner,
        }  # fmt: skip
        self.destinations: Mapping[str, list[_Place]] = {
            OUTSIDE: exits, CENTRE: central, ANYWHERE: inner,
        }  # fmt: skip


def _leads_on(connection: Connection) -> bool:
    """Whether it is more than the place to turn round at the end of a street."""
    return connection.direction != "t"


def _place(net: NetFile, edge: Edge, *, on_foot: bool) -> _Place:
    """The middle of *edge*; drivers come and go by its lanes, walkers by its length."""
    lanes = [net.lanes[lane] for lane in edge.lanes]
    driven = [lane for lane in lanes if lane.motorised]
    (x0, y0), (x1, y1) = lanes[0].shape[0], lanes[0].shape[-1]
    weight = lanes[0].length_m if on_foot else float(len(driven))
    return _Place(edge.id, (x0 + x1) / 2, (y0 + y1) / 2, weight)


def _trips(town: _Town, streams: Sequence[Stream], dice: random.Random) -> list[str]:
    shortest_m = _SHORTEST_TRIP * town.radius_m
    drawn = []
    for stream in streams:
        for depart_s in _departures(stream.veh_per_h, dice):
            origin = _draw(town.origins[stream.origin], dice)
            for _ in range(_TRIES):
                destination = _draw(town.destinations[stream.destination], dice)
                if origin.distance_m(destination) >= shortest_m:
                    drawn.append((depart_s, origin.edge, destination.edge))
                    break
    rows = [
        f'    <trip id="{k}" depart="{depart_s:.1f}" from="{origin}" to="{destination}"/>'
        for k, (depart_s, origin, destination) in enumerate(sorted(drawn))
    ]
    return ["<routes>", *rows, "</routes>"]


def _walks(town: _Town, walkers_per_h: float, dice: random.Random) -> list[str]:
    rows = []
    for k, depart_s in enumerate(sorted(_departures(walkers_per_h, dice))):
        origin = _draw(town.origins[ANYWHERE], dice)
        near = [
            place
            for place in town.destinations[ANYWHERE]
            if place.edge != origin.edge and place.distance_m(origin) < _LONGEST_WALK_M
        ]
        if near:
            walk = f'<walk from="{origin.edge}" to="{_draw(near, dice).edge}"/>'
            rows.append(f'    <person id="walker{k}" depart="{depart_s:.1f}">{walk}</person>')
    return ["<routes>", *rows, "</routes>"]


def _draw(places: Sequence[_Place], dice: random.Random) -> _Place:
    return dice.choices(places, weights=[place.weight for place in places])[0]


def _departures(per_h: float, dice: random.Random) -> list[float]:
    """Times of a Poisson process with the profile of :data:`_PROFILE`, in s."""
    times = []
    for start_s, end_s, factor in _PROFILE:
        now_s = start_s
        while (now_s := now_s + dice.expovariate(per_h * factor / 3_600)) < end_s:
            times.append(now_s)
    return times
