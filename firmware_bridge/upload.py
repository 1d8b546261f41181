"""A plan on its way to a cabinet: as bytes, signed for one site, and opened with every check.

The signature covers the header and the plan: site, sequence number, validity, form, length,
checksum and content. Whoever carries it (a broker, an edge, a line) need not be trusted.

The bytes of a stage plan (form 1), numbers with their high byte first::

    cycle_ms u32 | offset_ms u32, 0xFFFFFFFF: isolated | transition u16 | stages u16
    per stage: position in the site's stages u16 | flags u16 | split_ms u32
    name, UTF-8, to the end

Flags: 1 actuated, 2 skippable, 4 coordinated. Transition: 0 shortway, 1 add only, 2 dwell.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import dataclass, replace
from zlib import crc32

from controller.intersection import Intersection
from controller.plan import CheckedPlan, PlanStage, TimingPlan, check_plan
from controller.violations import InvalidError
from firmware_bridge.codec import Value, bytes_of_words, decode, encode, in_range, words_of_bytes
from firmware_bridge.codes import TRANSITIONS, Refusal
from firmware_bridge.registers import HEADER, UPLOAD_REGISTERS

STAGE_PLAN = 1
"""The form of a :class:`~controller.plan.TimingPlan`."""
FOREVER_MS = (1 << 64) - 1
"""``not_after_ms`` of a plan without an end."""
KEY_BYTES_MIN = 16

_ISOLATED = 0xFFFFFFFF
_PLAN = struct.Struct(">IIHH")
_ENTRY = struct.Struct(">HHI")
_HEADER_BYTES = 2 * HEADER.size
_MAC_BYTES = 32
_ACTUATED, _SKIPPABLE, _COORDINATED = 1, 2, 4


class UploadError(Exception):
    """An upload that must not become active, with the reason the cabinet reports."""

    def __init__(self, code: Refusal, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A signed plan: the header's entries and the plan's bytes."""

    site_digest: bytes
    number: int
    form: int
    not_before_ms: int
    not_after_ms: int
    length: int
    crc32: int
    hmac: bytes
    plan: bytes

    @property
    def digest(self) -> bytes:
        """SHA-256 of the plan, as the cabinet echoes it."""
        return hashlib.sha256(self.plan).digest()

    def header(self) -> list[int]:
        """The registers of the header."""
        return encode(HEADER, self._values())

    def words(self) -> list[int]:
        """Header and plan as they are written, from the header's first register."""
        return self.header() + words_of_bytes(self.plan)

    def to_bytes(self) -> bytes:
        """Header and plan as they are kept on disk and sent through a broker."""
        return bytes_of_words(self.header()) + self.plan

    def signed(self) -> bytes:
        """What the signature covers."""
        return self.to_bytes()[: _HEADER_BYTES - _MAC_BYTES] + self.plan

    def _values(self) -> dict[str, Value]:
        return {each.name: getattr(self, each.name) for each in HEADER.registers}


def sign_plan(plan: TimingPlan, site: Intersection, key: bytes) -> Envelope:
    """*plan* for *site*, signed with the site's *key*; number and validity are the plan's own.

    Raises :class:`~controller.violations.InvalidError` if the plan breaks a rule of the site, and
    :class:`ValueError` if it does not fit the wire.
    """
    check_plan(plan, site)
    return sign_bytes(
        plan_bytes(plan, site),
        bytes.fromhex(site.digest),
        key,
        number=plan.sequence_no,
        validity_ms=(plan.valid_from_utc_ms or 0, plan.valid_to_utc_ms),
    )


def sign_bytes(
    content: bytes,
    site_digest: bytes,
    key: bytes,
    *,
    number: int,
    validity_ms: tuple[int, int | None],
) -> Envelope:
    """*content*, whatever it says, signed for the site of *site_digest*."""
    if len(content) > 2 * UPLOAD_REGISTERS:
        raise ValueError(f"the plan takes {len(content)} bytes, {2 * UPLOAD_REGISTERS} is the most")
    if not 0 < number < 1 << 32:
        raise ValueError(f"sequence number {number} is outside 1..{(1 << 32) - 1}")
    begin_ms, end_ms = validity_ms
    unsigned = Envelope(
        site_digest=site_digest,
        number=number,
        form=STAGE_PLAN,
        not_before_ms=begin_ms,
        not_after_ms=FOREVER_MS if end_ms is None else end_ms,
        length=len(content),
        crc32=crc32(content),
        hmac=bytes(_MAC_BYTES),
        plan=content,
    )
    return replace(unsigned, hmac=_mac(unsigned, key))


