"""Plans for the tests: what a network ships, bent so that nothing in it is round."""

from __future__ import annotations

from dataclasses import replace

from controller.plan import PlanStage, TimingPlan, check_plan, minimum_splits_ms
from optimizer.planning.network import NetworkPlan, Zone
from sim.network import Junction, Network


def uneven_plan(junction: Junction, number: int, cycle_ms: int) -> TimingPlan:
    """A plan of *cycle_ms*: minimums, the rest in uneven tenths of a second, an odd offset."""
    site, shipped = junction.intersection, junction.shipped_plan
    masks = tuple(site.mask_of_stage[entry.stage] for entry in shipped.stages)
    splits = list(minimum_splits_ms(site, masks))
    spare_ms, n = cycle_ms - sum(splits), len(splits)
    assert spare_ms >= 0
    for k in range(n - 1):
        splits[k] += spare_ms // n // 700 * 700
    splits[-1] = cycle_ms - sum(splits[:-1])
    plan = TimingPlan(
        site=site.name,
        name="uneven tenths",
        cycle_ms=cycle_ms,
        offset_ms=(7_300 + 11_700 * number) % cycle_ms,
        stages=tuple(
            PlanStage(stage=entry.stage, split_ms=split)
            for entry, split in zip(shipped.stages, splits, strict=True)
        ),
    )
    check_plan(plan, site)
    return plan


def uneven_network_plan(network: Network, cycle_ms: int = 98_700) -> NetworkPlan:
    """Such a plan for every junction, in two zones, with everything set that can be."""
    plans = [
        uneven_plan(junction, number, cycle_ms) for number, junction in enumerate(network.junctions)
    ]
    first, *others = plans[0].stages
    plans[0] = replace(
        plans[0],
        name="the first, “own” & <odd>",
        stages=(
            replace(first, coordinated=True),
            *(replace(entry, actuated=True, skippable=True) for entry in others),
        ),
        sequence_no=7,
        valid_from_utc_ms=1_000,
        valid_to_utc_ms=2_000_000,
    )
    names = tuple(plan.site for plan in plans)
    zones = (
        Zone(name="core", cycle_s=cycle_ms / 1000, sites=names[1:]),
        Zone(name="edge", cycle_s=cycle_ms / 1000, sites=names[:1]),
    )
    return NetworkPlan(
        name="morning", zones=zones, plans=tuple(plans), network="made", objective="least delay"
    )
