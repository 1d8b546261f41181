"""What an edge knows of a cabinet after one poll, and after a closer look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from controller.clock import Instant
from controller.core import Mode
from controller.detection import SiteReadings
from controller.sequence import Reason
from controller.signals import OperatorMode, Outputs
from firmware_bridge.codec import Values
from firmware_bridge.codes import (
    MODES,
    NO_STAGE,
    OPERATORS,
    REASONS,
    Capability,
    Command,
    DetectorFault,
    FaultBit,
    Flag,
    PriorityState,
    Refusal,
    Upload,
)
from firmware_bridge.errors import LinkError
from firmware_bridge.registers import BANK, BANKS

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who answered."""

    site: str
    site_digest: str
    map_version: int
    groups: int
    stages: int
    detectors: int
    capabilities: Capability
    firmware: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """What the detectors of one picture say; counts roll over at 65536, masks follow the site."""

    entered: tuple[int, ...]
    left: tuple[int, ...]
    occupied: int
    missing: int

    def since(self, before: Counts | None) -> SiteReadings:
        """The readings since *before*; without one nothing is known, which is not "nobody"."""
        count = len(self.entered)
        if before is None:
            nothing = (None,) * count
            return SiteReadings(nothing, nothing, nothing)
        known = [not self.missing >> d & 1 for d in range(count)]
        return SiteReadings(
            _moved(before.entered, self.entered, known),
            _moved(before.left, self.left, known),
            tuple(bool(self.occupied >> d & 1) if known[d] else None for d in range(count)),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CabinetStatus:
    """One poll: what the cabinet does, on its own clocks, and what came in since the last.

    ``stage`` is the position of the stage that has been fully green for ``green_ms``, None during a
    change.
    """

    now: Instant
    picture: int
    boot_no: int
    mode: Mode
    command: Command
    flags: Flag
    faults: FaultBit
    reason: Reason
    operator: OperatorMode
    stage: int | None
    green_ms: int
    called: int
    outputs: Outputs
    cycle_s: float
    plan_no: int
    schedule_no: int
    event_no: int
    counts: Counts
    readings: SiteReadings
    restarted: bool
    """The cabinet has been switched on since the last poll: all that was asked of it is gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Plans, orders and faults in full."""

    refusal: Refusal
    lease_writer: int
    lease_left_ms: int
    upload_state: Upload
    upload_refusal: Refusal
    upload_no: int
    upload_digest: str
    accepted_no: int
    accepted_digest: str
    accepted_from_ms: int
    accepted_to_ms: int
    stored_no: int
    plan: str
    fault_count: int
    fault: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadResult:
    """What became of an upload: accepted, or refused for a reason."""

    accepted: bool
    number: int
    digest: str
    refusal: Refusal = Refusal.NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorHealth:
    """One detector: how occupied it was in the last whole minute (0 to 1), and what is wrong."""

    occupancy: float
    fault: DetectorFault


@dataclass(frozen=True, slots=True, kw_only=True)
class PriorityStatus:
    """One priority call as the cabinet has it."""

    call: int
    level: int
    stage: int
    state: PriorityState


def identity_of(values: Values) -> Identity:
    """The identity in decoded registers."""
    return Identity(
        site=values.text("site"),
        site_digest=values.raw("site_digest").hex(),
        map_version=values.number("map_version"),
        groups=values.number("groups"),
        stages=values.number("stages"),
        detectors=values.number("detectors"),
        capabilities=Capability(values.number("capabilities")),
        firmware=values.text("firmware"),
    )


def counts_of(words: list[int], detectors: int) -> Counts:
    """The counts in the registers of the banks."""
    entered: list[int] = []
    left: list[int] = []
    occupied = missing = 0
    for bank in range(-(-detectors // BANK)):
        at = bank * BANKS.stride
        occupied |= words[at] << bank * BANK
        missing |= words[at + 1] << bank * BANK
        entered += words[at + 2 : at + BANKS.stride : 2]
        left += words[at + 3 : at + BANKS.stride : 2]
    return Counts(
        entered=tuple(entered[:detectors]),
        left=tuple(left[:detectors]),
        occupied=occupied,
        missing=missing,
    )


def status_of(values: Values, counts: Counts, before: CabinetStatus | None) -> CabinetStatus:
    """The status in decoded registers; raises :class:`LinkError` if a number stands for nothing."""
    stage, boot_no = values.number("stage"), values.number("boot_no")
    # A computer without a clock of its own may give the same number to two starts.
    restarted = before is not None and (
        boot_no != before.boot_no or values.number("mono_ms") < before.now.mono_ms
    )
    known = None if before is None or restarted else before.counts
    mode = _word(MODES, values, "mode")
    flash = mode in {Mode.STARTUP_FLASH, Mode.FLASH, Mode.LATCHED}
    return CabinetStatus(
        now=Instant(values.number("mono_ms"), values.number("utc_ms")),
        picture=values.number("picture"),
        boot_no=boot_no,
        mode=mode,
        command=_word(tuple(Command), values, "command"),
        flags=Flag(values.number("flags")),
        faults=FaultBit(values.number("faults")),
        reason=_word(REASONS, values, "reason"),
        operator=_word(OPERATORS, values, "operator"),
        stage=None if stage == NO_STAGE else stage,
        green_ms=values.number("green_ms"),
        called=values.number("called"),
        outputs=Outputs(values.number("green"), values.number("ending"), flash),
        cycle_s=values.number("cycle_ds") / 10,
        plan_no=values.number("plan_no"),
        schedule_no=values.number("schedule_no"),
        event_no=values.number("event_no"),
        counts=counts,
        readings=counts.since(known),
        restarted=restarted,
    )


def report_of(values: Values) -> Report:
    """The report in decoded registers."""
    numbers = {
        name: values.number(name)
        for name in (
            "lease_writer",
            "lease_left_ms",
            "upload_no",
            "accepted_no",
            "accepted_from_ms",
            "accepted_to_ms",
            "stored_no",
            "fault_count",
        )
    }
    return Report(
        **numbers,
        refusal=_word(tuple(Refusal), values, "refusal"),
        upload_state=_word(tuple(Upload), values, "upload_state"),
        upload_refusal=_word(tuple(Refusal), values, "upload_refusal"),
        upload_digest=values.raw("upload_digest").hex(),
        accepted_digest=values.raw("accepted_digest").hex(),
        plan=values.text("plan"),
        fault=values.text("fault"),
    )


def _word(words: tuple[T, ...], values: Values, name: str) -> T:
    number = values.number(name)
    if number >= len(words):
        raise LinkError(f"register {name} reads {number}, which stands for nothing")
    return words[number]


def _moved(
    before: tuple[int, ...], after: tuple[int, ...], known: list[bool]
) -> tuple[int | None, ...]:
    return tuple(
        (new - old) % (1 << 16) if valid else None
        for old, new, valid in zip(before, after, known, strict=True)
    )
