"""The event log of one cabinet, read to the end bit by bit, and each event once.

The cabinet numbers its events and keeps the last of them. How far they have been read is written
in the same transaction as the events themselves, so that a daemon that is killed goes on where its
store ends.
"""

from __future__ import annotations

import structlog

from controller.clock import Instant
from controller.signals import Event
from firmware_bridge.client import CabinetClient
from firmware_bridge.registers import EVENTS_KEPT
from firmware_bridge.status import CabinetStatus

AT_ONCE = 100
"""Events that are read in one tick: who has fallen behind must not keep the control waiting."""
ENOUGH = 20
"""As many as one request brings."""
WAIT_MS = 3_000
"""Fewer than that are waited with for so long: the cabinet keeps a thousand."""
MARGIN = 24
"""The oldest events may be overwritten while they are read."""
_BOOT_SHIFT = 32

_log = structlog.get_logger("edge.events")


class EventReader:
    """Reads the log of the cabinet called *name*, from *place* on, as the store remembers it."""

    def __init__(self, name: str, place: int | None) -> None:
        self._name = name
        self._boot: int | None = None
        self._next = 0
        if place is not None:
            self._boot, self._next = place >> _BOOT_SHIFT, place & ((1 << _BOOT_SHIFT) - 1)
        self._read: list[Event] = []
        self._read_ms = -WAIT_MS
        self.lost = 0
        """Events that the cabinet did not keep for long enough."""

    async def read(self, now: Instant, client: CabinetClient, status: CabinetStatus) -> None:
        """Read what is new in *status*; raises :class:`~firmware_bridge.errors.BridgeError`."""
        if status.boot_no != self._boot or status.event_no < self._next:
            self._boot, self._next = status.boot_no, 0
        if status.event_no - self._next < ENOUGH and now.mono_ms - self._read_ms < WAIT_MS:
            return
        self._read_ms = now.mono_ms
        oldest = status.event_no - EVENTS_KEPT + MARGIN
        if self._next < oldest:
            missed = oldest - self._next
            self.lost += missed
            self._next = oldest
            _log.warning("events lost", cabinet=self._name, events=missed)
        until = min(status.event_no, self._next + AT_ONCE)
        if until > self._next:
            self._read += await client.events(self._next, until)
            self._next = until

    def take(self) -> tuple[list[Event], int]:
        """The events since the last call, and the place behind them."""
        events, self._read = self._read, []
        return events, (self._boot or 0) << _BOOT_SHIFT | self._next
