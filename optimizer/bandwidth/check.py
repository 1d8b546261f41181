"""What bands given offsets and speeds really have, from the reds alone.

Independent of the solvers: reds are moved along the arterial with the wave, and the widest gap
between them is the band. Works for any offsets, found by whatever means.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate, pairwise

from optimizer.bandwidth.arterial import KMH_PER_M_PER_S, Arterial

ROUNDING = 1e-9


def widest_gap(reds: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Start and width of the widest arc of a circle of length 1 that no red covers.

    *reds*: start (anything) and length (0..1) of each. The width is 1 without any red.
    """
    sorted_reds = sorted((start % 1.0, length) for start, length in reds if length > 0.0)
    if not sorted_reds:
        return 0.0, 1.0
    best_start, best_width = 0.0, 0.0
    first = sorted_reds[0][0]
    # What lies over the end of the circle covers its beginning.
    covered = max(first, *(start + length - 1.0 for start, length in sorted_reds))
    begin = covered
    for start, length in sorted_reds:
        if start - covered > best_width:
            best_start, best_width = covered, start - covered
        covered = max(covered, start + length)
    last = first + 1.0
    if last - covered > best_width and begin <= first:
        best_start, best_width = covered, last - covered
    return best_start % 1.0, best_width


def arrivals(
    arterial: Arterial, cycle_s: float, speed_kmh: Sequence[float], *, inbound: bool
) -> list[float]:
    """When a band that starts at 0 is at each signal, in cycles, advanced by the clearances.

    In the order of the signals; the inbound band starts at the last one.
    """
    clearance = arterial.queue_clearance_inbound if inbound else arterial.queue_clearance_outbound
    times = [
        distance * KMH_PER_M_PER_S / speed / cycle_s
        for distance, speed in zip(arterial.distance_m, speed_kmh, strict=True)
    ]
    if inbound:
        steps = [t - c for t, c in zip(reversed(times), clearance[-2::-1], strict=True)]
        return list(accumulate(steps, initial=0.0))[::-1]
    return list(accumulate((t - c for t, c in zip(times, clearance[1:], strict=True)), initial=0.0))


def band_of(
    arterial: Arterial,
    cycle_s: float,
    speed_kmh: Sequence[float],
    green_start_s: Sequence[float],
    *,
    inbound: bool = False,
) -> tuple[float, float]:
    """Width of the band (in cycles) and the second when its front passes its first signal.

    ``green_start_s``: when through green begins at each signal, outbound or inbound.
    """
    red = arterial.red_inbound if inbound else arterial.red_outbound
    at = arrivals(arterial, cycle_s, speed_kmh, inbound=inbound)
    start, width = widest_gap(
        [
            (green / cycle_s - share - when, share)
            for green, share, when in zip(green_start_s, red, at, strict=True)
        ]
    )
    return width, start * cycle_s


def broken_limits(
    arterial: Arterial, cycle_s: float, speed_kmh: Sequence[float], k_bands: tuple[float, float]
) -> list[str]:
    """What a solution breaks of the cycle, the speeds, their change and the ratio of the bands."""
    broken = []
    low, high = arterial.cycle_range_s
    if not low * (1 - ROUNDING) <= cycle_s <= high * (1 + ROUNDING):
        broken.append(f"the cycle of {cycle_s:g} s is not in {low:g}..{high:g} s")
    for i, (speed, (slowest, fastest)) in enumerate(
        zip(speed_kmh, arterial.speed_range_kmh, strict=True)
    ):
        if not slowest * (1 - ROUNDING) <= speed <= fastest * (1 + ROUNDING):
            broken.append(f"link {i}: {speed:g} km/h is not in {slowest:g}..{fastest:g} km/h")
    for i, (before, after) in enumerate(pairwise(speed_kmh)):
        change = KMH_PER_M_PER_S * abs(1.0 / after - 1.0 / before)
        if change > arterial.max_slowness_change_s_per_m[i] + ROUNDING:
            broken.append(f"link {i + 1}: slowness changes by {change:g} s/m")
    out, into = k_bands
    off = into - arterial.k * out
    if not arterial.one_way and (
        (arterial.k == 1.0 and abs(off) > ROUNDING)
        or (arterial.k < 1.0 and off < -ROUNDING)
        or (arterial.k > 1.0 and off > ROUNDING)
    ):
        broken.append(f"bands of {out:g} and {into:g} do not fit k = {arterial.k:g}")
    return broken
