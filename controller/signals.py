"""What goes into one controller step and what comes out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from controller.intersection import Intersection
from controller.plan import CheckedPlan, CheckedSchedule
from controller.ring_plan import CheckedRingPlan


class Aspect(Enum):
    """What the lamps of a group show."""

    RED = "red"
    GREEN = "green"
    """Green of a vehicle group, walk of a pedestrian group."""
    ENDING = "ending"
    """Yellow of a vehicle group, clearance (flashing don't walk) of a pedestrian group."""
    FLASH = "flash"
    """Flashing yellow of a vehicle group, dark for a pedestrian group."""


class OperatorMode(Enum):
    """What the operator (police panel, maintenance, centre) has chosen."""

    AUTO = "auto"
    MANUAL = "manual"
    """Hold the stage in :attr:`Inputs.manual_stage`."""
    ALL_RED = "all red"
    FLASH = "flash"


@dataclass(frozen=True, slots=True)
class Inputs:
    """All that the controller sees in one step; detector masks follow ``site.detectors``.

    ``occupied``: vehicle on the loop (button held) now. ``pulsed``: at least one vehicle reached
    the loop (button pressed) since the last step. ``missing``: no valid reading; a missing detector
    is never "no vehicle".
    """

    occupied: int = 0
    pulsed: int = 0
    missing: int = 0
    plan: CheckedPlan | CheckedRingPlan | None = None
    schedule: CheckedSchedule | None = None
    operator: OperatorMode = OperatorMode.AUTO
    manual_stage: int = 0
    monitor_reset: bool = False


class Event(NamedTuple):
    """One record of the Indiana high-resolution log: time, event code, parameter."""

    utc_ms: int
    code: int
    parameter: int


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the field: its short name and a sentence."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Outputs:
    """What the lamps show after one step; every group in neither mask is red.

    While ``flash`` is set the masks are empty and every group flashes.
    """

    green: int
    ending: int
    flash: bool = False
    events: tuple[Event, ...] = ()
    faults: tuple[Fault, ...] = field(default=())

    def aspects(self, site: Intersection) -> tuple[Aspect, ...]:
        """The aspect of every group of *site*, in order."""
        if self.flash:
            return (Aspect.FLASH,) * len(site.groups)
        return tuple(
            Aspect.GREEN
            if self.green >> i & 1
            else Aspect.ENDING
            if self.ending >> i & 1
            else Aspect.RED
            for i in range(len(site.groups))
        )
