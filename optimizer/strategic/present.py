"""The plans in force as a setting of the network model: where a search starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from controller.plan import TimingPlan
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.timing import SitePlan
from optimizer.profiles.network import Setting


def site_plan(network: PlanningNetwork, at: int, plan: TimingPlan) -> SitePlan:
    """The site at position *at* with the stages of *plan*, in their order only."""
    planned = network.sites[at]
    stages = tuple(planned.site.stage_index(entry.stage) for entry in plan.stages)
    return SitePlan(planned, (stages,))


def setting_of(
    sites: Mapping[int, SitePlan],
    plans: Mapping[int, TimingPlan],
    zone: Sequence[int],
    cycle_s: float,
) -> Setting:
    """What *plans* say, as :func:`optimizer.planning.timing.timing_plan` would have been told it.

    Raises :class:`ValueError` where a site runs neither *cycle_s* nor half or twice of it.
    """
    return Setting(
        cycle_s=cycle_s,
        stage_start_s=tuple(_starts_s(sites[at], plans[at]) for at in zone),
        cycle_factors=tuple(_factor(plans[at], cycle_s) for at in zone),
        sequences=(0,) * len(zone),
    )


def _starts_s(site: SitePlan, plan: TimingPlan) -> tuple[float, ...]:
    layout = site.layouts()[0]
    green_ms, starts = plan.offset_ms or 0, []
    for entry, change_ms in zip(plan.stages, layout.interstages_ms, strict=True):
        starts.append((green_ms - change_ms) % plan.cycle_ms / 1000.0)
        green_ms += entry.split_ms
    return tuple(starts)


def _factor(plan: TimingPlan, cycle_s: float) -> float:
    factor = plan.cycle_ms / 1000.0 / cycle_s
    if factor not in (0.5, 1.0, 2.0):
        raise ValueError(
            f"{plan.site} runs a cycle of {plan.cycle_ms / 1000:g} s in a zone of {cycle_s:g} s"
        )
    return factor
