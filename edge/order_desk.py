"""What becomes of an order: checked, handed on or kept for its time, put on record, and answered.

Every order is answered in the log (``reply``) and stands in the audit, the refused ones too, but
only so many of those a minute: somebody who sends rubbish must not fill the disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping

import structlog

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan
from edge.audit_chain import AuditEntry
from edge.errors import OrderRefusedError
from edge.order_book import OrderBook
from edge.orders import STANDING, Order, OrderGate
from edge.records import AcceptedOrder, AcceptedPlan, Audited, Message, OrderKept, OrderOver, Record
from optimizer.bounds import StrategicBounds

REFUSALS_PER_MINUTE = 20
MINUTE_MS = 60_000
Act = Callable[[Order], None]
"""Does something with an order; raises :class:`~edge.errors.OrderRefusedError` if it can't be."""
_log = structlog.get_logger("edge.orders")


def _anything(order: Order) -> None:
    """No order is beyond what can be carried out."""


class OrderDesk:
    """Takes orders as they come from the broker, and writes what became of them with *add*.

    *carry_out* an order now; *try_out* says at once whether an order for later could be.
    """

    def __init__(
        self,
        gate: OrderGate,
        add: Callable[[Record], None],
        carry_out: Act,
        try_out: Act = _anything,
    ) -> None:
        self._gate = gate
        self._add = add
        self._carry_out = carry_out
        self._try_out = try_out
        self._book = OrderBook()
        self._minute = 0
        self._refused_in_minute = 0
        self.knows = True
        """Whether it is known what was accepted before: otherwise nothing is."""
        self.accepted = 0
        self.refused = 0
        """Including those that are not on record."""

    def take(self, now: Instant, topic: str, payload: bytes) -> bool:
        """Deal with *payload*, which came under *topic*; whether it is (already) accepted."""
        order = None
        try:
            if not self.knows:
                raise OrderRefusedError(
                    "store", "what was accepted before can't be read: the store is not open"
                )
            order = self._gate.check(payload, now.utc_ms, self._book.holds)
            if order is None:
                return True
            self._accept(now, order)
        except OrderRefusedError as refusal:
            detail: dict[str, object] = {}
            if order is not None:
                detail["sequence_no"] = order.claim.sequence_no
            # What a forged order says of itself is worth nothing: the topic is where it came from.
            self._refuse(now, topic, refusal, detail)
            return False
        return True

    def turn(self, now: Instant) -> None:
        """Carry out what waited until *now*, and forget what is over."""
        for order in self._book.due(now.utc_ms):
            claim = order.claim
            try:
                self._carry_out(order)
            except OrderRefusedError as refusal:
                self._forget(order)
                detail = {"sequence_no": claim.sequence_no, "site": claim.site, "order": claim.kind}
                self._refuse(now, f"{claim.site}/{claim.kind}", refusal, detail)
                continue
            outdone = self._begin(now, order)
            self._audit(now, f"{claim.kind} begun", claim.site, _detail(order, outdone))
            self._reply(now, order, {"begun": True})
        for order in self._book.over(now.utc_ms):
            self._forget(order)

    def remember(
        self,
        accepted: Mapping[tuple[str, str], tuple[int, bytes]],
        floor_utc_ms: int,
        kept: Iterable[tuple[bytes, bool]],
    ) -> None:
        """Go on where an earlier start ended, as the store remembers it.

        *kept*: what was signed, and whether it had begun; what has is carried out again.
        """
        self._gate.remember(accepted, floor_utc_ms)
        self.knows = True
        for signed, begun in kept:
            try:
                order = self._gate.read(signed)
                if begun:
                    self._carry_out(order)
                    self._book.begin(order)
                else:
                    self._book.wait(order)
            except OrderRefusedError as refusal:
                _log.warning("an order in the store does not fit", why=str(refusal))

    def keep_again(self) -> None:
        """The store has lost what it held: tell it once more. From any thread."""
        for order, begun in self._book.all():
            self._keep(order, begun=begun)

    def bounds(self, site: str) -> StrategicBounds | None:
        """The bounds in force at *site*."""
        order = self._book.in_force(site, "bounds")
        if order is None or not isinstance(order.content, StrategicBounds):
            return None
        return order.content

    def waiting(self, site: str) -> tuple[Order, ...]:
        """The orders for *site* whose time has not come."""
        return tuple(each for kind in STANDING for each in self._book.waiting(site, kind))

    def _accept(self, now: Instant, order: Order) -> None:
        """Carry *order* out or keep it, and put it on record."""
        claim = order.claim
        outdone: tuple[Order, ...] = ()
        is_early = order.begins_utc_ms > now.utc_ms
        if is_early:
            self._try_out(order)
            self._book.wait(order)
        else:
            self._carry_out(order)
        self._gate.accept(order)
        self.accepted += 1
        self._add(AcceptedOrder(claim.site, claim.kind, claim.sequence_no, order.digest))
        if is_early:
            self._keep(order, begun=False)
        elif claim.kind in STANDING:
            outdone = self._begin(now, order)
        detail = _detail(order, outdone)
        if is_early:
            detail["begins_utc_ms"] = order.begins_utc_ms
        self._audit(now, f"{claim.kind} accepted", claim.site, detail)
        said = {name: detail[name] for name in detail if name != "content_sha256"}
        self._reply(now, order, {"accepted": True, **said})

    def _begin(self, now: Instant, order: Order) -> tuple[Order, ...]:
        outdone = self._book.begin(order)
        self._keep(order, begun=True)
        if isinstance(order.content, TimingPlan):
            document = plan_json.to_json(order.content)
            number = order.claim.sequence_no
            self._add(AcceptedPlan(order.claim.site, number, now.utc_ms, document))
        return outdone

    def _keep(self, order: Order, *, begun: bool) -> None:
        claim = order.claim
        self._add(OrderKept(claim.site, claim.kind, claim.sequence_no, order.signed, begun))

    def _forget(self, order: Order) -> None:
        claim = order.claim
        self._book.drop(order)
        self._add(OrderOver(claim.site, claim.kind, claim.sequence_no))

    def _reply(self, now: Instant, order: Order, more: Mapping[str, object]) -> None:
        claim = order.claim
        body = {"site": claim.site, "order": claim.kind, "sequence_no": claim.sequence_no}
        self._add(Message("reply", now.utc_ms, {**body, **more}))

    def _refuse(
        self, now: Instant, topic: str, refusal: OrderRefusedError, more: Mapping[str, object]
    ) -> None:
        self.refused += 1
        minute = now.mono_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._refused_in_minute = minute, 0
        self._refused_in_minute += 1
        if self._refused_in_minute > REFUSALS_PER_MINUTE:
            return
        detail = {"rule": refusal.rule, "reason": str(refusal)[:500], **more}
        _log.warning("order refused", topic=topic[-200:], **detail)
        self._audit(now, "order refused", topic[-200:], detail)
        reply = {"topic": topic[-200:], "accepted": False, **detail}
        self._add(Message("reply", now.utc_ms, reply))

    def _audit(self, now: Instant, action: str, subject: str, detail: Mapping[str, object]) -> None:
        text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
        self._add(Audited(AuditEntry(now.utc_ms, "centre", action, subject, text)))


def _detail(order: Order, outdone: Iterable[Order]) -> dict[str, object]:
    detail: dict[str, object] = {
        "sequence_no": order.claim.sequence_no,
        "content_sha256": order.digest.hex(),
    }
    numbers = [each.claim.sequence_no for each in outdone]
    return {**detail, "outdone": numbers} if numbers else detail
