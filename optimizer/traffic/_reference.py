"""The law by which loops become queues and arrivals; the kernel computes the same.

A vertical queue stands at the stop line of each lane. Three things can be known of a vehicle:

    due   it passed the advance loop of its lane and reaches the stop line at a known time. These
          stand in ``near``, soonest first, and the stop-line loop takes them out as they leave.
    far   it passed a source and comes to one of several lanes, with learnt shares. The next loop
          downstream that sees somebody takes the one out that fits best.
    some  on a lane without an advance loop only a number is known: what came (shares of far
          vehicles, else the mean rate) less what left, corrected by what the stop-line loop shows.

What one loop counted and the next never saw (lane changes, vehicles that turned off) is dropped
after a while; what stands on a stop-line loop is never lost.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from optimizer.traffic._state import LaneState, SourceState
from optimizer.traffic.law import (
    CLEAR_AFTER_S,
    DISCHARGING_GAP_S,
    DISCHARGING_VEH,
    EARLY_LIMIT_S,
    GAP_S,
    GHOST_AFTER_S,
    HELD_S,
    LATE_AFTER_S,
    LATENESS_WEIGHT,
    MOVING_UP_S,
    RATE_TAU_S,
    RED_PLATOON,
    RING,
    SHARE_GAIN,
    SPILLED_S,
    STANDING_S,
    STARTUP_S,
)
from optimizer.traffic.layout import Layout

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]


class ReferenceModel:
    """Lanes and sources of one site; see the module for the law."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.now_s = 0.0
        self.lanes = [LaneState() for _ in layout.lanes]
        self.sources = [
            SourceState(
                [],
                [s.share / len(s.lanes) if k in s.lanes else 0.0 for k in range(len(layout.lanes))],
            )
            for s in layout.sources
        ]
        self._near_sources = [
            [p for p, s in enumerate(layout.sources) if k in s.lanes and s.near]
            for k in range(len(layout.lanes))
        ]
        self._far_sources = [
            [p for p, s in enumerate(layout.sources) if k in s.lanes and not s.near]
            for k in range(len(layout.lanes))
        ]
        self._all_sources = [
            near + far for near, far in zip(self._near_sources, self._far_sources, strict=True)
        ]

    def column(self, name: str) -> Floats:
        """One number of every lane, by its name in :class:`LaneState`."""
        return np.array([getattr(lane, name) for lane in self.lanes], dtype=np.float64)

    def head_waits(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        since_s = self.column("head_since_s")
        return np.where(since_s >= 0.0, self.now_s - since_s, 0.0)

    def stood_on_s(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return np.array([source.on_s for source in self.sources])

    def longest_held_s(self) -> float:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return max((lane.green_occupied_s for lane in self.lanes), default=0.0)

    def set_rate(self, k: int, veh_per_s: float) -> None:
        """What lane *k* gets, known from elsewhere."""
        self.lanes[k].rate_veh_per_s = veh_per_s

    def shares(self) -> Floats:
        """(sources, lanes) part of each source's vehicles that comes to each lane."""
        return np.array([source.to_lane for source in self.sources]).reshape(-1, len(self.lanes))

    def spilled(self) -> NDArray[np.bool_]:
        """(lanes,) whether the queue has reached a source of the lane."""
        full = np.zeros(len(self.lanes), dtype=np.bool_)
        for source, spec in zip(self.sources, self.layout.sources, strict=True):
            if source.on_s >= SPILLED_S:
                full[list(spec.lanes)] = True
        return full

    def forecast(self, queue: Floats, arrivals: Floats) -> None:
        """Fill *queue*, (lanes,), and *arrivals*, (lanes, seconds), which have to be 0 before."""
        self.queue(queue)
        self.arrivals(arrivals)

    def advance(
        self,
        dt_s: float,
        counts: Counts,
        service: Floats,
    ) -> None:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        entered, left, occupied = counts.tolist()
        self.now_s += dt_s
        for p in range(len(self.sources)):
            self._source(p, entered, occupied, dt_s)
        for k, lane in enumerate(self.lanes):
            spec = self.layout.lanes[k]
            lane.has_advance = bool(spec.advance) and all(entered[d] >= 0 for d in spec.advance)
            lane.has_source = any(self.sources[p].works for p in self._all_sources[k])
            self._change_mode(lane)
        self._share_out()
        for k in range(len(self.lanes)):
            self._lane(k, entered, left, occupied, float(service[k]), dt_s)
        self._drop_late()

    def _source(self, p: int, entered: Sequence[int], occupied: Sequence[int], dt_s: float) -> None:
        source, spec = self.sources[p], self.layout.sources[p]
        count = entered[spec.detector]
        source.works = count >= 0
        if count < 0:
            source.on_s = 0.0
            return
        source.rate_veh_per_s += (count - source.rate_veh_per_s * dt_s) / RATE_TAU_S
        source.on_s = source.on_s + dt_s if occupied[spec.detector] > 0 else 0.0
        for _ in range(count):
            if len(source.far) == RING:
                del source.far[0]
            source.far.append([self.now_s + spec.travel_s, 0.0])
            if spec.near:
                self._take_far(spec.lanes[0], self._far_sources, spec.travel_s, -1)
        if source.on_s >= SPILLED_S and self._between(p) < self._storage(p):
            if len(source.far) == RING:
                del source.far[0]
            source.far.insert(0, [self.now_s, 0.0])

    def _storage(self, p: int) -> int:
        """Vehicles that stand downstream of the sources of the same lanes that are stood on."""
        lanes = self.layout.sources[p].lanes
        return sum(
            min(spec.stored, RING)
            for source, spec in zip(self.sources, self.layout.sources, strict=True)
            if spec.lanes == lanes and source.on_s >= SPILLED_S
        )

    def _between(self, p: int) -> float:
        """Vehicles known between the source and the stop lines of its lanes."""
        spec = self.layout.sources[p]
        known = sum(
            self.lanes[k].some + self.lanes[k].beyond + len(self.lanes[k].near) for k in spec.lanes
        )
        upstream = self._far_sources[spec.lanes[0]]
        return known + sum(len(self.sources[q].far) for q in upstream)

    def _change_mode(self, lane: LaneState) -> None:
        """The advance loop failed or came back: keep what was known of the queue."""
        if lane.has_advance == lane.had_advance:
            return
        lane.had_advance = lane.has_advance
        if lane.has_advance:
            lane.near = deque([self.now_s] * min(int(lane.some + 0.5), RING))
            lane.some = 0.0
        else:
            lane.some += len(lane.near) + lane.beyond
            lane.near.clear()
            lane.beyond = lane.on_advance_s = 0.0
            lane.over = False

    def _share_out(self) -> None:
        """Far vehicles that are due join the queues of lanes without an advance loop."""
        now = self.now_s
        for p, source in enumerate(self.sources):
            spec = self.layout.sources[p]
            without = [k for k in spec.lanes if not self.lanes[k].has_advance]
            if not without:
                continue
            kept = []
            for entry in source.far:
                if entry[0] <= now and not entry[1]:
                    entry[1] = 1.0
                    for k in without:
                        self.lanes[k].some += source.to_lane[k]
                    if len(without) == len(spec.lanes):
                        continue
                kept.append(entry)
            source.far = kept

    def _lane(
        self,
        k: int,
        entered: Sequence[int],
        left: Sequence[int],
        occupied: Sequence[int],
        service: float,
        dt_s: float,
    ) -> None:
        lane, spec = self.lanes[k], self.layout.lanes[k]
        green = service > 0.0
        lane.green_s = lane.green_s + dt_s if green else 0.0
        if lane.has_advance:
            self._advance_loop(k, entered, occupied, dt_s)
        elif not lane.has_source:
            platoon = RED_PLATOON if spec.stop and not green else 1.0
            lane.some += platoon * lane.rate_veh_per_s * dt_s
        if spec.stop and all(entered[d] >= 0 for d in spec.stop):
            gone = sum(left[d] for d in spec.stop)
            came = sum(entered[d] for d in spec.stop)
            present = any(occupied[d] > 0 for d in spec.stop)
            self._stop_loop(k, gone, gone + came > 0, present, green, dt_s)
        else:
            lane.on_stop_s = lane.green_occupied_s = 0.0
            lane.quiet_s = 99.0
            self._discharge_unseen(lane, service, dt_s)
        self._head(lane)

    def _advance_loop(
        self, k: int, entered: Sequence[int], occupied: Sequence[int], dt_s: float
    ) -> None:
        lane, spec = self.lanes[k], self.layout.lanes[k]
        count = sum(entered[d] for d in spec.advance)
        present = any(occupied[d] > 0 for d in spec.advance)
        lane.on_advance_s = lane.on_advance_s + dt_s if present else 0.0
        held = lane.on_advance_s >= HELD_S
        lane.advance_quiet_s = 0.0 if present or count else lane.advance_quiet_s + dt_s
        lane.rate_veh_per_s += (count - lane.rate_veh_per_s * dt_s) / RATE_TAU_S
        lane.over = held or (lane.over and lane.advance_quiet_s < MOVING_UP_S)
        lane.clear_s = 0.0 if lane.over else lane.clear_s + dt_s
        if not lane.over:
            lane.beyond = 0.0
        elif not lane.has_source:
            lane.beyond += lane.rate_veh_per_s * dt_s
        for _ in range(count):
            if len(lane.near) == RING:
                lane.near.popleft()
            lane.near.append(self.now_s + spec.advance_travel_s)
            lane.beyond = max(0.0, lane.beyond - 1.0)
            self._take_far(k, self._all_sources, spec.advance_travel_s, k)
        if held and lane.moving_s > MOVING_UP_S:
            while len(lane.near) < min(spec.stored, RING):
                lane.near.appendleft(self.now_s - lane.on_advance_s)

    def _stop_loop(
        self, k: int, gone: int, pulsed: bool, present: bool, green: bool, dt_s: float
    ) -> None:
        lane = self.lanes[k]
        lane.on_stop_s = lane.on_stop_s + dt_s if present else 0.0
        lane.quiet_s = 0.0 if present or pulsed else lane.quiet_s + dt_s
        lane.moving_s = 0.0 if gone else lane.moving_s + dt_s
        if not green or not present or gone:
            lane.green_occupied_s = 0.0
        else:
            lane.green_occupied_s += dt_s
        if lane.has_advance:
            self._take_out(lane, gone, present)
        else:
            self._correct(k, gone, present, green, dt_s)

    def _take_out(self, lane: LaneState, gone: int, present: bool) -> None:
        """Due vehicles that left, and those that never came; who stands was due, in any case."""
        now = self.now_s
        for _ in range(min(gone, len(lane.near))):
            lane.near.popleft()
        if not present and lane.quiet_s >= GHOST_AFTER_S:
            while lane.near and lane.near[0] < now - GHOST_AFTER_S:
                lane.near.popleft()
        first = lane.near[0] if lane.near else np.inf
        if lane.on_stop_s >= STANDING_S and first > now and len(lane.near) < RING:
            lane.near.appendleft(now - lane.on_stop_s)

    def _correct(self, k: int, gone: int, present: bool, green: bool, dt_s: float) -> None:
        """A queue that is only a number, by what the stop-line loop shows."""
        lane = self.lanes[k]
        lane.rate_veh_per_s += (gone - lane.rate_veh_per_s * dt_s) / RATE_TAU_S
        if gone and lane.has_source:
            self._balance(k, gone)
        lane.some = max(0.0, lane.some - gone)
        if present:
            lane.some = max(1.0, lane.some)
        elif green:
            if lane.quiet_s >= GAP_S:
                lane.some = 0.0
            elif lane.quiet_s < DISCHARGING_GAP_S:
                lane.some = max(DISCHARGING_VEH, lane.some)
        elif not lane.has_source:
            lane.some = 0.0
        elif lane.quiet_s >= GHOST_AFTER_S:
            lane.some *= max(0.0, 1.0 - dt_s / GHOST_AFTER_S)

    def _balance(self, k: int, gone: int) -> None:
        """What comes to a lane has to be what leaves it: correct the shares towards that."""
        sources = self._near_sources[k] or self._far_sources[k]
        inflow = sum(self.sources[p].rate_veh_per_s * self.sources[p].to_lane[k] for p in sources)
        ratio = self.lanes[k].rate_veh_per_s / max(inflow, 1e-3)
        factor = 1.0 + SHARE_GAIN * gone * (min(max(ratio, 0.2), 5.0) - 1.0)
        for p in sources:
            self.sources[p].to_lane[k] = min(self.sources[p].to_lane[k] * factor, 1.0)

    def _discharge_unseen(self, lane: LaneState, service: float, dt_s: float) -> None:
        """No stop-line loop: the queue leaves at the rate that the lamps allow."""
        if lane.green_s <= STARTUP_S:
            lane.credit = 0.0
            return
        lane.some = max(0.0, lane.some - service * dt_s)
        lane.credit = min(lane.credit + service * dt_s, 2.0)
        while lane.credit >= 1.0 and lane.near and lane.near[0] <= self.now_s:
            lane.near.popleft()
            lane.credit -= 1.0

    def _head(self, lane: LaneState) -> None:
        """Since when the first vehicle waits; -1 if nobody does."""
        waiting = lane.near[0] <= self.now_s if lane.near else lane.some >= 0.5
        if not waiting:
            lane.head_since_s = -1.0
        elif lane.near:
            lane.head_since_s = lane.near[0]
        elif lane.head_since_s < 0.0 or lane.green_s > 0.0:
            lane.head_since_s = self.now_s

    def _take_far(self, k: int, behind: list[list[int]], ahead_s: float, to: int) -> None:
        """Take the far vehicle out that fits best to one that was just seen *ahead_s* before k."""
        due = self.now_s + ahead_s
        best, chosen, found = EARLY_LIMIT_S, -1, -1
        for p in behind[k]:
            for i, (expected, _) in enumerate(self.sources[p].far):
                apart = expected - due
                if apart > 0.0:
                    score = apart
                else:
                    # In a queue that moves up the first to come is the first to pass.
                    score = apart if self.lanes[k].over else -LATENESS_WEIGHT * apart
                if score < best:
                    best, chosen, found = score, p, i
        if chosen < 0:
            return
        source = self.sources[chosen]
        del source.far[found]
        self._learn_share(source, to)

    @staticmethod
    def _learn_share(source: SourceState, to: int) -> None:
        if to < 0:
            return
        for j in range(len(source.to_lane)):
            source.to_lane[j] *= 1.0 - SHARE_GAIN
        source.to_lane[to] += SHARE_GAIN

    def _drop_late(self) -> None:
        for p, source in enumerate(self.sources):
            if not source.far:
                continue
            lanes = [k for k in self.layout.sources[p].lanes if self.lanes[k].has_advance]
            if not lanes or any(self.lanes[k].over for k in lanes):
                continue
            ahead = min(self.layout.lanes[k].advance_travel_s for k in lanes)
            limit = self.now_s - LATE_AFTER_S + ahead
            kept = [entry for entry in source.far if entry[0] >= limit]
            # After a queue nobody knows who turned off and who was only held up.
            if all(self.lanes[k].clear_s > CLEAR_AFTER_S for k in lanes):
                for _ in range(len(source.far) - len(kept)):
                    for k in lanes:
                        source.to_lane[k] *= 1.0 - SHARE_GAIN
            source.far = kept

    def queue(self, out: Floats) -> None:
        """Fill *out*, (lanes,): vehicles that stand, or would if they were not hindered."""
        now = self.now_s
        for k, lane in enumerate(self.lanes):
            out[k] = lane.some + lane.beyond + sum(1.0 for due in lane.near if due <= now)
        for p, source in enumerate(self.sources):
            held = [k for k in self.layout.sources[p].lanes if self.lanes[k].over]
            if not held:
                continue
            overdue = sum(1.0 for due, _ in source.far if due <= now)
            for k in held:
                out[k] += overdue * source.to_lane[k]

    def trapped(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        vehicles = np.zeros(len(self.lanes))
        for source, spec in zip(self.sources, self.layout.sources, strict=True):
            held = [k for k in spec.lanes if self.lanes[k].over]
            theirs = sum(source.to_lane[k] for k in held)
            others = sum(source.to_lane[k] for k in spec.lanes if k not in held)
            if theirs <= 0.0:
                continue
            overdue = sum(1.0 for due, _ in source.far if due <= self.now_s)
            for k in held:
                vehicles[k] += overdue * others * source.to_lane[k] / theirs
        return vehicles

    def arrivals(self, out: Floats) -> None:
        """Fill *out*, (lanes, seconds): vehicles that reach the stop line in each second."""
        out[:] = 0.0
        horizon = out.shape[1]
        for k, lane in enumerate(self.lanes):
            for due in lane.near:
                if due > self.now_s:
                    _put(out, k, int(due - self.now_s), 1.0)
            if not lane.has_source:
                first = int(self.layout.lanes[k].advance_travel_s) + 1 if lane.has_advance else 0
                out[k, min(first, horizon) :] += lane.rate_veh_per_s
        for p, source in enumerate(self.sources):
            self._arrivals_from(p, source, out)

    def _arrivals_from(self, p: int, source: SourceState, out: Floats) -> None:
        now, spec = self.now_s, self.layout.sources[p]
        held = any(self.lanes[k].over for k in spec.lanes)
        for due, shared in source.far:
            if due <= now and held:
                continue
            for k in spec.lanes:
                if not (shared and not self.lanes[k].has_advance):
                    least = (
                        self.layout.lanes[k].advance_travel_s if self.lanes[k].has_advance else 0.0
                    )
                    _put(out, k, int(max(due - now, least)), source.to_lane[k])
        if not source.works or not self._is_first(p):
            return
        first = min(int(spec.travel_s), out.shape[1])
        for k in spec.lanes:
            out[k, first:] += source.to_lane[k] * source.rate_veh_per_s

    def _is_first(self, p: int) -> bool:
        """Whether no working source lies further upstream on the way to the same lanes."""
        spec = self.layout.sources[p]
        if not spec.near:
            return True
        return not any(self.sources[q].works for q in self._far_sources[spec.lanes[0]])


def _put(out: Floats, k: int, second: int, vehicles: float) -> None:
    if second < out.shape[1]:
        out[k, second] += vehicles
