r"""Signed orders from the centre: a plan, bounds or a priority call, for one site.

The broker is not trusted, so every order carries its own proof: HMAC-SHA256 over the exact bytes
of what it says, which are site, kind, sequence number, validity and content. The signed text
travels as a text, and not as an object to be written anew: then no two writers of JSON have to
agree on how a number looks. ::

    {"schema": 1, "signed": "{\"kind\":\"plan\",\"site\":\"J1\",...}", "hmac_sha256": "9f…"}

An order is refused if it is forged, damaged, for another site, not valid any more, older than one
that was accepted, or wrong in itself. A plan or bounds whose time has not come wait for it
(:mod:`edge.order_book`); a priority call does not. The very order that was accepted last may come
again (a broker keeps plans for who connects anew) and changes nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as checked_dataclass

from controller import plan_json
from controller.intersection import Intersection
from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from edge.config_words import first_in_json
from edge.errors import OrderRefusedError
from optimizer.bounds import CoordinationWindow, StrategicBounds, check_bounds

SCHEMA = 1
ORDER_BYTES_MAX = 65_536
NUMBER_MAX = (1 << 63) - 1
PLAN_NUMBER_MAX = (1 << 32) - 1
"""As wide as the registers of a cabinet are."""
IsHeld = Callable[[str, str], bool]
KINDS = ("plan", "bounds", "priority")
STANDING = ("plan", "bounds")
"""Kinds that hold for a time, and may wait for it."""
_CONTEXT = b"greenband order 1\n"
"""Nothing else that is signed with the same key can pass for an order."""
_STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False)


@checked_dataclass(frozen=True, slots=True, config=_STRICT)
class Claim:
    """What a signed text says, before its content is looked at."""

    kind: str
    site: str
    sequence_no: int
    not_before_utc_ms: int
    not_after_utc_ms: int
    content: dict[str, object]


@checked_dataclass(frozen=True, slots=True, config=_STRICT)
class PriorityOrder:
    """A vehicle wants *stage* to be green; repeated while it does. ``ttl_ms`` 0 ends the call."""

    call: int
    level: int
    stage: str
    ttl_ms: int


@dataclass(frozen=True, slots=True)
class Order:
    """An order that may be carried out."""

    claim: Claim
    content: TimingPlan | StrategicBounds | PriorityOrder
    signed: bytes
    """What was signed, to the byte."""

    @property
    def digest(self) -> bytes:
        """SHA-256 of what was signed."""
        return hashlib.sha256(self.signed).digest()

    @property
    def begins_utc_ms(self) -> int:
        """From when on it counts."""
        begins_ms = self.claim.not_before_utc_ms
        if isinstance(self.content, TimingPlan):
            return max(begins_ms, self.content.valid_from_utc_ms or 0)
        return begins_ms

    @property
    def ends_utc_ms(self) -> int:
        """When it counts no more; a plan that was taken up outlasts its order."""
        if isinstance(self.content, TimingPlan):
            end_ms = self.content.valid_to_utc_ms
            return NUMBER_MAX if end_ms is None else end_ms
        return self.claim.not_after_utc_ms


_CLAIM = TypeAdapter(Claim)
_PRIORITY = TypeAdapter(PriorityOrder)
_BOUNDS = TypeAdapter(StrategicBounds)


def sign(claim: Claim, key: bytes) -> bytes:
    """The order for *claim*, as the centre sends it."""
    said = {name: getattr(claim, name) for name in Claim.__slots__}
    text = json.dumps(said, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    order = {"schema": SCHEMA, "signed": text, "hmac_sha256": _mac(key, text.encode())}
    return json.dumps(order, ensure_ascii=False, separators=(",", ":")).encode()


def _mac(key: bytes, signed: bytes) -> str:
    return hmac.new(key, _CONTEXT + signed, hashlib.sha256).hexdigest()


class OrderGate:
    """Lets pass what may be carried out at *sites*, signed with any of *keys*.

    *accepted*: by site and kind, number and digest of the last one, as the store remembers them.
    *floor_utc_ms*: orders that were valid before then may have been accepted already, by a store
    that has lost its memory of them.
    """

    def __init__(
        self,
        keys: Sequence[bytes],
        sites: Mapping[str, Intersection],
        accepted: Mapping[tuple[str, str], tuple[int, bytes]],
        floor_utc_ms: int = 0,
    ) -> None:
        self._keys = tuple(keys)
        self._sites = dict(sites)
        self._accepted = dict(accepted)
        self._floor_utc_ms = floor_utc_ms

    def check(
        self, payload: bytes, now_utc_ms: int, is_held: IsHeld = lambda site, kind: True
    ) -> Order | None:
        """The order in *payload*; None if it is the one that was accepted last.

        Where its number outlived the order itself (*is_held* says so of a site and a kind), the
        last one passes once more while it counts. Raises :class:`OrderRefusedError`.
        """
        signed = self._signed(payload)
        claim, site = self._claim(signed)
        number, before = self._accepted.get((claim.site, claim.kind), (-1, b""))
        if claim.sequence_no == number and hashlib.sha256(signed).digest() == before:
            if is_held(claim.site, claim.kind) or claim.kind not in STANDING:
                return None
            last = Order(claim, _content(claim, site), signed)
            return last if now_utc_ms < min(claim.not_after_utc_ms, last.ends_utc_ms) else None
        if claim.sequence_no <= number:
            raise OrderRefusedError(
                "replay", f"number {claim.sequence_no} came after {number} was accepted"
            )
        if claim.not_before_utc_ms < self._floor_utc_ms:
            raise OrderRefusedError(
                "replay",
                "which orders were accepted has been lost, and it may be one of them: sign it "
                f"anew, with not_before_utc_ms {self._floor_utc_ms} or later",
            )
        may_wait = claim.kind in STANDING
        if now_utc_ms >= claim.not_after_utc_ms or (
            now_utc_ms < claim.not_before_utc_ms and not may_wait
        ):
            raise OrderRefusedError("validity", _when(claim, now_utc_ms))
        return Order(claim, _content(claim, site), signed)

    def read(self, signed: bytes) -> Order:
        """An order that was let pass before, as the store kept it.

        Raises :class:`OrderRefusedError` if the site can't have it any more.
        """
        claim, site = self._claim(signed)
        return Order(claim, _content(claim, site), signed)

    def remember(
        self, accepted: Mapping[tuple[str, str], tuple[int, bytes]], floor_utc_ms: int
    ) -> None:
        """What the store remembers, where it could not be asked at the start."""
        self._accepted = dict(accepted)
        self._floor_utc_ms = floor_utc_ms

    def accept(self, order: Order) -> None:
        """From now on, nothing older of its kind is let pass."""
        claim = order.claim
        self._accepted[claim.site, claim.kind] = claim.sequence_no, order.digest

    def _claim(self, signed: bytes) -> tuple[Claim, Intersection]:
        claim = _claim(signed)
        site = self._sites.get(claim.site)
        if site is None:
            raise OrderRefusedError("site", f"there is no site {claim.site!r} at this edge")
        if claim.kind not in KINDS:
            raise OrderRefusedError("kind", f"{claim.kind!r} is not one of: {', '.join(KINDS)}")
        most = PLAN_NUMBER_MAX if claim.kind == "plan" else NUMBER_MAX
        if not 0 <= claim.sequence_no <= most:
            raise OrderRefusedError("form", f"sequence_no {claim.sequence_no} is outside 0..{most}")
        return claim, site

    def _signed(self, payload: bytes) -> bytes:
        if len(payload) > ORDER_BYTES_MAX:
            raise OrderRefusedError("form", f"it is larger than {ORDER_BYTES_MAX} bytes")
        try:
            order = json.loads(payload)
            text, mac = order["signed"], order["hmac_sha256"]
            signed, given = text.encode(), mac.encode("ascii")
            known = order["schema"] == SCHEMA
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            known = False
        if not known:
            raise OrderRefusedError("form", f"it is no order of schema {SCHEMA}")
        matches = [hmac.compare_digest(_mac(key, signed).encode(), given) for key in self._keys]
        if not any(matches):
            raise OrderRefusedError("signature", "it is not signed with a key of this edge")
        return bytes(signed)


def _claim(signed: bytes) -> Claim:
    try:
        return _CLAIM.validate_json(signed, strict=True)
    except ValidationError as error:
        raise OrderRefusedError("form", first_in_json(error, "order")) from None


def _when(claim: Claim, now_utc_ms: int) -> str:
    early_ms = claim.not_before_utc_ms - now_utc_ms
    if early_ms > 0:
        return f"it is valid only in {early_ms / 1_000:.0f} s"
    return f"its validity ended {(now_utc_ms - claim.not_after_utc_ms) / 1_000:.0f} s ago"


def _content(claim: Claim, site: Intersection) -> TimingPlan | StrategicBounds | PriorityOrder:
    try:
        if claim.kind == "plan":
            return _plan(claim, site)
        if claim.kind == "bounds":
            return _bounds(claim, site)
        return _priority(claim, site)
    except InvalidError as error:
        raise OrderRefusedError("content", str(error)) from None
    except ValidationError as error:
        raise OrderRefusedError("content", first_in_json(error, "content")) from None


def _text(content: Mapping[str, object]) -> str:
    try:
        return json.dumps(content, allow_nan=False)
    except ValueError:
        raise OrderRefusedError("content", "it has a number that is not finite") from None


def _plan(claim: Claim, site: Intersection) -> TimingPlan:
    """A plan as in its file; its number is the order's, whether it says so or not."""
    numbered = {"sequence_no": claim.sequence_no, **claim.content}
    plan = plan_json.from_json(_text(numbered))
    if plan.sequence_no != claim.sequence_no:
        raise OrderRefusedError(
            "content", f"the plan's sequence_no is {plan.sequence_no}, not {claim.sequence_no}"
        )
    check_plan(plan, site)
    return plan


