"""The cyclic-flow-profile model, readable: the oracle and the fallback of the kernel.

One cycle is cut into steps. A link's arrivals are what its feeds discharge, dispersed by
Robertson's recursion, and an even source. They queue at the stop line and leave at the saturation
flow in effective green, or at what an opposed turn finds left. Within a step, green and red follow
each other in their order, and the queue is a straight line in each; the cycle is run twice from an
empty queue and the second time counts, which is the steady state below capacity and one to two
cycles' growth above it. Random and oversaturation delay come from mean flow and capacity.

A change marks the links that it touches; they are worked off in the order of the tables, each one
marking those downstream when its outflow has changed by more than a share *tolerance* of its
saturation flow since they last saw it. Where links feed each other in a loop, sweep follows sweep
until nothing is marked.
"""

from __future__ import annotations

from heapq import heappop, heappush
from math import exp, floor, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.profiles._tables import UNSIGNALISED, Floats, Indices, Tables, Timing

INFLOW, CAPACITY, UNIFORM, RANDOM, STOPS, QUEUE, COST = range(7)
"""Columns of the results: veh/h, veh/h, veh, veh, stops/h, veh, index."""
RESULTS = 7

FULL_STOP_S = 16.0
"""A vehicle that waits this long has stopped for good; less is 1 - (1 - wait / this)^4 of it."""
REPEATED_STOPS = 1.75
"""How many extra stops the longest overflow queue costs a vehicle at most."""
SLIVER = 1e-9
"""A share of a step that is too short to count."""


