"""Control delay at a signal: HCM uniform delay d1 and incremental delay d2.

Source: Highway Capacity Manual 2010, chapter 18 (equations 18-20 and 18-45)::

    d1 = 0.5 C (1 - g/C)^2 / (1 - min(1, X) g/C)
    d2 = 900 T [(X - 1) + sqrt((X - 1)^2 + 8 k I X / (c T))]

with capacity ``c = s g/C``, degree of saturation ``X = q/c``, analysis period *T* in hours, the
incremental delay factor ``k = 0.5`` (pretimed) and the upstream filtering factor ``I = 1``
(isolated). d2 stays finite over capacity. The initial-queue delay d3 is not modelled; unserved
queues enter as demand (:mod:`optimizer.demand`).

d2 is convex in the green: with ``w = C/g`` it is the length of an affine function of *w* plus an
affine function, increasing in *w*. d1 is convex on either side of X = 1, where its slope drops from
C/2 to C per unit of g/C; d2 makes up for that within less than 1 % of g/C.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

INCREMENTAL_FACTOR = 0.5
"""k of d2 for pretimed control."""
EFFECTIVE_GREEN_MIN_S = 1.0
"""Below this (and above the cycle) the delay goes on as a straight line: capacity never vanishes,
and the delay stays convex with a slope that leads back."""

Floats = NDArray[np.float64]


class DelayTerms(NamedTuple):
    """Total delay of lane groups and its derivatives by effective green; arrays of one shape."""

    total_veh: Floats
    """flow x delay: vehicles delayed at any moment (vehicle-hours per hour)."""
    slope: Floats
    """First derivative, vehicles per second of green (never above 0)."""
    curvature: Floats
    """Second derivative, vehicles per second squared."""


def delay_terms(
    flow_veh_per_h: Floats,
    saturation_veh_per_h: Floats,
    green_s: Floats,
    cycle_s: Floats | float,
    period_h: float,
) -> DelayTerms:
    """d1 + d2 times flow, with its first two derivatives by green; arguments broadcast."""
    within_s = np.clip(green_s, EFFECTIVE_GREEN_MIN_S, cycle_s)
    beyond_s = green_s - within_s
    share = within_s / cycle_s
    ratio = flow_veh_per_h / saturation_veh_per_h
    clearing = 1.0 - np.minimum(ratio, share)
    red = 1.0 - share
    clears = (ratio < share).astype(np.float64)
    safe_clearing = np.maximum(clearing, 1e-9)

    d1 = 0.5 * cycle_s * red * red / safe_clearing
    d1_slope = -cycle_s * (clears * red / safe_clearing + (1.0 - clears) * 0.5)
    d1_curvature = cycle_s * clears / safe_clearing

    scale = 900.0 * period_h
    spread = 8.0 * INCREMENTAL_FACTOR * ratio / (saturation_veh_per_h * period_h)
    w = 1.0 / share
    over = ratio * w - 1.0
    root = np.maximum(np.sqrt(over * over + spread * w * w), 1e-12)
    turn = (over * ratio + spread * w) / root
    lift = ratio + turn
    d2 = scale * (over + root)
    d2_slope = -scale * w * w * lift
    bend = (ratio * ratio + spread - turn * turn) / root
    d2_curvature = scale * w * w * w * (w * bend + 2.0 * lift)

    per_s = flow_veh_per_h / 3600.0
    slope = per_s * (d1_slope + d2_slope) / cycle_s
    return DelayTerms(
        per_s * (d1 + d2) + slope * beyond_s,
        slope,
        per_s * (d1_curvature + d2_curvature) / (cycle_s * cycle_s) * (beyond_s == 0.0),
    )


def control_delay_s(
    flow_veh_per_h: Floats,
    saturation_veh_per_h: Floats,
    green_s: Floats,
    cycle_s: Floats | float,
    period_h: float = 0.25,
) -> Floats:
    """Mean control delay d1 + d2 per vehicle, s; arguments broadcast.

    ``green_s`` is effective green. A lane group without flow gets the delay of a single vehicle.
    """
    flow = np.maximum(np.asarray(flow_veh_per_h, dtype=np.float64), 1e-6)
    terms = delay_terms(
        flow,
        np.asarray(saturation_veh_per_h, dtype=np.float64),
        np.asarray(green_s, dtype=np.float64),
        cycle_s,
        period_h,
    )
    return terms.total_veh * 3600.0 / flow
