"""What the sequencers share: the scene they see, the reasons they give, where they are."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from controller.calls import CallState
from controller.change import Change, Steps
from controller.coordination import Cycle
from controller.intersection import Intersection
from controller.lamps import LampState
from controller.plan import CheckedPlan
from controller.program import Program
from controller.ring_plan import CheckedRingPlan

CHANGING = -1
"""``since_ms`` of a stage that is not fully green yet."""


class Reason(Enum):
    """Why the present stage is held, or why the last one was left."""

    START = "waiting for the first stage"
    MIN_GREEN = "minimum times run"
    FIXED = "fixed split runs"
    COORDINATED = "coordinated stage is held to its force-off"
    EXTENDED = "extended by detectors"
    REST = "resting: nobody else calls"
    GAP_OUT = "gap-out: changing to the next stage"
    MAX_OUT = "max-out: changing to the next stage"
    FORCE_OFF = "force-off: changing to the next stage"
    SCHEDULE = "by the schedule"
    MANUAL = "by the operator"
    OVERDUE = "serving a call that has waited too long"
    STOPPED = "all groups are asked to end"


class Scene(NamedTuple):
    """What a sequencer sees in one step."""

    site: Intersection
    clock_ms: int
    utc_ms: int
    lamps: LampState
    calls: CallState
    cycle: Cycle
    plan: CheckedPlan | CheckedRingPlan | None
    demanded: int | None
    """The stage (its groups) that operator, schedule or an overdue call demands."""
    demanded_by: Reason


class Exit(NamedTuple):
    """The way out of the present stage, true while the same groups are green and called."""

    green: int
    called: int
    change: Change | None
    """None: there is nobody else to serve."""
    place: int
    start_ms: int
    """Local position at which the green of the next stage is due."""


class Sequence(NamedTuple):
    """Where the stage sequencer is."""

    program: Program
    place: int
    """Position of the present stage in the program; meaningful while ``inside``."""
    inside: bool
    """Whether the program decides; False after a demanded stage."""
    mask: int
    want: int
    since_ms: int
    """When all that the stage wanted was green; negative during the change to it."""
    end_ms: int
    """Local position at which the present stage and the interstage after it are over."""
    steps: Steps
    exit: Exit | None
    reason: Reason
