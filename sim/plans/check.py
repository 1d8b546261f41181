"""What a signal engineer would object to in a network plan.

*unsafe* is what the controller itself refuses, or what would not run at all; a *warning* runs, but
not as anybody wants it; a *note* is unusual.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from controller.intersection import Intersection, bits
from controller.plan import TimingPlan, minimum_splits_ms, plan_violations
from controller.violations import InvalidError
from optimizer.planning.network import NetworkPlan, Zone
from sim.network.model import Finding
from sim.plans.shown import TICK_MS, ShownCycle, shown_cycle

CYCLE_USUAL_S = (40.0, 150.0)
"""Shorter cycles are mostly lost time; in longer ones people on foot no longer wait (FHWA, Signal
Timing Manual, 2nd edition, section 6.2: 60 to 120 s in general)."""
WALK_USUAL_MS = 7_000
"""Guidance for a walk interval (MUTCD 2009, section 4E.06)."""
CYCLE_FACTORS = (0.5, 1.0, 2.0)
"""What a site's cycle may be to that of its zone."""


def check_network_plan(plan: NetworkPlan, sites: Sequence[Intersection]) -> tuple[Finding, ...]:
    """Every objection to *plan* for *sites*, all the signals of its network."""
    return (*_coverage(plan, sites), *_zone_faults(plan), *_site_faults(plan, sites))


def _coverage(plan: NetworkPlan, sites: Sequence[Intersection]) -> Iterator[Finding]:
    known = {site.name for site in sites}
    planned = Counter(each.site for each in plan.plans)
    for name, times in planned.items():
        if name not in known:
            yield Finding("unsafe", "unknown site", name, "the network has no such signal")
        if times > 1:
            yield Finding("unsafe", "two plans", name, f"it has {times} plans, keep one")
    for site in sites:
        if site.name not in planned:
            message = "it has no plan and goes on with whatever it runs today"
            yield Finding("warning", "missing site", site.name, message)


def _zone_faults(plan: NetworkPlan) -> Iterator[Finding]:
    of_site = {each.site: each for each in plan.plans}
    zoned = Counter(name for zone in plan.zones for name in zone.sites)
    for name, times in zoned.items():
        if times > 1:
            yield Finding("unsafe", "two zones", name, f"it is in {times} zones, keep one")
    for zone in plan.zones:
        for name in zone.sites:
            if name in of_site:
                yield from _fault_in_zone(of_site[name], zone)
            else:
                message = f"zone {zone.name!r} names it, but it has no plan"
                yield Finding("unsafe", "zone", name, message)
    for each in plan.plans:
        if plan.zones and each.site not in zoned and each.offset_ms is not None:
            message = "it has an offset but is in no zone: with whom is it coordinated?"
            yield Finding("note", "zone", each.site, message)


def _fault_in_zone(plan: TimingPlan, zone: Zone) -> Iterator[Finding]:
    if plan.offset_ms is None:
        message = f"it is in zone {zone.name!r} but isolated: give it an offset"
        yield Finding("warning", "offset", plan.site, message)
    allowed = [round(1000 * zone.cycle_s * factor) for factor in CYCLE_FACTORS]
    if plan.cycle_ms not in allowed:
        message = (
            f"cycle {_s(plan.cycle_ms)} in zone {zone.name!r} of {zone.cycle_s:g} s: its offset "
            f"drifts; give it {', '.join(_s(each) for each in allowed)}, or a zone of its own"
        )
        yield Finding("unsafe", "cycle mix", plan.site, message)


def _site_faults(plan: NetworkPlan, sites: Sequence[Intersection]) -> Iterator[Finding]:
    by_name = {site.name: site for site in sites}
    for each in plan.plans:
        site = by_name.get(each.site)
        if site is None:
            continue
        refused = tuple(plan_violations(each, site))
        for violation in refused:
            where = f"{each.site}, {violation.where}"
            yield Finding("unsafe", violation.rule, where, violation.message)
        yield from _cycle_faults(each, site)
        for entry in each.stages:
            if not entry.split_ms:
                message = f"stage {entry.stage} has no time: leave it out"
                yield Finding("warning", "empty stage", each.site, message)
        if not refused:
            yield from _waiting_faults(each, site)
            yield from _lamp_faults(each, site)


