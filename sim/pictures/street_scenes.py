"""From what runs recorded of a street, and from plans, to the panels of its pictures."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from controller.intersection import Intersection
from controller.plan import TimingPlan
from optimizer.planning.chain import Chain
from sim.network.model import Network
from sim.pictures.lamps import SiteLamps, Span, plan_lamps, run_lamps
from sim.pictures.purdue import Arrivals, cycles_of
from sim.pictures.time_space import Panel
from sim.results import StreetRecord

AROUND_S = 240.0
"""Lamps are known so long before and after what is shown: a band begins outside of it."""
SAME_S = 0.25
"""Greens that come back with no more than this between them follow a clock."""
CYCLES_SHOWN = 4
WINDOW_MIN_S, WINDOW_MAX_S = 240.0, 400.0
SECOND_S = 10.0


@dataclass(frozen=True, slots=True)
class Coordination:
    """How the vehicles of one direction come to one signal: by the Purdue diagram's figures."""

    site: str
    direction: str
    before: Arrivals | None
    after: Arrivals


def window_of(begin_s: float, end_s: float, cycle_s: float | None) -> Span:
    """What a diagram shows of a run: some cycles in the middle of it."""
    wanted = min(WINDOW_MAX_S, max(WINDOW_MIN_S, CYCLES_SHOWN * (cycle_s or 75.0)))
    length_s = min(wanted, end_s - begin_s)
    middle = begin_s + 0.5 * (end_s - begin_s - length_s)
    start_s = max(begin_s, middle // SECOND_S * SECOND_S)
    return start_s, start_s + length_s


def plan_panel(
    title: str,
    chain: Chain,
    sites: Mapping[str, Intersection],
    plans: Mapping[str, TimingPlan],
    window: Span,
) -> Panel:
    """The panel of plans, by site, without a run."""
    begin_s, end_s = window[0] - AROUND_S, window[1] + AROUND_S
    used = {site: plans[site] for site in chain.sites}
    cycles = {plan.cycle_ms / 1000 for plan in used.values()}
    clocked = all(plan.offset_ms is not None for plan in used.values())
    return Panel(
        title=title,
        lamps={site: plan_lamps(sites[site], plan, begin_s, end_s) for site, plan in used.items()},
        cycle_s=max(cycles) if clocked and _go_together(cycles) else None,
        offsets_s={
            site: plan.offset_ms / 1000 for site, plan in used.items() if plan.offset_ms is not None
        },
    )


def run_panel(
    title: str,
    network: Network,
    record: StreetRecord,
    plans: Mapping[str, TimingPlan] | None = None,
) -> Panel:
    """The panel of a run; *plans* for the offsets, if it ran any."""
    begin_s, end_s = record.begin_s - AROUND_S, record.end_s + AROUND_S
    lamps = {
        site: run_lamps(network.junction(site), record.lamps[site], begin_s, end_s)
        for site in record.chain.sites
    }
    cycle_s = regular_cycle_s(record.chain, lamps)
    offsets = {
        site: plans[site].offset_ms
        for site in record.chain.sites
        if plans and cycle_s is not None and site in plans
    }
    return Panel(
        title=title,
        lamps=lamps,
        cycle_s=cycle_s,
        offsets_s={site: ms / 1000 for site, ms in offsets.items() if ms is not None},
        trajectories=record.trajectories,
    )


def regular_cycle_s(chain: Chain, lamps: Mapping[str, SiteLamps]) -> float | None:
    """The common cycle by which the through greens really come back; None if they don't."""
    cycles = set()
    for site, groups in zip(chain.sites, chain.outbound.groups, strict=True):
        if not groups:
            continue
        starts = [begin for begin, _ in lamps[site].greens_of(groups)][1:]
        gaps = [b - a for a, b in pairwise(starts)]
        if not gaps or max(gaps) - min(gaps) > SAME_S:
            return None
        cycles.add(round(sum(gaps) / len(gaps), 1))
    return max(cycles) if cycles and _go_together(cycles) else None


def _go_together(cycles: set[float]) -> bool:
    """Whether the longest cycle is a multiple of all others."""
    longest = max(cycles)
    return all(abs(longest / cycle - round(longest / cycle)) < 1e-3 for cycle in cycles)


def arrivals_at(
    title: str, network: Network, record: StreetRecord, site: str, *, inbound: bool
) -> Arrivals | None:
    """The vehicles of one direction at *site* over the whole run; None without loops there."""
    way = record.chain.inbound if inbound else record.chain.outbound
    loops = [x for x in record.loops if x.junction == site and x.inbound is inbound]
    groups = way.groups[record.chain.sites.index(site)] if way else ()
    changes = record.lamps[site]
    if not loops or not groups or not changes:
        return None
    begin_s, end_s = changes[0][0], changes[-1][0]
    lamps = run_lamps(network.junction(site), changes, begin_s, end_s)
    reached = [
        at_s + loop.travel_time_s for loop in loops for at_s in record.passages.get(loop.id, ())
    ]
    return Arrivals(
        title=title,
        cycles=cycles_of(lamps.greens_of(groups), lamps.endings_of(groups), end_s),
        arrivals_s=tuple(sorted(reached)),
        distance_m=loops[0].distance_m,
    )


def coordination(
    network: Network, after: StreetRecord, before: StreetRecord | None, titles: Sequence[str]
) -> Iterator[Coordination]:
    """Every signal and direction of the street; *titles*: of before and after."""
    chain = after.chain
    for inbound in (False, True):
        way = chain.inbound if inbound else chain.outbound
        order = range(len(chain.sites) - 1, -1, -1) if inbound else range(len(chain.sites))
        for k, i in enumerate(order):
            site = chain.sites[i]
            new = arrivals_at(titles[1], network, after, site, inbound=inbound)
            if way is None or new is None or not new.counted:
                continue
            old = arrivals_at(titles[0], network, before, site, inbound=inbound) if before else None
            from_site = f"from {chain.sites[order[k - 1]]}" if k else "into the street"
            yield Coordination(site, from_site, old, new)
