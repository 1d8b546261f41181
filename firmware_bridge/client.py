"""The edge's end: one cabinet, its state and its orders, in the words of the controller.

Every failure is a :class:`~firmware_bridge.errors.BridgeError` whose one sentence names the
cabinet. Nothing is repeated here: who calls once a second calls again.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Mapping, Sequence
from typing import TypeVar

from controller.intersection import Intersection
from controller.plan import StageSchedule, TimingPlan, check_schedule
from controller.signals import Event, OperatorMode
from controller.violations import InvalidError
from firmware_bridge.areas import Area
from firmware_bridge.codec import NUMBERS, Value, decode, encode, is_later
from firmware_bridge.codes import (
    OPERATORS,
    REFUSALS,
    Capability,
    DetectorFault,
    PriorityState,
    Refusal,
    Upload,
)
from firmware_bridge.errors import LinkError, RefusedError, WrongDeviceError
from firmware_bridge.line import Line
from firmware_bridge.plausible import can_follow
from firmware_bridge.registers import (
    BANKS,
    CALLS,
    COMMIT,
    EVENTS,
    EVENTS_KEPT,
    HEADER,
    HEALTH,
    HEARTBEAT,
    IDENTITY,
    MAGIC,
    MAP_VERSION,
    OPERATOR,
    PRIORITY,
    PRIORITY_CALLS_MAX,
    REGISTERS_PER_EXCHANGE,
    REGISTERS_PER_READ,
    REPORT,
    SCHEDULE,
    SCHEDULE_ENTRIES_MAX,
    STATUS,
    TIME,
    poll_reads,
)
from firmware_bridge.status import (
    CabinetStatus,
    DetectorHealth,
    Identity,
    PriorityStatus,
    Report,
    UploadResult,
    counts_of,
    identity_of,
    report_of,
    status_of,
)
from firmware_bridge.upload import Envelope, sign_plan, site_word

T = TypeVar("T")

PICTURE_MODULO = 1 << 16
PICTURES_MAX = 1_000
"""A cabinet has less in all the reads of one poll; one that has been switched on counts anew."""
UTC_MS_MAX = (1 << 63) - 1
"""What a database can hold; a cabinet that says more has a broken clock."""
FIRST_WRITER = 1
"""What an edge that nobody gave a number calls itself."""
_log = logging.getLogger(__name__)


class CabinetClient:
    """The cabinet of *site* that is *unit* on *line*.

    *key* signs the plans that are uploaded. *writer* tells this edge from others: the cabinet obeys
    one at a time. Call :meth:`identify` first; polls then count from there.
    """

    def __init__(
        self,
        line: Line,
        unit: int,
        site: Intersection,
        key: bytes = b"",
        *,
        name: str | None = None,
        writer: int = FIRST_WRITER,
    ) -> None:
        self.name = name or site.name
        self.site = site
        self.line = line
        self._unit = unit
        self._key = key
        self._writer = writer
        self._number = 0
        self._capabilities = Capability(0)
        self._last: CabinetStatus | None = None
        self._lost = False
        """It did not answer last time; said once, however long it lasts."""
        self._reads = poll_reads(len(site.detectors))

    async def identify(self) -> Identity:
        """Make sure that it is the right cabinet, and take its counts as those to count from.

        Raises :class:`WrongDeviceError` for another device, map version or site.
        """
        identity = await self._checked_identity()
        self._last = None
        await self.poll()
        return identity

    async def _checked_identity(self) -> Identity:
        words = await self._read(IDENTITY.address, IDENTITY.size)
        try:
            identity = self._identity_in(words)
        except WrongDeviceError:
            if await self._read(IDENTITY.address, IDENTITY.size) != words:
                raise LinkError(f"{self._who} says two things of who it is") from None
            raise
        self._capabilities = identity.capabilities
        return identity

    def _identity_in(self, words: list[int]) -> Identity:
        values = decode(IDENTITY, words)
        if values.number("magic") != MAGIC:
            raise WrongDeviceError(f"{self._who} is no Greenband cabinet")
        version = values.number("map_version")
        if version != MAP_VERSION:
            raise WrongDeviceError(
                f"{self._who} has register map {version}, this edge speaks {MAP_VERSION}"
            )
        identity = identity_of(values)
        if identity.site_digest != self.site.digest:
            raise WrongDeviceError(
                f"{self._who} controls {identity.site!r} (digest {identity.site_digest[:12]}) "
                "with other groups, stages or times than the site file of "
                f"{self.site.name!r} (digest {self.site.digest[:12]})"
            )
        return identity

    async def poll(self) -> CabinetStatus:
        """What the cabinet does, and what its detectors saw since the last poll.

        What can't follow the last poll is only believed if a second look at once shows the same.
        After a restart of the cabinet it is identified anew. With more detectors than one read
        shows, those of later reads are seen a moment later each time; no count is lost by that.
        """
        self.line.begin_turn(self._unit)
        status = await self._look()
        last = self._last
        if last is not None and not can_follow(last, status):
            first, status = status, await self._look()
            if not can_follow(last, status) and not can_follow(first, status):
                raise LinkError(f"{self._who} shows two things that can't both be")
        if status.restarted or is_later(status.schedule_no, self._number):
            self._number = status.schedule_no
        if status.restarted:
            await self._checked_identity()
        self._last = status
        return status

    async def _look(self) -> CabinetStatus:
        words = await self._pictures()
        detectors = len(self.site.detectors)
        banks = words[STATUS.size :] + [0] * BANKS.stride  # a bank that is not full is not read
        try:
            status = status_of(decode(STATUS, words), counts_of(banks, detectors), self._last)
        except LinkError as error:
            raise LinkError(f"{self._who}: {error}") from None
        if status.stage is not None and status.stage >= len(self.site.stages):
            raise LinkError(f"{self._who}: register stage reads {status.stage}: there is none")
        return status

    async def send_schedule(self, schedule: StageSchedule | None) -> None:
        """Have *schedule* run from its start on the cabinet's clock; None withdraws the last one.

        Its number is given here, above all that the cabinet has seen. Raises
        :class:`~controller.violations.InvalidError` if it is none for this site, and
        :class:`RefusedError`.
        """
        self._number = (self._number + 1) % NUMBERS
        values: dict[str, Value] = {
            "writer": self._writer,
            "site": site_word(self.site),
            "number": self._number,
            "start_mono_ms": 0,
            "ttl_ms": 0,
            "count": 0,
        }
        if schedule is not None:
            values |= self._entries(schedule)
        await self._order(SCHEDULE, values)

    async def heartbeat(self) -> None:
        """Keep the lease, and the cabinet from its backup."""
        await self._order(HEARTBEAT, {"writer": self._writer})

    async def set_operator(self, mode: OperatorMode, stage: int = 0) -> None:
        """Set the operator register; it holds as long as this writer is heard."""
        values = {"writer": self._writer, "mode": OPERATORS.index(mode), "stage": stage}
        await self._order(OPERATOR, values)

    async def set_time(self, utc_ms: int) -> None:
        """Set the cabinet's time of day."""
        await self._order(TIME, {"writer": self._writer, "utc_ms": utc_ms})

    async def call_priority(self, call: int, level: int, stage: int, ttl_ms: int) -> None:
        """Make or keep up priority call *call*; ``ttl_ms`` 0 cancels it."""
        values = {"call": call, "level": level, "stage": stage, "ttl_ms": ttl_ms}
        await self._order(PRIORITY, {"writer": self._writer} | values)

    async def upload_plan(self, plan: TimingPlan) -> UploadResult:
        """Sign *plan* with the site's key and upload it; number and validity are the plan's own.

        Raises :class:`~controller.violations.InvalidError` if it breaks a rule of the site. A plan
        that the cabinet refuses is a result, not an error.
        """
        try:
            envelope = sign_plan(plan, self.site, self._key)
        except InvalidError:
            raise
        except ValueError as error:
            raise RefusedError(f"{self._who}: the plan cannot be sent: {error}") from None
        return await self.upload(envelope)

    async def upload(self, envelope: Envelope) -> UploadResult:
        """Write, read back and compare, commit, and see what became of it.

        If the line fails at the end, ask :meth:`report`: the cabinet may have accepted.
        """
        words, address = envelope.words(), HEADER.address
        for begin in range(0, len(words), REGISTERS_PER_EXCHANGE):
            piece = words[begin : begin + REGISTERS_PER_EXCHANGE]
            back = await self._exchange(address + begin, piece, address + begin, len(piece))
            if back != piece:
                raise LinkError(f"{self._who} reads back something else than was written")
        number = encode(COMMIT, {"number": envelope.number})
        try:
            read = await self._exchange(COMMIT.address, number, REPORT.address, REPORT.size)
        except RefusedError:
            read = await self._read(REPORT.address, REPORT.size)
        report = report_of(decode(REPORT, read))
        digest = envelope.digest.hex()
        if report.upload_no != envelope.number:
            raise LinkError(f"{self._who} says nothing about upload {envelope.number}")
        accepted = report.upload_state is Upload.ACCEPTED and report.upload_digest == digest
        return UploadResult(
            accepted=accepted,
            number=envelope.number,
            digest=digest,
            refusal=Refusal.NONE if accepted else report.upload_refusal,
        )

    async def report(self) -> Report:
        """Plans, orders and faults in full."""
        return report_of(decode(REPORT, await self._read(REPORT.address, REPORT.size)))

    async def detector_health(self) -> tuple[DetectorHealth, ...]:
        """Every detector's last minute."""
        words = await self._read(HEALTH.address, HEALTH.stride * len(self.site.detectors))
        return tuple(
            DetectorHealth(occupancy=permille / 1_000, fault=DetectorFault(fault))
            for permille, fault in zip(words[::2], words[1::2], strict=True)
        )

    async def priority_calls(self) -> tuple[PriorityStatus, ...]:
        """The priority calls that the cabinet knows, those that are over included."""
        words = await self._read(CALLS.address, CALLS.size)
        found = (
            decode(CALLS, words[i * CALLS.stride : (i + 1) * CALLS.stride])
            for i in range(PRIORITY_CALLS_MAX)
        )
        return tuple(
            PriorityStatus(
                call=each.number("call"),
                level=each.number("level"),
                stage=each.number("stage"),
                state=PriorityState(each.number("state")),
            )
            for each in found
            if each.number("state")
        )

    async def events(self, since_no: int, until_no: int) -> tuple[Event, ...]:
        """Events number *since_no* to before *until_no* (a poll's ``event_no``).

        The cabinet keeps the last 1024; of older ones nothing comes.
        """
        found: list[Event] = []
        most = REGISTERS_PER_READ // EVENTS.stride
        number = max(since_no, until_no - EVENTS_KEPT)
        while number < until_no:
            place = number % EVENTS_KEPT
            count = min(most, until_no - number, EVENTS_KEPT - place)
            words = await self._read(EVENTS.address + place * EVENTS.stride, count * EVENTS.stride)
            for at in range(0, len(words), EVENTS.stride):
                values = decode(EVENTS, words[at : at + EVENTS.stride])
                utc_ms = min(values.number("utc_ms"), UTC_MS_MAX)
                found.append(Event(utc_ms, values.number("code"), values.number("parameter")))
            number += count
        return tuple(found)

    @property
    def _who(self) -> str:
        return f"cabinet {self.name} (unit {self._unit}, {self.line.end})"

    def _entries(self, schedule: StageSchedule) -> Mapping[str, Value]:
        check_schedule(schedule, self.site)
        entries = schedule.entries
        if len(entries) > SCHEDULE_ENTRIES_MAX:
            raise RefusedError(
                f"{self._who}: a schedule of {len(entries)} entries cannot be sent, "
                f"{SCHEDULE_ENTRIES_MAX} is the most"
            )
        values: dict[str, Value] = {
            "start_mono_ms": schedule.start_mono_ms,
            "ttl_ms": schedule.ttl_ms,
            "count": len(entries),
        }
        for i, entry in enumerate(entries):
            values[f"stage_{i}"] = self.site.stage_index(entry.stage)
            values[f"duration_ms_{i}"] = entry.duration_ms
        return values

    async def _pictures(self) -> list[int]:
        """The registers of status and banks, each bank whole; all from one life of the cabinet."""
        words: list[int] = []
        for address, count in self._reads:
            words += await self._read(address, count)
        if len(self._reads) > 1:
            picture, boot_no = await self._read(STATUS.address, 2)
            if boot_no != words[1] or (picture - words[0]) % PICTURE_MODULO > PICTURES_MAX:
                raise LinkError(f"{self._who} was switched on while it was read")
        return words

    async def _order(self, area: Area, values: Mapping[str, Value]) -> None:
        words = encode(area, values)
        try:
            await self._named(self.line.write(self._unit, area.address, words))
        except RefusedError:
            code = await self._refusal()
            raise RefusedError(
                f"{self._who} refuses the {area.name}: {REFUSALS[code]}", code
            ) from None

    async def _refusal(self) -> Refusal:
        number = (await self._read(REPORT.address, 1))[0]
        return Refusal(number) if number < len(Refusal) else Refusal.NONE

    async def _exchange(
        self, write_address: int, words: Sequence[int], address: int, count: int
    ) -> list[int]:
        """Write and read: in one request if the cabinet can."""
        line, unit = self.line, self._unit
        if Capability.READ_WRITE in self._capabilities:
            return await self._named(line.exchange(unit, write_address, words, address, count))
        await self._named(line.write(unit, write_address, words))
        return await self._read(address, count)

    async def _read(self, address: int, count: int) -> list[int]:
        words: list[int] = []
        while len(words) < count:
            piece = min(count - len(words), REGISTERS_PER_READ)
            words += await self._named(self.line.read(self._unit, address + len(words), piece))
        return words

    async def _named(self, asking: Awaitable[T]) -> T:
        """What *asking* gives; its errors name the cabinet."""
        try:
            answer = await asking
        except RefusedError as error:
            raise RefusedError(f"cabinet {self.name}: {error}", error.code) from None
        except LinkError as error:
            message = f"cabinet {self.name}: {error}"
            if not self._lost:
                self._lost = True
                _log.warning("%s", message)
            raise LinkError(message) from None
        if self._lost:
            self._lost = False
            _log.info("%s answers again", self._who)
        return answer
