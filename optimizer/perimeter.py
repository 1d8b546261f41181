"""Gating at the edges of a protected area: no more are let in than it can still move.

A network that holds too many vehicles lets fewer out, because they stand in each other's way (the
network fundamental diagram). Feedback perimeter control keeps the accumulation *n* near the
critical one, at which most get out, by holding back at its edges those who come in:

    q(k) = q(k-1) - Kp [n(k) - n(k-1)] + Ki [critical - n(k)]

with the inflow q in veh/s once a minute (Keyvan-Ekbatani, Kouvelas, Papamichail and Papageorgiou,
"Exploiting the fundamental diagram of urban networks for feedback-based gating", Transportation
Research B 46, 2012, eq. 7, and its gains). What the loops see of *n* are the queues.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.delay import Floats

INTERVAL_S = 60.0
KP_PER_S = 20.0 / 3600.0
"""veh/s less for each vehicle that the area holds more than an interval before."""
KI_PER_S = 5.0 / 3600.0
"""veh/s more for each vehicle that it holds less than the critical number."""
CLOSE_AT = 1.0
OPEN_AT = 0.8
"""Parts of the critical accumulation at which gating begins, and at which it is over."""
PRIOR_PART = 0.25
"""Of its storage: the critical accumulation of an area of which nothing has been learnt."""
PART_MIN, PART_MAX = 0.1, 0.6
BIN_PART = 0.05
BIN_INTERVALS_MIN = 5
BIN_GAIN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The *exit* of a junction at the edge through which vehicles come into the area.

    It is never closed: ``least_veh_per_s`` may always come in; ``most_veh_per_s`` is what can.
    """

    site: str
    exit: str
    least_veh_per_s: float = 0.05
    most_veh_per_s: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.least_veh_per_s <= self.most_veh_per_s < math.inf:
            raise ValueError(
                f"gate {self.site} to {self.exit}: {self.least_veh_per_s:g} to "
                f"{self.most_veh_per_s:g} veh/s is no range"
            )


class CriticalAccumulation:
    """At which accumulation an area of *storage_veh* lets most out: learnt, in steps of 5 %."""

    def __init__(self, storage_veh: float) -> None:
        if not 0.0 < storage_veh < math.inf:
            raise ValueError(f"storage_veh: {storage_veh:g} is no number of vehicles above 0")
        self._storage_veh = storage_veh
        bins = round(1.0 / BIN_PART) + 1
        self._outflow: Floats = np.zeros(bins)
        self._intervals = np.zeros(bins, dtype=np.int64)

    def learn(self, accumulation_veh: float, outflow_veh_per_s: float) -> None:
        """What left during an interval in which the area held *accumulation_veh* on average."""
        part = min(max(accumulation_veh / self._storage_veh, 0.0), 1.0)
        k = int(part / BIN_PART)
        n = self._intervals[k] = self._intervals[k] + 1
        gain = max(BIN_GAIN, 1.0 / float(n))
        self._outflow[k] += gain * (outflow_veh_per_s - self._outflow[k])

    @property
    def veh(self) -> float:
        """The critical accumulation: where more vehicles have been seen to let fewer out.

        As long as none of the fuller states has been seen to be worse it is the prior, or the
        fullest of which enough is known, if that is fuller.
        """
        known = np.flatnonzero(self._intervals >= BIN_INTERVALS_MIN)
        if not len(known):
            return PRIOR_PART * self._storage_veh
        best = int(known[np.argmax(self._outflow[known])])
        part = (best + 0.5) * BIN_PART
        if best == known[-1]:
            part = max(part, PRIOR_PART)
        return min(max(part, PART_MIN), PART_MAX) * self._storage_veh


class PerimeterControl:
    """Once a minute, how many may come in through each of the *gates* of one area."""

    def __init__(self, gates: Sequence[Gate], storage_veh: float) -> None:
        self._gates = tuple(gates)
        if not self._gates:
            raise ValueError("gates: an area without any can't be protected")
        self.critical = CriticalAccumulation(storage_veh)
        self._least = sum(gate.least_veh_per_s for gate in gates)
        self._most = sum(gate.most_veh_per_s for gate in gates)
        self._inflow_veh_per_s = self._most
        self._last_veh: float | None = None
        self._sum_veh, self._left_veh, self._elapsed_s = 0.0, 0.0, 0.0
        self.closed = False
        """Whether gating is on."""

    def observe(self, accumulation_veh: float, left_veh: float, dt_s: float = 1.0) -> None:
        """Over the last *dt_s* the area held *accumulation_veh*, and *left_veh* went out of it."""
        if not (math.isfinite(accumulation_veh) and math.isfinite(left_veh)):
            return
        self._sum_veh += max(0.0, accumulation_veh) * dt_s
        self._left_veh += max(0.0, left_veh)
        self._elapsed_s += dt_s
        if self._elapsed_s >= INTERVAL_S:
            self._review()

    def _review(self) -> None:
        n = self._sum_veh / self._elapsed_s
        self.critical.learn(n, self._left_veh / self._elapsed_s)
        critical = self.critical.veh
        before = n if self._last_veh is None else self._last_veh
        was_closed, self.closed = (
            self.closed,
            n >= (OPEN_AT if self.closed else CLOSE_AT) * critical,
        )
        if self.closed:
            # Begin with what has been coming in: about what left, and what the area holds more.
            now = self._inflow_veh_per_s
            if not was_closed:
                now = (self._left_veh + n - before) / self._elapsed_s
            now += KI_PER_S * (critical - n) - KP_PER_S * (n - before)
            self._inflow_veh_per_s = min(max(now, self._least), self._most)
        self._last_veh = n
        self._sum_veh, self._left_veh, self._elapsed_s = 0.0, 0.0, 0.0

    def orders(self) -> Mapping[Gate, float]:
        """veh/s through each gate, in proportion to what they can; empty while all are open."""
        if not self.closed:
            return {}
        span = self._most - self._least
        part = (self._inflow_veh_per_s - self._least) / span if span > 0.0 else 1.0
        return {
            gate: gate.least_veh_per_s + part * (gate.most_veh_per_s - gate.least_veh_per_s)
            for gate in self._gates
        }
