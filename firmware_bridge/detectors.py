"""Detectors as a cabinet counts them: rolling counts in, pulses and occupancy out."""

from __future__ import annotations

from typing import NamedTuple

from controller.intersection import bits
from controller.signals import OperatorMode

COUNT_MODULO = 1 << 16
WINDOW_MS = 60_000


class FieldInputs(NamedTuple):
    """What comes in from the street; counts roll over at 65536, masks follow the detectors."""

    entered: tuple[int, ...]
    left: tuple[int, ...]
    occupied: int = 0
    missing: int = 0
    panel: OperatorMode = OperatorMode.AUTO
    """The police panel in the cabinet."""
    panel_stage: int = 0
    reset: bool = False
    """Somebody presses the reset of the conflict monitor."""


def quiet(detectors: int) -> FieldInputs:
    """Inputs of a street where nothing has happened yet."""
    return FieldInputs((0,) * detectors, (0,) * detectors)


def pulses(before: FieldInputs, after: FieldInputs) -> int:
    """The mask of the detectors that somebody reached in between; missing ones see nobody."""
    if before.entered is after.entered:
        return 0
    moved = sum(
        1 << d
        for d, (old, new) in enumerate(zip(before.entered, after.entered, strict=True))
        if old != new
    )
    return moved & ~after.missing


class Occupancy:
    """The part of the last whole minute that each detector was occupied, in 0.1 %."""

    def __init__(self, detectors: int) -> None:
        self.permille = (0,) * detectors
        self._busy_ms = [0] * detectors
        self._passed_ms = 0

    def observe(self, occupied: int, passed_ms: int) -> None:
        """*occupied* detectors were so for *passed_ms*."""
        if passed_ms <= 0:
            return
        for d in bits(occupied):
            if d < len(self._busy_ms):
                self._busy_ms[d] += passed_ms
        self._passed_ms += passed_ms
        if self._passed_ms >= WINDOW_MS:
            whole_ms = self._passed_ms
            self.permille = tuple(busy_ms * 1_000 // whole_ms for busy_ms in self._busy_ms)
            self._busy_ms = [0] * len(self._busy_ms)
            self._passed_ms = 0
