"""What a report draws of one run: delays over time and by movement, queues, greens."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sim.controls.programs import GREEN
from sim.free_flow import FreeFlow
from sim.metrics import Trips, delay_by_departure, mean, percentile
from sim.network import Junction, Network
from sim.network.net_file import read_net
from sim.results import GreenShare, MovementDelay, RunDetail
from sim.scenario import Scenario
from sim.simulation import QUEUE_PERIOD_S, Outputs, Simulation

BIN_S = 300.0
SPILLBACK_SHARE = 0.9
_SHORTEST_EDGE_M = 15.0
"""On shorter edges a single car is a full queue: their queues say nothing."""


class Recorder:
    """Notes when the lamps of each signal change."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        lights = simulation.connection.trafficlight
        self._state = lights.getRedYellowGreenState
        self._names = tuple(lights.getIDList())
        self._begin_s = simulation.time_ms / 1_000
        self.changes: dict[str, list[tuple[float, str]]] = {name: [] for name in self._names}

    def record(self) -> None:
        """Look at every signal, after a step: its lamps showed that state during the step."""
        begin_s = self._simulation.time_ms / 1_000 - self._simulation.step_s
        for name in self._names:
            state = self._state(name)
            changes = self.changes[name]
            if not changes or changes[-1][1] != state:
                changes.append((begin_s, state))


def read_detail(
    scenario: Scenario, network: Network, outputs: Outputs, trips: Trips, recorder: Recorder
) -> RunDetail:
    """The detail of one run from its output files and from what *recorder* noted."""
    assert outputs.queues and outputs.routes and outputs.edges
    free_flow = FreeFlow.of(read_net(scenario.net_file))
    return RunDetail(
        delay_by_departure=delay_by_departure(trips, BIN_S),
        edges=edge_queues(outputs.edges, outputs.queues, free_flow, scenario),
        movements=movement_delays(outputs.routes, network, free_flow),
        greens=tuple(
            share
            for junction in network.junctions
            for share in green_shares(
                junction, recorder.changes.get(junction.id, []), scenario.begin_s, scenario.end_s
            )
        ),
    )


def edge_queues(
    edges: Path, queues: Path, free_flow: FreeFlow, scenario: Scenario
) -> dict[str, tuple[float, float, float]]:
    """Per edge: (mean halting vehicles, largest share that was queue, share of time spilled back).

    Queues are sampled every :data:`~sim.simulation.QUEUE_PERIOD_S`; an edge's queue is that of its
    longest lane. Edges shorter than a queue of two are left out.
    """
    window_s = scenario.end_s - scenario.begin_s
    halting = {
        edge.get("id", ""): float(edge.get("waitingTime") or 0.0) / window_s
        for edge in _elements(edges, "edge")
    }
    samples = max(1.0, window_s / QUEUE_PERIOD_S)
    largest: dict[str, float] = {}
    spilled: dict[str, int] = {}
    for sample in _elements(queues, "data"):
        now: dict[str, float] = {}
        for lane in sample.iter("lane"):
            edge_id = lane.get("id", "").rpartition("_")[0]
            length_m = free_flow.length_m.get(edge_id, 0.0)
            if length_m >= _SHORTEST_EDGE_M:
                share = min(1.0, float(lane.get("queueing_length") or 0.0) / length_m)
                now[edge_id] = max(now.get(edge_id, 0.0), share)
        for edge_id, share in now.items():
            largest[edge_id] = max(largest.get(edge_id, 0.0), share)
            spilled[edge_id] = spilled.get(edge_id, 0) + (share > SPILLBACK_SHARE)
    return {
        edge_id: (
            halting.get(edge_id, 0.0),
            largest.get(edge_id, 0.0),
            spilled.get(edge_id, 0) / samples,
        )
        for edge_id, length_m in free_flow.length_m.items()
        if length_m >= _SHORTEST_EDGE_M and (edge_id in halting or edge_id in largest)
    }


def _elements(path: Path, tag: str) -> Iterator[ET.Element]:
    for _, element in ET.iterparse(path):
        if element.tag == tag:
            yield element
            element.clear()


