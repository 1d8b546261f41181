"""Emergency vehicles that are sent into the streets, and where they are."""

from __future__ import annotations

from edge.corridors.values import Position
from sim.simulation import Simulation

TYPE = "greenband_emergency"


class SentVehicles:
    """The vehicles that were sent and are driving; they keep to the rules of the road.

    Those that are *gone*, with the streets that they drove in, have arrived.
    """

    def __init__(self, simulation: Simulation, gone: tuple[str, ...] = ()) -> None:
        connection = simulation.connection
        self._vehicles = connection.vehicle
        self._routes = connection.route
        self._left = connection.simulation.getArrivedIDList
        self._sent: set[str] = set()
        self._arrived = list(gone)
        self._count = 0
        types = connection.vehicletype
        types.copy("DEFAULT_VEHTYPE", TYPE)
        types.setVehicleClass(TYPE, "emergency")
        types.setShapeClass(TYPE, "emergency")
        types.setSpeedFactor(TYPE, 1.0)
        types.setSpeedDeviation(TYPE, 0.0)

    def depart(self, vehicle: str, route: tuple[str, ...]) -> None:
        """*vehicle* sets out at the beginning of *route*, unless it is under way already."""
        if vehicle in self._sent:
            return
        self._count += 1
        name = f"{vehicle} {self._count}"
        self._routes.add(name, list(route))
        self._vehicles.add(
            vehicle, name, typeID=TYPE, depart="now", departLane="best", departSpeed="max"
        )
        self._sent.add(vehicle)

    def turn(self, vehicle: str, route: tuple[str, ...]) -> None:
        """*vehicle* goes on along *route*, if it is on the first street of it."""
        if vehicle in self._sent and vehicle in self._vehicles.getIDList():
            here = self._vehicles.getRoadID(vehicle)
            if here in route:
                self._vehicles.setRoute(vehicle, list(route[route.index(here) :]))

    def look(self) -> None:
        """After every step: who has left."""
        for vehicle in self._left():
            if vehicle in self._sent:
                self._sent.discard(vehicle)
                self._arrived.append(vehicle)

    @property
    def driving(self) -> tuple[str, ...]:
        """Those that have not left."""
        return tuple(sorted(self._sent))

    def arrived(self) -> tuple[str, ...]:
        """Those that have left since the last question."""
        found, self._arrived = tuple(self._arrived), []
        return found

    def positions(self, utc_ms: int) -> dict[str, Position]:
        """Where the others are; in a junction, at the beginning of the next street."""
        found = {}
        for vehicle in self._sent & set(self._vehicles.getIDList()):
            street, at_m = self._vehicles.getRoadID(vehicle), 0.0
            if street.startswith(":"):
                route = self._vehicles.getRoute(vehicle)
                street = route[min(self._vehicles.getRouteIndex(vehicle) + 1, len(route) - 1)]
            else:
                at_m = self._vehicles.getLanePosition(vehicle)
            speed_m_per_s = self._vehicles.getSpeed(vehicle)
            found[vehicle] = Position(
                street=street, at_m=at_m, speed_m_per_s=speed_m_per_s, utc_ms=utc_ms
            )
        return found
