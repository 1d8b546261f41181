"""What a run on the bench measured: the documented, stable interface of ``compare --json``."""

from __future__ import annotations

from dataclasses import dataclass, field

from optimizer.planning.chain import Chain
from sim.corridors.values import EmergencyResult
from sim.decisions import DecisionNote
from sim.whatif.figures import Ahead

SCHEMA = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """One control, one seed. Times in seconds, means over trips.

    ``delay_s`` and ``depart_delay_s`` are means over all scheduled trips, unfinished and undeparted
    ones counted (delay = time loss + depart delay); ``time_loss_s``, ``waiting_s``, ``stops``,
    ``p95_time_loss_s``, ``max_waiting_s`` and ``co2_g_per_trip`` are over inserted trips, those
    still driving included.
    """

    seed: int
    scheduled: int
    finished: int
    undeparted: int
    delay_s: float
    time_loss_s: float
    depart_delay_s: float
    waiting_s: float
    stops: float
    p95_time_loss_s: float
    max_waiting_s: float
    co2_g_per_trip: float
    jammed: bool
    control_ms_per_step: float
    wall_s: float
    p95_waiting_s: float = 0.0
    pedestrians: int = 0
    pedestrian_delay_s: float | None = None
    max_pedestrian_delay_s: float | None = None
    collisions: int = 0
    teleports: int = 0
    detail: RunDetail | None = None
    ahead: Ahead | None = None
    """Of a run that went on from a present state, what came of it."""
    emergency: EmergencyResult | None = None
    """Of a run with emergency vehicles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MovementDelay:
    """Delay of the vehicles that made one movement at one signal (approach to exit edge)."""

    junction: str
    from_edge: str
    to_edge: str
    turn: str
    vehicles: int
    delay_s: float
    p95_delay_s: float
    max_delay_s: float | None = None
    """The longest of any one vehicle; None where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GreenShare:
    """How long one signal group was green: share of the hour, number and mean length of greens."""

    junction: str
    group: str
    share: float
    greens: int
    mean_green_s: float
    shortest_green_s: float | None = None
    """Shortest complete green; None where it was not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectory:
    """Where one vehicle was on a street: (time in s, metres along the street) from bend to bend."""

    inbound: bool
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedLoop:
    """An advance loop of one direction at one signal, on one lane.

    ``distance_m`` before the stop line, ``travel_time_s`` at the speed limit.
    """

    id: str
    junction: str
    inbound: bool
    lane: str
    position_m: float
    distance_m: float
    travel_time_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StreetRecord:
    """What one run shows of a street that was watched, see :mod:`sim.street_record`.

    ``trajectories`` between ``begin_s`` and ``end_s``; over the whole run ``lamps``: per junction
    (time in s, SUMO state) at every change; ``passages``: per loop when a vehicle reached it, in s.
    """

    chain: Chain
    loops: tuple[WatchedLoop, ...]
    begin_s: float
    end_s: float
    trajectories: tuple[Trajectory, ...]
    lamps: dict[str, tuple[tuple[float, str], ...]]
    passages: dict[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetail:
    """What the report draws, kept for the runs that it shows.

    ``delay_by_departure``: (start of the 5-minute bin in s, mean delay in s, trips).
    ``edges``: per edge id, (mean halting vehicles, largest share of its length that was queue,
    share of time in which more than 90 % of its length was queue: spillback).
    """

    delay_by_departure: tuple[tuple[float, float, int], ...] = ()
    edges: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    movements: tuple[MovementDelay, ...] = ()
    greens: tuple[GreenShare, ...] = ()
    decisions: tuple[DecisionNote, ...] = ()
    """Of a control that explains itself, every decision that changed something."""
    street: StreetRecord | None = None
    """Of the street that the run was asked to watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlResult:
    """All runs of one control."""

    name: str
    sees: str
    runs: tuple[RunResult, ...]


@dataclass(frozen=True, slots=True)
class FailedControl:
    """A peer that could not be run here (some of SUMO's own tools crash on some networks)."""

    name: str
    sees: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Controls run beside each other on one scenario, with the same seeds and convention.

    ``failed`` names the peers that are not among ``controls``, and why.
    """

    scenario: str
    convention: str
    sumo: str
    scale: float
    controls: tuple[ControlResult, ...]
    failed: tuple[FailedControl, ...] = ()
