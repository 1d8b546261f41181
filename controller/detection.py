"""What the detectors of one site reported over one interval.

A detector without a valid reading is ``None`` in every field: missing is never zero vehicles.
"""

from __future__ import annotations

from typing import NamedTuple


class SiteReadings(NamedTuple):
    """Readings of all detectors of one site since the last call, in the order of its detectors."""

    entered: tuple[int | None, ...]
    """Vehicles whose front reached the loop (presses of a button)."""
    left: tuple[int | None, ...]
    """Vehicles whose back left the loop."""
    occupied: tuple[bool | None, ...]
    """Whether a vehicle stands on the loop at the end of the interval (button held)."""

    def masks(self) -> tuple[int, int, int]:
        """(occupied, pulsed, missing) as the bit masks of :class:`controller.signals.Inputs`."""
        occupied = pulsed = missing = 0
        bit = 1
        for entered, present in zip(self.entered, self.occupied, strict=True):
            if entered is None or present is None:
                missing |= bit
            else:
                if present:
                    occupied |= bit
                if entered:
                    pulsed |= bit
            bit <<= 1
        return occupied, pulsed, missing
