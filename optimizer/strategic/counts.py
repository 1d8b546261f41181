"""Demand per lane over some minutes, as a plan has to serve it: what left, and what still waits.

What leaves is what comes as long as queues clear. Vehicles that stand there at all times have
come and not left, so they count as demand of the next quarter of an hour. A lane without a
stop-line loop that can be believed has the rate of its other loops, or of the lanes beside it
(:mod:`optimizer.traffic`); one of which nothing at all is known is NaN, never 0.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from controller.clock import Instant
from optimizer.delay import Floats
from optimizer.flows import STALE_AFTER_S
from optimizer.traffic import JunctionTraffic

TAU_S = 300.0
FOLD_S = 10.0
STANDING_S = 150.0
"""Longer than most cycles: what stands all the time is no queue of one red."""
CLEARED_WITHIN_H = 0.25
STANDING_FACTOR_MAX = 1.3
"""A queue asks for so many times of what left at most: beyond that, counts say more."""

GROWTH = 1.1
CHANCE = 0.7
"""Standard deviations; a site has many lanes, and not all of them were counted too low."""
COUNTED_MIN_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneFlows:
    """What is known of the lanes of one site; arrays (lanes,), flows NaN where nothing is.

    ``counted_s``: for how long a plain count would have to last to be as sure.
    """

    flow_veh_per_h: Floats
    saturation_veh_per_h: Floats
    counted_s: Floats


class LaneCounts:
    """Counts the lanes of one site; :meth:`observe` follows each :meth:`JunctionTraffic.observe`.

    The mean is exponential and corrected for its short start, as in :class:`optimizer.flows`.
    """

    def __init__(self, lanes: int) -> None:
        self._left, self._seconds = np.zeros(lanes), np.zeros(lanes)
        self._now_left, self._now_s = np.zeros(lanes), np.zeros(lanes)
        self._unknown_s = np.full(lanes, math.inf)
        self._span_s = 0.0
        self._standing: deque[Floats] = deque(maxlen=math.ceil(STANDING_S / FOLD_S))
        self._last_ms: int | None = None

    def observe(self, now: Instant, traffic: JunctionTraffic) -> None:
        """Take the last reading of *traffic*, made since the last call."""
        last_ms, self._last_ms = self._last_ms, now.mono_ms
        if last_ms is None or now.mono_ms <= last_ms:
            return
        dt_s = (now.mono_ms - last_ms) / 1000.0
        if len(self._left):
            left = traffic.passed[-len(self._left) :]
            known = left >= 0
            self._now_left += np.where(known, left, 0)
            self._now_s[known] += dt_s
            self._unknown_s = np.where(known, 0.0, self._unknown_s + dt_s)
        self._span_s += dt_s
        if self._span_s >= FOLD_S:
            self._fold(traffic)

    def _fold(self, traffic: JunctionTraffic) -> None:
        kept = math.exp(-self._span_s / TAU_S)
        self._left = kept * self._left + self._now_left
        self._seconds = kept * self._seconds + self._now_s
        self._now_left[:] = self._now_s[:] = 0.0
        self._span_s = 0.0
        self._standing.append(traffic.forecast(1)[0])

    def flows(self, traffic: JunctionTraffic) -> LaneFlows:
        """What is known now."""
        states = traffic.lane_states()
        counted = (self._unknown_s <= STALE_AFTER_S) & (self._seconds > 0.0)
        left = 3600.0 * self._left / np.maximum(self._seconds, 1e-9)
        standing = np.zeros(len(states))
        if len(self._standing) == self._standing.maxlen:
            standing = np.min(np.array(self._standing), axis=0)
        waiting = np.minimum(standing / CLEARED_WITHIN_H, (STANDING_FACTOR_MAX - 1.0) * left)
        rate = np.array(
            [
                3600.0 * state.rate_veh_per_s if state.confidence > 0.0 else math.nan
                for state in states
            ]
        )
        return LaneFlows(
            flow_veh_per_h=np.where(counted, left + waiting, rate),
            saturation_veh_per_h=np.array(
                [state.saturation.value for state in states], dtype=float
            ),
            counted_s=self._seconds / (1.0 - self._seconds / (2.0 * TAU_S)),
        )


def to_plan_for(flows: LaneFlows) -> LaneFlows:
    """*flows* with what a plan has to be able to serve beyond them.

    Traffic comes by chance (as a Poisson process), and what was counted over some minutes may have
    been less than usual; and there may be more of it soon.
    """
    counted_s = np.maximum(flows.counted_s, COUNTED_MIN_S)
    chance = np.sqrt(3600.0 * np.maximum(flows.flow_veh_per_h, 0.0) / counted_s)
    return replace(flows, flow_veh_per_h=GROWTH * flows.flow_veh_per_h + CHANCE * chance)
