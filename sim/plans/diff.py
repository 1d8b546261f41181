"""What differs between two network plans, site by site."""

from __future__ import annotations

from dataclasses import dataclass, fields

from controller.plan import TimingPlan
from optimizer.planning.network import NetworkPlan


@dataclass(frozen=True, slots=True)
class SiteDiff:
    """One site of either plan; None where a plan does not have it.

    ``changed`` names what differs: ``cycle``, ``offset``, ``order`` (which stages, in which
    sequence), ``splits``, and the other fields of the plan by their own names.
    """

    site: str
    before: TimingPlan | None
    after: TimingPlan | None
    changed: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PlanDiff:
    """All sites of two network plans, those of the first in its order and then the others."""

    sites: tuple[SiteDiff, ...]
    zones_changed: bool

    @property
    def is_empty(self) -> bool:
        """Whether both plans do the same everywhere."""
        return not self.zones_changed and not any(site.changed for site in self.sites)


def diff_plans(before: NetworkPlan, after: NetworkPlan) -> PlanDiff:
    """What *after* does otherwise than *before*; names of the plans and objectives don't count."""
    old = {plan.site: plan for plan in before.plans}
    new = {plan.site: plan for plan in after.plans}
    sites = tuple(
        SiteDiff(name, old.get(name), new.get(name), _changed(old.get(name), new.get(name)))
        for name in dict.fromkeys((*old, *new))
    )
    return PlanDiff(sites, zones_changed=set(before.zones) != set(after.zones))


def _changed(before: TimingPlan | None, after: TimingPlan | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ("added",) if before is None else ("removed",)
    found = []
    if before.cycle_ms != after.cycle_ms:
        found.append("cycle")
    if before.offset_ms != after.offset_ms:
        found.append("offset")
    if [entry.stage for entry in before.stages] != [entry.stage for entry in after.stages]:
        found.append("order")
    if _splits(before) != _splits(after):
        found.append("splits")
    if _flags(before) != _flags(after):
        found.append("flags")
    told = {"site", "name", "cycle_ms", "offset_ms", "stages"}
    found += [
        field.name
        for field in fields(TimingPlan)
        if field.name not in told and getattr(before, field.name) != getattr(after, field.name)
    ]
    return tuple(found)


def _splits(plan: TimingPlan) -> list[tuple[str, int]]:
    """By stage, so that another order alone changes no split."""
    return sorted((entry.stage, entry.split_ms) for entry in plan.stages)


def _flags(plan: TimingPlan) -> list[tuple[str, bool, bool, bool]]:
    return sorted(
        (entry.stage, entry.actuated, entry.skippable, entry.coordinated) for entry in plan.stages
    )
