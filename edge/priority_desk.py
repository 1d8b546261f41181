"""Priority calls on their way to one cabinet, which decides who is served."""

from __future__ import annotations

from collections import deque

from controller.clock import Instant
from controller.intersection import Intersection
from edge.errors import OrderRefusedError
from edge.journal import Journal
from edge.orders import PriorityOrder
from firmware_bridge.client import CabinetClient
from firmware_bridge.codec import encode
from firmware_bridge.errors import RefusedError
from firmware_bridge.registers import PRIORITY
from firmware_bridge.status import PriorityStatus

WAITING_MAX = 32
"""The cabinet has room for eight; more than a few in a second is somebody's mistake."""
SHOWN_MS = 10_000
"""So long after the last call the cabinet is still asked what became of it."""


class PriorityDesk:
    """Hands calls on with the next tick; a call that the line swallows is repeated by its maker."""

    def __init__(self, site: Intersection, journal: Journal) -> None:
        self._site = site
        self._journal = journal
        self._waiting: deque[PriorityOrder] = deque()
        self._until_ms = 0
        self.calls: tuple[PriorityStatus, ...] = ()
        """As the cabinet has them."""

    def take(self, order: PriorityOrder) -> None:
        """Raises :class:`~edge.errors.OrderRefusedError` for what no cabinet could take."""
        if len(self._waiting) >= WAITING_MAX:
            raise OrderRefusedError("busy", f"{WAITING_MAX} calls wait for the cabinet already")
        try:
            encode(PRIORITY, {"writer": 1, **self._values(order)})
        except ValueError as error:
            raise OrderRefusedError("content", str(error)) from None
        self._waiting.append(order)

    def _values(self, order: PriorityOrder) -> dict[str, int]:
        stage = self._site.stage_index(order.stage)
        ttl_ms = order.ttl_ms
        return {"call": order.call, "level": order.level, "stage": stage, "ttl_ms": ttl_ms}

    async def pursue(self, now: Instant, client: CabinetClient) -> None:
        """Pass on what waits; raises :class:`~firmware_bridge.errors.LinkError`."""
        waiting, self._waiting = self._waiting, deque()
        for order in waiting:
            self._until_ms = now.mono_ms + order.ttl_ms + SHOWN_MS
            try:
                await client.call_priority(**self._values(order))
            except RefusedError as error:
                body = {"site": self._site.name, "order": "priority", "call": order.call}
                self._journal.reply(now, {**body, "in_cabinet": False, "why": str(error)})
        if now.mono_ms < self._until_ms:
            self.calls = await client.priority_calls()
        else:
            self.calls = ()
