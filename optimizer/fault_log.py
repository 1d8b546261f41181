"""Faults go to the log when they come, not at every step they last."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from controller.clock import Instant
from controller.signals import Fault

REPEAT_MS = 600_000
"""A kind of fault that keeps changing is logged once in this time."""
SHOWN = 3
KNOWN_MAX = 1_000
"""Messages of one kind that are remembered: some kinds are worded anew each time."""

_log = logging.getLogger(__name__)


class FaultLog:
    """The faults of one *site*, told to the log once."""

    def __init__(self, site: str) -> None:
        self._site = site
        self._present: tuple[Fault, ...] = ()
        self._told: dict[str, tuple[int, frozenset[str]]] = {}
        """By kind, when it was last logged and with which messages."""

    def note(self, now: Instant, faults: tuple[Fault, ...]) -> None:
        """Take what is wrong at *now*; the same as last time costs one comparison."""
        if faults == self._present:
            return
        self._present = faults
        by_kind: dict[str, list[str]] = {}
        for fault in faults:
            by_kind.setdefault(fault.kind, []).append(fault.message)
        for kind, messages in by_kind.items():
            self._tell(now, kind, messages)

    def _tell(self, now: Instant, kind: str, messages: Sequence[str]) -> None:
        told_ms, known = self._told.get(kind, (-REPEAT_MS, frozenset()))
        # A clock that stepped back must not silence the log: any other distance counts as long ago.
        recent = 0 <= now.mono_ms - told_ms < REPEAT_MS
        if recent or known.issuperset(messages):
            return
        kept = known if len(known) < KNOWN_MAX else frozenset[str]()
        self._told[kind] = now.mono_ms, kept | frozenset(messages)
        more = f" and {len(messages) - SHOWN} more" if len(messages) > SHOWN else ""
        _log.warning("%s: %s: %s%s", self._site, kind, "; ".join(messages[:SHOWN]), more)
