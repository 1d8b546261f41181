"""Green waves for a fixed cycle and fixed speeds, many arterials at once, in NumPy.

With everything fixed the phases q[i] = x + Q[i] are known but for x, and the total band is ::

    B(x) = min over i of  G[i] - 2 dist(x, c[i])  =  -2 max over i of  (h[i] - dist(x, a[i]))

with c[i] = D[i] - Q[i], its antipode a[i] = c[i] + 1/2, and h[i] = (1 - G[i]) / 2: the least point
of the upper envelope of n equal cones on a circle. In the order of their apexes, what rises from
the left and what falls to the right are running maxima; between two neighbours the two meet.
"""

from __future__ import annotations

import numpy as np

from optimizer.delay import Floats


def solve(  # noqa: PLR0913, PLR0917 - one argument for each array, as in the kernel
    distance_m: Floats,
    speed_kmh: Floats,
    cycle_s: Floats,
    red_outbound: Floats,
    red_inbound: Floats,
    shift: Floats,
    clearance_outbound: Floats,
    clearance_inbound: Floats,
    k: float,
    bands: Floats,
    offset_s: Floats,
) -> None:
    """Write (m, 3) bands outbound, inbound and their greatest sum, and (m, n) offsets.

    Arrays: (m, n - 1) ``distance_m`` and ``speed_kmh``, (m,) ``cycle_s``, else (m, n).
    """
    time = 3.6 * distance_m / speed_kmh / cycle_s[:, None]
    front = np.zeros_like(red_outbound)
    phase = np.zeros_like(red_outbound)
    front[:, 1:] = np.cumsum(time - clearance_outbound[:, 1:], axis=1)
    both = clearance_outbound[:, 1:] + clearance_inbound[:, :-1]
    phase[:, 1:] = np.cumsum(2.0 * time - both, axis=1)
    apex = (shift - phase + 0.5) % 1.0
    height = 0.5 * (red_outbound + red_inbound - 1.0)
    total, x = _least_point(apex, height)
    out, into = _split(total, 1.0 - red_outbound.max(axis=1), 1.0 - red_inbound.max(axis=1), k)
    bands[:, 0], bands[:, 1] = np.maximum(0.0, out), np.maximum(0.0, into)
    bands[:, 2] = total
    off = x[:, None] + phase - shift
    off -= np.floor(off + 0.5)
    room_out = 1.0 - red_outbound - out[:, None]
    room = np.maximum(room_out + 1.0 - red_inbound - into[:, None], 1e-300)
    beside = (off + 0.5 * room) * room_out / room
    start = front - np.clip(beside, np.minimum(0.0, room_out), np.maximum(0.0, room_out))
    start -= start[:, :1]
    offset_s[:] = (start - np.floor(start)) * cycle_s[:, None]


def _least_point(apex: Floats, height: Floats) -> tuple[Floats, Floats]:
    """(m,) greatest total band and the x where it is."""
    order = np.argsort(apex, axis=1, kind="stable")
    a = np.take_along_axis(apex, order, axis=1)
    h = np.take_along_axis(height, order, axis=1)
    rising, falling = h + a, h - a
    left = np.maximum.accumulate(rising, axis=1)
    left = np.maximum(left, rising.max(axis=1, keepdims=True) - 1.0) - a
    right = np.maximum.accumulate(falling[:, ::-1], axis=1)[:, ::-1]
    right = np.maximum(right, falling.max(axis=1, keepdims=True) - 1.0) + a
    right = np.roll(right, -1, axis=1)
    gap = np.roll(a, -1, axis=1) - a
    gap[:, -1] += 1.0
    lowest = np.maximum(0.5 * (left + right - gap), np.maximum(left, right) - gap)
    at = lowest.argmin(axis=1)[:, None]
    low, begin = np.take_along_axis(lowest, at, 1), np.take_along_axis(left, at, 1)
    x = np.take_along_axis(a, at, 1) + np.clip(begin - low, 0.0, np.take_along_axis(gap, at, 1))
    return -2.0 * low[:, 0], x[:, 0]


def _split(total: Floats, out: Floats, into: Floats, k: float) -> tuple[Floats, Floats]:
    """As :func:`optimizer.bandwidth.problem.split`, for arrays."""
    if k <= 1.0:
        if k:  # at 0 nothing inbound holds the outbound band back
            out = np.minimum(np.minimum(out, into / k), total / (1.0 + k))
        return out, out if k == 1.0 else np.minimum(into, total - out)
    into = np.minimum(np.minimum(into, k * out), k * total / (1.0 + k))
    return np.minimum(out, total - into), into
