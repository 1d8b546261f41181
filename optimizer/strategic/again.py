"""A plan in force made to fit new counts: the same zones and stages, from where it is.

It is found in seconds where a plan from nothing takes a minute, and it is near the one that runs,
so that the change in the street is a small one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from controller.plan import TimingPlan
from controller.violations import InvalidError
from optimizer.planning.maker import OBJECTIVES, MadePlan, PlanningError
from optimizer.planning.network import NetworkPlan, PlanningNetwork, Zone
from optimizer.planning.predictions import prediction, shortcomings, without_slack
from optimizer.profiles.improve import Effort
from optimizer.strategic.retiming import CYCLE_RANGE_S, QUICK, ZoneChange, retimed


def plan_again(
    network: PlanningNetwork,
    present: NetworkPlan,
    *,
    objective: str = "index",
    cycle_range_s: tuple[float, float] = CYCLE_RANGE_S,
    effort: Effort = QUICK,
) -> MadePlan:
    """*present*, better under the demand of *network*; never worse by the network model.

    Zones, stages and their order stay; splits, offsets and, in zones of up to 60 sites, the cycle
    may move. The time limit of *effort* is for everything. Raises :class:`PlanningError` if
    *present* does not fit the sites of *network*.
    """
    present = _fitting(network, present)
    goal, in_words = OBJECTIVES[objective]
    try:
        changes = retimed(
            network,
            present,
            effort=effort,
            objective=goal,
            cycle_range_s=cycle_range_s,
            gain_min=0.0,
        )
    except (InvalidError, ValueError) as error:
        raise PlanningError(f"the plan {present.name}: {error}") from None
    plans = {at: plan for change in changes for at, plan in change.plans.items()}
    told = sorted(
        (
            prediction(network, stream, result)
            for change in changes
            if change.expected is not None
            for stream, result in zip(change.streams, change.expected.links, strict=True)
        ),
        key=lambda each: each.stream,
    )
    late = [
        line
        for change in changes
        for at, site_plan in change.site_plans.items()
        for line in without_slack(plans[at], site_plan)
    ]
    before = {plan.site: plan for plan in present.plans}
    return MadePlan(
        plan=NetworkPlan(
            name=present.name,
            zones=tuple(change.zone for change in changes),
            plans=tuple(plans[at] for at in range(len(network.sites))),
            network=network.name,
            objective=in_words,
        ),
        predictions=tuple(told),
        notes=tuple(line for change in changes for line in _notes(change, before)),
        shortcomings=(*shortcomings(network, told), *late),
        index_by_cycle=tuple({change.zone.cycle_s: change.index_after} for change in changes),
    )


def _fitting(network: PlanningNetwork, present: NetworkPlan) -> NetworkPlan:
    """*present* in the order of the sites; every site in a zone, alone if it is in none."""
    plans = {plan.site: plan for plan in present.plans}
    missing = [planned.name for planned in network.sites if planned.name not in plans]
    if missing:
        raise PlanningError(
            f"the plan {present.name} has none for {_some(missing)}: "
            "give the plan of all signals of the network"
        )
    unknown = set(plans) - {planned.name for planned in network.sites}
    if unknown:
        raise PlanningError(
            f"the plan {present.name} is for {_some(sorted(unknown))} too, "
            f"which {network.name} does not have"
        )
    for planned in network.sites:
        stages = {stage.name for stage in planned.site.stages}
        others = [e.stage for e in plans[planned.name].stages if e.stage not in stages]
        if others:
            raise PlanningError(
                f"the plan {present.name} runs stage {others[0]} at {planned.name}, "
                "which has no such stage"
            )
    inside = {site for zone in present.zones for site in zone.sites}
    alone = tuple(
        Zone(name=name, cycle_s=plan.cycle_ms / 1000, sites=(name,))
        for name, plan in plans.items()
        if name not in inside
    )
    return NetworkPlan(
        name=present.name,
        zones=(*present.zones, *alone),
        plans=tuple(plans[planned.name] for planned in network.sites),
        network=present.network,
        objective=present.objective,
    )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def _notes(change: ZoneChange, before: Mapping[str, TimingPlan]) -> Iterator[str]:
    """The line of the zone, and how many of its sites changed in what."""
    yield change.explain()
    if not change.taken:
        return
    pairs = [(before[plan.site], plan) for plan in change.plans.values()]
    splits = sum(
        [e.split_ms for e in old.stages] != [e.split_ms for e in new.stages] for old, new in pairs
    )
    offsets = sum(old.offset_ms != new.offset_ms for old, new in pairs)
    yield (
        f"zone {change.zone.name}: of {len(pairs)} signals {splits} have other splits, "
        f"{offsets} another offset"
    )
