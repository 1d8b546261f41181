"""The law of platoons on their way from one junction to the next, in plain Python.

A platoon spreads by Robertson's recursion ``q'(t + delay) = F q(t) + (1 - F) q'(t - 1 + delay)``
(TRANSYT, Road Research Laboratory LR 253, 1969). The filter is linear and keeps the mean, so it
runs on what is announced *beyond* the mean of an exit: an exit that is silent adds nothing, and
what the receiver counts on average stays as it is, whoever turns off on the way or comes from
elsewhere. Of what is announced far ahead less comes true, for the sender plans anew each second.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from optimizer.delay import Floats

Integers = NDArray[Any]

LIFETIME_MS = 10_000
"""Older announcements are forgotten; then mean arrivals are expected."""
CLOCKS_APART_MS = 1_000
"""The clocks of two junctions agree at least this well."""
LEARNING_S = 300
"""The means of counts and announcements reach back about so far."""
PAST_S = 90
PLAN_S = 120
MEAN_MIN_VEH_PER_S = 1e-6
PLANS_LAST_S = 22.0
"""What is announced for so long ahead comes true by 1 / e, on average."""
FAITH = np.concatenate([np.ones(PAST_S), np.exp(-((np.arange(PLAN_S) / PLANS_LAST_S) ** 2))])
"""(past and plan,) part of what is announced beyond the mean that comes true."""


class Platoons:
    """What *exits* have announced, as it comes to the sources of a junction.

    A source is a loop upstream, or the stop line of a lane without any.

    *feed* (feeds, 3): exit, group, delay in s; with the *smoothing* F of each and the *share* of
    the exit's vehicles that come. Sources with the same feeds are one group: *group* (sources,),
    -1 for none. *travel_s* (sources,): whole seconds to the stop line.
    """

    def __init__(
        self,
        exits: int,
        feed: Integers,
        smoothing: Floats,
        share: Floats,
        group: Integers,
        travel_s: Integers,
    ) -> None:
        self._feeds = list(
            zip(*feed.reshape(-1, 3).T.tolist(), smoothing.tolist(), share.tolist(), strict=True)
        )
        self._group = group.tolist()
        self._travel_s = travel_s.tolist()
        self._flow = np.zeros((exits, PAST_S + PLAN_S))
        self._start_ms: list[int | None] = [None] * exits
        self._first = [-1] * exits
        self._mean = np.zeros(exits)
        self._heard_s = np.zeros(exits)
        self._counted = np.zeros(len(group))
        self._counted_s = np.zeros(len(group))

    def take(self, rows: Integers, columns: Integers, outflow: Floats, start_ms: int) -> None:
        """Exits *rows* announce the *columns* of *outflow* (any, seconds) from *start_ms* on.

        What was announced for the time before becomes the past.
        """
        for x, column in zip(rows.tolist(), columns.tolist(), strict=True):
            plan, flow = outflow[column, :PLAN_S], self._flow[x]
            last_ms = self._start_ms[x]
            gone_s = -1 if last_ms is None else (start_ms - last_ms) // 1000
            if 0 <= gone_s <= PLAN_S:
                flow[:PAST_S] = flow[gone_s : gone_s + PAST_S].copy()
            else:
                flow[:PAST_S] = plan.mean()
            flow[PAST_S : PAST_S + len(plan)] = plan
            flow[PAST_S + len(plan) :] = plan.mean()
            self._start_ms[x] = start_ms

    def learn(self, now_ms: int, passed: Integers) -> None:
        """Once a second: what is usual. *passed* (sources,) vehicles since last time, or -1."""
        for x, start_ms in enumerate(self._start_ms):
            age_ms = LIFETIME_MS + 1 if start_ms is None else now_ms - start_ms
            if not -CLOCKS_APART_MS <= age_ms <= LIFETIME_MS:
                self._first[x] = -1
                continue
            self._first[x] = PAST_S + max(0, age_ms) // 1000
            self._heard_s[x] += self._heard_s[x] < LEARNING_S
            self._mean[x] += (self._flow[x, self._first[x]] - self._mean[x]) / self._heard_s[x]
        for p, count in enumerate(passed.tolist()):
            if count >= 0:
                self._counted_s[p] += self._counted_s[p] < LEARNING_S
                self._counted[p] += (count - self._counted[p]) / self._counted_s[p]

    def meet(self, to_lane: Floats, arrivals: Floats) -> None:
        """Move *arrivals* (lanes, seconds) as the platoons come, as of the last :meth:`learn`.

        *to_lane* (sources, lanes): part of each source's vehicles that comes to each lane.
        """
        seconds = arrivals.shape[1]
        groups = max(self._group, default=-1) + 1
        surplus = np.zeros((groups, seconds))
        announced = np.zeros(groups)
        for x, g, delay_s, smoothing, share in self._feeds:
            announced[g] += share * self._mean[x]
            if self._first[x] >= 0:
                trust = share * self._heard_s[x] / LEARNING_S
                begin = self._first[x] - delay_s
                surplus[g] += trust * self._dispersed(x, smoothing, begin, seconds)
        for p, g in enumerate(self._group):
            if g < 0:
                continue
            part = min(1.0, self._counted[p] / max(announced[g], MEAN_MIN_VEH_PER_S))
            first = min(self._travel_s[p], seconds)
            moved = part * surplus[g, : seconds - first]
            arrivals[:, first:] += to_lane[p][:, None] * moved
        np.maximum(arrivals, 0.0, out=arrivals)

    def _dispersed(self, x: int, smoothing: float, begin: int, seconds: int) -> Floats:
        """What exit *x* announces beyond its mean, smoothed, from column *begin* on."""
        found = np.zeros(seconds)
        state = 0.0
        for column in range(min(self._flow.shape[1], begin + seconds)):
            beyond = FAITH[column] * (self._flow[x, column] - self._mean[x])
            state += smoothing * (beyond - state)
            if column >= begin:
                found[column - begin] = state
        return found
