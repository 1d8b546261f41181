"""The receivers of the emergency vehicles: where each of them is, once a second.

This is the one place where the bench's corridors depend on what SUMO knows of a vehicle.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

from edge.corridors.values import Position
from sim.corridors.values import EmergencyPlan, EmergencyTrip
from sim.simulation import Simulation


@dataclass(frozen=True, slots=True)
class Place:
    """Where a vehicle really is: *at_m* along the street at position *street* of its route."""

    street: int
    at_m: float
    speed_m_per_s: float


class Fleet:
    """The emergency vehicles of a run that are in the network."""

    def __init__(self, simulation: Simulation, plan: EmergencyPlan) -> None:
        self._vehicles = simulation.connection.vehicle
        self._trips = {trip.name: trip for trip in plan.trips}

    def places(self) -> Iterator[tuple[EmergencyTrip, Place]]:
        """All that are driving now; in a junction, a vehicle is at the start of its next street."""
        driving = self._vehicles.getIDList()
        for name in sorted(self._trips.keys() & set(driving)):
            trip = self._trips[name]
            street = self._vehicles.getRouteIndex(name)
            at_m = self._vehicles.getLanePosition(name)
            if self._vehicles.getRoadID(name).startswith(":"):
                street, at_m = street + 1, 0.0
            if 0 <= street < len(trip.route):
                yield trip, Place(street, at_m, self._vehicles.getSpeed(name))


class Receivers:
    """What the vehicles report: noisy, and silent from half-way on where that is wanted."""

    def __init__(self, fleet: Fleet, plan: EmergencyPlan) -> None:
        self._fleet = fleet
        self._plan = plan
        self._chance = random.Random(f"receivers {plan.seed}")

    def reports(self, utc_ms: int) -> Iterator[tuple[EmergencyTrip, Position]]:
        """The reports of this second."""
        for trip, place in self._fleet.places():
            error_m = self._chance.gauss(0.0, self._plan.noise_m)
            if self._plan.gps_lost and place.street >= len(trip.route) / 2:
                continue
            yield (
                trip,
                Position(
                    street=trip.route[place.street],
                    at_m=max(0.0, place.at_m + error_m),
                    speed_m_per_s=place.speed_m_per_s,
                    utc_ms=utc_ms,
                ),
            )
