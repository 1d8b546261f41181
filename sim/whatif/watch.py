"""Looks at the streets while a candidate runs: who stands where, how long, which lanes are full."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

from sim.network import Network
from sim.simulation import Simulation
from sim.whatif.figures import Place

PERIOD_S = 5.0
"""How often it looks."""
QUEUED_VEHICLE_M = 7.5
"""A standing vehicle with its gap."""
FULL_SHARE = 0.9
SHORTEST_M = 15.0
"""On shorter lanes a single car is a full queue."""
FEWEST_VEHICLES = 5
"""A group with fewer vehicles is not called the worst one."""


@dataclass(slots=True)
class _Before:
    """What was seen before the lamps of one lane."""

    standing_s: float = 0.0
    vehicles: set[str] = field(default_factory=set)


class Watch:
    """Gathers the queues of a run; :meth:`record` after every step."""

    def __init__(self, simulation: Simulation, network: Network) -> None:
        self._simulation = simulation
        self._lane = simulation.connection.lane
        self._vehicle = simulation.connection.vehicle
        self._begin_s = simulation.time_ms / 1_000
        self._next_s = self._begin_s
        self._length_m = {
            name: float(self._lane.getLength(name))
            for name in self._lane.getIDList()
            if not name.startswith(":")
        }
        self._label = _labels(network)
        self._before: dict[str, _Before] = defaultdict(_Before)
        self.standing: list[tuple[float, float]] = []
        self.longest_queue_veh = Place("", 0.0)
        self.longest_wait_s = Place("", 0.0)
        self.full_lane_min = 0.0
        self.record()

    def record(self) -> None:
        """Look, if it is time to."""
        now_s = self._simulation.time_ms / 1_000
        if now_s < self._next_s - 1e-6:
            return
        self._next_s += PERIOD_S
        passed_s = now_s - self._begin_s
        total = 0
        for lane, length_m in self._length_m.items():
            standing = int(self._lane.getLastStepHaltingNumber(lane))
            if lane in self._label:
                self._look_before(lane, standing)
            if standing:
                total += standing
                self._look_at_queue(lane, length_m, standing, passed_s)
        self.standing.append((passed_s, float(total)))

    def _look_before(self, lane: str, standing: int) -> None:
        before = self._before[lane]
        before.standing_s += standing * PERIOD_S
        before.vehicles.update(self._lane.getLastStepVehicleIDs(lane))

    def _look_at_queue(self, lane: str, length_m: float, standing: int, passed_s: float) -> None:
        if standing > self.longest_queue_veh.value:
            self.longest_queue_veh = Place(self._called(lane), float(standing))
        if length_m >= SHORTEST_M and standing * QUEUED_VEHICLE_M >= FULL_SHARE * length_m:
            self.full_lane_min += PERIOD_S / 60
        if passed_s > self.longest_wait_s.value:
            for name in self._lane.getLastStepVehicleIDs(lane):
                waited_s = min(float(self._vehicle.getWaitingTime(name)), passed_s)
                if waited_s > self.longest_wait_s.value and not self._vehicle.isStopped(name):
                    self.longest_wait_s = Place(self._called(lane), waited_s)

    def worst_group(self) -> Place | None:
        """Where a vehicle stood longest on average."""
        means = [
            Place(self._label[lane], before.standing_s / len(before.vehicles))
            for lane, before in self._before.items()
            if len(before.vehicles) >= FEWEST_VEHICLES
        ]
        return max(means, key=lambda place: place.value, default=None)

    def _called(self, lane: str) -> str:
        return self._label.get(lane, f"lane {lane}")


def _labels(network: Network) -> dict[str, str]:
    """By lane at a stop line: its signal and the groups that release it."""
    groups: dict[str, dict[str, None]] = {}
    signal: dict[str, str] = {}
    for junction in network.junctions:
        for link in junction.links:
            if link.group is not None and link.turn != "crossing":
                name = junction.intersection.groups[link.group].name
                groups.setdefault(link.from_lane, {})[name] = None
                signal[link.from_lane] = junction.id
    return {lane: f"{signal[lane]} {'+'.join(names)}" for lane, names in groups.items()}
