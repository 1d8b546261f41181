"""What becomes of an order: checked, handed on, put on record, and answered.

Every order is answered in the log (``reply``) and stands in the audit, the refused ones too, but
only so many of those a minute: somebody who sends rubbish must not fill the disk.
"""

from __future__ import annotations

import json
from collections.abc import Callable

from controller import plan_json
from controller.clock import Instant
from controller.plan import TimingPlan
from edge.audit_chain import AuditEntry
from edge.errors import OrderRefusedError
from edge.orders import Order, OrderGate
from edge.records import AcceptedOrder, AcceptedPlan, Audited, Message, Record

REFUSALS_PER_MINUTE = 20
MINUTE_MS = 60_000
CarryOut = Callable[[Order], None]
"""Carries an order out; raises :class:`~edge.errors.OrderRefusedError` if that can't be done."""


class OrderDesk:
    """Takes orders as they come from the broker, and writes what became of them with *add*."""

    def __init__(self, gate: OrderGate, add: Callable[[Record], None], carry_out: CarryOut) -> None:
        self._gate = gate
        self._add = add
        self._carry_out = carry_out
        self._minute = 0
        self._refused_in_minute = 0
        self.accepted = 0
        self.refused = 0
        """Including those that are not on record."""

    def take(self, now: Instant, topic: str, payload: bytes) -> bool:
        """Deal with *payload*, which came under *topic*; whether it is (already) accepted."""
        order = None
        try:
            order = self._gate.check(payload, now.utc_ms)
            if order is None:
                return True
            self._carry_out(order)
        except OrderRefusedError as refusal:
            self._refuse(now, topic, order, refusal)
            return False
        self._gate.accept(order)
        self._put_on_record(now, order)
        return True

    def _put_on_record(self, now: Instant, order: Order) -> None:
        claim = order.claim
        self.accepted += 1
        self._add(AcceptedOrder(claim.site, claim.kind, claim.sequence_no, order.digest))
        if isinstance(order.content, TimingPlan):
            document = plan_json.to_json(order.content)
            self._add(AcceptedPlan(claim.site, claim.sequence_no, now.utc_ms, document))
        detail = {"sequence_no": claim.sequence_no, "content_sha256": order.digest.hex()}
        self._audit(now, f"{claim.kind} accepted", claim.site, detail)
        self._add(
            Message(
                "reply",
                now.utc_ms,
                {
                    "site": claim.site,
                    "order": claim.kind,
                    "sequence_no": claim.sequence_no,
                    "accepted": True,
                },
            )
        )

    def _refuse(
        self, now: Instant, topic: str, order: Order | None, refusal: OrderRefusedError
    ) -> None:
        self.refused += 1
        minute = now.mono_ms // MINUTE_MS
        if minute != self._minute:
            self._minute, self._refused_in_minute = minute, 0
        self._refused_in_minute += 1
        if self._refused_in_minute > REFUSALS_PER_MINUTE:
            return
        # What a forged order says of itself is worth nothing: the topic is where it came from.
        detail: dict[str, object] = {"rule": refusal.rule, "reason": str(refusal)[:500]}
        if order is not None:
            detail["sequence_no"] = order.claim.sequence_no
        self._audit(now, "order refused", topic[-200:], detail)
        reply = {"topic": topic[-200:], "accepted": False, **detail}
        self._add(Message("reply", now.utc_ms, reply))

    def _audit(self, now: Instant, action: str, subject: str, detail: dict[str, object]) -> None:
        text = json.dumps(detail, ensure_ascii=False, separators=(",", ":"))
        self._add(Audited(AuditEntry(now.utc_ms, "centre", action, subject, text)))