def _cycle_faults(plan: TimingPlan, site: Intersection) -> Iterator[Finding]:
    if all(entry.stage in site.mask_of_stage for entry in plan.stages):
        masks = tuple(site.mask_of_stage[entry.stage] for entry in plan.stages)
        least_ms = sum(minimum_splits_ms(site, masks))
        if plan.cycle_ms < least_ms:
            message = (
                f"cycle {_s(plan.cycle_ms)} is below {_s(least_ms)}, the sum of the minimum greens "
                "and walks and of the interstages: no split can mend that, lengthen the cycle"
            )
            yield Finding("unsafe", "cycle minimum", plan.site, message)
    shortest_s, longest_s = CYCLE_USUAL_S
    if plan.cycle_ms < shortest_s * 1000:
        message = f"cycle {_s(plan.cycle_ms)} is short: much of it is lost in changes"
        yield Finding("note", "cycle", plan.site, message)
    if plan.cycle_ms > longest_s * 1000:
        message = f"cycle {_s(plan.cycle_ms)} is long: people on foot stop waiting for green"
        yield Finding("warning", "cycle", plan.site, message)
    if plan.cycle_ms % TICK_MS:
        message = f"cycle {plan.cycle_ms} ms is no whole tenth of a second: round it"
        yield Finding("warning", "cycle", plan.site, message)


def _waiting_faults(plan: TimingPlan, site: Intersection) -> Iterator[Finding]:
    for group, green_ms, red_ms in greens_ms(plan, site):
        each = site.groups[group]
        if red_ms > each.max_wait_ms:
            message = (
                f"{each.name} waits up to {_s(red_ms)}: after {_s(each.max_wait_ms)} the "
                "controller itself interrupts the plan to serve it"
            )
            yield Finding("warning", "waiting", plan.site, message)
        if each.is_pedestrian and green_ms < WALK_USUAL_MS:
            message = f"{each.name} walks for {_s(green_ms)}, {_s(WALK_USUAL_MS)} are usual"
            yield Finding("note", "walk", plan.site, message)


def _lamp_faults(plan: TimingPlan, site: Intersection) -> Iterator[Finding]:
    """What the lamps do otherwise than the plan says: minimums of one stage don't see them all."""
    try:
        cycle = shown_cycle(site, plan)
    except InvalidError as error:
        for violation in error.violations:
            yield Finding("warning", violation.rule, plan.site, violation.message)
        return
    for k, late_ms in enumerate(late_ms_of_stages(plan, site, cycle)):
        if late_ms >= 2 * TICK_MS:
            message = (
                f"stage {plan.stages[k].stage} (number {k + 1}) is all green {_s(late_ms)} after "
                "it is due: a clearance of an earlier stage lasts until then, lengthen the stages "
                "in between"
            )
            yield Finding("warning", "late stage", plan.site, message)


def late_ms_of_stages(plan: TimingPlan, site: Intersection, cycle: ShownCycle) -> tuple[int, ...]:
    """How long after it is due each stage of *plan* shows all its greens, up to a cycle."""
    found, due_ms = [], (plan.offset_ms or 0) - cycle.start_ms
    for entry in plan.stages:
        mask, at_ms, late_ms = site.mask_of_stage[entry.stage], 0, plan.cycle_ms
        for lit in (*cycle.lit, *cycle.lit):
            if at_ms + lit.duration_ms > due_ms and not mask & ~lit.green:
                late_ms = max(0, at_ms - due_ms)
                break
            at_ms += lit.duration_ms
        found.append(late_ms)
        due_ms += entry.split_ms
    return tuple(found)


def greens_ms(plan: TimingPlan, site: Intersection) -> Iterator[tuple[int, int, int]]:
    """(group, its shortest green, its longest red) in one cycle of a legal *plan*.

    A green through several stages is one green. Groups that are green in all stages are left out.
    """
    masks = tuple(site.mask_of_stage[entry.stage] for entry in plan.stages)
    for group in bits(site.all_groups):
        firsts = [
            k for k, mask in enumerate(masks) if mask >> group & 1 and not masks[k - 1] >> group & 1
        ]
        if len(masks) == 1 or not firsts:
            continue
        greens = [_green_ms(plan, site, masks, group, k) for k in firsts]
        starts = [sum(entry.split_ms for entry in plan.stages[:k]) for k in firsts]
        following = [*starts[1:], starts[0] + plan.cycle_ms]
        reds = [
            after - start - green
            for start, green, after in zip(starts, greens, following, strict=True)
        ]
        yield group, min(greens), max(reds)


def _green_ms(
    plan: TimingPlan, site: Intersection, masks: tuple[int, ...], group: int, first: int
) -> int:
    """The green of *group* that begins with stage *first*; there is a stage without it."""
    n, k, green_ms = len(masks), first, 0
    while masks[k] >> group & 1:
        green_ms += plan.stages[k].split_ms
        k = (k + 1) % n
    leads = dict(site.leads_ms(masks[k - 1], masks[k]))
    return green_ms - leads.get(group, 0)


def _s(time_ms: int) -> str:
    return f"{time_ms / 1000:g} s"
