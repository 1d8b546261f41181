"""What a plan asks of a tactical control: when the green wave arrives, and nothing else.

The tactical tier sees the next minute of its own junction, and serves whoever is there. What it
cannot see is what a green at another time would do to the streets behind. So only a junction that
platoons come to gets a window: a part of the green that the plan gives the stage which serves most
of those who come from other signals. In the rest of the cycle the search is free.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.intersection import Intersection
from controller.plan import TimingPlan
from controller.violations import InvalidError
from optimizer.bounds import CoordinationWindow, StrategicBounds, check_bounds
from optimizer.planning.network import NetworkPlan, PlanningNetwork
from optimizer.planning.sequences import Layout
from optimizer.planning.zones import HALVED_AFTER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """``platoons_veh_per_h``: from how many on there is a window, those from afar counting less.

    ``part``: of the green of the plan, from its begin on; ``least_s``: a shorter window is none.
    """

    platoons_veh_per_h: float = 250.0
    part: float = 0.25
    least_s: float = 6.0
    tolerance_s: float = 6.0


DEFAULTS = WindowSettings()
SHRINK_S = 2.0


def windows(
    network: PlanningNetwork, plan: NetworkPlan, settings: WindowSettings = DEFAULTS
) -> dict[str, CoordinationWindow]:
    """By site, the window of each that platoons come to under the demand of *network*."""
    platoons = _platoons_veh_per_h(network)
    zone_of = {name: zone.name for zone in plan.zones for name in zone.sites}
    found = {}
    for each in plan.plans:
        at = next(k for k, planned in enumerate(network.sites) if planned.name == each.site)
        own = {
            stream: flow
            for (stream, upstream), flow in platoons.items()
            if network.streams[stream].site == at
            and zone_of[network.sites[upstream].name] == zone_of[each.site]
        }
        window = _window(network, network.sites[at].site, each, own, settings)
        if window is not None:
            found[each.site] = window
    return found


def _platoons_veh_per_h(network: PlanningNetwork) -> dict[tuple[int, int], float]:
    """By (stream, upstream site), as :func:`optimizer.planning.zones.couplings_of` counts them."""
    found: dict[tuple[int, int], float] = {}
    for at, stream in enumerate(network.streams):
        for feed in stream.feeds:
            upstream = network.streams[feed.stream].site
            travel_s = stream.travel_time_s if feed.travel_time_s is None else feed.travel_time_s
            worth = feed.flow_veh_per_h / (1.0 + travel_s / HALVED_AFTER_S)
            found[at, upstream] = found.get((at, upstream), 0.0) + worth
    return found


def _window(
    network: PlanningNetwork,
    site: Intersection,
    plan: TimingPlan,
    platoons: Mapping[int, float],
    settings: WindowSettings,
) -> CoordinationWindow | None:
    best, most = None, settings.platoons_veh_per_h
    begin_ms = 0
    stages = tuple(site.stage_index(entry.stage) for entry in plan.stages)
    changes = Layout(site, stages).interstages_ms
    for k, entry in enumerate(plan.stages):
        mask = site.stage_masks[stages[k]]
        served = sum(
            flow
            for stream, flow in platoons.items()
            if mask & site.mask(network.streams[stream].groups)
            == site.mask(network.streams[stream].groups)
        )
        green_s = (entry.split_ms - changes[(k + 1) % len(changes)]) / 1000.0
        length_s = float(int(settings.part * green_s))
        if served >= most and length_s >= settings.least_s:
            most = served
            best = CoordinationWindow(
                stage=entry.stage,
                cycle_s=plan.cycle_ms / 1000.0,
                offset_s=(plan.offset_ms or 0) / 1000.0,
                begin_s=begin_ms / 1000.0,
                end_s=begin_ms / 1000.0 + length_s,
                tolerance_s=settings.tolerance_s,
            )
        begin_ms += entry.split_ms
    return best


def bounds_for(
    site: Intersection,
    window: CoordinationWindow,
    *,
    order: Sequence[int] | None,
    sequence_no: int,
    valid_ms: tuple[int, int],
    settings: WindowSettings = DEFAULTS,
) -> StrategicBounds | None:
    """Bounds with *window*, made as much shorter as the others at *site* need; None if too short.

    *order* and what is checked: :func:`optimizer.bounds.check_bounds`.
    """
    length_s = window.length_s
    while length_s >= settings.least_s:
        bounds = StrategicBounds(
            site=site.name,
            sequence_no=sequence_no,
            valid_from_utc_ms=valid_ms[0],
            valid_to_utc_ms=valid_ms[1],
            window=CoordinationWindow(
                stage=window.stage,
                cycle_s=window.cycle_s,
                offset_s=window.offset_s,
                begin_s=window.begin_s,
                end_s=window.begin_s + length_s,
                tolerance_s=window.tolerance_s,
            ),
        )
        try:
            check_bounds(bounds, site, order)
        except InvalidError:
            length_s -= SHRINK_S
        else:
            return bounds
    return None
