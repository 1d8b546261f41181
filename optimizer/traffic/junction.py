"""The traffic state of one junction: what the tactical optimizer and the log want to know.

What works is used: each lane runs on the best of its loops, and falls back as they fail

    stop line + advance (+ entry)    due times, one by one
    stop line + entry                shares of what is on its way
    stop line                        mean rate, corrected by what stands and leaves
    advance or entry alone           what came, less what the lamps allow
    none                             the usual part of the traffic of the lanes beside it
    no loop at all works             the profile of that weekday and time
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.signals import Fault
from optimizer.flows import Estimate
from optimizer.lanes import Lane, service
from optimizer.saturation import PRIOR_VEH_PER_H, SaturationFlow
from optimizer.traffic.health import Counts, DetectorHealth
from optimizer.traffic.law import (
    BLOCKED_AFTER_S,
    BLOCKED_FACTOR,
    FULL_AFTER_S,
    NO_GAP_FACTOR,
    SHORT_FULL_AFTER_S,
)
from optimizer.traffic.layout import layout_of
from optimizer.traffic.model import IMPLEMENTATION, IMPLEMENTATIONS
from optimizer.traffic.substitutes import Substitutes

Floats = NDArray[np.float64]

INTERVAL_MAX_S = 60.0
"""After a longer silence the model starts anew: what stood then is long gone."""
REVIEW_MS = 10_000
STALE_TAU_S = 60.0
CONFIDENCE = {
    (True, True, True): 1.0,
    (True, True, False): 0.9,
    (True, False, True): 0.6,
    (True, False, False): 0.5,
    (False, True, True): 0.7,
    (False, True, False): 0.6,
    (False, False, True): 0.3,
}
"""By (stop line, advance, entry): how far the queue of a lane with these loops is right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTraffic:
    """What is known of one lane, for the log and the report."""

    name: str
    queue_veh: float
    rate_veh_per_s: float
    """Mean arrivals."""
    saturation: Estimate
    """Saturation flow with all its groups green and nobody to give way to, veh/h."""
    startup_loss_s: float
    blocked: bool
    """Its exit is blocked."""
    over_advance: bool
    """The queue reaches beyond the advance loop."""
    spilled_back: bool
    """The queue reaches the entry loop."""
    head_wait_s: float
    basis: str
    age_s: float
    """Since any of its loops could last be believed."""
    confidence: float
    """0 (a guess) to 1."""


