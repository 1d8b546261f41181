"""The tables beside the pictures: splits, saturation with levels of service, bands, arrivals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from controller.intersection import Intersection
from controller.plan import TimingPlan, minimum_splits_ms
from optimizer.planning.chain import Chain
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.predictions import StreamPrediction
from sim.pictures.lamps import Span
from sim.pictures.purdue import Arrivals
from sim.pictures.street_scenes import Coordination
from sim.pictures.time_space import Panel, progressions
from sim.pictures.timing import listed

NONE = "–"
LOS = "LOS"
"""Columns whose name begins so hold letters of the level of service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells as they are written; the first ``words`` columns are text, the others numbers.

    ``marked``: rows (by position) that need attention.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1
    marked: frozenset[int] = frozenset()


def split_table(site: Intersection, plan: TimingPlan) -> Table:
    """Stages of *plan* with what they serve, their splits, and the least that they may be."""
    masks = [site.stage_masks[site.stage_index(entry.stage)] for entry in plan.stages]
    least = minimum_splits_ms(site, tuple(masks))
    rows = [
        (
            entry.stage,
            listed(site.names(mask)),
            f"{entry.split_ms / 1000:g}",
            f"{entry.split_ms / plan.cycle_ms:.0%}",
            f"{minimum / 1000:g}",
        )
        for entry, mask, minimum in zip(plan.stages, masks, least, strict=True)
        if entry.split_ms > 0
    ]
    return Table(
        caption=f"{site.name}: splits",
        head=("Stage", "Green together", "Split, s", "of the cycle", "at least, s"),
        rows=tuple(rows),
        words=2,
    )


def saturation_table(
    network: PlanningNetwork,
    after: Mapping[int, StreamPrediction],
    before: Mapping[int, StreamPrediction],
) -> Table:
    """Every stream of vehicles: flow, saturation, delay and its letter, queue and storage."""
    rows, marked = [], set()
    vehicles = [(at, told) for at, told in after.items() if not told.is_pedestrian]
    for k, (at, told) in enumerate(vehicles):
        stream = network.streams[at]
        old = before.get(at)
        fits = f"{stream.storage_veh:.0f}" if isfinite(stream.storage_veh) else NONE
        if told.saturation > 1.0 or told.queue_veh > stream.storage_veh:
            marked.add(k)
        rows.append(
            (
                stream.name,
                f"{told.flow_veh_per_h:.0f}",
                f"{stream.saturation_veh_per_h:.0f}",
                f"{told.capacity_veh_per_h:.0f}",
                _percent(old.saturation if old else None),
                _percent(told.saturation),
                NONE if old is None else f"{old.delay_s:.0f}",
                old.level_of_service if old else "",
                f"{told.delay_s:.0f}",
                told.level_of_service,
                f"{told.stops_per_veh:.2f}",
                f"{told.queue_veh:.0f}",
                fits,
            )
        )
    return Table(
        caption="Flow, saturation and level of service of every lane group",
        head=(
            "Lane group",
            "Flow, veh/h",
            "Saturation flow, veh/h",
            "Capacity, veh/h",
            "v/c before",
            "v/c",
            "Delay before, s",
            "LOS before",
            "Delay, s",
            "LOS",
            "Stops per veh",
            "Queue, veh",
            "fits, veh",
        ),
        rows=tuple(rows),
        marked=frozenset(marked),
    )


def walking_table(
    network: PlanningNetwork,
    after: Mapping[int, StreamPrediction],
    before: Mapping[int, StreamPrediction],
) -> Table:
    """The waits of people on foot at every crossing that somebody is known to use."""
    rows = []
    for at, told in after.items():
        if told.is_pedestrian:
            old = before.get(at)
            rows.append(
                (
                    network.streams[at].name,
                    f"{told.flow_veh_per_h:.0f}",
                    NONE if old is None else f"{old.delay_s:.0f}",
                    old.level_of_service if old else "",
                    f"{told.delay_s:.0f}",
                    told.level_of_service,
                )
            )
    return Table(
        caption="Waits of people on foot, crossing by crossing",
        head=("Crossing", "Persons/h", "Wait before, s", "LOS before", "Wait, s", "LOS"),
        rows=tuple(rows),
    )


def _percent(value: float | None) -> str:
    if value is None:
        return NONE
    return f"{value:.0%}" if isfinite(value) else "∞"


def band_table(chain: Chain, panels: Sequence[Panel], window: Span) -> Table:
    """Bands of every panel, by direction, and how those fared who drove all the way."""
    rows = []
    for panel in panels:
        for each in progressions(chain, panel, window):
            share = f"{each.band_s / panel.cycle_s:.0%}" if each.band_s and panel.cycle_s else NONE
            stops = each.stops_per_vehicle
            rows.append(
                (
                    panel.title,
                    each.direction,
                    NONE if panel.cycle_s is None else f"{panel.cycle_s:g}",
                    "none" if each.band_s is None else f"{each.band_s:.1f}",
                    share,
                    str(each.vehicles) if panel.trajectories else NONE,
                    NONE if stops is None else f"{stops:.2f}",
                )
            )
    return Table(
        caption=f"Green bands along {chain.name}",
        head=(
            "", "Direction", "Cycle, s", "Band, s", "of the cycle", "Drove all the way",
            "Stops each",
        ),
        rows=tuple(rows),
        words=2,
    )  # fmt: skip


def arrival_table(found: Sequence[Coordination]) -> Table:
    """Arrivals on green and platoon ratios at every signal of a street."""
    rows = [
        (each.site, each.direction, *_figures(each.before), *_figures(each.after)) for each in found
    ]
    return Table(
        caption="Arrivals on green, by signal and direction",
        head=(
            "Signal", "Coming",
            "Arrivals before", "on green", "Platoon ratio",
            "Arrivals after", "on green", "Platoon ratio",
        ),
        rows=tuple(rows),
        words=2,
    )  # fmt: skip


def _figures(arrivals: Arrivals | None) -> Iterator[str]:
    if arrivals is None:
        yield from (NONE, NONE, NONE)
        return
    yield str(arrivals.counted)
    yield _percent(arrivals.on_green)
    ratio = arrivals.platoon_ratio
    yield NONE if ratio is None else f"{ratio:.2f}"
