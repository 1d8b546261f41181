"""Effective greens of one signal for many candidate splits at once, permitted turns included.

A lane group that gives way flows freely while none of its rivals is green, and through their gaps
(:mod:`optimizer.planning.gaps`) while one is: through those of its queue first, which it
discharges at saturation, then through those of its arrivals. What it discharges by the second,
as a part of its saturation flow, adds up to its effective green. This is the protected and
permitted left turn of HCM 2000, chapter 16, appendix C, without sneakers.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from optimizer.delay import Floats
from optimizer.isolated.signal import LaneGroup, Signal
from optimizer.planning.gaps import discharge_veh_per_h


@dataclass(frozen=True, slots=True)
class _Times:
    """When a lane group is green: (m, windows) starts and lengths, and the cycle (m, 1)."""

    start_s: Floats
    length_s: Floats
    cycle_s: Floats

    def covers(self, at_s: Floats) -> NDArray[np.bool_]:
        """(m, points, windows) whether a window has begun and not ended."""
        since = (at_s[:, :, None] - self.start_s[:, None, :]) % self.cycle_s[:, :, None]
        inside: NDArray[np.bool_] = since < np.minimum(self.length_s, self.cycle_s)[:, None, :]
        return inside


def effective_greens_s(signal: Signal, splits_s: Floats, cycle_s: Floats) -> Floats:
    """(m, p) effective greens for *splits_s* (m, k) and *cycle_s* (m,)."""
    service, extra = signal.simple_greens()
    greens: Floats = splits_s @ service + extra
    for at in signal.coupled:
        greens[:, at] = _coupled_green_s(signal, at, splits_s, cycle_s[:, None])
    return greens


def _coupled_green_s(signal: Signal, at: int, splits_s: Floats, cycle_s: Floats) -> Floats:
    group = signal.groups[at]
    own = _times(signal, at, splits_s, cycle_s)
    rivals = [
        (signal.groups[rival], _times(signal, rival, splits_s, cycle_s)) for rival in group.rivals
    ]
    queues = [_queue_times(signal, rival, times) for rival, times in rivals]
    points = [own.start_s, own.start_s + own.length_s, np.zeros_like(cycle_s)]
    for _, times in rivals:
        points += [times.start_s, times.start_s + times.length_s]
    points += [queue.start_s + queue.length_s for queue in queues]
    cuts = np.sort(np.concatenate(points, axis=1) % cycle_s, axis=1)
    ends = np.concatenate([cuts[:, 1:], cycle_s], axis=1)
    middles, lengths = 0.5 * (cuts + ends), ends - cuts
    opposing = np.zeros_like(middles)
    for (rival, times), queue in zip(rivals, queues, strict=True):
        is_green = times.covers(middles).any(axis=2)
        queued = queue.covers(middles).any(axis=2)
        flow = np.where(queued, rival.saturation_veh_per_h, rival.flow_veh_per_h)
        opposing += is_green * flow
    rate = _rates(group, opposing)
    is_green = own.covers(middles).any(axis=2)
    begins = is_green & ~np.roll(is_green, 1, axis=1)
    lost_s = signal.loss_s * (begins * rate).sum(axis=1)
    green: Floats = (is_green * rate * lengths).sum(axis=1) - lost_s
    return green


def _rates(group: LaneGroup, opposing_veh_per_h: Floats) -> Floats:
    """What the lane group discharges, as a part of its saturation flow."""
    # There are few different flows: each rival is red, has a queue or has none.
    flows, at = np.unique(opposing_veh_per_h, return_inverse=True)
    full = group.saturation_veh_per_h
    rates = [
        discharge_veh_per_h(flow, full, group.lanes, group.yielding_share) / full if flow else 1.0
        for flow in flows.tolist()
    ]
    return np.array(rates)[at].reshape(opposing_veh_per_h.shape)


def _times(signal: Signal, at: int, splits_s: Floats, cycle_s: Floats) -> _Times:
    times = signal.window_times[at]
    return _Times(
        splits_s @ times.start + times.start_lag_s,
        splits_s @ times.length + times.length_lag_s,
        cycle_s,
    )


def _queue_times(signal: Signal, rival: LaneGroup, times: _Times) -> _Times:
    """From the start of each green until the queue of the red before is gone."""
    gap_s = (times.start_s[:, :, None] - times.start_s[:, None, :]) % times.cycle_s[:, :, None]
    gap_s = np.where(np.eye(gap_s.shape[1], dtype=bool), times.cycle_s[:, :, None], gap_s)
    red_s = np.maximum(gap_s - times.length_s[:, None, :], 0.0).min(axis=2)
    load = min(rival.flow_veh_per_h / rival.saturation_veh_per_h, 1.0 - 1e-6)
    clearing_s = signal.start_loss_s + load * (red_s + signal.start_loss_s) / (1.0 - load)
    length_s = np.where(red_s > 0.0, np.minimum(clearing_s, times.length_s), 0.0)
    return _Times(times.start_s, np.maximum(length_s, 0.0), times.cycle_s)