def _bounds(claim: Claim, site: Intersection) -> StrategicBounds:
    """Bounds as their fields; site, number and validity are the order's."""
    own = {
        "site": claim.site,
        "sequence_no": claim.sequence_no,
        "valid_from_utc_ms": claim.not_before_utc_ms,
        "valid_to_utc_ms": claim.not_after_utc_ms,
    }
    twice = sorted(own.keys() & claim.content.keys())
    if twice:
        raise OrderRefusedError("content", f"{', '.join(twice)} belongs to the order")
    window = claim.content.get("window")
    unknown = claim.content.keys() - {each.name for each in fields(StrategicBounds)}
    if isinstance(window, dict):
        unknown |= window.keys() - {each.name for each in fields(CoordinationWindow)}
    if unknown:
        raise OrderRefusedError("content", f"bounds know no {', '.join(sorted(unknown))}")
    bounds = _BOUNDS.validate_json(_text({**claim.content, **own}), strict=True)
    check_bounds(bounds, site)
    return bounds


def _priority(claim: Claim, site: Intersection) -> PriorityOrder:
    order = _PRIORITY.validate_json(_text(claim.content), strict=True)
    if order.stage not in site.mask_of_stage:
        raise OrderRefusedError("content", f"there is no stage {order.stage!r} at {site.name!r}")
    return order