class JunctionTraffic:
    """Estimates for one site; :meth:`observe` is called at every step.

    *implementation*: ``kernel`` or ``reference``, the compiled one where it is built.
    """

    def __init__(self, site: Intersection, implementation: str | None = None) -> None:
        self._site = site
        self.layout = layout_of(site)
        self.lanes = self.layout.lanes
        self._make = IMPLEMENTATIONS[implementation or IMPLEMENTATION]
        self._model = self._make(self.layout)
        self._health = DetectorHealth(site, self.layout)
        self._substitutes = Substitutes(self.layout)
        self._clock_fault: str | None = None
        self._last_ms: int | None = None
        self._next_review_ms = 0
        self._changes_seen = -1
        self._trusted_at_ms: list[int | None] = [None] * len(self.lanes)
        self._works: list[tuple[bool, bool, bool]] = [(False, False, False)] * len(self.lanes)
        self._share: dict[int, Floats] = {}
        self._saturation = [SaturationFlow() for _ in self.lanes]
        self._was_green = 0
        self._counts = np.full((3, self.layout.detectors), -1, dtype=np.int32)
        self._entry_names = [site.detectors[s.detector].name for s in self.layout.sources]
        sourced = {k for source in self.layout.sources for k in source.lanes}
        self._first_advance = [
            (k, tuple(site.detectors[d].name for d in lane.advance))
            for k, lane in enumerate(self.lanes)
            if lane.advance and k not in sourced
        ]
        self._source_detectors = np.array([s.detector for s in self.layout.sources], dtype=np.intp)
        self._lit: dict[tuple[int, int], list[tuple[int, tuple[int, ...], bool, bool]]] = {}
        self._measured = np.zeros(len(self.lanes), dtype=np.bool_)
        self._blind: list[int] = []
        self._saturation_veh_per_s = np.full(len(self.lanes), PRIOR_VEH_PER_H / 3600.0)
        self._stage_share = np.array([self._share_of(mask) for mask in site.stage_masks])
        self.rates = self._stage_share * self._saturation_veh_per_s
        """(stages, lanes) learnt service rate, veh/s, exits free."""
        self.rates_learnt = 0
        """How often ``rates`` has been written."""
        self._share_now = np.zeros(len(self.lanes))
        self._confidence_of_all: Floats | None = None

    def _share_of(self, green: int) -> Floats:
        """(lanes,) part of the saturation flow that the groups *green* release."""
        known = self._share.get(green)
        if known is None:
            known = np.array(
                [
                    service(
                        self._site,
                        Lane(name=x.name, groups=x.groups, stop_line=x.stop, advance=x.advance),
                        green,
                    )
                    for x in self.lanes
                ]
            )
            self._share[green] = known
        return known

    def observe(self, now: Instant, readings: SiteReadings, green: int) -> None:
        """Take the *readings* since the last call, made while the mask *green* was shown."""
        dt_s = self._elapsed_s(now)
        if dt_s is None:
            return
        counts = self._health.check(self._model.now_s + dt_s, dt_s, readings)
        self._counts = counts
        self._learn_saturation(counts, green)
        share = self._share_now = self._share_of(green)
        self._model.advance(dt_s, counts, share * self._saturation_veh_per_s)
        if self._health.changes != self._changes_seen:
            self._note_working(now, counts)
        if now.mono_ms >= self._next_review_ms:
            self._next_review_ms = now.mono_ms + REVIEW_MS
            self._review(now)

    def _elapsed_s(self, now: Instant) -> float | None:
        """Seconds since the last reading; None if this one cannot be placed in time."""
        last_ms, self._last_ms = self._last_ms, now.mono_ms
        self._clock_fault = None
        if last_ms is None:
            return 1.0
        dt_s = (now.mono_ms - last_ms) / 1000.0
        if dt_s <= 0.0:
            self._clock_fault = f"the clock went from {last_ms} to {now.mono_ms} ms"
            return None
        if dt_s > INTERVAL_MAX_S:
            self._clock_fault = f"no reading for {dt_s:.0f} s: queues start anew"
            # Its time goes on: detector checks and saturation flows remember by it.
            now_s = self._model.now_s
            self._model = self._make(self.layout)
            self._model.now_s = now_s
            self._changes_seen = -1
            return 1.0
        return dt_s

    def _learn_saturation(self, counts: Counts, green: int) -> None:
        """Headways of the lanes whose greens begin, last and end."""
        before, self._was_green = self._was_green, green
        lit = self._lit.get((before, green))
        if lit is None:
            lit = self._lit[before, green] = [
                (k, lane.stop, bool(lane.groups & before), bool(lane.groups & green))
                for k, lane in enumerate(self.lanes)
                if lane.stop and lane.groups & (before | green)
            ]
        _, left, occupied = counts.tolist() if lit else ((), (), ())
        for k, stop, was_green, is_green in lit:
            flow = self._saturation[k]
            if was_green and is_green and not flow.learning:
                continue
            gone, present = _sum(left, stop), _sum(occupied, stop) > 0
            if gone < 0:
                continue
            if not is_green:
                flow.end(self._model.now_s)
                self._saturation_veh_per_s[k] = flow.veh_per_h() / 3600.0
                self.rates[:, k] = self._stage_share[:, k] * self._saturation_veh_per_s[k]
                self.rates_learnt += 1
            elif was_green:
                flow.see(self._model.now_s, gone, present)
            else:
                protected = bool(self._share_of(green)[k] == 1.0)
                # Who left in the very first second had stood there.
                flow.begin(self._model.now_s, present or gone > 0, protected)
                flow.see(self._model.now_s, gone, present)

    def _note_working(self, now: Instant, counts: Counts) -> None:
        """Which loops of each lane can be believed from now on."""
        self._changes_seen = self._health.changes
        entered = counts[0].tolist()
        sourced = self._model.column("has_source")
        for k, lane in enumerate(self.lanes):
            if any(self._works[k]):
                self._trusted_at_ms[k] = now.mono_ms
            self._works[k] = (
                bool(lane.stop) and _sum(entered, lane.stop) >= 0,
                bool(lane.advance) and _sum(entered, lane.advance) >= 0,
                bool(sourced[k]),
            )
        self._confidence_of_all = None
        self._measured = np.array([works[0] or works[1] for works in self._works], dtype=np.bool_)
        self._blind = [k for k, works in enumerate(self._works) if not any(works)]

    def _review(self, now: Instant) -> None:
        """Learn what is usual; lanes of which nothing is seen get it."""
        rates = self._model.column("rate_veh_per_s")
        for k, rate in self._substitutes.rates(now.utc_ms, rates, self._measured, self._blind):
            self._model.set_rate(k, rate)

    @property
    def passed(self) -> Counts:
        """(sources and lanes,) vehicles in the last reading, -1 if unknown.

        Those that entered each source, then those that left each stop line.
        """
        left = self._counts[1].tolist()
        over = [_sum(left, lane.stop) if lane.stop else -1 for lane in self.lanes]
        return np.array([*self._counts[0, self._source_detectors].tolist(), *over], dtype=np.int32)

    @property
    def to_lane(self) -> Floats:
        """(sources, lanes) part of each source's vehicles that comes to each lane."""
        return self._model.shares()

    @property
    def stage_share(self) -> Floats:
        """(stages, lanes) part of the saturation flow that each stage releases."""
        return self._stage_share

    @property
    def sure_rates(self) -> Floats:
        """(stages, lanes) what of :attr:`rates` can be relied on, veh/s.

        Who gives way may find no gap for long.
        """
        sure: Floats = self.rates * self._stage_share**2
        return sure

    def forecast(self, horizon_s: int, more_rows: int = 0) -> tuple[Floats, Floats]:
        """(queue: (lanes,) vehicles, arrivals: (lanes, horizon_s) vehicles in each second).

        *more_rows* of zeros come after the lanes, for whatever else the caller has.
        """
        lanes = len(self.lanes)
        queue = np.zeros(lanes + more_rows)
        arrivals = np.zeros((lanes + more_rows, horizon_s))
        self._model.forecast(queue[:lanes], arrivals[:lanes])
        return queue, arrivals

    @property
    def trapped(self) -> Floats:
        """(lanes,) vehicles bound for other lanes that stand behind the queue of this one."""
        return self._model.trapped()

    def full_entries(self) -> tuple[str, ...]:
        """First detectors of a street that a queue stands on: nobody else gets in there.

        Its entry detectors; where a street is too short for them, its advance detectors.
        """
        full = [self._entry_names[number] for number in self._full_sources()]
        for lane, names in self._first_advance:
            if self._is_advance_held(lane):
                full += names
        return tuple(full)

    def full_lanes(self) -> NDArray[np.bool_]:
        """(lanes,) whether the street that ends there is full, as :meth:`full_entries` tells."""
        full = np.zeros(len(self.lanes), dtype=bool)
        for number in self._full_sources():
            full[list(self.layout.sources[number].lanes)] = True
        for lane, _ in self._first_advance:
            full[lane] |= self._is_advance_held(lane)
        return full

    def _full_sources(self) -> NDArray[np.intp]:
        return np.flatnonzero(self._model.stood_on_s() >= FULL_AFTER_S)

    def _is_advance_held(self, lane: int) -> bool:
        return bool(self._model.column("on_advance_s")[lane] >= SHORT_FULL_AFTER_S)

    @property
    def blocked(self) -> Floats:
        """(lanes,) factor on the service rate: below 1 where the exit is blocked."""
        held_s = self._model.column("green_occupied_s")
        return np.where(held_s >= BLOCKED_AFTER_S, BLOCKED_FACTOR, 1.0)

    @property
    def blocked_in_stages(self) -> Floats:
        """(stages, lanes) the same by stage.

        Who finds no gap in a green that gives way may still go in one that need not.
        """
        held_s = self._model.column("green_occupied_s")
        no_gap = np.where(self._stage_share < 1.0, NO_GAP_FACTOR, 1.0)
        factor = np.where(self._share_now < 1.0, no_gap, BLOCKED_FACTOR)
        return np.where(held_s >= BLOCKED_AFTER_S, factor, 1.0)

    @property
    def any_blocked(self) -> bool:
        """Whether any lane is: :attr:`blocked` is below 1 somewhere."""
        return self._model.longest_held_s() >= BLOCKED_AFTER_S

    @property
    def head_wait_s(self) -> Floats:
        """(lanes,) how long the first vehicle of each queue has waited, 0 where none is."""
        return self._model.head_waits()

    @property
    def confidence(self) -> Floats:
        """(lanes,) 0 to 1, by what works and how long ago it did; the same array while it lasts."""
        known = self._confidence_of_all
        if known is None:
            known = np.array([self._confidence(k) for k in range(len(self.lanes))])
            known.flags.writeable = False
            # Without any working loop a lane's confidence goes down from step to step.
            if self._changes_seen == self._health.changes and not self._blind:
                self._confidence_of_all = known
        return known

    def _confidence(self, k: int) -> float:
        works = self._works[k]
        if any(works):
            return CONFIDENCE[works]
        known = self._substitutes.confidence[k]
        age_s = self._age_s(k)
        return max(known, 0.3 * float(np.exp(-age_s / STALE_TAU_S))) if age_s < np.inf else known

    def _age_s(self, k: int) -> float:
        if any(self._works[k]):
            return 0.0
        at_ms = self._trusted_at_ms[k]
        if at_ms is None or self._last_ms is None:
            return float("inf")
        return (self._last_ms - at_ms) / 1000.0

    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with detectors and clock now."""
        found = self._health.faults()
        if self._clock_fault is not None:
            return (Fault("clock step", self._clock_fault), *found)
        return found

    def lane_states(self) -> tuple[LaneTraffic, ...]:
        """Everything that is known now, lane by lane."""
        queue, _ = self.forecast(1)
        rates, over = self._model.column("rate_veh_per_s"), self._model.column("over")
        blocked, waits = self.blocked, self.head_wait_s
        full = self._model.spilled()
        now_s = self._model.now_s
        return tuple(
            LaneTraffic(
                name=lane.name,
                queue_veh=float(queue[k]),
                rate_veh_per_s=float(rates[k]),
                saturation=self._saturation[k].estimate(now_s),
                startup_loss_s=self._saturation[k].startup_loss_s,
                blocked=bool(blocked[k] < 1.0),
                over_advance=bool(over[k]),
                spilled_back=bool(full[k]),
                head_wait_s=float(waits[k]),
                basis=self._basis(k),
                age_s=self._age_s(k),
                confidence=self._confidence(k),
            )
            for k, lane in enumerate(self.lanes)
        )

    def _basis(self, k: int) -> str:
        names = ("stop line", "advance", "entry")
        working = [name for name, works in zip(names, self._works[k], strict=True) if works]
        return " + ".join(working) or self._substitutes.basis[k]


def _sum(values: Sequence[int], detectors: tuple[int, ...]) -> int:
    """Sum over *detectors*, -1 if one of them is unknown."""
    total = 0
    for d in detectors:
        value = values[d]
        if value < 0:
            return -1
        total += value
    return total
