"""Which lanes of an approach queue as one, and how its turns share them.

Lanes that a turn joins, and whose lamps always agree, form one lane group: drivers choose the
shorter of its queues. Every turn spreads over its lanes so that the fullest is as empty as it gets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.intersection import bits
from sim.network.model import Junction, Network, SignalLink
from sim.planning.demand import Turn

HEADWAY_S = 1.3
"""Time between two vehicles that leave a queue, without the time to drive their own length."""
DISCHARGE_M_PER_S = 10.7
"""Vehicles from a queue cross the stop line at this speed at most: with their length, 1,800 veh/h,
and that is what SUMO's drivers do whatever the limit."""
SPACING_M = 7.5
"""Length of a standing vehicle and its gap."""
SPREADING_ROUNDS = 40


@dataclass(frozen=True, slots=True)
class Movement:
    """One turn at its stop line: the groups that release it, its lanes, and the veh/h of one."""

    turn: Turn
    direction: str
    groups: int
    yields_to: int
    lanes: tuple[str, ...]
    saturation_veh_per_h: float


@dataclass(frozen=True, slots=True)
class LaneGroup:
    """Lanes that queue as one. ``flows``: veh/h of every movement that uses them."""

    approach: str
    lanes: tuple[str, ...]
    groups: int
    movements: tuple[Movement, ...]
    flows_veh_per_h: tuple[float, ...]
    saturation_veh_per_h: float

    @property
    def flow_veh_per_h(self) -> float:
        """All movements together."""
        return sum(self.flows_veh_per_h)


def movements_of(junction: Junction, network: Network) -> tuple[Movement, ...]:
    """The turns of road vehicles at *junction* that a lamp releases."""
    links: dict[Turn, list[SignalLink]] = defaultdict(list)
    for link in junction.links:
        if link.group is not None and link.turn != "crossing":
            links[Turn(junction.id, link.from_edge, link.to_edge)].append(link)
    found = []
    for turn, own in links.items():
        lanes = tuple(dict.fromkeys(link.from_lane for link in own))
        lanes = tuple(lane for lane in lanes if network.lanes[lane].motorised)
        if not lanes:
            continue
        groups = yields = 0
        for link in own:
            groups |= 1 << link.group if link.group is not None else 0
            yields |= link.yields_to_groups
        saturation = max(_saturation(link, network) for link in own)
        found.append(Movement(turn, own[0].turn, groups, yields, lanes, saturation))
    return tuple(found)


def _saturation(link: SignalLink, network: Network) -> float:
    """Vehicles that one lane discharges: they drive their own length at the speed of the turn."""
    speeds = [DISCHARGE_M_PER_S, network.lanes[link.from_lane].speed_m_per_s]
    if link.via in network.lanes:
        speeds.append(network.lanes[link.via].speed_m_per_s)
    return 3600.0 / (HEADWAY_S + SPACING_M / max(min(speeds), 1.0))


def lane_groups(
    junction: Junction, movements: Sequence[Movement], flows: Mapping[Turn, float]
) -> tuple[LaneGroup, ...]:
    """The lane groups of *junction* under *flows* (veh/h), approach by approach."""
    by_approach: dict[str, list[Movement]] = defaultdict(list)
    for movement in movements:
        by_approach[movement.turn.from_edge].append(movement)
    found = []
    for approach, own in by_approach.items():
        shares = _spread(own, flows)
        for lanes in _lanes_together(junction, own):
            found.append(_group(approach, lanes, own, shares))
    return tuple(found)


def _spread(
    movements: Sequence[Movement], flows: Mapping[Turn, float]
) -> dict[tuple[int, str], float]:
    """veh/h of each (movement, lane), the fullest lane as empty as it gets."""
    wanted = [max(flows.get(movement.turn, 0.0), 0.0) for movement in movements]
    share = {
        (m, lane): wanted[m] / len(movement.lanes)
        for m, movement in enumerate(movements)
        for lane in movement.lanes
    }
    for _ in range(SPREADING_ROUNDS):
        for m, movement in enumerate(movements):
            if len(movement.lanes) == 1 or not wanted[m]:
                continue
            others = {
                lane: sum(
                    share.get((k, lane), 0.0) / other.saturation_veh_per_h
                    for k, other in enumerate(movements)
                    if k != m
                )
                for lane in movement.lanes
            }
            level = _water_level(list(others.values()), wanted[m] / movement.saturation_veh_per_h)
            for lane, load in others.items():
                share[m, lane] = max(level - load, 0.0) * movement.saturation_veh_per_h
    return share


def _water_level(loads: Sequence[float], poured: float) -> float:
    """The level at which *poured* fills the lowest of *loads*."""
    ordered = sorted(loads)
    for n in range(1, len(ordered) + 1):
        level = (poured + sum(ordered[:n])) / n
        if n == len(ordered) or level <= ordered[n]:
            return level
    return poured


def _lanes_together(
    junction: Junction, movements: Sequence[Movement]
) -> tuple[tuple[str, ...], ...]:
    """The lanes of an approach, those that queue as one together."""
    masks = junction.intersection.stage_masks
    lanes = dict.fromkeys(lane for movement in movements for lane in movement.lanes)
    released = dict.fromkeys(lanes, 0)
    for movement in movements:
        for lane in movement.lanes:
            released[lane] |= movement.groups
    lit = {
        lane: tuple(mask & groups == groups for mask in masks) for lane, groups in released.items()
    }
    found: list[set[str]] = [{lane} for lane in lanes]
    for movement in movements:
        for one in movement.lanes:
            for other in movement.lanes:
                if one < other and lit[one] == lit[other]:
                    joined = [group for group in found if one in group or other in group]
                    found = [group for group in found if group not in joined]
                    found.append(set().union(*joined))
    order = {lane: k for k, lane in enumerate(lanes)}
    groups = [tuple(sorted(group, key=order.__getitem__)) for group in found]
    return tuple(sorted(groups, key=lambda group: order[group[0]]))


def _group(
    approach: str,
    lanes: tuple[str, ...],
    movements: Sequence[Movement],
    share: Mapping[tuple[int, str], float],
) -> LaneGroup:
    own = [m for m, movement in enumerate(movements) if set(movement.lanes) & set(lanes)]
    flows = [sum(share.get((m, lane), 0.0) for lane in lanes) for m in own]
    groups = 0
    for m in own:
        groups |= movements[m].groups
    loads = [
        sum(share.get((m, lane), 0.0) / movements[m].saturation_veh_per_h for m in own)
        for lane in lanes
    ]
    fullest = max(loads)
    if fullest > 0.0:
        saturation = sum(flows) / fullest
    else:
        saturation = len(lanes) * min(movements[m].saturation_veh_per_h for m in own)
    return LaneGroup(
        approach=approach,
        lanes=lanes,
        groups=groups,
        movements=tuple(movements[m] for m in own),
        flows_veh_per_h=tuple(flows),
        saturation_veh_per_h=saturation,
    )


def group_names(junction: Junction, mask: int) -> tuple[str, ...]:
    """Names of the signal groups in *mask*."""
    return tuple(junction.intersection.groups[i].name for i in bits(mask))