def envelope_of_words(header: list[int], area: list[int]) -> Envelope:
    """What lies in the upload registers; raises :class:`UploadError` if that cannot be a header."""
    values = decode(HEADER, header)
    for register in HEADER.registers:
        if not in_range(register, values[register.name]):
            message = f"{register.name} {values[register.name]!r} is outside its range"
            raise UploadError(Refusal.OUT_OF_RANGE, message)
    length = values.number("length")
    if length > 2 * len(area):
        raise UploadError(Refusal.TORN, f"it says {length} bytes, the area has {2 * len(area)}")
    plan = bytes_of_words(area[: (length + 1) // 2])[:length]
    return Envelope(**values, plan=plan)  # type: ignore[arg-type]


def envelope_of_bytes(data: bytes) -> Envelope:
    """What :meth:`Envelope.to_bytes` gave; raises :class:`UploadError` if it was cut short."""
    if len(data) < _HEADER_BYTES:
        raise UploadError(Refusal.TORN, f"{len(data)} bytes are too few for a header")
    plan = data[_HEADER_BYTES:]
    return envelope_of_words(words_of_bytes(data[:_HEADER_BYTES]), words_of_bytes(plan))


def open_envelope(envelope: Envelope, site: Intersection, key: bytes) -> CheckedPlan:
    """The plan in *envelope*, checked for *site*; raises :class:`UploadError` with the reason.

    Checks whole, site, signature, form and content, in this order. Number and validity against
    the present are the cabinet's business.
    """
    if envelope.length != len(envelope.plan) or envelope.crc32 != crc32(envelope.plan):
        raise UploadError(Refusal.TORN, "length or CRC-32 do not fit what was written")
    if envelope.site_digest != bytes.fromhex(site.digest):
        raise UploadError(Refusal.WRONG_SITE, f"it was not made for {site.name!r} as it is")
    if not hmac.compare_digest(envelope.hmac, _mac(envelope, key)):
        raise UploadError(Refusal.BAD_SIGNATURE, "it was not signed with this site's key")
    if envelope.form != STAGE_PLAN:
        raise UploadError(Refusal.INVALID_PLAN, f"form {envelope.form} is not known here")
    end_ms = None if envelope.not_after_ms == FOREVER_MS else envelope.not_after_ms
    try:
        plan = replace(
            plan_of_bytes(envelope.plan, site),
            sequence_no=envelope.number,
            valid_from_utc_ms=envelope.not_before_ms or None,
            valid_to_utc_ms=end_ms,
        )
        return check_plan(plan, site)
    except InvalidError as error:
        raise UploadError(Refusal.INVALID_PLAN, str(error.violations[0])) from None
    except ValueError as error:
        raise UploadError(Refusal.INVALID_PLAN, str(error)) from None


def site_word(site: Intersection) -> int:
    """The beginning of the digest of *site*, by which a schedule names it."""
    return int(site.digest[:8], 16)


def plan_bytes(plan: TimingPlan, site: Intersection) -> bytes:
    """The bytes of *plan*, without number and validity, which the header has."""
    offset_ms = _ISOLATED if plan.offset_ms is None else plan.offset_ms
    transition = TRANSITIONS.index(plan.transition)
    parts = [_PLAN.pack(plan.cycle_ms, offset_ms, transition, len(plan.stages))]
    for entry in plan.stages:
        flags = (
            _ACTUATED * entry.actuated
            | _SKIPPABLE * entry.skippable
            | _COORDINATED * entry.coordinated
        )
        parts.append(_ENTRY.pack(site.stage_index(entry.stage), flags, entry.split_ms))
    return b"".join(parts) + plan.name.encode()


def plan_of_bytes(data: bytes, site: Intersection) -> TimingPlan:
    """The plan in *data*; raises :class:`ValueError` if the bytes are none."""
    if len(data) < _PLAN.size:
        raise ValueError(f"{len(data)} bytes are too few for a plan")
    cycle_ms, offset_ms, transition, count = _PLAN.unpack_from(data)
    end = _PLAN.size + count * _ENTRY.size
    if len(data) < end:
        raise ValueError(f"{len(data)} bytes are too few for {count} stages")
    if transition >= len(TRANSITIONS):
        raise ValueError(f"transition {transition} is not known")
    stages = []
    for at in range(_PLAN.size, end, _ENTRY.size):
        stage, flags, split_ms = _ENTRY.unpack_from(data, at)
        if stage >= len(site.stages):
            raise ValueError(f"there is no stage at position {stage}")
        if flags & ~(_ACTUATED | _SKIPPABLE | _COORDINATED):
            raise ValueError(f"flags {flags} of a stage are not known")
        stages.append(
            PlanStage(
                stage=site.stages[stage].name,
                split_ms=split_ms,
                actuated=bool(flags & _ACTUATED),
                skippable=bool(flags & _SKIPPABLE),
                coordinated=bool(flags & _COORDINATED),
            )
        )
    return TimingPlan(
        site=site.name,
        name=data[end:].decode(),
        cycle_ms=cycle_ms,
        stages=tuple(stages),
        offset_ms=None if offset_ms == _ISOLATED else offset_ms,
        transition=TRANSITIONS[transition],
    )


def _mac(envelope: Envelope, key: bytes) -> bytes:
    return hmac.new(key, envelope.signed(), hashlib.sha256).digest()
