"""From what the loops counted to what a planner is given.

Flows of lane groups are counted; who feeds whom is estimated: what an exit sends into a street is
spread over the streams at its end as their own flows are. So no route and no origin is needed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from controller.intersection import bits
from optimizer.planning.network import Feed, PlanningNetwork, PlanningSite, Stream
from optimizer.strategic.counts import LaneFlows
from optimizer.strategic.streets import TURN_ORDER, LaneGroup, Streets
from optimizer.strategic.turning import turning_flows

FEED_MIN_VEH_PER_H = 3.0
UNEVEN_MIN = 0.85
"""Lanes that queue as one are used about evenly when it matters, so no less of them counts."""
ASSUMED_FULLNESS = 0.6
"""Of lanes that nothing was ever known of: what the engineer of the present plan had in mind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drivers:
    """How drivers start, stop and keep together; the defaults are those of the textbooks."""

    start_loss_s: float = 2.0
    end_gain_s: float = 3.0
    dispersion: float = 0.35
    fastest: float = 0.8


TEXTBOOK = Drivers()


def demand_network(
    name: str,
    sites: Sequence[PlanningSite],
    streets: Streets,
    counted: Sequence[LaneFlows],
    *,
    period_h: float,
    drivers: Drivers = TEXTBOOK,
) -> PlanningNetwork:
    """What the plans of *sites* are to be made for; *counted* by site, no flow of it NaN."""
    lane_flow = [dict(enumerate(flows.flow_veh_per_h.tolist())) for flows in counted]
    to_exit = turning_flows(streets, lane_flow)
    flow = [_flow(group, lane_flow[group.site]) for group in streets.groups]
    feeds = _feeds(streets, flow, to_exit)
    return PlanningNetwork(
        name=name,
        sites=tuple(sites),
        streams=tuple(
            Stream(
                name=group.name,
                site=group.site,
                groups=tuple(sites[group.site].site.groups[i].name for i in bits(group.groups)),
                flow_veh_per_h=flow[at],
                saturation_veh_per_h=_saturation(group, counted[group.site]),
                lanes=len(group.lanes),
                length_m=group.length_m,
                travel_time_s=group.travel_s,
                storage_veh=group.storage_veh,
                feeds=tuple(feeds[at]),
                gives_way_to=group.rivals,
                yielding_share=_yielding(group, to_exit[at]),
                approach=group.approach,
                turn="+".join(
                    word
                    for word in TURN_ORDER
                    if any(turn.direction == word for turn in group.turns)
                ),
            )
            for at, group in enumerate(streets.groups)
        ),
        period_h=period_h,
        start_loss_s=drivers.start_loss_s,
        end_gain_s=drivers.end_gain_s,
        dispersion=drivers.dispersion,
        fastest=drivers.fastest,
    )


def _flow(group: LaneGroup, lane_flow: Mapping[int, float]) -> float:
    return sum(lane_flow[lane] for lane in group.lanes)


def _saturation(group: LaneGroup, counted: LaneFlows) -> float:
    """What the group discharges while its fullest lane has a queue."""
    own = counted.saturation_veh_per_h[list(group.lanes)]
    flow = counted.flow_veh_per_h[list(group.lanes)]
    fullest = float((flow / own).max())
    whole = float(own.sum())
    if fullest <= 0.0:
        return whole
    return min(max(float(flow.sum()) / fullest, UNEVEN_MIN * whole), whole)


def _yielding(group: LaneGroup, to_exit: Mapping[str, float]) -> float:
    """The part of its vehicles that give way."""
    if not group.rivals:
        return 1.0
    total = sum(to_exit.values())
    yielding = {turn.exit for turn in group.turns if turn.yields_to}
    if total <= 0.0:
        return len(yielding) / max(len(group.turns), 1)
    return min(sum(to_exit.get(name, 0.0) for name in yielding) / total, 1.0)


def _feeds(
    streets: Streets, flow: Sequence[float], to_exit: Sequence[Mapping[str, float]]
) -> list[list[Feed]]:
    by_exit: dict[tuple[int, str], list[int]] = defaultdict(list)
    by_approach: dict[tuple[int, str], list[int]] = defaultdict(list)
    for at, group in enumerate(streets.groups):
        by_approach[group.site, group.approach].append(at)
        for name in to_exit[at]:
            by_exit[group.site, name].append(at)
    feeds: list[list[Feed]] = [[] for _ in streets.groups]
    for street in streets.streets:
        behind = by_approach[street.downstream, street.approach]
        whole = sum(flow[at] for at in behind)
        for upstream in by_exit[street.upstream, street.exit]:
            sent = to_exit[upstream][street.exit] * street.share
            for at in behind:
                part = sent * flow[at] / whole if whole > 0.0 else 0.0
                if part >= FEED_MIN_VEH_PER_H:
                    feeds[at].append(
                        Feed(
                            stream=upstream,
                            flow_veh_per_h=part,
                            travel_time_s=round(street.travel_s, 2),
                        )
                    )
    return feeds


def filled(
    counted: LaneFlows, before: LaneFlows | None, planned: PlanningSite, masks: Sequence[int]
) -> LaneFlows:
    """*counted* with what was known *before* where nothing is known now.

    Without either a lane gets what the present plan of the site was made for. *masks*: the groups
    of each lane.
    """
    flow = counted.flow_veh_per_h.copy()
    for k in range(len(flow)):
        if math.isnan(flow[k]) and before is not None:
            flow[k] = before.flow_veh_per_h[k]
        if math.isnan(flow[k]):
            share = _green_share(planned, masks[k])
            flow[k] = ASSUMED_FULLNESS * share * counted.saturation_veh_per_h[k]
    return replace(counted, flow_veh_per_h=flow)


def _green_share(planned: PlanningSite, mask: int) -> float:
    plan, site = planned.present, planned.site
    green_ms = sum(
        entry.split_ms
        for entry in plan.stages
        if site.stage_masks[site.stage_index(entry.stage)] & mask == mask
    )
    return green_ms / plan.cycle_ms
