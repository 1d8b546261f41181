"""What a plan is expected to do to every stream, by the network model; for any plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from controller.plan import TimingPlan
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.predictions import StreamPrediction, prediction
from optimizer.planning.timing import SitePlan, signal_network
from optimizer.profiles.model import evaluate
from optimizer.profiles.network import Setting

FACTORS = (0.5, 1.0, 2.0)


def expected(
    network: PlanningNetwork, plans: Mapping[str, TimingPlan]
) -> dict[int, StreamPrediction]:
    """By position of its stream in *network*, what *plans* (by site) do to it.

    Sites whose cycles go together are looked at together, so that platoons count between them.
    Streams without demand, and those of sites without a plan, are left out.
    """
    zones: dict[float, list[int]] = defaultdict(list)
    for at, site in enumerate(network.sites):
        plan = plans.get(site.name)
        if plan is not None:
            cycle_s = plan.cycle_ms / 1000
            common = next((c for c in zones if cycle_s / c in FACTORS), cycle_s)
            zones[common].append(at)
    found: dict[int, StreamPrediction] = {}
    for cycle_s, zone in zones.items():
        found.update(_zone(network, plans, zone, cycle_s))
    return found


def _zone(
    network: PlanningNetwork, plans: Mapping[str, TimingPlan], zone: list[int], cycle_s: float
) -> dict[int, StreamPrediction]:
    site_plans, starts, factors = {}, [], []
    for at in zone:
        planned = network.sites[at]
        plan = plans[planned.name]
        order = tuple(planned.site.stage_index(entry.stage) for entry in plan.stages)
        site_plans[at] = SitePlan(planned, (order,))
        starts.append(_stage_starts_s(site_plans[at], plan))
        factors.append(plan.cycle_ms / 1000 / cycle_s)
    model, streams = signal_network(network, site_plans, zone)
    setting = Setting(cycle_s=cycle_s, stage_start_s=tuple(starts), cycle_factors=tuple(factors))
    links = evaluate(model, setting).links
    return {
        stream: prediction(network, stream, result)
        for stream, result in zip(streams, links, strict=True)
    }


def _stage_starts_s(site: SitePlan, plan: TimingPlan) -> tuple[float, ...]:
    """When the change to each stage begins, in the model's terms (the reverse of a timing plan)."""
    changes_ms = site.layouts()[0].interstages_ms
    at_ms = plan.offset_ms or 0
    starts = []
    for entry, change_ms in zip(plan.stages, changes_ms, strict=True):
        starts.append((at_ms - change_ms) % plan.cycle_ms / 1000)
        at_ms += entry.split_ms
    return tuple(starts)
