"""A made plan in the terminal and as JSON: sites, and what is expected of every stream."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import asdict
from math import isfinite
from typing import TYPE_CHECKING, Any

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from controller.plan import TimingPlan
    from optimizer.planning.maker import MadePlan
    from optimizer.planning.network import PlanningNetwork
    from optimizer.planning.predictions import StreamPrediction


def print_plan(made: MadePlan, network: PlanningNetwork, seconds: float) -> None:
    """Print *made*: its headline, sites, streams, and what there is to say about it."""
    console = results()
    console.print()
    console.print(_headline(made, seconds), soft_wrap=True, markup=False)
    console.print(sites_table(made))
    print_streams(made, network)
    for zone, by_cycle in zip(made.plan.zones, made.index_by_cycle, strict=True):
        if not any(by_cycle.values()):
            continue  # nobody drives there
        tried = "  ".join(f"{cycle:g} s {index:.1f}" for cycle, index in by_cycle.items())
        console.print(f"zone {zone.name}, index by cycle: {tried}", soft_wrap=True, markup=False)
    print_remarks(made)


def print_streams(made: MadePlan, network: PlanningNetwork) -> None:
    """Print what is expected of vehicles and of people on foot, as far as they are known."""
    results().print(streams_table(made, network))
    if made.of_people_on_foot:
        results().print(crossings_table(made, network))


def print_remarks(made: MadePlan) -> None:
    """Print why the plan is as it is, and what it cannot do."""
    console = results()
    for note in made.notes:
        console.print(note, soft_wrap=True, markup=False)
    for shortcoming in made.shortcomings:
        console.print(f"! {shortcoming}", soft_wrap=True, markup=False)


def _headline(made: MadePlan, seconds: float) -> str:
    cycles = ", ".join(dict.fromkeys(f"{zone.cycle_s:g} s" for zone in made.plan.zones))
    return (
        f"{made.plan.network}: {len(made.plan.plans)} signals, "
        f"{len(made.plan.zones)} zone{'' if len(made.plan.zones) == 1 else 's'}, cycle {cycles} · "
        f"{made.delay_veh:.1f} veh-h/h of delay, {made.stops_per_h:.0f} stops/h"
        f"{on_foot(made)} expected · {seconds:.1f} s"
    )


def on_foot(made: MadePlan) -> str:
    """The mean wait of people on foot, for a headline; empty if nobody is known to walk."""
    wait_s = made.walking_wait_s
    return "" if wait_s is None else f", {wait_s:.0f} s of wait on foot"


def sites_table(made: MadePlan, sites: Collection[str] | None = None) -> Table:
    """Stages, splits, cycle and offset of *sites* (all of them if None)."""
    zone_of = {site: zone.name for zone in made.plan.zones for site in zone.sites}
    table = plain_table(("site", "zone", "stages and splits s"), ("cycle s", "offset s"))
    for plan in made.plan.plans:
        if sites is not None and plan.site not in sites:
            continue
        table.add_row(
            plan.site,
            zone_of.get(plan.site, ""),
            splits_text(plan),
            f"{plan.cycle_ms / 1000:g}",
            "" if plan.offset_ms is None else f"{plan.offset_ms / 1000:g}",
        )
    return table


def splits_text(plan: TimingPlan) -> str:
    """The stages of *plan* in their order, with their splits."""
    return "  ".join(f"{entry.stage}: {entry.split_ms / 1000:g}" for entry in plan.stages)


def streams_table(made: MadePlan, network: PlanningNetwork) -> Table:
    """What is expected of every stream of vehicles."""
    table = plain_table(
        ("stream",), ("veh/h", "capacity", "full", "delay s", "LOS", "stops", "queue", "fits")
    )
    for each in made.of_vehicles:
        table.add_row(*_cells(each, network))
    return table


def crossings_table(made: MadePlan, network: PlanningNetwork) -> Table:
    """How long people on foot are expected to wait at every crossing."""
    table = plain_table(("crossing",), ("persons/h", "wait s", "LOS"))
    for each in made.of_people_on_foot:
        name = network.streams[each.stream].name
        wait = f"{each.delay_s:.1f}"
        table.add_row(name, f"{each.flow_veh_per_h:.0f}", wait, each.level_of_service)
    return table


def _cells(each: StreamPrediction, network: PlanningNetwork) -> Iterator[str]:
    stream = network.streams[each.stream]
    yield stream.name
    yield f"{each.flow_veh_per_h:.0f}"
    yield f"{each.capacity_veh_per_h:.0f}"
    yield f"{each.saturation:.0%}"
    yield f"{each.delay_s:.1f}"
    yield each.level_of_service
    yield f"{each.stops_per_veh:.2f}"
    yield f"{each.queue_veh:.0f}"
    yield f"{stream.storage_veh:.0f}" if isfinite(stream.storage_veh) else ""


def plain_table(words: tuple[str, ...], numbers: tuple[str, ...]) -> Table:
    """An empty table with columns of words, then of numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in words:
        table.add_column(name)
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def plan_document(made: MadePlan, network: PlanningNetwork) -> dict[str, Any]:
    """The plan and what is expected of it, as data."""
    from sim.plans.plan_json import document

    return {
        "schema": 1,
        "plan": document(made.plan),
        "delay_veh_h_per_h": made.delay_veh,
        "stops_per_h": made.stops_per_h,
        "walking_wait_s": made.walking_wait_s,
        "streams": [_stream_document(each, network) for each in made.of_vehicles],
        "crossings": [_crossing_document(each, network) for each in made.of_people_on_foot],
        "index_by_cycle": [
            {f"{cycle:g}": index for cycle, index in by_cycle.items()}
            for by_cycle in made.index_by_cycle
        ],
        "notes": list(made.notes),
        "shortcomings": list(made.shortcomings),
    }


def _stream_document(each: StreamPrediction, network: PlanningNetwork) -> dict[str, Any]:
    stream = network.streams[each.stream]
    values = asdict(each)
    del values["stream"], values["is_pedestrian"]
    values["saturation"] = each.saturation if isfinite(each.saturation) else None
    return {
        "name": stream.name,
        "site": network.sites[stream.site].name,
        "groups": list(stream.groups),
        "demand_veh_per_h": stream.flow_veh_per_h,
        "persons_per_veh": stream.persons_per_veh,
        "storage_veh": stream.storage_veh if isfinite(stream.storage_veh) else None,
        **values,
        "level_of_service": each.level_of_service,
    }


def _crossing_document(each: StreamPrediction, network: PlanningNetwork) -> dict[str, Any]:
    stream = network.streams[each.stream]
    return {
        "name": stream.name,
        "site": network.sites[stream.site].name,
        "groups": list(stream.groups),
        "persons_per_h": stream.flow_veh_per_h,
        "wait_s": each.delay_s,
        "level_of_service": each.level_of_service,
    }
