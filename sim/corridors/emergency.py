"""The emergency vehicles of one run: sent with the demand, watched, and counted apart."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sim.corridors.streets_from_net import streets_from_net
from sim.corridors.trips import write_trips
from sim.corridors.values import EmergencyPlan, EmergencyResult
from sim.corridors.watch import RideWatch
from sim.metrics import Trips, mean
from sim.network import Network
from sim.scenario import Scenario
from sim.simulation import Simulation

FILE = "emergency.rou.xml"


class EmergencyRun:
    """What a run with emergency vehicles has besides; ``complete`` is set by who opens corridors.

    It is given the result so far, and adds what it did to the junctions.
    """

    def __init__(self, plan: EmergencyPlan, network: Network) -> None:
        self.plan = plan
        self.complete: Callable[[EmergencyResult], EmergencyResult] = _as_it_is
        self._watch = RideWatch(streets_from_net(network), plan)

    def added_to(self, scenario: Scenario, folder: Path) -> Scenario:
        """*scenario* with the vehicles in its demand; *folder* holds the file."""
        routes = write_trips(self.plan.trips, folder / FILE)
        return replace(scenario, route_files=(*scenario.route_files, routes))

    def look(self, simulation: Simulation) -> None:
        """After a step."""
        self._watch.look(simulation)

    def result(self, trips: Trips) -> EmergencyResult:
        """What came of it; *trips* are those of all vehicles."""
        ours = {trip.name for trip in self.plan.trips}
        others = [trip.delay_s for trip in trips.vehicles if trip.vehicle not in ours]
        seen = EmergencyResult(
            rides=self._watch.rides(), others=len(others), others_delay_s=mean(others)
        )
        return self.complete(seen)


def _as_it_is(result: EmergencyResult) -> EmergencyResult:
    return result