class ReferenceModel:
    """A network under a timing, kept up to date change by change.

    ``results``: (l, 7), see the columns above. ``outflow``, ``arrivals``: (l, steps) veh/s.
    """

    def __init__(
        self, tables: Tables, *, delay: float, stop_s: float, spillback: float, stops: bool
    ) -> None:
        """*stops*: work them out even if the index does not need them."""
        self._t = tables
        self._delay = delay
        self._stop_h = stop_s / 3600.0
        self._spillback = spillback
        self._with_stops = stops or stop_s != 0.0
        links = len(tables.link_node)
        self.results = np.zeros((links, RESULTS))
        self.outflow = np.zeros((links, 0))
        self.arrivals = np.zeros((links, 0))
        self._green = np.zeros((links, 0))
        self._green_leads = np.zeros((links, 0), dtype=bool)
        self._stale_green = np.zeros(links, dtype=bool)
        self._stale_arrivals = np.zeros(links, dtype=bool)
        self._queued = np.zeros(links, dtype=bool)
        self._heap: list[tuple[int, int]] = []
        self._sweep, self._now = 0, (0, -1)

    def load(self, timing: Timing, *, tolerance: float, updates_max: int) -> float:
        """Work out every link under *timing*; the index."""
        links = len(self._t.link_node)
        self._period_s = timing.period_s
        self._common_cycle_s = timing.common_cycle_s
        self._step_s = timing.period_s / timing.steps
        self._starts = timing.starts.copy()
        self._sequences = timing.sequences.copy()
        self._cycles_s = timing.cycles_s.copy()
        self.outflow = np.repeat(self._t.flow[:, None], timing.steps, axis=1)
        self.arrivals = np.zeros((links, timing.steps))
        self._green = np.zeros((links, timing.steps))
        self._green_leads = np.zeros((links, timing.steps), dtype=bool)
        self.results[:] = 0.0
        # An opposed turn looks at the greens of links that may come after it.
        for link in range(links):
            self._set_green(link)
            self._stale_arrivals[link] = True
            self._mark(link)
        self._settle(tolerance, updates_max)
        return float(self.results[:, COST].sum())

    def try_changes(
        self,
        nodes: Indices,
        starts: Floats,
        sequences: Indices,
        cycles_s: Floats,
        changes: Floats,
        *,
        tolerance: float,
        updates_max: int,
    ) -> None:
        """What each of k timings of the m *nodes* would change in the index; nothing is kept.

        ``starts``: (k, m, s); ``sequences``, ``cycles_s``: (k, m); ``changes``: (k,), filled.
        """
        kept = self._snapshot()
        for candidate in range(len(changes)):
            changes[candidate] = self.commit(
                nodes,
                starts[candidate],
                sequences[candidate],
                cycles_s[candidate],
                tolerance=tolerance,
                updates_max=updates_max,
            )
            self._restore(kept)

    def commit(
        self,
        nodes: Indices,
        starts: Floats,
        sequences: Indices,
        cycles_s: Floats,
        *,
        tolerance: float,
        updates_max: int,
    ) -> float:
        """Change the timing of the m *nodes*; what that changes in the index."""
        before = self.results[:, COST].copy()
        for row, node in enumerate(nodes):
            self._starts[node] = starts[row]
            self._sequences[node] = sequences[row]
            self._cycles_s[node] = cycles_s[row]
            for link in self._t.at_node_link[
                self._t.at_node_ptr[node] : self._t.at_node_ptr[node + 1]
            ]:
                self._stale_green[link] = True
                self._mark(link)
        self._settle(tolerance, updates_max)
        return float((self.results[:, COST] - before).sum())

    def _state(self) -> tuple[NDArray[Any], ...]:
        greens = (self._green, self._green_leads, self._starts, self._sequences, self._cycles_s)
        return (self.results, self.outflow, self.arrivals, *greens)

    def _snapshot(self) -> list[NDArray[Any]]:
        return [array.copy() for array in self._state()]

    def _restore(self, kept: list[NDArray[Any]]) -> None:
        for array, copy in zip(self._state(), kept, strict=True):
            array[...] = copy

    def _mark(self, link: int) -> None:
        """Put *link* on the heap: in this sweep if it is still to come, else in the next."""
        if self._queued[link]:
            return
        self._queued[link] = True
        turn = (self._sweep, int(self._t.position[link]))
        heappush(self._heap, turn if turn > self._now else (self._sweep + 1, turn[1]))

    def _settle(self, tolerance: float, updates_max: int) -> None:
        updates = 0
        while self._heap:
            self._now = heappop(self._heap)
            self._sweep = self._now[0]
            link = int(self._t.order[self._now[1]])
            self._queued[link] = False
            if updates < updates_max:
                self._update(link, tolerance)
                updates += 1
            self._stale_green[link] = self._stale_arrivals[link] = False
        self._sweep, self._now = 0, (0, -1)

    def _update(self, link: int, tolerance: float) -> None:
        t = self._t
        yielding = t.yielding_link[t.yielding_ptr[link] : t.yielding_ptr[link + 1]]
        if self._stale_green[link]:
            self._set_green(link)
            for other in yielding:
                self._mark(other)
        if self._stale_arrivals[link]:
            self._set_arrivals(link)
        outflow = self._discharge(link)
        change = np.abs(outflow - self.outflow[link]).max()
        if change <= tolerance * t.saturation[link]:
            return
        self.outflow[link] = outflow
        for other in t.fed_link[t.fed_ptr[link] : t.fed_ptr[link + 1]]:
            self._stale_arrivals[other] = True
            self._mark(other)
        for other in yielding:
            self._mark(other)

    def _set_green(self, link: int) -> None:
        """The share of each step that is effective green, and whether green comes first in it."""
        t, green, leads = self._t, self._green[link], self._green_leads[link]
        node = t.link_node[link]
        leads[:] = False
        if node == UNSIGNALISED:
            green[:] = 1.0
            return
        green[:] = 0.0
        cycle = self._cycles_s[node]
        row = t.green_row[link] + self._sequences[node]
        for position in range(t.green_ptr[row], t.green_ptr[row + 1]):
            start, length = self._effective(node, position)
            for repeat in range(round(self._period_s / cycle)):
                self._fill(green, leads, start + repeat * cycle, length)
        np.minimum(green, 1.0, out=green)

    def _effective(self, node: int, position: int) -> tuple[float, float]:
        """Start and length of an effective green, in seconds."""
        t, cycle = self._t, self._cycles_s[node]
        first, last = t.green_stages[position]
        start_lag, end_lag = t.green_lags_s[position]
        start = self._starts[node, first]
        if first == last:
            between = cycle if end_lag <= start_lag else 0.0
        else:
            between = self._starts[node, last] - start
            between -= floor(between / cycle) * cycle
        shown = between + end_lag - start_lag
        length = shown - t.start_displacement_s + t.end_displacement_s
        if shown <= 0.0:
            length = 0.0
        start += start_lag + t.start_displacement_s
        return start, min(max(length, 0.0), cycle)

    def _fill(
        self, green: Floats, leads: NDArray[np.bool_], start_s: float, length_s: float
    ) -> None:
        start = start_s / self._step_s
        start -= floor(start / len(green)) * len(green)
        end = start + length_s / self._step_s
        step = floor(start)
        while step < end:
            share = min(end, step + 1.0) - max(start, float(step))
            if share > SLIVER:
                green[step % len(green)] += share
                if share < 1.0 - SLIVER:
                    leads[step % len(green)] = start <= step
            step += 1

    def _set_arrivals(self, link: int) -> None:
        t, steps = self._t, self.arrivals.shape[1]
        self.arrivals[link] = t.even[link]
        for feed in range(t.feed_ptr[link], t.feed_ptr[link + 1]):
            travel = t.fastest * t.feed_travel_s[feed] / self._step_s
            smoothing = 1.0 / (1.0 + t.dispersion * travel)
            dispersed = _dispersed(self.outflow[t.feed_link[feed]], smoothing)
            shift = int(travel + 0.5) % steps
            self.arrivals[link] += t.feed_share[feed] * np.roll(dispersed, shift)

    def _rates(self, link: int) -> Floats:
        """Discharge in the green of each step."""
        t, steps = self._t, self.arrivals.shape[1]
        saturation = t.saturation[link]
        if t.give_way_maximum[link] < 0.0:
            return np.full(steps, saturation)
        opposing = slice(t.opposing_ptr[link], t.opposing_ptr[link + 1])
        others = t.opposing_link[opposing]
        taken = t.opposing_slope[opposing] @ self.outflow[others]
        busy = np.ones(steps)
        if t.give_way_only_green[link]:
            busy = self._green[others].max(axis=0, initial=0.0)
        shown = np.maximum(busy, SLIVER)
        left = np.clip(t.give_way_maximum[link] - taken / shown, 0.0, saturation)
        left = np.where(busy > SLIVER, left, saturation)
        green = np.maximum(self._green[link], SLIVER)
        opposed = np.minimum(green, busy) / green
        return np.asarray(opposed * left + (1.0 - opposed) * saturation)

    def _discharge(self, link: int) -> Floats:
        """Run the queue of *link*, note its results, and return its outflow."""
        t, arrivals, green = self._t, self.arrivals[link], self._green[link]
        rates = self._rates(link)
        queue = _Queue(self._step_s)
        for _ in range(2):
            at_start = queue.begin()
            outflow = np.empty(len(arrivals))
            for step, share in enumerate(green):
                outflow[step] = queue.step(
                    arrivals[step], rates[step], share, self._green_leads[link, step]
                )
        flow = arrivals.mean() * 3600.0
        capacity = (rates * np.where(green > SLIVER, green, 0.0)).mean() * 3600.0
        over = flow - capacity
        random = t.period_h / 4.0 * (sqrt(over * over + 4.0 * flow / t.period_h) + over)
        node = t.link_node[link]
        cycle = self._common_cycle_s if node == UNSIGNALISED else self._cycles_s[node]
        stops = 0.0
        if self._with_stops and flow > 0.0:
            stopped = _stopped_share(arrivals, outflow, at_start, self._step_s)
            again = random * 3600.0 / cycle / flow / REPEATED_STOPS
            stops = flow * (stopped + REPEATED_STOPS * (1.0 - exp(-again)))
        self.results[link, :COST] = (
            flow,
            capacity,
            queue.area / self._period_s,
            random,
            stops,
            queue.longest + random,
        )
        self.results[link, COST] = self._cost(link)
        return outflow

    def _cost(self, link: int) -> float:
        t, result = self._t, self.results[link]
        delay = t.delay_weight[link] * self._delay * (result[UNIFORM] + result[RANDOM])
        stops = t.stop_weight[link] * self._stop_h * result[STOPS]
        beyond = max(result[QUEUE] - t.storage[link], 0.0) / 10.0
        return float(delay + stops + self._spillback * beyond * beyond)


