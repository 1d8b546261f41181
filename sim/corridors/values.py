"""Plain values of the corridor bench: vehicles to send, what they were seen to do, what came of it.

They are sent between processes, so everything here can be pickled.
"""

from __future__ import annotations

from dataclasses import dataclass, field

TYPE_NAME = "greenband_emergency"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyTrip:
    """One emergency vehicle: *route* in edges, *depart_s* on the simulation's clock."""

    name: str
    route: tuple[str, ...]
    depart_s: float
    level: int = 10
    role: str = "ambulance"


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyPlan:
    """The vehicles of one run, and how their receivers work.

    ``gps_lost``: nothing is heard any more from the middle of the way on. ``noise_m``: standard
    deviation of a position along its street.
    """

    trips: tuple[EmergencyTrip, ...]
    gps_lost: bool = False
    noise_m: float = 3.0
    seed: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class LinePassed:
    """A vehicle came over the stop line of *site* at *at_s*, having stopped so often before it."""

    site: str
    at_s: float
    stops: int


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyRide:
    """What one vehicle did; ``arrived_s`` None: still on its way when the window ended."""

    trip: EmergencyTrip
    arrived_s: float | None
    lines: tuple[LinePassed, ...]

    @property
    def travel_s(self) -> float | None:
        """From the scheduled departure: waiting to get into the network counts."""
        return None if self.arrived_s is None else self.arrived_s - self.trip.depart_s

    @property
    def stops(self) -> int:
        """At all stop lines that it came over."""
        return sum(line.stops for line in self.lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """How one junction got back in step after one vehicle: everybody served who had waited.

    ``cycles``: of its own plan, from the end of the call; None: not within the limit.
    """

    site: str
    corridor: str
    cycles: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteBurden:
    """What one junction had to bear, over the whole run."""

    site: str
    held_s: float
    longest_wait_cycles: float
    """Of any group, while it was held or recovered."""
    violations: int
    """Times that its conflict monitor cut it off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmergencyResult:
    """What came of the emergency vehicles of one run, and of all others."""

    rides: tuple[EmergencyRide, ...]
    others: int = 0
    others_delay_s: float = 0.0
    """Mean over all other scheduled trips."""
    recoveries: tuple[Recovery, ...] = ()
    states: tuple[str, ...] = field(default=())
    """How each corridor ended."""
    burdens: tuple[SiteBurden, ...] = ()
