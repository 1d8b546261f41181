"""Exits of one junction that lead into a protected area, and how many may leave through each."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from controller.clock import Instant
from optimizer.delay import Floats

ORDER_LIFETIME_MS = 180_000
"""Three reviews of :class:`optimizer.perimeter.PerimeterControl`; then the gate is open."""
SAVED_S = 30.0
"""What was not used of so many seconds may still be: a green comes once a cycle."""
SAVED_MIN_VEH = 3.0


class GatedExits:
    """The gates among *exits*; *share* (exits, lanes): part of each lane's vehicles for each."""

    def __init__(self, exits: Sequence[str], share: Floats) -> None:
        self._exits = tuple(exits)
        self._share = share
        self._rows = np.empty(0, dtype=np.intp)
        self._rate_veh_per_s: Floats = np.empty(0)
        self._saved_veh: Floats = np.empty(0)
        self._ordered_ms = self._observed_ms = 0

    @property
    def any(self) -> bool:
        """Whether an order holds."""
        return bool(len(self._rows))

    def order(self, now: Instant, veh_per_s: Mapping[str, float]) -> None:
        """Let no more than *veh_per_s* out through each exit, until the next order; {} is open.

        Raises :class:`ValueError` for an exit that leads nowhere, or what is no flow; the order in
        force then stays.
        """
        for name, rate in veh_per_s.items():
            if name not in self._exits:
                raise ValueError(f"{name!r} is no exit that leads to another junction")
            if not 0.0 <= rate < math.inf:
                raise ValueError(f"{name}: {rate} veh/s is no flow")
        saved = dict(zip(self._rows.tolist(), self._saved_veh.tolist(), strict=True))
        rows = [self._exits.index(name) for name in veh_per_s]
        self._rows = np.array(rows, dtype=np.intp)
        self._rate_veh_per_s = np.array(list(veh_per_s.values()), dtype=np.float64)
        self._saved_veh = np.array([saved.get(row, SAVED_MIN_VEH) for row in rows])
        self._ordered_ms = self._observed_ms = now.mono_ms

    def observe(self, now: Instant, left_veh: Floats) -> None:
        """Vehicles that left each lane since the last call or order."""
        dt_s = max(0, now.mono_ms - self._observed_ms) / 1000.0
        self._observed_ms = now.mono_ms
        if now.mono_ms - self._ordered_ms > ORDER_LIFETIME_MS:
            self._rows = self._rows[:0]
            self._rate_veh_per_s, self._saved_veh = np.empty(0), np.empty(0)
        if len(self._rows):
            most = np.maximum(SAVED_MIN_VEH, self._rate_veh_per_s * SAVED_S)
            self._saved_veh += self._rate_veh_per_s * dt_s - self._share[self._rows] @ left_veh
            # Who was let out too many is owed, but not for ever.
            self._saved_veh = np.clip(self._saved_veh, -most, most)

    def exits(self, horizon_s: int) -> tuple[Floats, Floats]:
        """(share (lanes, E), room (E, horizon)): see :class:`optimizer.search.SearchProblem`."""
        seconds = np.arange(1, horizon_s + 1)
        room = self._saved_veh[:, None] + self._rate_veh_per_s[:, None] * seconds
        return self._share[self._rows].T, np.maximum(room, 0.0)
