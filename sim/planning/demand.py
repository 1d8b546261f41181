"""Turning demand at the signals, counted from the routes of a scenario.

From routes everything is exact: how many vehicles make each turn, and how many of them come from
which turn at the signal before (*chains*), so that nobody has to guess where a platoon goes; how
many persons are in them, where the scenario says so; and how many people walk across.
"""

from __future__ import annotations

import itertools
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from sim.errors import ScenarioError
from sim.network.model import Network
from sim.planning.routing import routed_demand
from sim.planning.walks import Crossing, walks_of
from sim.scenario import Scenario, time_s

SHORTEST_WINDOW_S = 60.0
DEFAULT_CLASS = "passenger"
"""SUMO's class of a vehicle whose type names none."""


@dataclass(frozen=True, slots=True)
class Turn:
    """From one edge into another at a signal."""

    junction: str
    from_edge: str
    to_edge: str


class RouteUse(NamedTuple):
    """The edges of a route, how many vehicles drive it, and how many persons are in each."""

    edges: tuple[str, ...]
    vehicles: float
    persons_per_veh: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Mean flows (veh/h) between *begin_s* and *end_s*.

    ``chains``: (turn, the next turn of the same vehicles at a signal) to veh/h. ``persons``: turn
    to persons/h in its vehicles, where that is known. ``walks``: people on foot an hour.
    """

    begin_s: float
    end_s: float
    turns: Mapping[Turn, float]
    chains: Mapping[tuple[Turn, Turn], float]
    persons: Mapping[Turn, float] = field(default_factory=dict)
    walks: Mapping[Crossing, float] = field(default_factory=dict)

    @property
    def hours(self) -> float:
        """How long the flows last."""
        return (self.end_s - self.begin_s) / 3600.0

    def persons_per_veh(self, turn: Turn) -> float:
        """The mean number of persons in a vehicle that makes *turn*; 1 where nobody knows."""
        flow = self.turns.get(turn, 0.0)
        return self.persons.get(turn, flow) / flow if flow > 0.0 else 1.0

    def scaled(self, factor: float) -> Demand:
        """The same demand, every flow times *factor*."""
        return Demand(
            begin_s=self.begin_s,
            end_s=self.end_s,
            turns={turn: flow * factor for turn, flow in self.turns.items()},
            chains={chain: flow * factor for chain, flow in self.chains.items()},
            persons={turn: flow * factor for turn, flow in self.persons.items()},
            walks={crossing: flow * factor for crossing, flow in self.walks.items()},
        )


def demand_of(
    scenario: Scenario, network: Network, occupancy: Mapping[str, float] | None = None
) -> Demand:
    """The demand of *scenario* at the signals of *network*, from its begin to its last departure.

    *occupancy*: persons in a vehicle by its class in SUMO; the ``personNumber`` of a vehicle or
    flow goes before it. Raises :class:`ScenarioError` if nobody passes a signal.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as name:
        folder = Path(name)
        routes = routed_demand(scenario, folder)
        trips = list(_trips(routes, occupancy or {}))
        last_s = max((depart_s for depart_s, _ in trips), default=scenario.begin_s)
        end_s = min(scenario.end_s, max(last_s, scenario.begin_s + SHORTEST_WINDOW_S))
        walks = walks_of(routes, network, (scenario.begin_s, end_s), folder)
    demand = counted((use for _, use in trips), network, scenario.begin_s, end_s)
    demand = replace(demand, walks=walks)
    if not demand.turns:
        raise ScenarioError(
            f"{scenario.name}: no vehicle of its routes passes a signal between "
            f"{scenario.begin_s:g} and {end_s:g} s, so there is nothing to plan for"
        )
    return demand


def counted(trips: Iterable[RouteUse], network: Network, begin_s: float, end_s: float) -> Demand:
    """The demand of *trips* within a window."""
    signals = {
        (link.from_edge, link.to_edge): junction.id
        for junction in network.junctions
        for link in junction.links
        if link.turn != "crossing"
    }
    turns: dict[Turn, float] = defaultdict(float)
    chains: dict[tuple[Turn, Turn], float] = defaultdict(float)
    persons: dict[Turn, float] = defaultdict(float)
    per_hour = 3600.0 / (end_s - begin_s)
    for edges, vehicles, persons_per_veh in trips:
        before: Turn | None = None
        for pair in itertools.pairwise(edges):
            if pair not in signals:
                continue
            turn = Turn(signals[pair], *pair)
            turns[turn] += vehicles * per_hour
            persons[turn] += vehicles * persons_per_veh * per_hour
            if before is not None:
                chains[before, turn] += vehicles * per_hour
            before = turn
    return Demand(
        begin_s=begin_s,
        end_s=end_s,
        turns=dict(turns),
        chains=dict(chains),
        persons=dict(persons),
    )


def _trips(routes: Path, occupancy: Mapping[str, float]) -> Iterator[tuple[float, RouteUse]]:
    """(departure, route) of every vehicle or flow in a file of routes."""
    classes: dict[str, str] = {}
    try:
        for _, element in ET.iterparse(routes):
            if element.tag == "vType":
                classes[element.get("id", "")] = element.get("vClass", DEFAULT_CLASS)
            if element.tag in {"vehicle", "flow"}:
                yield from _trips_of(element, _persons_in(element, classes, occupancy))
            if element.tag in {"vehicle", "flow", "person", "personFlow", "container"}:
                element.clear()
    except ET.ParseError as error:
        raise ScenarioError(f"{routes.name}: not well-formed XML ({error})") from None


def _persons_in(
    vehicle: ET.Element, classes: Mapping[str, str], occupancy: Mapping[str, float]
) -> float:
    """Persons in a vehicle: as it says itself, or as usual for its class; somebody drives."""
    own = vehicle.get("personNumber")
    if own is not None:
        return max(float(own), 1.0)
    return occupancy.get(classes.get(vehicle.get("type", ""), DEFAULT_CLASS), 1.0)


def _trips_of(element: ET.Element, persons_per_veh: float) -> Iterator[tuple[float, RouteUse]]:
    """A vehicle, or one departure of a flow in its middle with the number of its vehicles."""
    options = list(element.iter("route"))
    if not options:
        return
    weights = [float(option.get("probability", "1")) for option in options]
    depart_s, vehicles = time_s(element.get("depart") or "0"), 1.0
    if element.tag == "flow":
        depart_s, vehicles = time_s(element.get("end", "0")), vehicles_of(element)
    for option, weight in zip(options, weights, strict=True):
        edges = tuple((option.get("edges") or "").split())
        yield depart_s, RouteUse(edges, vehicles * weight / sum(weights), persons_per_veh)


def vehicles_of(element: ET.Element) -> float:
    """How many vehicles a ``vehicle`` (one) or a ``flow`` stands for."""
    if element.tag != "flow":
        return 1.0
    begin_s, end_s = (time_s(element.get(key, "0")) for key in ("begin", "end"))
    return _vehicles(element, end_s - begin_s)


def _vehicles(flow: ET.Element, lasts_s: float) -> float:
    if flow.get("number"):
        return float(flow.get("number", "0"))
    if flow.get("probability"):
        return float(flow.get("probability", "0")) * lasts_s
    if flow.get("vehsPerHour"):
        return float(flow.get("vehsPerHour", "0")) * lasts_s / 3600.0
    period = flow.get("period", "")
    if period.startswith("exp("):
        return float(period[4:].rstrip(")")) * lasts_s
    return lasts_s / float(period) if period else 0.0
