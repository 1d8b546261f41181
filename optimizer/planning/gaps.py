"""What drivers find who turn through the gaps of opposing traffic."""

from __future__ import annotations

from math import exp, expm1

CRITICAL_GAP_S, FOLLOW_UP_S = 4.5, 2.5
"""Of drivers who turn through gaps of opposing traffic (HCM 2010, chapter 19)."""


def discharge_veh_per_h(
    opposing_veh_per_h: float, saturation_veh_per_h: float, lanes: int, yielding_share: float
) -> float:
    """What a lane group discharges: some of its vehicles wait for gaps, the others need not.

    *lanes* of it turn side by side; unopposed it discharges *saturation_veh_per_h*.
    """
    flow = opposing_veh_per_h / 3600.0
    if flow > 0.0:
        gaps = flow * exp(-flow * CRITICAL_GAP_S) / -expm1(-flow * FOLLOW_UP_S)
    else:
        gaps = 1.0 / FOLLOW_UP_S
    turning = min(3600.0 * gaps * lanes, saturation_veh_per_h)
    waiting = yielding_share / max(turning, 1e-9)
    return 1.0 / ((1.0 - yielding_share) / saturation_veh_per_h + waiting)
