"""Turning demand at the signals, counted from the routes of a scenario.

From routes everything is exact: how many vehicles make each turn, and how many of them come from
which turn at the signal before (*chains*), so that nobody has to guess where a platoon goes.
"""

from __future__ import annotations

import itertools
import tempfile
import xml.etree.ElementTree as ET
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.errors import ScenarioError
from sim.network.model import Network
from sim.planning.routing import routed_demand
from sim.scenario import Scenario, time_s

SHORTEST_WINDOW_S = 60.0


@dataclass(frozen=True, slots=True)
class Turn:
    """From one edge into another at a signal."""

    junction: str
    from_edge: str
    to_edge: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """Mean flows (veh/h) between *begin_s* and *end_s*.

    ``chains``: (turn, the next turn of the same vehicles at a signal) to veh/h.
    """

    begin_s: float
    end_s: float
    turns: Mapping[Turn, float]
    chains: Mapping[tuple[Turn, Turn], float]

    @property
    def hours(self) -> float:
        """How long the flows last."""
        return (self.end_s - self.begin_s) / 3600.0

    def scaled(self, factor: float) -> Demand:
        """The same demand, every flow times *factor*."""
        return Demand(
            begin_s=self.begin_s,
            end_s=self.end_s,
            turns={turn: flow * factor for turn, flow in self.turns.items()},
            chains={chain: flow * factor for chain, flow in self.chains.items()},
        )


def demand_of(scenario: Scenario, network: Network) -> Demand:
    """The demand of *scenario* at the signals of *network*, from its begin to its last departure.

    Raises :class:`ScenarioError` if nobody passes a signal.
    """
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        trips = list(_trips(routed_demand(scenario, Path(folder))))
    last_s = max((depart_s for depart_s, _, _ in trips), default=scenario.begin_s)
    end_s = min(scenario.end_s, max(last_s, scenario.begin_s + SHORTEST_WINDOW_S))
    demand = counted(((edges, n) for _, edges, n in trips), network, scenario.begin_s, end_s)
    if not demand.turns:
        raise ScenarioError(
            f"{scenario.name}: no vehicle of its routes passes a signal between "
            f"{scenario.begin_s:g} and {end_s:g} s, so there is nothing to plan for"
        )
    return demand


def counted(
    trips: Iterable[tuple[tuple[str, ...], float]], network: Network, begin_s: float, end_s: float
) -> Demand:
    """Demand from (edges of a route, vehicles on it)."""
    signals = {
        (link.from_edge, link.to_edge): junction.id
        for junction in network.junctions
        for link in junction.links
        if link.turn != "crossing"
    }
    turns: dict[Turn, float] = defaultdict(float)
    chains: dict[tuple[Turn, Turn], float] = defaultdict(float)
    per_hour = 3600.0 / (end_s - begin_s)
    for edges, vehicles in trips:
        before: Turn | None = None
        for pair in itertools.pairwise(edges):
            if pair not in signals:
                continue
            turn = Turn(signals[pair], *pair)
            turns[turn] += vehicles * per_hour
            if before is not None:
                chains[before, turn] += vehicles * per_hour
            before = turn
    return Demand(begin_s=begin_s, end_s=end_s, turns=dict(turns), chains=dict(chains))


def _trips(routes: Path) -> Iterator[tuple[float, tuple[str, ...], float]]:
    """(departure, edges, vehicles) of every vehicle or flow in a file of routes."""
    try:
        for _, element in ET.iterparse(routes):
            if element.tag in {"vehicle", "flow"}:
                yield from _trips_of(element)
            if element.tag in {"vehicle", "flow", "person", "personFlow", "container"}:
                element.clear()
    except ET.ParseError as error:
        raise ScenarioError(f"{routes.name}: not well-formed XML ({error})") from None


def _trips_of(element: ET.Element) -> Iterator[tuple[float, tuple[str, ...], float]]:
    """A vehicle, or one departure of a flow in its middle with the number of its vehicles."""
    options = list(element.iter("route"))
    if not options:
        return
    weights = [float(option.get("probability", "1")) for option in options]
    depart_s, vehicles = time_s(element.get("depart") or "0"), 1.0
    if element.tag == "flow":
        depart_s, vehicles = time_s(element.get("end", "0")), vehicles_of(element)
    for option, weight in zip(options, weights, strict=True):
        yield depart_s, tuple((option.get("edges") or "").split()), vehicles * weight / sum(weights)


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