@dataclass(frozen=True, slots=True)
class _Movement:
    junction: str
    from_edge: str
    to_edge: str
    turn: str


def movement_delays(
    routes: Path, network: Network, free_flow: FreeFlow
) -> tuple[MovementDelay, ...]:
    """Delay of the vehicles that passed each movement at a signal, from their edge exit times.

    A vehicle's delay at a signal is its time since the last signal (or since it was inserted), less
    what it would have needed at the speed limits, until it leaves the approach edge. Vehicles
    that were still queueing at the end, or never got in, are not in here but in the run's delay.
    """
    signalised = {
        (link.from_edge, link.to_edge): _Movement(
            junction.id, link.from_edge, link.to_edge, link.turn
        )
        for junction in network.junctions
        for link in junction.links
        if link.turn != "crossing"
    }
    delays: dict[_Movement, list[float]] = {}
    for vehicle in _elements(routes, "vehicle"):
        for movement, delay_s in _vehicle_delays(vehicle, signalised, free_flow):
            delays.setdefault(movement, []).append(delay_s)
    return tuple(
        MovementDelay(
            junction=movement.junction,
            from_edge=movement.from_edge,
            to_edge=movement.to_edge,
            turn=movement.turn,
            vehicles=len(values),
            delay_s=mean(values),
            p95_delay_s=percentile(values, 95),
            max_delay_s=max(values),
        )
        for movement in dict.fromkeys(signalised.values())
        if (values := delays.get(movement))
    )


def _vehicle_delays(
    vehicle: ET.Element, signalised: Mapping[tuple[str, str], _Movement], free_flow: FreeFlow
) -> Iterator[tuple[_Movement, float]]:
    driven = [route for route in vehicle.iter("route") if route.get("exitTimes")]
    if not driven:
        return
    edges = driven[-1].get("edges", "").split()
    exits_s = [float(text) for text in driven[-1].get("exitTimes", "").split()]
    since_s = float(vehicle.get("depart") or 0.0)
    free_s = -free_flow.skipped_s(edges[0], vehicle.get("departPos", ""))
    for k, (edge, exit_s) in enumerate(zip(edges, exits_s, strict=False)):
        if exit_s < 0:
            return
        free_s += free_flow.edge_s(edge)
        following = edges[k + 1] if k + 1 < len(edges) else ""
        movement = signalised.get((edge, following))
        if movement is not None:
            yield movement, max(0.0, exit_s - since_s - free_s)
            since_s, free_s = exit_s, 0.0
        free_s += free_flow.turn_s(edge, following)


def green_shares(
    junction: Junction, changes: list[tuple[float, str]], begin_s: float, end_s: float
) -> Iterator[GreenShare]:
    """Greens of every signal group, from the (time, state) at which the lamps changed."""
    spans = [
        (since_s, until_s, state)
        for (since_s, state), (until_s, _) in zip(changes, [*changes[1:], (end_s, "")], strict=True)
    ]
    for index, group in enumerate(junction.intersection.groups):
        links = [link.index for link in junction.links if link.group == index]
        greens = _green_spans(spans, links)
        lengths_s = [until_s - since_s for since_s, until_s in greens]
        complete = [u - s for s, u in greens if s > begin_s and u < end_s]
        yield GreenShare(
            junction=junction.id,
            group=group.name,
            share=sum(lengths_s) / (end_s - begin_s),
            greens=len(greens),
            mean_green_s=mean(lengths_s),
            shortest_green_s=min(complete, default=None),
        )


def _green_spans(
    spans: list[tuple[float, float, str]], links: list[int]
) -> list[tuple[float, float]]:
    greens: list[tuple[float, float]] = []
    for since_s, until_s, state in spans:
        if any(index < len(state) and state[index] in GREEN for index in links):
            if greens and greens[-1][1] == since_s:
                greens[-1] = (greens[-1][0], until_s)
            else:
                greens.append((since_s, until_s))
    return greens
