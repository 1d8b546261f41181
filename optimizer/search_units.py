"""The inputs of a search as integers, so that kernel and reference agree to the last unit.

Vehicles count in 1/128. The compiled kernel does the same on its own; what it finds unfit comes
here to be named, and the reference (:mod:`optimizer._search_reference`) gets its inputs from here.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from optimizer.search_stages import NEVER_S, Integers, floats_of, padded

if TYPE_CHECKING:
    from optimizer.search import SearchProblem, SearchSettings

UNITS_PER_VEHICLE = 128
"""Queues and flows are counted in this part of a vehicle."""
QUEUE_MAX_VEH = 250.0
"""More vehicles than this in one lane, arrivals of the horizon included, count as this."""
FLOW_MAX_VEH_PER_S = 7.9
COUNT_MAX = 1e6
"""More than this is no number of vehicles, and no weight."""
SPARE_MAX = 1e9
ROOM_MAX = (1 << 31) - 1
EXITS_MAX = 16
EXIT_SHARE_MIN = 0.1
"""A lane of which fewer vehicles go to an exit does not stand still when that exit is full."""
SUM_MAX = 1 << 23
"""Cost of one lane and second, at most."""
WEIGHT_MAX = (1 << 13) - 1


class Units(NamedTuple):
    """What :func:`optimizer._search_reference.search` takes, up to the settings."""

    arrivals: Integers
    queue: Integers
    weight: Integers
    stop_weight: Integers
    rate: Integers
    change_s: Integers
    stops_s: Integers
    starts_s: Integers
    served_from_s: Integers
    min_green_s: Integers
    max_green_s: Integers
    allowed: Integers
    limit_s: Integers
    exit_share: Integers
    exit_spare: Integers
    incumbent: Integers


def in_units(problem: SearchProblem, settings: SearchSettings) -> tuple[Units, float]:
    """The inputs of *problem* as integers, and what a vehicle second is in units of cost.

    Raises :class:`ValueError` with the array and the fault when shapes disagree or a value is not
    finite or out of range.
    """
    ready, lanes = problem.changes.ready, problem.changes.n_lanes
    queue, arrivals = _traffic(problem)
    most = queue + arrivals.sum(axis=0)
    weight, stop_weight, scale = _weights(problem, settings, most)
    share, spare = _exits(problem, len(arrivals))
    units = Units(
        arrivals=arrivals,
        queue=queue,
        weight=weight,
        stop_weight=stop_weight,
        rate=_rates(problem, len(queue)),
        served_from_s=_seconds("served_from_s", problem.served_from_s, lanes, 0),
        limit_s=_seconds("wait_limit_s", problem.wait_limit_s, lanes, NEVER_S),
        exit_share=share,
        exit_spare=spare,
        incumbent=_incumbent(problem),
        **ready,
    )
    return units, scale * UNITS_PER_VEHICLE


def _traffic(problem: SearchProblem) -> tuple[Integers, Integers]:
    """Queue (P,) and arrivals (H, P) in units, rounded so that no arrival is lost over time."""
    lanes = problem.changes.n_lanes
    horizon = np.shape(problem.arrivals_veh)[-1]
    if horizon < 1:
        raise ValueError("arrivals_veh: the horizon needs at least one second")
    waiting = floats_of("queue_veh", problem.queue_veh, (lanes,), COUNT_MAX)
    flow = floats_of("arrivals_veh", problem.arrivals_veh, (lanes, horizon), COUNT_MAX)
    queue = np.zeros(padded(lanes), dtype=np.int16)
    arrivals = np.zeros((horizon, len(queue)), dtype=np.int16)
    queue[:lanes] = np.minimum(waiting, QUEUE_MAX_VEH) * UNITS_PER_VEHICLE + 0.5
    room = QUEUE_MAX_VEH * UNITS_PER_VEHICLE - queue[:lanes]
    sums = np.cumsum(np.minimum(flow, FLOW_MAX_VEH_PER_S).T * UNITS_PER_VEHICLE, axis=0)
    sums = np.minimum(sums + 0.5, room).astype(np.int16)
    arrivals[0, :lanes] = sums[0]
    np.subtract(sums[1:], sums[:-1], out=arrivals[1:, :lanes])
    return queue, arrivals


def _rates(problem: SearchProblem, width: int) -> Integers:
    shape = problem.changes.n_stages, problem.changes.n_lanes
    flow = floats_of("rate_veh_per_s", problem.rate_veh_per_s, shape, QUEUE_MAX_VEH)
    rate = np.zeros((shape[0], width), dtype=np.int16)
    # What is served at all is served by at least one unit.
    rate[:, : shape[1]] = np.where(flow > 0.0, np.maximum(flow * UNITS_PER_VEHICLE + 0.5, 1.0), 0.0)
    return rate


def _weights(
    problem: SearchProblem, settings: SearchSettings, most: Integers
) -> tuple[Integers, Integers, float]:
    """Weights (P,) of a queue and of a stop as integers, and what a unit of weight is.

    *most* (P,) is the longest queue that each lane may get. The weights are as fine as the sums
    of an implementation allow: 2^23 for a lane and second, 2^15 for a weight.
    """
    lanes = problem.changes.n_lanes
    weight = np.ones(lanes)
    if problem.weight is not None:
        weight = floats_of("weight", problem.weight, (lanes,), COUNT_MAX)
    heaviest = max(float(weight.max()), 1e-6)
    longest = max(float((weight * most[:lanes]).max()), 1e-6)
    finest = min(SUM_MAX / longest, WEIGHT_MAX / (heaviest * max(1.0, settings.stop_cost_s)))
    # The power of two below it, so that simple weights stay exact.
    scale = math.ldexp(0.5, math.frexp(finest)[1])
    queue_weight = np.zeros(padded(lanes), dtype=np.int16)
    stop_weight = np.zeros(padded(lanes), dtype=np.int16)
    queue_weight[:lanes] = weight * scale + 0.5
    stop_weight[:lanes] = weight * (scale * settings.stop_cost_s) + 0.5
    return queue_weight, stop_weight, scale


def _seconds(name: str, values: ArrayLike | None, lanes: int, otherwise: int) -> Integers:
    seconds = np.full(padded(lanes), otherwise, dtype=np.int32)
    if values is None:
        return seconds
    times = np.asarray(values, dtype=np.float64)
    if times.shape != (lanes,):
        raise ValueError(f"{name}: shape {times.shape}, but changes ask for {(lanes,)}")
    if np.isnan(times).any():
        raise ValueError(f"{name}: not every value is a number")
    seconds[:lanes] = np.floor(np.clip(times, -NEVER_S, NEVER_S))
    return seconds


def _exits(problem: SearchProblem, horizon: int) -> tuple[Integers, Integers]:
    """Shares (E, P) in units and the vehicles that have room (E, H) in units squared."""
    lanes = problem.changes.n_lanes
    if problem.exit_share is None or problem.exit_spare_veh is None:
        return np.empty((0, padded(lanes)), dtype=np.int16), np.empty((0, horizon), dtype=np.int32)
    exits = np.shape(problem.exit_share)[-1]
    if exits > EXITS_MAX:
        raise ValueError(f"exit_share: {exits} exits; at most {EXITS_MAX} can be")
    part = floats_of("exit_share", problem.exit_share, (lanes, exits), 1.0)
    spare = np.asarray(problem.exit_spare_veh, dtype=np.float64)
    if spare.ndim == 1:
        spare = np.broadcast_to(spare[:, None], (len(spare), horizon))
    spare = floats_of("exit_spare_veh", spare, (exits, horizon), SPARE_MAX)
    share = np.zeros((exits, padded(lanes)), dtype=np.int16)
    share[:, :lanes] = np.where(part >= EXIT_SHARE_MIN, part * UNITS_PER_VEHICLE + 0.5, 0.0).T
    room = np.minimum(spare * UNITS_PER_VEHICLE**2, ROOM_MAX)
    return share, np.ascontiguousarray(room, dtype=np.int32)


def _incumbent(problem: SearchProblem) -> Integers:
    """The rows of the previous plan as far as they fit the stages, (R, 2)."""
    rows = np.array(problem.incumbent, dtype=np.int32).reshape(-1, 2)
    if len(rows) and (rows[0, 0] != problem.stage or rows[:, 0].min() < 0):
        return np.empty((0, 2), dtype=np.int32)
    if len(rows) and rows[:, 0].max() >= problem.changes.n_stages:
        raise ValueError(f"incumbent: there is no stage {rows[:, 0].max()}")
    return rows
