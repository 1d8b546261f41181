"""What the tactical control does without detectors: assumed demand by lane, then the plan in force.

A lane whose detectors all fail keeps its own learnt rate, then that of its neighbours or its
profile (:mod:`optimizer.traffic.substitutes`). Where nothing was ever learnt, the lane is taken to
have the traffic that the shipped plan was made for, and a queue that grows with it at red; so it is
served, without a detector, for as long as the others of the junction work. Once no lane has a
working detector, an optimizer would only act on its own inventions: the plan in force is better.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controller.clock import Instant
from controller.intersection import Intersection
from controller.plan import TimingPlan
from optimizer.delay import Floats

Mask = NDArray[np.bool_]

WORKING_CONFIDENCE = 0.3
"""A lane of which any detector works has at least this."""
NOTHING_CONFIDENCE = 0.02
"""Below this what a lane once had is forgotten, and nothing else stands in for it."""
LOST_AFTER_MS = 10_000
BACK_AFTER_MS = 5_000
DEGREE = 0.6
"""Of the capacity that the shipped plan gives a lane, this much is taken to be used."""
STEP_MAX_S = 2.0
QUEUE_MAX_VEH = 10.0
LEAST_QUEUE_VEH = 0.5


class DetectionWatch:
    """Whether any lane of the junction has a working detector, without flapping."""

    def __init__(self) -> None:
        self.lost = False
        self._since_ms: int | None = None
        self._looked_at: Floats | None = None
        self._blind = False

    def look(self, now: Instant, confidence: Floats) -> bool:
        """Whether detection is lost at *now*, by the *confidence* of each lane, (lanes,).

        An array that was looked at before is taken to be the same still.
        """
        if confidence is not self._looked_at:
            self._looked_at = confidence
            self._blind = not bool((confidence >= WORKING_CONFIDENCE).any())
        blind = self._blind
        if blind == self.lost:
            self._since_ms = None
            return self.lost
        if self._since_ms is None or now.mono_ms < self._since_ms:
            self._since_ms = now.mono_ms
        if now.mono_ms - self._since_ms >= (BACK_AFTER_MS if self.lost else LOST_AFTER_MS):
            self.lost, self._since_ms = blind, None
        return self.lost


class AssumedDemand:
    """Queues and arrivals of lanes of which nothing is known.

    *rates*: (stages, lanes) veh/s that each stage lets pass.
    """

    def __init__(
        self,
        site: Intersection,
        lane_groups: tuple[int, ...],
        rates: Floats,
        plan: TimingPlan | None,
    ) -> None:
        self._lane_groups = lane_groups
        self._discharge_veh_per_s = rates.max(axis=0, initial=0.0)
        self.rate_veh_per_s = DEGREE * _green_shares(site, plan) @ rates
        self._queue = np.zeros(len(lane_groups))
        self._waited_s = np.zeros(len(lane_groups))
        self._last_ms: int | None = None
        self.unknown: Mask = np.zeros(len(lane_groups), dtype=np.bool_)
        self.count = 0
        """How many lanes are unknown."""
        self._confidence: Floats | None = None

    def advance(self, now: Instant, confidence: Floats, green: int) -> None:
        """Let the assumed queues grow and go until *now*, while the mask *green* was shown.

        A *confidence*, (lanes,), that came before is taken to be the same still.
        """
        last_ms, self._last_ms = self._last_ms, now.mono_ms
        if confidence is not self._confidence:
            self._confidence = confidence
            self.unknown = confidence < NOTHING_CONFIDENCE
            self.count = int(self.unknown.sum())
        if not self.count or last_ms is None:
            return
        dt_s = min(max(0.0, (now.mono_ms - last_ms) / 1000.0), STEP_MAX_S)
        released = np.array([bool(groups & green) for groups in self._lane_groups])
        change = self.rate_veh_per_s - np.where(released, self._discharge_veh_per_s, 0.0)
        self._queue = np.clip(self._queue + change * dt_s, 0.0, QUEUE_MAX_VEH)
        waits = self.unknown & ~released & (self._queue >= LEAST_QUEUE_VEH)
        self._waited_s = np.where(waits, self._waited_s + dt_s, 0.0)

    def fill(self, queue: Floats, arrivals: Floats) -> None:
        """Put the assumption into *queue*, (lanes,), and *arrivals*, (lanes, s), where needed."""
        if self.count:
            unknown = self.unknown
            queue[unknown] = self._queue[unknown]
            arrivals[unknown] = self.rate_veh_per_s[unknown, None]

    def waits_s(self, known_s: Floats) -> Floats:
        """*known_s*, (lanes,), with the assumed waits where nothing is known."""
        return np.where(self.unknown, self._waited_s, known_s) if self.count else known_s


def _green_shares(site: Intersection, plan: TimingPlan | None) -> Floats:
    """(stages,) part of the cycle that *plan* gives each stage; equal parts without a plan."""
    shares = np.zeros(len(site.stages))
    if plan is None:
        shares[:] = 1.0 / len(site.stages)
        return shares
    for entry in plan.stages:
        shares[site.stage_index(entry.stage)] += entry.split_ms / plan.cycle_ms
    return shares
