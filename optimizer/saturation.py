"""Saturation flow and start-up loss of a lane, from the headways at its stop-line loop.

After the HCM field procedure (HCM 2010, chapter 31): from the fourth vehicle on, a standing queue
discharges at saturation; the time the first four took beyond four saturation headways is the
start-up loss. A green teaches only if a vehicle stood on the loop when it began, as long as
headways stay short, and not at all if the exit was blocked (a vehicle stood on the loop for long in
green): rates learnt from a blocked lane would write it off.
"""

from __future__ import annotations

from optimizer.flows import Estimate

PRIOR_VEH_PER_H = 1_800.0
PRIOR_VEHICLES = 40.0
"""The prior counts as much as this many observed headways."""
MEMORY_VEHICLES = 400.0
BOUNDS = (0.5, 1.4)
"""Learnt saturation flow stays within these multiples of its prior."""
STARTUP_LOSS_S = 2.0
STARTUP_BOUNDS_S = (0.0, 4.0)
STARTUP_VEHICLES = 4
QUEUE_HEADWAY_S = 4.0
"""A longer headway means that the queue was gone."""
BLOCKED_AFTER_S = 6.0


class SaturationFlow:
    """Learns one lane's saturation flow; told about every step of every green."""

    __slots__ = (
        "_blocked",
        "_fourth_s",
        "_last_pulse_s",
        "_last_s",
        "_learning",
        "_learnt_at_s",
        "_passed",
        "_prior",
        "_seconds",
        "_squares",
        "_standing_since_s",
        "_start_s",
        "_startup_s",
        "_vehicles",
    )

    def __init__(self, prior_veh_per_h: float = PRIOR_VEH_PER_H) -> None:
        self._prior = prior_veh_per_h
        self._vehicles = self._seconds = self._squares = 0.0
        self._startup_s = STARTUP_LOSS_S
        self._learnt_at_s: float | None = None
        self._learning = self._blocked = False
        self._passed = 0
        self._start_s = self._last_s = self._fourth_s = self._last_pulse_s = 0.0
        self._standing_since_s: float | None = None

    def begin(self, now_s: float, queue_present: bool, protected: bool) -> None:
        """A green starts; it can teach if a queue stands and nobody needs to give way."""
        self._learning = queue_present and protected
        self._blocked = False
        self._passed = 0
        self._start_s = self._last_pulse_s = now_s
        self._standing_since_s = None

    def see(self, now_s: float, left: int, occupied: bool) -> None:
        """One step of green: vehicles that *left* the loop, whether one stands on it."""
        if not self._learning:
            return
        if left:
            self._standing_since_s = now_s if occupied else None
            if now_s - self._last_pulse_s > QUEUE_HEADWAY_S and self._passed:
                self._learning = False
                return
            before = self._passed
            self._passed += left
            self._last_pulse_s = now_s
            if before < STARTUP_VEHICLES <= self._passed:
                self._fourth_s = now_s
                # More than four in one step: the surplus discharged after the fourth.
                self._passed = STARTUP_VEHICLES
            return
        if not occupied:
            self._standing_since_s = None
        elif self._standing_since_s is None:
            self._standing_since_s = now_s
        elif now_s - self._standing_since_s >= BLOCKED_AFTER_S:
            self._blocked = True
            self._learning = False

    @property
    def learning(self) -> bool:
        """Whether the present green can still teach: :meth:`see` does nothing otherwise."""
        return self._learning

    @property
    def blocked(self) -> bool:
        """Whether the present or last green found its exit blocked."""
        return self._blocked

    def end(self, now_s: float) -> None:
        """The green is over: take what it taught."""
        headways = self._passed - STARTUP_VEHICLES
        spent_s = self._last_pulse_s - self._fourth_s
        if self._blocked or headways < 2 or spent_s <= 0.0:
            self._learning = False
            return
        self._learning = False
        if self._vehicles > MEMORY_VEHICLES:
            self._vehicles, self._seconds = self._vehicles / 2.0, self._seconds / 2.0
            self._squares /= 2.0
        self._vehicles += headways
        self._seconds += spent_s
        self._squares += headways * (spent_s / headways) ** 2
        self._learnt_at_s = now_s
        loss_s = self._fourth_s - self._start_s - STARTUP_VEHICLES * 3600.0 / self.veh_per_h()
        low, high = STARTUP_BOUNDS_S
        self._startup_s += 0.1 * (min(max(loss_s, low), high) - self._startup_s)

    def veh_per_h(self) -> float:
        """Saturation flow: the prior, moved by what was seen, within bounds."""
        prior_s = PRIOR_VEHICLES * 3600.0 / self._prior
        learnt = 3600.0 * (PRIOR_VEHICLES + self._vehicles) / (prior_s + self._seconds)
        return min(max(learnt, BOUNDS[0] * self._prior), BOUNDS[1] * self._prior)

    @property
    def startup_loss_s(self) -> float:
        """Start-up loss, s."""
        return self._startup_s

    def estimate(self, now_s: float) -> Estimate:
        """Saturation flow, veh/h, with the variance of its mean and the headways behind it."""
        value = self.veh_per_h()
        if self._learnt_at_s is None:
            return Estimate(value, (0.15 * value) ** 2, 0.0, float("inf"))
        mean_s = self._seconds / self._vehicles
        spread = max(self._squares / self._vehicles - mean_s * mean_s, 0.05)
        variance = spread / self._vehicles * (value * value / 3600.0) ** 2
        return Estimate(value, variance, self._vehicles, now_s - self._learnt_at_s)
