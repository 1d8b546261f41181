"""The details of one control's runs as one: means over every seed that kept them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sim.decisions import DecisionNote
from sim.results import ControlResult, GreenShare, MovementDelay, RunDetail

MovementKey = tuple[str, str, str]
"""Junction, approach edge, exit edge."""
GroupKey = tuple[str, str]
"""Junction, signal group."""


@dataclass(frozen=True, slots=True)
class EdgeQueue:
    """Queue on one edge: mean halting vehicles, largest queue share, share of time spilled back."""

    halting: float
    peak_share: float
    spillback: float


@dataclass(frozen=True, slots=True)
class MovementSummary:
    """One movement over all detailed runs; ``by_seed`` has (vehicles, mean delay in s) of each."""

    key: MovementKey
    turn: str
    vehicles: float
    delay_s: float
    p95_delay_s: float
    longest_s: float | None
    """The longest delay of one vehicle in any run."""
    by_seed: Mapping[int, tuple[int, float]]


@dataclass(frozen=True, slots=True)
class GreenSummary:
    """One signal group over all detailed runs; ``greens`` is the mean number of greens per run."""

    share: float
    greens: float
    mean_green_s: float
    shortest_green_s: float | None


@dataclass(frozen=True, slots=True)
class Detail:
    """What one control did, over ``seeds`` runs."""

    seeds: tuple[int, ...]
    delay_by_departure: tuple[tuple[float, float, float], ...]
    """Start of the bin in s, mean delay in s, mean number of trips per run."""
    edges: Mapping[str, EdgeQueue]
    movements: Mapping[MovementKey, MovementSummary]
    greens: Mapping[GroupKey, GreenSummary]
    decisions: Sequence[DecisionNote] = ()
    """Of all runs, one run after the other."""


def aggregate(control: ControlResult | None) -> Detail | None:
    """The runs of *control* that kept their detail, as one; None when no run did."""
    runs = [] if control is None else [run for run in control.runs if run.detail is not None]
    details = {run.seed: run.detail for run in runs if run.detail is not None}
    if not details:
        return None
    return Detail(
        tuple(details),
        _by_departure(details.values()),
        _edges(tuple(details.values())),
        _movements(details),
        _greens(details.values()),
        [note for detail in details.values() for note in detail.decisions],
    )


def weighted_mean(pairs: Iterable[tuple[float, float]]) -> float:
    """Mean of (value, weight) pairs; 0 when nothing weighs."""
    pairs = list(pairs)
    weight = sum(each for _, each in pairs)
    return sum(value * each for value, each in pairs) / weight if weight else 0.0


def _by_departure(details: Iterable[RunDetail]) -> tuple[tuple[float, float, float], ...]:
    bins: dict[float, list[tuple[float, float]]] = defaultdict(list)
    for detail in details:
        for start_s, delay_s, trips in detail.delay_by_departure:
            bins[start_s].append((delay_s, trips))
    return tuple(
        (start_s, weighted_mean(bins[start_s]), fmean(trips for _, trips in bins[start_s]))
        for start_s in sorted(bins)
    )


def _edges(details: tuple[RunDetail, ...]) -> dict[str, EdgeQueue]:
    names = {edge for detail in details for edge in detail.edges}
    nothing = (0.0, 0.0, 0.0)
    queues = {}
    for edge in names:
        rows = [detail.edges.get(edge, nothing) for detail in details]
        halting, peak, spillback = zip(*rows, strict=True)
        queues[edge] = EdgeQueue(fmean(halting), max(peak), fmean(spillback))
    return queues


def _movements(details: Mapping[int, RunDetail]) -> dict[MovementKey, MovementSummary]:
    rows: dict[MovementKey, dict[int, MovementDelay]] = defaultdict(dict)
    for seed, detail in details.items():
        for row in detail.movements:
            rows[row.junction, row.from_edge, row.to_edge][seed] = row
    return {
        key: MovementSummary(
            key,
            next(iter(of_key.values())).turn,
            sum(row.vehicles for row in of_key.values()) / len(details),
            weighted_mean((row.delay_s, row.vehicles) for row in of_key.values()),
            weighted_mean((row.p95_delay_s, row.vehicles) for row in of_key.values()),
            max(
                (x.max_delay_s for x in of_key.values() if x.max_delay_s is not None), default=None
            ),
            {seed: (row.vehicles, row.delay_s) for seed, row in of_key.items() if row.vehicles},
        )
        for key, of_key in rows.items()
    }


def _greens(details: Iterable[RunDetail]) -> dict[GroupKey, GreenSummary]:
    rows: dict[GroupKey, list[GreenShare]] = defaultdict(list)
    for detail in details:
        for row in detail.greens:
            rows[row.junction, row.group].append(row)
    return {key: _green(of_key) for key, of_key in rows.items()}


def _green(rows: list[GreenShare]) -> GreenSummary:
    shortest = [row.shortest_green_s for row in rows if row.shortest_green_s is not None]
    return GreenSummary(
        fmean(row.share for row in rows),
        fmean(row.greens for row in rows),
        weighted_mean((row.mean_green_s, row.greens) for row in rows),
        min(shortest, default=None),
    )