class _Queue:
    """A queue at a stop line through the pieces of a cycle in which nothing changes."""

    def __init__(self, step_s: float) -> None:
        self._step_s = step_s
        self.length = self.area = self.reach = self.longest = 0.0

    def begin(self) -> float:
        """Start a cycle with the queue as it is; that queue."""
        self.area = 0.0
        self.reach = self.longest = self.length
        return self.length

    def step(self, arrival: float, rate: float, green: float, green_leads: bool) -> float:
        """Run one step; its outflow in veh/s."""
        if green <= SLIVER:
            return self._piece(arrival, 0.0, 1.0)
        if green >= 1.0 - SLIVER:
            return self._piece(arrival, rate, 1.0)
        if green_leads:
            left = self._piece(arrival, rate, green)
            return left + self._piece(arrival, 0.0, 1.0 - green)
        left = self._piece(arrival, 0.0, 1.0 - green)
        return left + self._piece(arrival, rate, green)

    def _piece(self, arrival: float, rate: float, share: float) -> float:
        """``reach``: how far back the queue stands, those included that the front has left."""
        duration = share * self._step_s
        after = self.length + (arrival - rate) * duration
        if after < 0.0:
            clearing = self.length / (rate - arrival)
            self.longest = max(self.longest, self.reach + arrival * clearing)
            self.area += self.length * clearing / 2.0
            left = self.length + arrival * duration
            self.length = self.reach = 0.0
            return left / self._step_s
        self.area += (self.length + after) / 2.0 * duration
        self.length = after
        self.reach = after if rate <= 0.0 else self.reach + arrival * duration
        if after <= 0.0:
            self.reach = 0.0
        self.longest = max(self.longest, self.reach)
        return rate * share


