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

    def masks(self, detectors: int | None = None) -> tuple[int, int, int]:
        """(occupied, pulsed, missing) as the bit masks of :class:`controller.signals.Inputs`.

        A count that is negative or not a number is missing. If the readings are not those of
        *detectors* detectors (another junction's, cut short), all of them are.
        """
        occupied = pulsed = missing = 0
        bit = 1
        if detectors is not None and any(len(column) != detectors for column in self):
            return 0, 0, (1 << detectors) - 1
        for entered, present in zip(self.entered, self.occupied, strict=True):
            if entered is None or present is None or not entered >= 0:  # not: for NaN
                missing |= bit
            else:
                if present:
                    occupied |= bit
                if entered:
                    pulsed |= bit
            bit <<= 1
        return occupied, pulsed, missing
