"""Days of counts as a planner weighs them: the flow of every stream in every quarter of an hour."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.delay import Floats
from optimizer.planning.network import PlanningNetwork
from sim.errors import CountsError
from sim.network.model import Network
from sim.planning.count_places import CountPlaces
from sim.planning.counts import DAY_S, Counts, weekday
from sim.planning.demand import Demand
from sim.planning.lane_groups import lane_groups, movements_of
from sim.planning.turning import AT_STOP_LINE_M

BIN_S = 900.0
LEAST_KNOWN = 0.5
"""A day of which a smaller part was counted is left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DayFlows:
    """``flows``: (days, bins, streams) veh/h, nothing missing; ``days`` are numbers of days.

    ``clock_s``: when each bin begins, seconds of the day. ``weekdays``: 0 to 6 of each day, or all
    0 where the counts have no dates.
    """

    days: tuple[int, ...]
    weekdays: tuple[int, ...]
    clock_s: Floats
    flows: Floats
    remarks: tuple[str, ...]


def day_flows(
    network: Network, planning: PlanningNetwork, demand: Demand, counts: Counts, places: CountPlaces
) -> DayFlows:
    """What *counts* say of every stream of *planning*, which was made for *demand*.

    A stream whose lanes are counted at the stop line has their counts; the others rise and fall
    with what is counted in the network. Raises :class:`CountsError` if no day is counted by half.
    """
    lanes = [
        group.lanes
        for junction in network.junctions
        for group in lane_groups(junction, movements_of(junction, network), demand.turns)
    ]
    reference = np.asarray([stream.flow_veh_per_h for stream in planning.streams])
    by_lane = _stop_line_columns(network, counts, places)
    clock_s, days, rates = _binned(counts)
    flows = np.full((*rates.shape[:2], len(lanes)), np.nan)
    for k, own in enumerate(lanes):
        columns = [by_lane[lane] for lane in own if lane in by_lane]
        if len(columns) == len(own):
            flows[:, :, k] = rates[:, :, columns].sum(axis=2)
    level, known = _levels(rates)
    kept = [d for d in range(len(days)) if known[d].mean() >= LEAST_KNOWN]
    if not kept:
        raise CountsError(f"{counts.source}: no day of it is counted for half of its time")
    remarks = tuple(
        f"{counts.source}: {counts.day_name(day)} is left out, less than half of it was counted"
        for d, day in enumerate(days)
        if d not in kept
    )
    filled = np.where(np.isfinite(flows), flows, level[:, :, None] * reference)
    return DayFlows(
        days=tuple(days[d] for d in kept),
        weekdays=tuple(weekday(days[d]) if counts.is_dated else 0 for d in kept),
        clock_s=clock_s,
        flows=filled[kept],
        remarks=remarks,
    )


def _stop_line_columns(network: Network, counts: Counts, places: CountPlaces) -> dict[str, int]:
    """For each lane the column of its detector at the stop line."""
    by_id = places.by_id()
    found: dict[str, tuple[float, int]] = {}
    for column, name in enumerate(counts.detectors):
        place = by_id[name]
        before_m = network.lanes[place.lane].length_m - place.position_m
        known_m = found.get(place.lane, (AT_STOP_LINE_M, -1))[0]
        if before_m <= known_m:
            found[place.lane] = (before_m, column)
    return {lane: column for lane, (_, column) in found.items()}


def _binned(counts: Counts) -> tuple[Floats, Sequence[int], Floats]:
    """Bins of the day, days, and (days, bins, detectors) veh/h; NaN where nothing was counted."""
    if not len(counts.starts_s):
        raise CountsError(f"{counts.source}: there are no counts in this part of the day")
    bin_s = max(BIN_S, counts.interval_s)
    days = counts.days
    bins = np.unique((counts.starts_s % DAY_S) // bin_s)
    every = np.arange(bins[0], bins[-1] + 1)
    rates = np.full((len(days), len(every), len(counts.detectors)), np.nan)
    at_day = np.searchsorted(np.asarray(days), counts.starts_s // DAY_S)
    at_bin = ((counts.starts_s % DAY_S) // bin_s - every[0]).astype(np.int64)
    for d, b in sorted(set(zip(at_day.tolist(), at_bin.tolist(), strict=True))):
        own = counts.vehicles[(at_day == d) & (at_bin == b)]
        known = np.isfinite(own)
        total = np.where(known, own, 0.0).sum(axis=0)
        mean = total / np.maximum(known.sum(axis=0), 1)
        rates[d, b] = np.where(known.any(axis=0), mean * 3600.0 / counts.interval_s, np.nan)
    return every * bin_s, days, rates


def _levels(rates: Floats) -> tuple[Floats, np.ndarray]:
    """(days, bins) how busy the network is, 1 in the mean; and whether it was counted at all."""
    known = np.isfinite(rates)
    means = np.where(known, rates, 0.0).sum(axis=(0, 1)) / np.maximum(known.sum(axis=(0, 1)), 1)
    expected = (known * means).sum(axis=2)
    counted = np.where(known, rates, 0.0).sum(axis=2)
    is_known = expected > 0.0
    level = np.divide(counted, expected, out=np.full(expected.shape, np.nan), where=is_known)
    for day in level:
        there = np.flatnonzero(np.isfinite(day))
        if len(there):
            day[:] = np.interp(np.arange(len(day)), there, day[there])
    return level, is_known


def weekday_means(days: DayFlows) -> dict[int, Floats]:
    """(bins, streams) mean flows of each day of the week."""
    return {
        each: days.flows[[k for k, own in enumerate(days.weekdays) if own == each]].mean(axis=0)
        for each in sorted(set(days.weekdays))
    }
