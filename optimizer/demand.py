"""Demand per lane, signal group and movement from the loops of one site.

Flow is measured where vehicles leave (stop-line loop), else where they arrive (advance loop), else
it is missing. What leaves is what comes only as long as queues clear. So each green is judged, as
SCATS does with its degree of saturation (Sims and Dobinson 1980): if a lane discharged without a
gap to the very end of its green, the queue was not served. One such green is chance, and the next
serves what was left; from the second in a row on, the demand is taken as more than the discharge,
by a factor that grows each time, twice as fast while the queue reaches the advance loop, and falls
back once the queue clears.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.signals import Fault
from optimizer.flows import MISSING, Estimate, FlowMeter, count_fault
from optimizer.lanes import Lane, lanes_of, service
from optimizer.saturation import SaturationFlow

FLOW_TAU_S = 300.0
GAP_S = 3.5
"""A pause of the discharge that says the queue is gone."""
UNSERVED_STEP = 0.10
UNSERVED_MAX = 1.6
UNSERVED_FADE = 0.6
"""Factor on the excess after a green that cleared the queue."""
ADVANCE_HELD_S = 4.0
INTERVAL_MAX_S = 60.0


@dataclass(frozen=True, slots=True)
class LaneDemand:
    """What is known of one lane."""

    lane: Lane
    flow: Estimate
    """Demand, veh/h."""
    saturation: Estimate
    """Saturation flow with all its groups green and nobody to give way to, veh/h."""
    startup_loss_s: float
    unserved: float
    """Demand over discharge, 1 where the queue clears."""
    blocked: bool
    """The last green found the exit blocked."""


class DemandEstimator:
    """Follows all lanes of one site; :meth:`observe` is called at every step."""

    def __init__(self, site: Intersection) -> None:
        self._site = site
        self.lanes = lanes_of(site)
        self._watches = tuple(_LaneWatch(site, lane) for lane in self.lanes)
        self._last_ms: int | None = None
        self._faults: dict[int, str] = {}

    def observe(self, now: Instant, readings: SiteReadings, green: int) -> None:
        """Take the *readings* since the last call, made while the mask *green* was shown."""
        last_ms, self._last_ms = self._last_ms, now.mono_ms
        if last_ms is None or now.mono_ms <= last_ms:
            return
        interval_s = (now.mono_ms - last_ms) / 1000.0
        self._faults.clear()
        if interval_s > INTERVAL_MAX_S:
            # After a long silence the counts say nothing about when they came.
            return
        counts = self._checked(readings.entered, interval_s)
        departures = self._checked(readings.left, interval_s)
        now_s = now.mono_ms / 1000.0
        for watch in self._watches:
            watch.observe(now_s, interval_s, counts, departures, readings.occupied, green)

    def _checked(self, counts: tuple[int | None, ...], interval_s: float) -> list[int | None]:
        checked = list(counts)
        for d, count in enumerate(counts):
            if count == 0:
                continue
            fault = count_fault(count, interval_s)
            if fault is not None:
                checked[d] = None
                self._faults[d] = fault
        return checked

    def faults(self) -> tuple[Fault, ...]:
        """What was wrong with the last readings, by detector."""
        return tuple(
            Fault(kind, f"detector {self._site.detectors[d].name}: {kind}, not used")
            for d, kind in sorted(self._faults.items())
        )

    def lane_demands(self, now: Instant) -> tuple[LaneDemand, ...]:
        """Every lane, in the order of :attr:`lanes`."""
        now_s = now.mono_ms / 1000.0
        return tuple(watch.demand(now_s) for watch in self._watches)

    def group_flow(self, now: Instant, group: int) -> Estimate:
        """Demand of the signal group at position *group*, veh/h; missing if any lane of it is.

        A lane that several groups release counts in equal parts: the loops don't see turns.
        """
        shares = [
            (demand.flow, 1.0 / demand.lane.groups.bit_count())
            for demand in self.lane_demands(now)
            if demand.lane.groups >> group & 1
        ]
        return _sum(shares)

    def movement_flow(self, now: Instant, name: str) -> Estimate:
        """Demand of the movement called *name*, veh/h; missing if any lane of it is.

        A lane that several movements use counts in equal parts: the loops don't see turns.
        """
        users: dict[str, int] = {}
        lanes: tuple[str, ...] | None = None
        for movement in self._site.movements:
            for lane in movement.lanes:
                users[lane] = users.get(lane, 0) + 1
            if movement.name == name:
                lanes = movement.lanes
        if lanes is None:
            known = ", ".join(movement.name for movement in self._site.movements)
            raise KeyError(f"no movement {name!r} at {self._site.name!r} (it has {known})")
        flows = {demand.lane.name: demand.flow for demand in self.lane_demands(now)}
        return _sum([(flows.get(lane, MISSING), 1.0 / users[lane]) for lane in lanes])


class _LaneWatch:
    """Counts of one lane, and how each of its greens went."""

    __slots__ = (
        "_advance",
        "_advance_held_s",
        "_failed",
        "_green",
        "_held",
        "_lane",
        "_meters",
        "_pulse_s",
        "_saturated",
        "_saturation",
        "_site",
        "_stop_line",
        "_unserved",
    )

    def __init__(self, site: Intersection, lane: Lane) -> None:
        self._site = site
        self._lane = lane
        self._stop_line, self._advance = lane.stop_line, lane.advance
        self._meters = (FlowMeter(FLOW_TAU_S), FlowMeter(FLOW_TAU_S))
        self._saturation = SaturationFlow()
        self._unserved = 1.0
        self._green = self._saturated = self._held = self._failed = False
        self._advance_held_s = 0.0
        self._pulse_s = 0.0

    def observe(
        self,
        now_s: float,
        interval_s: float,
        counts: list[int | None],
        departures: list[int | None],
        occupied: tuple[bool | None, ...],
        green: int,
    ) -> None:
        """One step; counts by detector, None where not usable."""
        left = _total(departures, self._stop_line)
        arrived = _total(counts, self._advance)
        if left is not None:
            self._meters[0].add(now_s, left, interval_s)
        if arrived is not None:
            self._meters[1].add(now_s, arrived, interval_s)
        self._watch_advance(interval_s, occupied)
        present = _any(occupied, self._stop_line)
        if left is None or present is None:
            self._green = False
            return
        released = green & self._lane.groups
        if released and not self._green:
            self._begin(now_s, present, green)
        elif self._green and not released:
            self._end(now_s)
        elif self._green:
            self._saturation.see(now_s, left, present)
            if left or present:
                self._pulse_s = now_s
            elif now_s - self._pulse_s >= GAP_S:
                self._saturated = False
        self._green = bool(released)

    def _watch_advance(self, interval_s: float, occupied: tuple[bool | None, ...]) -> None:
        if _any(occupied, self._advance):
            self._advance_held_s += interval_s
        else:
            self._advance_held_s = 0.0
        if self._advance_held_s >= ADVANCE_HELD_S and self._green:
            self._held = True

    def _begin(self, now_s: float, present: bool, green: int) -> None:
        protected = service(self._site, self._lane, green) == 1.0
        self._saturation.begin(now_s, present, protected)
        self._saturated = present
        self._held = False
        self._pulse_s = now_s

    def _end(self, now_s: float) -> None:
        self._saturation.end(now_s)
        unserved = self._saturated and now_s - self._pulse_s < GAP_S
        if self._saturation.blocked:
            # Green does not help a lane whose exit is blocked; its demand stays as it was.
            return
        repeated, self._failed = self._failed and unserved, unserved
        if repeated:
            step = UNSERVED_STEP * (2.0 if self._held else 1.0)
            self._unserved = min(self._unserved + step, UNSERVED_MAX)
        elif not unserved:
            self._unserved = 1.0 + (self._unserved - 1.0) * UNSERVED_FADE

    def demand(self, now_s: float) -> LaneDemand:
        """What is known now."""
        flow = self._meters[0].mean(now_s)
        if flow.value is None:
            flow = self._meters[1].mean(now_s)
        if flow.value is not None:
            factor = self._unserved
            flow = Estimate(
                flow.value * factor, flow.variance * factor * factor, flow.observations, flow.age_s
            )
        return LaneDemand(
            self._lane,
            flow,
            self._saturation.estimate(now_s),
            self._saturation.startup_loss_s,
            self._unserved,
            self._saturation.blocked,
        )


def _total(counts: list[int | None], detectors: tuple[int, ...]) -> int | None:
    """Sum over *detectors*; None if there is none or one of them is missing."""
    total = 0
    for d in detectors:
        count = counts[d]
        if count is None:
            return None
        total += count
    return total if detectors else None


def _any(occupied: tuple[bool | None, ...], detectors: tuple[int, ...]) -> bool | None:
    """Whether one of *detectors* is occupied; None if there is none or one of them is missing."""
    present = False
    for d in detectors:
        state = occupied[d]
        if state is None:
            return None
        present = present or state
    return present if detectors else None


def _sum(parts: list[tuple[Estimate, float]]) -> Estimate:
    total = variance = observations = age_s = 0.0
    for estimate, share in parts:
        if estimate.value is None:
            return MISSING
        total += share * estimate.value
        variance += share * share * estimate.variance
        observations += share * estimate.observations
        age_s = max(age_s, estimate.age_s)
    return Estimate(total, variance, observations, age_s) if parts else MISSING
