"""A SUMO network and its demand as a planner needs them: sites, streams, and who feeds whom.

A stream is a lane group (:mod:`sim.planning.lane_groups`). Drivers are those of SUMO: they
accelerate as soon as they may, use a part of the yellow, and keep their speeds closely, so that
platoons spread less than the textbook says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import inf

from controller.intersection import bits
from optimizer.links import Link
from optimizer.planning.network import (
    Feed,
    PlanningNetwork,
    PlanningSite,
    Stream,
    people_on_foot,
)
from sim.free_flow import FreeFlow
from sim.network.links_between import links_between
from sim.network.model import Junction, Network
from sim.network.net_file import read_net
from sim.planning.demand import Demand, Turn
from sim.planning.lane_groups import SPACING_M, LaneGroup, group_names, lane_groups, movements_of

CRUISE = 0.94
"""Cruise speed as a part of the speed limit: drivers of SUMO dawdle a little."""
START_LOSS_S = 1.0
END_GAIN_S = 1.2
DISPERSION, FASTEST = 0.12, 0.9
"""A platoon's mean travel time is the cruise time, its spread a tenth of it: what a spread of
speeds of a tenth (SUMO's default) gives."""
FEED_MIN_VEH_PER_H = 1.0
TURN_ORDER = ("right", "through", "left", "u-turn")
Key = tuple[int, int]
"""A lane group: position of its site, position among the site's."""


def planning_network(network: Network, demand: Demand) -> PlanningNetwork:
    """What the signals of *network* are planned for under *demand*."""
    free = FreeFlow.of(read_net(network.path))
    streets = {(s.upstream, s.exit, s.downstream, s.approach): s for s in links_between(network)}
    groups = [
        lane_groups(junction, movements_of(junction, network), demand.turns)
        for junction in network.junctions
    ]
    builder = _Builder(network, demand, free, streets, groups)
    return PlanningNetwork(
        name=network.name,
        sites=tuple(
            PlanningSite(
                site=junction.intersection,
                present=junction.shipped_plan,
                x_m=junction.position[0],
                y_m=junction.position[1],
                keep_order=junction.keep_order,
            )
            for junction in network.junctions
        ),
        streams=builder.streams(),
        period_h=demand.hours,
        start_loss_s=START_LOSS_S,
        end_gain_s=END_GAIN_S,
        dispersion=DISPERSION,
        fastest=FASTEST,
    )


class _Builder:
    """Numbers the lane groups of all sites and joins them."""

    def __init__(
        self,
        network: Network,
        demand: Demand,
        free: FreeFlow,
        streets: dict[tuple[str, str, str, str], Link],
        groups: Sequence[Sequence[LaneGroup]],
    ) -> None:
        self._network = network
        self._free = free
        self._streets = streets
        self._demand = demand
        self._keys = [(s, g) for s, own in enumerate(groups) for g in range(len(own))]
        self._position = {key: at for at, key in enumerate(self._keys)}
        self._groups = groups
        self._shares = self._movement_shares()
        self._feeds = self._all_feeds(demand)

    def streams(self) -> tuple[Stream, ...]:
        """Every lane group as a stream, site by site, then the people on foot."""
        names: dict[str, int] = defaultdict(int)
        found = []
        for site, own in enumerate(self._groups):
            for at, group in enumerate(own):
                found.append(self._stream(site, at, group, names))
        return (*found, *self._walkers())

    def _walkers(self) -> Iterator[Stream]:
        """The people on foot at every crossing that somebody uses, after all vehicles."""
        for site, junction in enumerate(self._network.junctions):
            walks = {
                crossing.group: flow
                for crossing, flow in self._demand.walks.items()
                if crossing.junction == junction.id
            }
            for group, flow in sorted(walks.items()):
                yield people_on_foot(site, junction.intersection, group, flow)

    def _movement_shares(self) -> dict[Turn, dict[Key, float]]:
        """How the vehicles of every turn spread over lane groups."""
        flows: dict[Turn, dict[Key, float]] = defaultdict(dict)
        for s, own in enumerate(self._groups):
            for g, group in enumerate(own):
                for movement, flow in zip(group.movements, group.flows_veh_per_h, strict=True):
                    flows[movement.turn][s, g] = flow
        shares = {}
        for turn, by_group in flows.items():
            total = sum(by_group.values())
            shares[turn] = {key: flow / total for key, flow in by_group.items()} if total else {}
        return shares

    def _all_feeds(self, demand: Demand) -> dict[Key, list[Feed]]:
        flows: dict[tuple[Key, Key], list[tuple[float, float]]] = defaultdict(list)
        for (before, turn), flow in demand.chains.items():
            travel_s = self._travel_s(before, turn)
            if travel_s is None:
                continue
            for upstream, part in self._shares.get(before, {}).items():
                for key, share in self._shares.get(turn, {}).items():
                    flows[upstream, key].append((flow * part * share, travel_s))
        feeds: dict[Key, list[Feed]] = defaultdict(list)
        for (upstream, key), found in flows.items():
            total = sum(flow for flow, _ in found)
            if total >= FEED_MIN_VEH_PER_H:
                mean_s = sum(flow * travel_s for flow, travel_s in found) / total
                feeds[key].append(
                    Feed(
                        stream=self._position[upstream],
                        flow_veh_per_h=total,
                        travel_time_s=round(mean_s, 2),
                    )
                )
        return feeds

    def _travel_s(self, before: Turn, turn: Turn) -> float | None:
        """From stop line to stop line at cruise speed; None if the street is too long to matter."""
        street = self._streets.get((before.junction, before.to_edge, turn.junction, turn.from_edge))
        if street is None:
            return None
        return (self._free.turn_s(before.from_edge, before.to_edge) + street.travel_s) / CRUISE

    def _stream(self, site: int, at: int, group: LaneGroup, names: dict[str, int]) -> Stream:
        junction = self._network.junctions[site]
        feeds = tuple(self._feeds.get((site, at), ()))
        yields_to, share = self._yielding(junction, site, group)
        length_m = self._length_m(junction, group)
        directions = {movement.direction for movement in group.movements}
        turn = "+".join(word for word in TURN_ORDER if word in directions)
        name = f"{junction.id} {_compass(junction, group)} {turn}"
        names[name] += 1
        return Stream(
            name=name if names[name] == 1 else f"{name} {names[name]}",
            site=site,
            groups=group_names(junction, group.groups),
            flow_veh_per_h=group.flow_veh_per_h,
            saturation_veh_per_h=group.saturation_veh_per_h,
            lanes=len(group.lanes),
            length_m=length_m,
            travel_time_s=_mean_travel_s(feeds, length_m / self._speed(group)),
            storage_veh=self._storage_veh(junction, group, length_m),
            feeds=feeds,
            gives_way_to=yields_to,
            yielding_share=share,
            persons_per_veh=self._persons_per_veh(group),
            approach=group.approach,
            turn=turn,
        )

    def _persons_per_veh(self, group: LaneGroup) -> float:
        if not group.flow_veh_per_h:
            return 1.0
        persons = (
            flow * self._demand.persons_per_veh(movement.turn)
            for movement, flow in zip(group.movements, group.flows_veh_per_h, strict=True)
        )
        return round(sum(persons) / group.flow_veh_per_h, 4)

    def _yielding(
        self, junction: Junction, site: int, group: LaneGroup
    ) -> tuple[tuple[int, ...], float]:
        """The streams that *group* gives way to, and how many of its vehicles do."""
        crossings = junction.intersection.pedestrian_groups
        flow = yielding = 0.0
        rivals = 0
        pairs = list(zip(group.movements, group.flows_veh_per_h, strict=True))
        everyone = group.flow_veh_per_h == 0.0
        for movement, own in pairs:
            counted = 1.0 if everyone else own
            flow += counted
            if movement.yields_to & ~crossings & ~group.groups:
                yielding += counted
                rivals |= movement.yields_to & ~crossings & ~group.groups
        streams = tuple(
            self._position[site, k]
            for k, other in enumerate(self._groups[site])
            if other is not group and other.groups & rivals and other.approach != group.approach
        )
        return streams, yielding / flow if streams else 1.0

    def _streets_to(self, junction: Junction, group: LaneGroup) -> list[Link]:
        return [
            street
            for (_, _, downstream, approach), street in self._streets.items()
            if downstream == junction.id and approach == group.approach
        ]

    def _length_m(self, junction: Junction, group: LaneGroup) -> float:
        streets = [street.length_m for street in self._streets_to(junction, group)]
        return min(streets, default=self._network.lanes[group.lanes[0]].length_m)

    def _storage_veh(self, junction: Junction, group: LaneGroup, length_m: float) -> float:
        """Vehicles that fit on its lanes and, before they begin, on its part of the street."""
        if not self._streets_to(junction, group):
            return inf
        edge = self._network.edges[group.approach]
        lanes = [lane for lane in edge.lanes if self._network.lanes[lane].motorised]
        own_m = min(self._network.lanes[group.lanes[0]].length_m, length_m)
        lanes_before = max(len(lanes) - 1, 1)
        before_m = (length_m - own_m) * lanes_before * len(group.lanes) / max(len(lanes), 1)
        return max((own_m * len(group.lanes) + before_m) / SPACING_M, 1.0)

    def _speed(self, group: LaneGroup) -> float:
        return max(self._network.lanes[group.lanes[0]].speed_m_per_s * CRUISE, 1.0)


def _mean_travel_s(feeds: Sequence[Feed], free_s: float) -> float:
    total = sum(feed.flow_veh_per_h for feed in feeds)
    if not total:
        return free_s
    return sum(feed.flow_veh_per_h * (feed.travel_time_s or 0.0) for feed in feeds) / total


def _compass(junction: Junction, group: LaneGroup) -> str:
    first = next(bits(group.groups))
    return junction.intersection.groups[first].name.split()[0]
