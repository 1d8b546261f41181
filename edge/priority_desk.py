"""Priority calls on their way to one cabinet, which decides who is served.

The centre is told what becomes of each call: ``activated``, ``queued``, ``timed_out`` and so on as
the cabinet has it, ``refused`` or ``unreachable`` with a reason; each once, until it changes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping

from controller.clock import Instant
from controller.intersection import Intersection
from edge.errors import OrderRefusedError
from edge.orders import PriorityOrder
from firmware_bridge.client import CabinetClient
from firmware_bridge.codec import encode
from firmware_bridge.errors import BridgeError, RefusedError
from firmware_bridge.registers import PRIORITY
from firmware_bridge.status import PriorityStatus

Answer = Callable[[Instant, Mapping[str, object]], None]
WAITING_MAX = 32
"""The cabinet has room for eight; more than a few in a second is somebody's mistake."""
SHOWN_MS = 10_000
"""So long after the last call the cabinet is still asked what became of it."""
REFUSED, UNREACHABLE, ACKNOWLEDGED = "refused", "unreachable", "acknowledged"


class PriorityDesk:
    """Hands calls on at once; a call that the line swallows is repeated by its maker."""

    def __init__(self, site: Intersection) -> None:
        self._site = site
        self._waiting: deque[PriorityOrder] = deque()
        self._until_ms = 0
        self._told: dict[int, str] = {}
        self.answer: Answer = lambda now, body: None
        """Tells the centre: when, and what."""
        self.came: Callable[[], None] = lambda: None
        """Called when a call has come; it would otherwise wait for the next turn."""
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
        self.came()

    def _values(self, order: PriorityOrder) -> dict[str, int]:
        stage = self._site.stage_index(order.stage)
        ttl_ms = order.ttl_ms
        return {"call": order.call, "level": order.level, "stage": stage, "ttl_ms": ttl_ms}

    async def pursue(self, now: Instant, client: CabinetClient) -> None:
        """Pass on what waits; raises :class:`~firmware_bridge.errors.LinkError`."""
        waiting, self._waiting = self._waiting, deque()
        try:
            for order in waiting:
                await self._pass_on(now, order, client)
            if now.mono_ms < self._until_ms:
                self.calls = await client.priority_calls()
                self._tell_states(now, waiting)
            else:
                self.calls = ()
                self._told.clear()
        except BridgeError as error:
            self._tell_unreachable(now, waiting, error)
            raise

    def miss(self, now: Instant, error: BridgeError) -> None:
        """The cabinet can't be reached: what waits is dropped, its maker repeats it."""
        waiting, self._waiting = self._waiting, deque()
        self._tell_unreachable(now, waiting, error)

    async def _pass_on(self, now: Instant, order: PriorityOrder, client: CabinetClient) -> None:
        self._until_ms = max(self._until_ms, now.mono_ms + order.ttl_ms + SHOWN_MS)
        try:
            await client.call_priority(**self._values(order))
        except RefusedError as error:
            self._tell(now, order.call, REFUSED, {"in_cabinet": False, "why": str(error)})

    def _tell_states(self, now: Instant, asked: Iterable[PriorityOrder]) -> None:
        for each in self.calls:
            self._tell(now, each.call, each.state.name.lower(), {})
        for order in asked:
            # The end of a call that the cabinet never had: whoever asks wants to know it is there.
            if not order.ttl_ms and order.call not in self._told:
                self._tell(now, order.call, ACKNOWLEDGED, {})

    def _tell_unreachable(
        self, now: Instant, orders: Iterable[PriorityOrder], error: BridgeError
    ) -> None:
        for order in orders:
            self._tell(now, order.call, UNREACHABLE, {"in_cabinet": False, "why": str(error)})

    def _tell(self, now: Instant, call: int, state: str, more: dict[str, object]) -> None:
        if self._told.get(call) == state:
            return
        self._told[call] = state
        body = {"site": self._site.name, "order": "priority", "call": call, "state": state}
        self.answer(now, {**body, **more})
