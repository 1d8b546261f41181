"""A cabinet's registers on the line to the edge: its state as numbers, and its orders taken."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from controller import core
from controller.plan import StageSchedule
from controller.sequence import Sequence as StageSequence
from firmware_bridge.cabinet import Cabinet, OrderError
from firmware_bridge.codec import Value, Values, encode
from firmware_bridge.codes import (
    MODES,
    NO_STAGE,
    OPERATORS,
    REASONS,
    Capability,
    DetectorFault,
    FaultBit,
    Flag,
    Refusal,
)
from firmware_bridge.registers import (
    BANK,
    BANKS,
    CALLS,
    COMMIT,
    EDGE,
    EVENTS,
    EVENTS_KEPT,
    HEADER,
    HEALTH,
    IDENTITY,
    MAGIC,
    MAP_VERSION,
    PRIORITY_CALLS_MAX,
    REPORT,
    STATUS,
    UPLOAD,
    UPLOAD_REGISTERS,
)
from firmware_bridge.space import IllegalValueError, Space
from firmware_bridge.upload import UploadError, envelope_of_words, site_word

FIRMWARE = "greenband"
_WORD = 0xFFFF
_LONG = 0xFFFFFFFF
_FAULT_KINDS = {
    "detector missing": FaultBit.DETECTOR,
    "detector stuck on": FaultBit.DETECTOR,
    "detector chatters": FaultBit.DETECTOR,
    "plan refused": FaultBit.ORDER,
    "schedule refused": FaultBit.ORDER,
    "manual stage": FaultBit.ORDER,
}
"""Faults of the controller by kind; those of the monitor have many names."""


class EdgeSpace:
    """The registers of *cabinet*, as :class:`firmware_bridge.space.Space` serves them."""

    def __init__(self, cabinet: Cabinet) -> None:
        self.cabinet = cabinet
        self._stage_of = {mask: s for s, mask in enumerate(cabinet.site.stage_masks)}
        self._identity = _identity(cabinet)
        self._picture = -1
        self._status: list[int] = []
        self._banks: list[int] = []
        self._space = Space(EDGE, self._readers(), self._takers(), self._out_of_range)

    def read(self, address: int, count: int) -> list[int]:
        """See :meth:`firmware_bridge.space.Space.read`."""
        return self._space.read(address, count)

    def check_read(self, address: int, count: int) -> None:
        """See :meth:`firmware_bridge.space.Space.check_read`."""
        self._space.check_read(address, count)

    def write(self, address: int, words: Sequence[int]) -> None:
        """See :meth:`firmware_bridge.space.Space.write`."""
        self._space.write(address, words)

    def _readers(self) -> dict[str, Callable[[int, int], Sequence[int]]]:
        return {
            IDENTITY.name: lambda begin, end: self._identity[begin:end],
            STATUS.name: self._read_status,
            BANKS.name: self._read_banks,
            HEALTH.name: lambda begin, end: _health(self.cabinet)[begin:end],
            REPORT.name: lambda begin, end: _report(self.cabinet)[begin:end],
            CALLS.name: lambda begin, end: _calls(self.cabinet)[begin:end],
            EVENTS.name: self._read_events,
        }

    def _takers(self) -> dict[str, Callable[[Values], None]]:
        return {
            "heartbeat": self._order(lambda v: self.cabinet.heartbeat(v.number("writer"))),
            "operator": self._order(self._operate),
            "time": self._order(
                lambda v: self.cabinet.set_time(v.number("writer"), v.number("utc_ms"))
            ),
            "priority": self._order(self._call),
            "schedule": self._order(self._follow),
            COMMIT.name: self._order(self._commit),
        }

    def _order(self, obey: Callable[[Values], None]) -> Callable[[Values], None]:
        def take(values: Values) -> None:
            try:
                obey(values)
            except OrderError as error:
                self.cabinet.refuse(error.code)
                raise IllegalValueError from None

        return take

    def _out_of_range(self) -> None:
        self.cabinet.refuse(Refusal.OUT_OF_RANGE)

    def _operate(self, values: Values) -> None:
        mode = OPERATORS[values.number("mode")]
        self.cabinet.operate(values.number("writer"), mode, values.number("stage"))

    def _call(self, values: Values) -> None:
        numbers = (values.number(name) for name in ("writer", "call", "level", "stage", "ttl_ms"))
        self.cabinet.call(*numbers)

    def _follow(self, values: Values) -> None:
        writer, number, count = (values.number(name) for name in ("writer", "number", "count"))
        if values.number("site") != site_word(self.cabinet.site):
            raise OrderError(Refusal.WRONG_SITE)
        if f"duration_ms_{count - 1}" not in values and count:
            raise OrderError(Refusal.INVALID_SCHEDULE)
        schedule = None
        if count:
            entries = [
                (values.number(f"stage_{i}"), values.number(f"duration_ms_{i}"))
                for i in range(count)
            ]
            schedule = StageSchedule(
                site=self.cabinet.site.name,
                start_mono_ms=values.number("start_mono_ms"),
                entries=self.cabinet.stage_names(entries),
                ttl_ms=values.number("ttl_ms"),
                sequence_no=number,
            )
        self.cabinet.follow(writer, schedule, number)

    def _commit(self, values: Values) -> None:
        number = values.number("number")
        header, area = self._space.memory[HEADER.name], self._space.memory[UPLOAD.name]
        try:
            envelope = envelope_of_words(header, area)
            if envelope.number != number:
                message = f"the header in the upload area is that of number {envelope.number}"
                raise UploadError(Refusal.TORN, message)
        except UploadError as error:
            self.cabinet.uploads.refuse(number, error)
            raise OrderError(error.code) from None
        self.cabinet.commit(envelope)
        header[:], area[:] = [0] * HEADER.size, [0] * UPLOAD.size

    def _read_status(self, begin: int, end: int) -> list[int]:
        self._refresh()
        return self._status[begin:end]

    def _read_banks(self, begin: int, end: int) -> list[int]:
        self._refresh()
        return self._banks[begin:end]

    def _refresh(self) -> None:
        if self._picture != self.cabinet.picture:
            self._picture = self.cabinet.picture
            self._status = encode(STATUS, self._status_values())
            self._banks = _banks(self.cabinet)

    def _status_values(self) -> dict[str, Value]:
        cabinet = self.cabinet
        state, shown = cabinet.state, cabinet.outputs
        stage, green_ms = self._stage()
        plan, cycle_ms = cabinet.running_plan, state.cycle.rhythm.cycle_ms
        return {
            "picture": cabinet.picture & _WORD,
            "boot_no": cabinet.boot_no,
            "mode": MODES.index(state.mode),
            "command": cabinet.command,
            "flags": _flags(cabinet),
            "faults": _faults(cabinet),
            "reason": REASONS.index(state.sequence.reason),
            "operator": OPERATORS.index(state.operator) if state.operator is not None else 0,
            "stage": stage,
            "cycle_ds": min(state.cycle.position_at(state.clock_ms) % cycle_ms // 100, _WORD),
            "green_ms": min(green_ms, _LONG),
            "green": shown.green,
            "ending": shown.ending,
            "called": state.calls.called,
            "mono_ms": cabinet.now.mono_ms,
            "utc_ms": max(0, cabinet.now.utc_ms),
            "plan_no": 0 if plan is None else plan.plan.sequence_no & _LONG,
            "schedule_no": cabinet.schedule_no,
            "event_no": cabinet.event_no & _LONG,
        }

    def _stage(self) -> tuple[int, int]:
        """The stage that is fully green and for how long; no stage during a change."""
        state = self.cabinet.state
        since_ms, sequence = state.stage_since_ms, state.sequence
        if since_ms is None or not isinstance(sequence, StageSequence):
            return NO_STAGE, 0
        return self._stage_of.get(sequence.mask, NO_STAGE), state.clock_ms - since_ms

    def _read_events(self, begin: int, end: int) -> list[int]:
        first, events = self.cabinet.event_no - len(self.cabinet.events), self.cabinet.events
        words: list[int] = []
        places = range(begin // EVENTS.stride, -(-end // EVENTS.stride))
        for place in places:
            back = (place - first) % EVENTS_KEPT
            if back < len(events):
                event = events[back]
                utc_ms, parameter = max(0, event.utc_ms), event.parameter & _WORD
                values = {"utc_ms": utc_ms, "code": event.code & _WORD, "parameter": parameter}
                words += encode(EVENTS, values)
            else:
                words += [0] * EVENTS.stride
        skip = begin - places.start * EVENTS.stride
        return words[skip : skip + end - begin]


def _identity(cabinet: Cabinet) -> list[int]:
    site = cabinet.site
    can = (
        Capability.SCHEDULE
        | Capability.UPLOAD
        | Capability.READ_WRITE
        | Capability.PRIORITY
        | Capability.EVENTS
    )
    if not cabinet.lockstep:
        can |= Capability.SET_TIME
    return encode(
        IDENTITY,
        {
            "magic": MAGIC,
            "map_version": MAP_VERSION,
            "site_digest": bytes.fromhex(site.digest),
            "groups": len(site.groups),
            "stages": len(site.stages),
            "detectors": len(site.detectors),
            "capabilities": can,
            "upload_registers": UPLOAD_REGISTERS,
            "events_kept": EVENTS_KEPT,
            "site": site.name,
            "firmware": FIRMWARE,
        },
    )


def _flags(cabinet: Cabinet) -> int:
    found = Flag(0)
    if cabinet.silent:
        found |= Flag.BACKUP
    if cabinet.has_schedule:
        found |= Flag.SCHEDULE
    if cabinet.lockstep:
        found |= Flag.LOCKSTEP
    if OPERATORS.index(cabinet.inputs.panel):
        found |= Flag.PANEL
    if cabinet.uploads.unsaved:
        found |= Flag.UNSAVED
    return found


def _faults(cabinet: Cabinet) -> int:
    found = FaultBit(0)
    for fault in cabinet.state.faults:
        found |= _FAULT_KINDS.get(fault.kind, FaultBit.MONITOR)
    if cabinet.state.mode is core.Mode.LATCHED:
        found |= FaultBit.MONITOR
    if cabinet.uploads.found_bad:
        found |= FaultBit.STORED_PLAN
    if cabinet.uploads.store_fails:
        found |= FaultBit.STORE
    return found


def _banks(cabinet: Cabinet) -> list[int]:
    inputs, count = cabinet.inputs, len(cabinet.site.detectors)
    words = [0] * BANKS.size
    for bank in range(-(-count // BANK)):
        first, at = bank * BANK, bank * BANKS.stride
        words[at] = (inputs.occupied & ~inputs.missing) >> first & _WORD
        words[at + 1] = inputs.missing >> first & _WORD
        end = min(first + BANK, count)
        words[at + 2 : at + 2 + 2 * (end - first) : 2] = inputs.entered[first:end]
        words[at + 3 : at + 3 + 2 * (end - first) : 2] = inputs.left[first:end]
    return words


def _health(cabinet: Cabinet) -> list[int]:
    calls, words = cabinet.state.calls, [0] * HEALTH.size
    for d, permille in enumerate(cabinet.occupancy.permille):
        fault = DetectorFault.NONE
        if calls.missing >> d & 1:
            fault = DetectorFault.MISSING
        elif calls.health.stuck >> d & 1:
            fault = DetectorFault.STUCK_ON
        elif calls.health.chattering >> d & 1:
            fault = DetectorFault.CHATTERING
        words[2 * d : 2 * d + 2] = permille, fault
    return words


def _calls(cabinet: Cabinet) -> list[int]:
    words: list[int] = []
    for each in cabinet.calls.all[:PRIORITY_CALLS_MAX]:
        values = {"call": each.call, "level": each.level, "stage": each.stage, "state": each.state}
        words += encode(CALLS, values)
    return words + [0] * (CALLS.size - len(words))


def _report(cabinet: Cabinet) -> list[int]:
    lease, upload, accepted = cabinet.lease, cabinet.uploads.last, cabinet.uploads.envelope
    faults, plan = cabinet.state.faults, cabinet.running_plan
    return encode(
        REPORT,
        {
            "refusal": cabinet.refusal,
            "lease_writer": lease.writer,
            "lease_left_ms": max(0, lease.until_ms - cabinet.now.mono_ms) if lease.writer else 0,
            "upload_state": upload.state,
            "upload_refusal": upload.refusal,
            "upload_no": upload.number,
            "upload_digest": upload.digest,
            "accepted_no": accepted.number if accepted else 0,
            "accepted_digest": accepted.digest if accepted else bytes(32),
            "accepted_from_ms": accepted.not_before_ms if accepted else 0,
            "accepted_to_ms": accepted.not_after_ms if accepted else 0,
            "stored_no": cabinet.uploads.stored_no,
            "plan": "" if plan is None else plan.plan.name,
            "fault_count": len(faults),
            "fault": f"{faults[0].kind}: {faults[0].message}" if faults else "",
        },
    )
