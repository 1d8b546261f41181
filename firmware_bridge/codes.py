"""The numbers that stand for words on the wire. Their order is the map: only ever append."""

from __future__ import annotations

from enum import IntEnum, IntFlag

from controller.core import Mode
from controller.plan import Transition
from controller.sequence import Reason
from controller.signals import OperatorMode

NO_STAGE = 0xFFFF
"""Stage register during a change."""

MODES = (
    Mode.STARTUP_FLASH,
    Mode.STARTUP_RED,
    Mode.RUN,
    Mode.CLOSING,
    Mode.FLASH,
    Mode.LATCHED,
)
OPERATORS = (
    OperatorMode.AUTO,
    OperatorMode.MANUAL,
    OperatorMode.ALL_RED,
    OperatorMode.FLASH,
)
REASONS = (
    Reason.START,
    Reason.MIN_GREEN,
    Reason.FIXED,
    Reason.COORDINATED,
    Reason.EXTENDED,
    Reason.REST,
    Reason.GAP_OUT,
    Reason.MAX_OUT,
    Reason.FORCE_OFF,
    Reason.SCHEDULE,
    Reason.MANUAL,
    Reason.OVERDUE,
    Reason.STOPPED,
)
TRANSITIONS = (Transition.SHORTWAY, Transition.ADD_ONLY, Transition.DWELL)


class Command(IntEnum):
    """Whose word the cabinet runs on: its place on the ladder."""

    NOBODY = 0
    OPERATOR = 1
    PRIORITY = 2
    SCHEDULE = 3
    UPLOADED_PLAN = 4
    FACTORY_PLAN = 5
    FREE = 6


class Flag(IntFlag):
    """Bits of the status register ``flags``."""

    BACKUP = 1
    SCHEDULE = 2
    LOCKSTEP = 4
    PANEL = 8
    UNSAVED = 16


class FaultBit(IntFlag):
    """Bits of the status register ``faults``."""

    MONITOR = 1
    DETECTOR = 2
    ORDER = 4
    STORED_PLAN = 8
    STORE = 16


class Capability(IntFlag):
    """Bits of the identity register ``capabilities``."""

    SCHEDULE = 1
    UPLOAD = 2
    READ_WRITE = 4
    PRIORITY = 8
    SET_TIME = 16
    EVENTS = 32


class DetectorFault(IntEnum):
    """Why a detector is not believed."""

    NONE = 0
    MISSING = 1
    STUCK_ON = 2
    CHATTERING = 3


class PriorityState(IntEnum):
    """Where a priority call is in its life."""

    EMPTY = 0
    ACTIVATED = 1
    QUEUED = 2
    COMPLETED = 3
    STALE = 4
    TIMED_OUT = 5


class Upload(IntEnum):
    """State of the last upload."""

    NONE = 0
    ACCEPTED = 1
    REFUSED = 2


class Refusal(IntEnum):
    """Why an order or an upload was refused."""

    NONE = 0
    NOT_THE_WRITER = 1
    OLD_NUMBER = 2
    STALE = 3
    INVALID_SCHEDULE = 4
    UNKNOWN_STAGE = 5
    OUT_OF_RANGE = 6
    TORN = 7
    WRONG_SITE = 8
    BAD_SIGNATURE = 9
    NOT_YET_VALID = 10
    EXPIRED = 11
    INVALID_PLAN = 12
    NOT_STORED = 13
    NOT_HERE = 14
    FULL = 15


REFUSALS = {
    Refusal.NONE: "no reason was given",
    Refusal.NOT_THE_WRITER: "another writer holds the lease",
    Refusal.OLD_NUMBER: "the sequence number is not above the last one",
    Refusal.STALE: "the schedule has expired, or starts too far ahead",
    Refusal.INVALID_SCHEDULE: "the schedule is not valid",
    Refusal.UNKNOWN_STAGE: "there is no such stage",
    Refusal.OUT_OF_RANGE: "a value is out of its range",
    Refusal.TORN: "length or checksum do not fit what was written",
    Refusal.WRONG_SITE: "it was made for another site",
    Refusal.BAD_SIGNATURE: "the signature is wrong",
    Refusal.NOT_YET_VALID: "it is not valid yet",
    Refusal.EXPIRED: "it has expired",
    Refusal.INVALID_PLAN: "the plan breaks a rule of the site",
    Refusal.NOT_STORED: "the cabinet cannot write its state folder",
    Refusal.NOT_HERE: "the cabinet does not take this in its present mode",
    Refusal.FULL: "there is no room for another priority call",
}
"""Each reason as the end of a sentence."""

MEANINGS: dict[str, str] = {
    "Command.NOBODY": "nobody: start-up, closing, or flash",
    "Command.FREE": "free: isolated actuated: no plan is valid now",
    "Flag.BACKUP": "backup: nobody has written for longer than the backup time",
    "Flag.SCHEDULE": "schedule: a schedule is in force",
    "Flag.LOCKSTEP": "lockstep: the cabinet's clock is the bench's",
    "Flag.PANEL": "panel: the police panel is not on auto, and beats the operator register",
    "Flag.UNSAVED": "unsaved: the accepted plan is not safe on disk yet",
    "FaultBit.MONITOR": "monitor: the conflict monitor has latched flash; it is reset by hand",
    "FaultBit.DETECTOR": "detector: a detector is missing, stuck or chatters",
    "FaultBit.ORDER": "order: the controller does not obey, as a manual stage that does not exist",
    "FaultBit.STORED_PLAN": "stored plan: what was on disk at the start was no plan of this site",
    "FaultBit.STORE": "store: the state folder cannot be written",
    "Capability.READ_WRITE": "read write: function 23: write and read in one request",
    "PriorityState.QUEUED": "queued: a call of higher level, or an earlier one, is served first",
    "PriorityState.STALE": "stale: its caller fell silent",
    "PriorityState.TIMED_OUT": "timed out: it was active for as long as a call may be",
}
"""Those whose names do not say all, by class and name."""
