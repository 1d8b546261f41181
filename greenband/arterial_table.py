"""A plan along an arterial in the terminal and as JSON: signals, bands and their proof."""

from __future__ import annotations

from dataclasses import asdict
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from greenband.terminal import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from optimizer.planning.arterial_result import ArterialPlan, Band
    from optimizer.planning.network import PlanningNetwork

RATINGS = ((0.37, "great"), (0.25, "good"), (0.13, "fair"), (0.0, "poor"))
"""Efficiency in words, as PASSER II has them."""
SMALL = 0.0005


def print_arterial(found: ArterialPlan, network: PlanningNetwork, seconds: float) -> None:
    """Print *found*: its headline, signals, bands with their proof, and the streams."""
    from greenband.plan_table import print_remarks, print_streams, sites_table

    console = results()
    console.print()
    console.print(_headline(found, seconds), soft_wrap=True, markup=False)
    console.print(_sites(found))
    for line in _lines(found):
        console.print(line, soft_wrap=True, markup=False)
    beside = {plan.site for plan in found.made.plan.plans} - set(found.chain.sites)
    if beside:
        console.print()
        console.print("beside the arterial, each zone on its own:", markup=False)
        console.print(sites_table(found.made, beside))
    print_streams(found.made, network)
    print_remarks(found.made)
    left_out = len(network.sites) - len(found.made.plan.plans)
    if left_out:
        console.print(
            f"{left_out} signal{'' if left_out == 1 else 's'} off the arterial not in the plan "
            "(on the bench they run their shipped programs): --network plans them too",
            soft_wrap=True,
            markup=False,
        )


def _headline(found: ArterialPlan, seconds: float) -> str:
    from greenband.plan_table import on_foot

    made, chain = found.made, found.chain
    return (
        f"{made.plan.network}, {chain.name}: {len(chain.sites)} signals, "
        f"{chain.distances_m[-1]:.0f} m, cycle {found.cycle_s:g} s · "
        f"{made.delay_veh:.1f} veh-h/h of delay, {made.stops_per_h:.0f} stops/h"
        f"{on_foot(made)} expected · {seconds:.1f} s"
    )


def _sites(found: ArterialPlan) -> Table:
    from greenband.plan_table import plain_table, splits_text

    two_way = found.chain.inbound is not None
    patterned = any(site.pattern for site in found.sites)
    words = ("site", "stages and splits s", *(("left turns",) if patterned else ()))
    greens = ("green out s", "green in s") if two_way else ("green s",)
    table = plain_table(words, ("at m", "offset s", *greens, "next m", "km/h"))
    plans = {plan.site: plan for plan in found.made.plan.plans}
    speeds = _speeds(found)
    for k, site in enumerate(found.sites):
        plan = plans[site.name]
        own = [site.outbound_green_s] + ([site.inbound_green_s] if site.inbound_green_s else [])
        link = k < len(found.sites) - 1
        table.add_row(
            site.name,
            splits_text(plan),
            *((site.pattern,) if patterned else ()),
            f"{site.at_m:.0f}",
            "" if plan.offset_ms is None else f"{plan.offset_ms / 1000:g}",
            *(f"{start:g} + {length:g}" for start, length in own),
            f"{found.chain.length_m[k]:.0f}" if link else "",
            f"{speeds[k]:.1f}" if k in speeds else "",
        )
    return table


def _speeds(found: ArterialPlan) -> dict[int, float]:
    """Speed of the wave by link; none where the arterial is cut."""
    return {band.first + k: speed for band in found.bands for k, speed in enumerate(band.speed_kmh)}


def _lines(found: ArterialPlan) -> Iterator[str]:
    if not found.bands:
        yield "no wave joins any of the signals"
    for band in found.bands:
        yield from _band_lines(found, band)
    if any(band.bound <= 0.0 and band.inbound_s is not None for band in found.bands):
        yield (
            "nobody can pass there both ways without stopping, whatever the offsets: --balance 0 "
            "makes the outbound direction count alone"
        )
    if found.chain.inbound is not None:
        yield f"inbound band aimed at: {found.ratio:.2f} of the outbound one"
    bounds = sorted(found.bound_by_cycle.items())
    if len(bounds) > 1:
        widest = max(bounds, key=lambda each: each[1])
        shown = [*_spread(bounds), widest] if widest not in _spread(bounds) else _spread(bounds)
        tried = "  ".join(f"{cycle:g} s {100 * bound:.0f} %" for cycle, bound in sorted(shown))
        yield f"widest mean band by cycle: {tried}"


def _spread(bounds: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Some of many cycles."""
    step = max(1, len(bounds) // 8)
    return bounds[::step]


def _band_lines(found: ArterialPlan, band: Band) -> Iterator[str]:
    names = found.chain.sites
    one, other = names[band.first], names[band.last]
    bands = f"band {one} to {other} {_band(band.outbound_s, band.cycle_s)}"
    if band.inbound_s is not None:
        bands += f", back {_band(band.inbound_s, band.cycle_s)}"
    word = next(word for least, word in RATINGS if band.efficiency >= least)
    yield (
        f"{bands} · efficiency {band.efficiency:.0%} ({word}), "
        f"attainability {band.attainability:.0%}"
    )
    weighted = "" if found.ratio == 1.0 or band.inbound_s is None else "weighted "
    # Two ends of a band may each be off by half a second; more is what the bound cannot know.
    rest = "; whole seconds cost the rest" if SMALL < band.gap <= 1.0 / band.cycle_s else ""
    yield (
        f"  proved: with these splits no offsets, speeds or orders of stages give a "
        f"{weighted}mean band above {100 * band.bound:.2f} %; here {100 * band.value:.2f} %{rest}"
    )


def _band(width_s: float, cycle_s: float) -> str:
    return f"{width_s:.1f} s ({100 * width_s / cycle_s:.1f} %)"


def arterial_document(found: ArterialPlan, network: PlanningNetwork) -> dict[str, Any]:
    """The plan, its bands, and what is expected of it, as data."""
    from greenband.plan_table import plan_document

    chain = found.chain
    ends = list(pairwise(chain.sites))
    speeds = _speeds(found)
    return {
        **plan_document(found.made, network),
        "arterial": {
            "name": chain.name,
            "cycle_s": found.cycle_s,
            "two_way": chain.inbound is not None,
            "ratio": found.ratio,
            "sites": [asdict(site) for site in found.sites],
            "links": [
                {"from": one, "to": other, "length_m": length, "speed_kmh": speeds.get(k)}
                for k, ((one, other), length) in enumerate(zip(ends, chain.length_m, strict=True))
            ],
            "bands": [
                {
                    **asdict(band),
                    "first": chain.sites[band.first],
                    "last": chain.sites[band.last],
                    "efficiency": band.efficiency,
                    "gap": band.gap,
                }
                for band in found.bands
            ],
            "bound_by_cycle": {f"{c:g}": bound for c, bound in found.bound_by_cycle.items()},
        },
    }
