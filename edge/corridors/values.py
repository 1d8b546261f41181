"""What is said about corridors, as plain values: wishes, previews, passages, corridors, calls."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class CorridorState(Enum):
    """Where a corridor is in its life; the last four are its possible ends."""

    PENDING = "pending"
    """Asked for; no cabinet has answered yet."""
    GRANTED = "granted"
    """Every junction that can be reached has answered; none is held yet."""
    ACTIVE = "active"
    """At least one junction is held, or has been."""
    RECOVERING = "recovering"
    """The vehicle is through, or the corridor was ended; junctions return to their plan."""
    CLOSED = "closed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_over(self) -> bool:
        """Nothing is asked of any junction any more."""
        return self in _OVER


_OVER = frozenset(
    {
        CorridorState.CLOSED,
        CorridorState.REFUSED,
        CorridorState.CANCELLED,
        CorridorState.EXPIRED,
    }
)


class PassageState(Enum):
    """What became of the wish at one junction."""

    PLANNED = "planned"
    """Too early to ask."""
    ASKED = "asked"
    GRANTED = "granted"
    """The cabinet has the call."""
    HELD = "held"
    """The way is green, or becoming so, for the vehicle."""
    QUEUED = "queued"
    """Another vehicle goes first; ``why`` says which and how long."""
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    PASSED = "passed"
    RELEASED = "released"
    """Let go without having been passed: cancelled, rerouted, or too late."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where a vehicle is: *at_m* from the beginning of *street*, as of *utc_ms*."""

    street: str
    at_m: float
    speed_m_per_s: float
    utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """Who wants to go where. ``route`` is a chain of streets; empty: the quickest way is found.

    ``level`` 0 to 14, the higher the more urgent; ``role`` breaks ties (life-saving first).
    """

    vehicle: str
    role: str
    level: int
    origin: str
    destination: str
    route: tuple[str, ...] = ()
    reason: str = ""
    max_duration_s: float = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One junction on the way. Times are UTC in milliseconds; None while they are not known."""

    site: str
    stage: str
    from_street: str
    to_street: str
    distance_m: float
    """From the beginning of the route to the stop line."""
    state: PassageState
    why: str = ""
    """A sentence for the dispatcher: what holds it up, who refused, what to do."""
    eta_utc_ms: int | None = None
    green_from_utc_ms: int | None = None
    """When the way has to be green, so that the queue is gone when the vehicle comes."""
    passed_utc_ms: int | None = None
    released_utc_ms: int | None = None
    """When nothing was asked of it any more."""
    back_utc_ms: int | None = None
    """When it was back in step with its plan, or had served all who had waited."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a corridor would be; nothing has been asked of anybody."""

    id: str
    wish: Wish
    route: tuple[str, ...]
    passages: tuple[Passage, ...]
    length_m: float
    eta_s: float
    """With the corridor."""
    without_s: float
    """Expected without it: the present queues and the mean wait at each signal."""
    others_delay_s: float
    """Expected delay of all others together, in vehicle-seconds."""
    remarks: tuple[str, ...]
    """Junctions offline, other corridors in the way and for how long, streets without signals."""
    expires_utc_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Corridor:
    """A corridor as it stands."""

    id: str
    wish: Wish
    caller: str
    state: CorridorState
    route: tuple[str, ...]
    passages: tuple[Passage, ...]
    opened_utc_ms: int
    until_utc_ms: int
    """Its maximum duration ends then, whatever happens."""
    position: Position | None = None
    eta_utc_ms: int | None = None
    """At the end of the route."""
    note: str = ""
    """What there is to know now, in a sentence: silent since, off the route, parked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A priority call to be made, kept up, or (``ttl_ms`` 0) ended at one cabinet.

    A call that begins with ``ttl_ms`` 0 is a question: a cabinet that can be asked takes it, holds
    nothing, and says so. That is how every junction of a new corridor answers at once.
    """

    corridor: str
    site: str
    number: int
    level: int
    stage: str
    ttl_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SiteView:
    """One site as it was seen last.

    ``stage`` is None during a change, and where it is not known. ``queue_veh`` follows the lanes of
    the estimate (those that :attr:`edge.corridors.streets.Turn.lanes` number) and may be empty;
    ``coming_veh``, where it is known, are those who are on their way to the same lanes.
    """

    stage: str | None = None
    green_ms: int = 0
    """How long the stage has been fully green."""
    next_stage: str | None = None
    """Where a change leads that is under way."""
    green: int | None = None
    """Mask of the groups that are green; None where nobody says."""
    ending: int | None = None
    """Mask of those that show yellow, or clear."""
    queue_veh: tuple[float, ...] = ()
    coming_veh: tuple[float, ...] = ()
    reachable: bool = True
    coordinated: bool = False
    """It follows a plan by the clock."""
    in_step: bool | None = None
    """In step with its plan, or everybody served who waited when the call was over; None: nobody
    knows, and it is judged by its changes of stage."""
    cycle_s: float = 90.0


class Answer(Enum):
    """What a cabinet, or the line to it, says to a call."""

    ACKNOWLEDGED = "acknowledged"
    """It has taken the call, or a question (``ttl_ms`` 0 of a number that it does not know)."""
    ACTIVATED = "activated"
    QUEUED = "queued"
    REFUSED = "refused"
    TIMED_OUT = "timed out"
    COMPLETED = "completed"
    STALE = "stale"
    """The line failed: nothing of the call came for so long that the cabinet dropped it."""
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class CallAnswer:
    """An answer, and why where it is a bad one."""

    answer: Answer
    why: str = ""
