"""Control delay at a signal by the HCM, and what optimisers need of it: derivatives and pieces.

Source: Highway Capacity Manual 2000, chapter 16 (equations 16-9 to 16-12 and appendix F); the
same formulas are in HCM 2010, chapter 18::

    d  = d1 + d2 + d3                       (progression factor 1: arrivals are even)
    d1 = 0.5 C (1 - g/C)^2 / (1 - min(1, X) g/C)
    d2 = 900 T [(X - 1) + sqrt((X - 1)^2 + 8 k I X / (c T))]
    d3 = 1800 Qb (1 + u) t / (c T)

with capacity ``c = s g/C``, degree of saturation ``X = q/c``, analysis period *T* in hours, the
incremental delay factor ``k = 0.5`` (pretimed), the upstream filtering factor ``I = 1`` (isolated),
and *Qb* vehicles that wait as the period begins. They are gone after ``t = min(T, Qb / (c - q))``,
or not within the period (``t = T``); then ``u = 1 - (c - q) T / Qb`` of them are left, at most all.
While they wait, d1 is that of a saturated cycle, ``0.5 (C - g)``, for the share ``t/T`` of the
period. Like d3, that is of the vehicles that arrive within the period.

Stops per vehicle are ``h = 0.9 [(1 - g/C) / (1 - q/s) + N / (q C)]`` (Akcelik 1981), the first term
1 from X = 1 on, with the mean overflow queue ``N = c d2``.

Written by ``w = C/g`` and ``share = g/C``, d2 and N are convex in the green. d1, d3 and h are the
smaller of two convex functions each, one for a green that is too short to clear the queue and one
for a longer one. So the whole is the least of three convex *pieces*:

- 0: arrivals exceed the capacity, ``share < q/s``;
- 1: the capacity exceeds them, but the queue of the beginning outlasts the period;
- 2: it is gone within the period. Without such a queue the piece between is empty.

Between two pieces the slope may drop, for d1 from C/2 to C per unit of share; d2 makes up for that
within less than 1 % of share.
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
STOP_FACTOR = 0.9
"""Of the vehicles that a queue holds up some only slow down."""
PIECES = (0, 1, 2)

Floats = NDArray[np.float64]


class DelayTerms(NamedTuple):
    """Total delay of lane groups and its derivatives by effective green; arrays of one shape."""

    total_veh: Floats
    """flow x delay: vehicles delayed at any moment (vehicle-hours per hour)."""
    slope: Floats
    """First derivative, vehicles per second of green (never above 0)."""
    curvature: Floats
    """Second derivative, vehicles per second squared."""


class _Shares(NamedTuple):
    """What the formulas share; ``clears`` and ``drains`` are 1 in piece 2, and in 1 and 2."""

    share: Floats
    ratio: Floats
    waiting: Floats
    """The queue of the beginning as a part of what full green discharges in the period."""
    spread: Floats
    clears: Floats
    drains: Floats


class _Curve(NamedTuple):
    """A function of the share with its first two derivatives."""

    value: Floats
    slope: Floats
    curvature: Floats


def delay_terms(  # noqa: PLR0913, PLR0917  (quantities of one formula)
    flow_veh_per_h: Floats,
    saturation_veh_per_h: Floats,
    green_s: Floats,
    cycle_s: Floats | float,
    period_h: float,
    initial_queue_veh: Floats | float = 0.0,
    delay_weight: float = 1.0,
    stop_s: float = 0.0,
    piece: int | None = None,
) -> DelayTerms:
    """Flow times (``delay_weight`` x delay + ``stop_s`` x stops), and two derivatives by green.

    Arguments broadcast. *piece* takes one of the convex pieces instead of that of the green.
    """
    within_s = np.clip(green_s, EFFECTIVE_GREEN_MIN_S, cycle_s)
    beyond_s = green_s - within_s
    shares = _shares(
        flow_veh_per_h,
        saturation_veh_per_h,
        within_s / cycle_s,
        np.asarray(initial_queue_veh / (saturation_veh_per_h * period_h)),
        period_h,
        piece,
    )
    scale = 900.0 * period_h
    per_s = delay_weight * flow_veh_per_h / 3600.0
    parts = [(per_s, _uniform(shares, cycle_s)), (per_s, _incremental(shares, scale))]
    if np.any(initial_queue_veh):
        vehicles = delay_weight * saturation_veh_per_h * period_h
        parts.append((vehicles, _initial(shares)))
    if stop_s:
        stopping = STOP_FACTOR * stop_s / 3600.0
        parts.append((stopping * flow_veh_per_h, _held_up(shares)))
        overflow = _overflow(shares, scale)
        parts.append((stopping * saturation_veh_per_h / cycle_s, overflow))
    value = np.asarray(sum(weight * curve.value for weight, curve in parts))
    slope = np.asarray(sum(weight * curve.slope for weight, curve in parts) / cycle_s)
    bend = np.asarray(sum(weight * curve.curvature for weight, curve in parts))
    curvature = bend / (cycle_s * cycle_s)
    return DelayTerms(value + slope * beyond_s, slope, curvature * (beyond_s == 0.0))


def _shares(
    flow: Floats,
    saturation: Floats,
    share: Floats,
    waiting: Floats,
    period_h: float,
    piece: int | None,
) -> _Shares:
    ratio = flow / saturation
    clears = ratio + waiting < share if piece is None else np.asarray(piece == 2)
    drains = ratio < share if piece is None else np.asarray(piece >= 1)
    spread = 8.0 * INCREMENTAL_FACTOR * ratio / (saturation * period_h)
    return _Shares(
        share, ratio, waiting, spread, clears.astype(np.float64), drains.astype(np.float64)
    )


def _uniform(at: _Shares, cycle_s: Floats | float) -> _Curve:
    """d1, s; the queue of the beginning lets a cycle clear only after it is gone."""
    red = 1.0 - at.share
    curvature = at.clears * cycle_s / np.maximum(1.0 - at.ratio, 1e-9)
    saturated = (1.0 - at.clears) * cycle_s
    return _Curve(
        0.5 * red * (curvature * (red + at.waiting) + saturated),
        -(curvature * (red + 0.5 * at.waiting) + 0.5 * saturated),
        curvature,
    )


def _incremental(at: _Shares, scale: float) -> _Curve:
    """d2, s."""
    w = 1.0 / at.share
    over = at.ratio * w - 1.0
    root = np.maximum(np.sqrt(over * over + at.spread * w * w), 1e-12)
    turn = (over * at.ratio + at.spread * w) / root
    lift = at.ratio + turn
    bend = (at.ratio * at.ratio + at.spread - turn * turn) / root
    return _Curve(
        scale * (over + root),
        -scale * w * w * lift,
        scale * w * w * w * (w * bend + 2.0 * lift),
    )


def _initial(at: _Shares) -> _Curve:
    """Flow times d3, as a part of what full green discharges in the period."""
    w = 1.0 / at.share
    least = at.ratio * (at.waiting + at.drains * 0.5 * at.ratio)
    spare = at.share - at.ratio
    gone = at.drains * (spare > at.waiting)
    inverse = w / np.where(gone > 0.0, spare, 1.0)
    both = at.share + spare
    half = 0.5 * at.ratio * at.waiting * at.waiting
    return _Curve(
        np.where(gone > 0.0, half * inverse, least * w - at.drains * 0.5 * at.ratio),
        np.where(gone > 0.0, -half * both * inverse * inverse, -least * w * w),
        np.where(
            gone > 0.0,
            2.0 * half * inverse * inverse * (both * both * inverse - 1.0),
            2.0 * least * w * w * w,
        ),
    )


def _held_up(at: _Shares) -> _Curve:
    """The part of the vehicles that meets a red or a queue."""
    per_share = at.drains / np.maximum(1.0 - at.ratio, 1e-9)
    return _Curve(
        per_share * (1.0 - at.share) + (1.0 - at.drains), -per_share, np.zeros_like(per_share)
    )


def _overflow(at: _Shares, scale: float) -> _Curve:
    """d2 times share, s: the mean overflow queue, as seconds of full discharge."""
    short = at.ratio - at.share
    root = np.maximum(np.sqrt(short * short + at.spread), 1e-12)
    return _Curve(
        scale * (short + root),
        -scale * (1.0 + short / root),
        scale * at.spread / (root * root * root),
    )


def control_delay_s(
    flow_veh_per_h: Floats,
    saturation_veh_per_h: Floats,
    green_s: Floats,
    cycle_s: Floats | float,
    period_h: float = 0.25,
    initial_queue_veh: Floats | float = 0.0,
) -> Floats:
    """Mean control delay d1 + d2 + d3 per vehicle, s; arguments broadcast.

    ``green_s`` is effective green. A lane group without flow gets the delay of a single vehicle.
    """
    flow = np.maximum(np.asarray(flow_veh_per_h, dtype=np.float64), 1e-6)
    terms = delay_terms(
        flow,
        np.asarray(saturation_veh_per_h, dtype=np.float64),
        np.asarray(green_s, dtype=np.float64),
        cycle_s,
        period_h,
        initial_queue_veh,
    )
    return terms.total_veh * 3600.0 / flow
