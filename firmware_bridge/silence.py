"""The units of a line that have fallen silent, and which of them is looked for next.

Whoever has missed ``SILENT_AFTER`` requests in a row is asked for one register first, a probe, with
less patience than a request has. Probes take the time that those who answer leave, but one a second
at least: the unit that was probed longest ago comes first. So everybody who comes back is found
within as many seconds as units are silent, on a full line, and mostly within one. When one is found
the others may be back for the same reason, and are looked for at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

SILENT_AFTER = 3
"""Requests in a row."""
SAVED_S = 1.0
"""Time that probes did not take is not saved for longer."""
ROUNDED_UP = 0.6
"""The time for one probe is there a little early, as turns are not a second apart to the bit."""
ASKING_S = 3.0
"""Nobody waits behind a unit that has not been asked for since."""
PATIENT_EVERY = 4
"""Of so many probes of a unit one waits as long as a request: it may have become slow."""


@dataclass(slots=True)
class _Unit:
    missed: int = 0
    probes: int = 0
    asked_s: float = 0.0


class SilentUnits:
    """Told of every answer and every miss of a line; times are monotonic, in seconds."""

    def __init__(self) -> None:
        self._units: dict[int, _Unit] = {}
        """Those that missed something, the one that was probed longest ago first."""
        self._left_s = 0.0
        self._counted_s = 0.0

    @property
    def units(self) -> Collection[int]:
        """Those that are silent."""
        return [unit for unit, each in self._units.items() if each.missed >= SILENT_AFTER]

    def is_silent(self, unit: int) -> bool:
        """Whether *unit* is probed before it is asked anything."""
        each = self._units.get(unit)
        return each is not None and each.missed >= SILENT_AFTER

    def may_probe(self, unit: int, now_s: float, cost_s: float, room: float) -> bool:
        """Whether it is the turn of *unit*, which is silent and is wanted now.

        A probe takes *cost_s*; *room* is the part of the time that those who answer leave.
        """
        self._units[unit].asked_s = now_s
        self._count(now_s, max(room, cost_s))
        waiting = [u for u in self.units if now_s - self._units[u].asked_s <= ASKING_S]
        return waiting.index(unit) < int(self._left_s / cost_s + ROUNDED_UP)

    def is_patient(self, unit: int) -> bool:
        """Whether its next probe waits as long as a request would."""
        return self._units[unit].probes % PATIENT_EVERY == PATIENT_EVERY - 1

    def missed(self, unit: int) -> None:
        """*unit* did not answer a request."""
        self._units.setdefault(unit, _Unit()).missed += 1

    def probed(self, unit: int, cost_s: float) -> None:
        """*unit* did not answer a probe, which takes so long."""
        each = self._units.pop(unit)
        each.probes += 1
        self._units[unit] = each
        self._left_s -= cost_s

    def answered(self, unit: int) -> None:
        """*unit* answered."""
        if self.is_silent(unit):
            self._left_s = SAVED_S
        self._units.pop(unit, None)

    def _count(self, now_s: float, room: float) -> None:
        gained_s = (now_s - self._counted_s) * room
        self._left_s = min(self._left_s + gained_s, max(self._left_s, SAVED_S * room))
        self._counted_s = now_s