def _dispersed(profile: Floats, smoothing: float) -> Floats:
    """Robertson's recursion in its steady state over the cycle."""
    keep = 1.0 - smoothing
    last = 0.0
    for value in profile:
        last = smoothing * value + keep * last
    last /= 1.0 - keep ** len(profile)
    out = np.empty(len(profile))
    for step, value in enumerate(profile):
        last = smoothing * value + keep * last
        out[step] = last
    return out


def _stopped_share(arrivals: Floats, outflow: Floats, at_start: float, step_s: float) -> float:
    """Stops per vehicle from waiting in turn; a short wait counts as part of a stop."""
    steps = len(arrivals)
    stopped = 0.0
    arrived = at_start
    left = 0.0
    leaving = 0
    for step, rate in enumerate(arrivals):
        turn = arrived + 0.5 * rate * step_s
        arrived += rate * step_s
        while leaving < 3 * steps and left + outflow[leaving % steps] * step_s < turn - 1e-12:
            left += outflow[leaving % steps] * step_s
            leaving += 1
        discharge = outflow[leaving % steps]
        wait = (leaving - step - 0.5) * step_s
        if discharge > 0.0:
            wait += (turn - left) / discharge
        missing = 1.0 - min(max(wait, 0.0) / FULL_STOP_S, 1.0)
        stopped += rate * (1.0 - missing**4)
    return float(stopped / arrivals.sum())
