"""Arterials to plan for: signals with lefts of both directions, in rows as one likes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from controller.intersection import Intersection, Movement, SignalGroup, Stage, conflict_masks
from controller.plan import PlanStage, TimingPlan
from optimizer.planning.chain import Chain, Way
from optimizer.planning.network import Feed, PlanningNetwork, PlanningSite, Stream
from sim.plans.shown import ShownCycle, shown_cycle

GROUPS = ("out", "out left", "in", "in left", "side")
GRID_S = 0.02
Green = tuple[float, float]


def crossing(name: str, intergreen_s: float = 5.0) -> Intersection:
    """Both directions and their protected lefts, which may overlap, and a side street."""
    pairs = [(0, 3), (1, 2), *((k, 4) for k in range(4))]
    conflicts = conflict_masks(5, pairs)
    return Intersection(
        name=name,
        groups=tuple(SignalGroup(name=group) for group in GROUPS),
        conflicts=conflicts,
        intergreen_ms=tuple(
            tuple(round(1000 * intergreen_s) if row >> j & 1 else 0 for j in range(5))
            for row in conflicts
        ),
        stages=(
            Stage(name="both", groups=("out", "in")),
            Stage(name="outbound", groups=("out", "out left")),
            Stage(name="inbound", groups=("in", "in left")),
            Stage(name="side", groups=("side",)),
        ),
        movements=tuple(
            Movement(
                name=group,
                group=group,
                from_approach=group.split()[0],
                to_exit="x",
                turn="left" if "left" in group else "through",
            )
            for group in GROUPS
        ),
    )


def road(
    lengths_m: Sequence[float],
    main_veh_h: float = 700.0,
    side_veh_h: Sequence[float] = (),
    *,
    one_way: bool = False,
    speed_m_per_s: float = 13.9,
) -> tuple[PlanningNetwork, Chain]:
    """Signals *lengths_m* apart; their names are s0, s1 and so on."""
    count = len(lengths_m) + 1
    sides = list(side_veh_h) or [300.0] * count
    places = list(accumulate(lengths_m, initial=0.0))
    sites, streams = [], []
    for k in range(count):
        plan = TimingPlan(
            site=f"s{k}",
            name="now",
            cycle_ms=90_000,
            offset_ms=0,
            stages=tuple(
                PlanStage(stage=stage, split_ms=split)
                for stage, split in (
                    ("outbound", 15_000),
                    ("both", 30_000),
                    ("inbound", 15_000),
                    ("side", 30_000),
                )
            ),
        )
        sites.append(PlanningSite(site=crossing(f"s{k}"), present=plan, x_m=places[k], y_m=0.0))
        streams += _streams(k, count, lengths_m, (main_veh_h, sides[k]), speed_m_per_s)
    chain = Chain(
        name="road",
        sites=tuple(f"s{k}" for k in range(count)),
        outbound=_way("out", lengths_m, speed_m_per_s),
        inbound=None if one_way else _way("in", lengths_m, speed_m_per_s),
    )
    return PlanningNetwork(name="town", sites=tuple(sites), streams=tuple(streams)), chain


def _way(group: str, lengths_m: Sequence[float], speed_m_per_s: float) -> Way:
    count = len(lengths_m) + 1
    return Way(
        approaches=(group,) * count,
        exits=("x",) * count,
        groups=((group,),) * count,
        turns=("through",) * count,
        length_m=tuple(lengths_m),
        free_s=tuple(length / speed_m_per_s for length in lengths_m),
    )


def _streams(
    k: int, count: int, lengths_m: Sequence[float], veh_h: tuple[float, float], speed: float
) -> list[Stream]:
    """Five at each site, in the order of the groups; a tenth of a side street turns each way."""
    main, side = veh_h
    found = []
    for place, group in enumerate(GROUPS):
        is_left, flow = "left" in group, main
        if is_left:
            flow = 60.0
        elif group == "side":
            flow = side
        before = {"out": k - 1, "in": k + 1}.get(group, -1)
        feeds = ()
        if 0 <= before < count:
            feeds = (
                Feed(stream=5 * before + place, flow_veh_per_h=0.8 * main),
                Feed(stream=5 * before + 4, flow_veh_per_h=0.1 * main),
            )
        length = lengths_m[min(k, before)] if feeds else 300.0
        found.append(
            Stream(
                name=f"s{k} {group}",
                site=k,
                groups=(group,),
                flow_veh_per_h=flow,
                saturation_veh_per_h=1800.0 if is_left or group == "side" else 3600.0,
                lanes=1 if is_left or group == "side" else 2,
                length_m=length,
                travel_time_s=length / speed,
                feeds=feeds,
                approach=group.split()[0],
                turn="left" if is_left else "through",
            )
        )
    return found


def lamps(site: Intersection, shown: ShownCycle, groups: Sequence[str]) -> list[Green]:
    """When all of *groups* are green in the street: (from, to) on the clock, in one cycle."""
    mask, at_s, found = site.mask(groups), shown.start_ms / 1000, []
    for lit in shown.lit:
        if lit.green & mask == mask:
            found.append((at_s, at_s + lit.duration_ms / 1000))
        at_s += lit.duration_ms / 1000
    return found


def driven_band_s(
    greens: Sequence[Sequence[Green]],
    steps_s: Sequence[float],
    cycle_s: float,
) -> float:
    """The longest time in which everyone who leaves the first of *greens* meets green at all.

    *steps_s*: from each to the next. Vehicle by vehicle, every 0.02 s.
    """
    starts = [GRID_S * (n + 0.5) for n in range(round(cycle_s / GRID_S))]
    offsets = list(accumulate(steps_s, initial=0.0))

    def passes(start_s: float) -> bool:
        return all(
            any((start_s + later - begin) % cycle_s < end - begin for begin, end in own)
            for own, later in zip(greens, offsets, strict=True)
        )

    passing = [passes(start) for start in starts]
    if all(passing):
        return cycle_s
    longest = run = 0
    for each in passing + passing:
        run = run + 1 if each else 0
        longest = max(longest, run)
    return longest * GRID_S


def promised_and_shown(network, found) -> list[tuple[float, float]]:
    """Every band of the arterial plan *found*, and the same from the lamps in the street."""
    chain = found.chain
    site_of = {planned.name: planned.site for planned in network.sites}
    shown = {plan.site: shown_cycle(site_of[plan.site], plan) for plan in found.made.plan.plans}
    pairs = []
    for band in found.bands:
        own = range(band.first, band.last + 1)
        travel = [
            3.6 * chain.length_m[band.first + k] / speed for k, speed in enumerate(band.speed_kmh)
        ]
        ways = [(chain.outbound, band.outbound_s, band.clearance_outbound_s, False)]
        if chain.inbound is not None:
            ways.append((chain.inbound, band.inbound_s, band.clearance_inbound_s, True))
        for way, promised, clearance, back in ways:
            names = [chain.sites[k] for k in own]
            greens = [
                lamps(site_of[name], shown[name], way.groups[k])
                for k, name in zip(own, names, strict=True)
            ]
            steps = [t - c for t, c in zip(travel, clearance[1:], strict=True)]
            if back:
                greens.reverse()
                steps = [t - c for t, c in zip(travel[::-1], clearance[-2::-1], strict=True)]
            pairs.append((promised, driven_band_s(greens, steps, band.cycle_s)))
    return pairs
