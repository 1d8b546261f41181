"""What the emergency vehicles of a run are seen to do, whoever controls the signals."""

from __future__ import annotations

from dataclasses import dataclass, field

from edge.corridors.streets import Streets
from edge.corridors.way import Way
from sim.corridors.avl import Fleet, Place
from sim.corridors.values import EmergencyPlan, EmergencyRide, EmergencyTrip, LinePassed
from sim.simulation import Simulation

STOPPED_M_PER_S = 0.1
MOVING_M_PER_S = 1.0
"""A vehicle that creeps up in a queue has not moved on."""


@dataclass(slots=True)
class _Seen:
    way: Way
    lines: list[LinePassed] = field(default_factory=list)
    stops: int = 0
    stopped: bool = False
    driving: bool = False


class RideWatch:
    """Looks at every vehicle of *plan* once a step."""

    def __init__(self, streets: Streets, plan: EmergencyPlan) -> None:
        self._plan = plan
        self._seen = {trip.name: _Seen(Way(streets, trip.route)) for trip in plan.trips}
        self._arrived_s: dict[str, float] = {}
        self._fleet: Fleet | None = None

    def look(self, simulation: Simulation) -> None:
        """After a step."""
        if self._fleet is None:
            self._fleet = Fleet(simulation, self._plan)
        now_s = simulation.time_ms / 1_000.0
        driving = set()
        for trip, place in self._fleet.places():
            driving.add(trip.name)
            self._follow(trip, place, now_s)
        for name, seen in self._seen.items():
            if seen.driving and name not in driving:
                self._arrived_s.setdefault(name, now_s)
            seen.driving = name in driving

    def _follow(self, trip: EmergencyTrip, place: Place, now_s: float) -> None:
        seen = self._seen[trip.name]
        if place.speed_m_per_s < STOPPED_M_PER_S and not seen.stopped:
            seen.stopped = True
            seen.stops += 1
        elif place.speed_m_per_s > MOVING_M_PER_S:
            seen.stopped = False
        lines = seen.way.lines
        while len(seen.lines) < len(lines) and lines[len(seen.lines)].street < place.street:
            site = lines[len(seen.lines)].turn.site
            seen.lines.append(LinePassed(site=site, at_s=now_s, stops=seen.stops))
            seen.stops = 0

    def rides(self) -> tuple[EmergencyRide, ...]:
        """All vehicles of the plan."""
        return tuple(
            EmergencyRide(
                trip=trip,
                arrived_s=self._arrived_s.get(trip.name),
                lines=tuple(self._seen[trip.name].lines),
            )
            for trip in self._plan.trips
        )
