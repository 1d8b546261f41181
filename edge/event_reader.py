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
from firmware_bridge.errors import LinkError
from firmware_bridge.registers import EVENTS_KEPT
from firmware_bridge.status import CabinetStatus

AT_ONCE = 100
"""Events that are read in one tick: who has fallen behind must not keep the control waiting."""
ENOUGH = 20
"""As many as one request brings."""
WAIT_MS = 3_000
"""Fewer than that are waited with for so long: the cabinet keeps a thousand."""
HURRY = EVENTS_KEPT // 2
"""Who shares a line that has too much to carry waits for so many, and only then takes its time."""
EASED_MS = 60_000
"""So long after it had: reading again at once would only bring that back."""
MARGIN = 24
"""The oldest events may be overwritten while they are read."""
SANE_MS = 86_400_000
"""A time of day further from the edge's own is read once more before it is kept."""
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
        self._said: tuple[int, int] | None = None
        """Start and event number of the poll before."""
        self._read: list[Event] = []
        self._read_ms = -WAIT_MS
        self._patient_until_ms = 0
        self.lost = 0
        """Events that the cabinet did not keep for long enough."""

    async def read(
        self,
        now: Instant,
        client: CabinetClient,
        status: CabinetStatus,
        *,
        clock_trusted: bool = False,
        line_doubted: bool = False,
    ) -> None:
        """Read what is new in *status*; raises :class:`~firmware_bridge.errors.BridgeError`.

        Only what two polls in a row say is read: one may have been garbled on its way. While the
        line has too much to carry, only what would soon be lost is read. *clock_trusted*: the time
        of day of *now* is right. *line_doubted*: what comes over it may be garbled.
        """
        sure = self._agreed(status)
        if sure is None:
            return
        if status.boot_no != self._boot or status.event_no < self._next:
            self._boot, self._next = status.boot_no, 0
        waiting = status.event_no - self._next
        if waiting < ENOUGH and now.mono_ms - self._read_ms < WAIT_MS:
            return
        if client.line.overload:
            self._patient_until_ms = now.mono_ms + EASED_MS
        if now.mono_ms < self._patient_until_ms and waiting < HURRY:
            return
        self._read_ms = now.mono_ms
        oldest = status.event_no - EVENTS_KEPT + MARGIN
        if self._next < oldest:
            missed = oldest - self._next
            self.lost += missed
            self._next = oldest
            _log.warning("events lost", cabinet=self._name, events=missed)
        until = min(sure, self._next + AT_ONCE)
        if until > self._next:
            found = await client.events(self._next, until)
            is_odd = clock_trusted and self._is_odd(found, now)
            if (is_odd or line_doubted) and await client.events(self._next, until) != found:
                raise LinkError(f"cabinet {self._name}: its events read another way each time")
            self._read += found  # only now: the list may have been taken while this waited
            self._next = until

    def _agreed(self, status: CabinetStatus) -> int | None:
        """How far the log goes by this poll and the one before; None where they don't agree."""
        before, self._said = self._said, (status.boot_no, status.event_no)
        if before is None or before[0] != status.boot_no:
            return None
        return before[1] if 0 <= status.event_no - before[1] <= HURRY else None

    def _is_odd(self, found: tuple[Event, ...], now: Instant) -> bool:
        """Whether one of them is of another day, which can hardly be."""
        odd = [each for each in found if abs(each.utc_ms - now.utc_ms) > SANE_MS]
        if odd:
            told = {"events": len(odd), "utc_ms": odd[0].utc_ms}
            _log.warning("events of another day", cabinet=self._name, **told)
        return bool(odd)

    def take(self) -> tuple[list[Event], int]:
        """The events since the last call, and the place behind them."""
        events, self._read = self._read, []
        return events, (self._boot or 0) << _BOOT_SHIFT | self._next
