"""A UTDF file as a planner needs it: sites, streams, and who feeds whom.

Volumes are taken as they are, without peak hour factor or growth; PedCalls are the people on foot,
one to a call. A movement without a lane of its
own drives in that of its approach's through traffic. Who comes to an approach is split over its
movements as the approach's volumes are: UTDF knows no routes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from math import inf

from optimizer.planning.network import (
    Feed,
    PlanningNetwork,
    PlanningSite,
    Stream,
    people_on_foot,
)
from sim.errors import PlanFileError
from sim.network.model import Finding
from sim.plans.utdf import Utdf, UtdfNode
from sim.plans.utdf_site import UtdfMovement, UtdfSite, site_of_node, walk_name

IDEAL_FLOW_VEH_PER_H = 1_900.0
"""Saturation flow of a lane where the file gives none (HCM)."""
SPACING_M = 7.5
"""Street that a standing vehicle takes."""
CONTRADICTION = 3.0
"""By this factor a travel time may differ from length and speed."""
_CARRIERS = ("T", "L", "R", "U")


@dataclass(frozen=True, slots=True)
class _Street:
    """The way to an approach: *hop* is the node that upstream movements go to."""

    upstream: int | None
    hop: int
    length_m: float
    time_s: float


def street_to(
    utdf: Utdf, sites: Sequence[UtdfSite], node: UtdfNode, direction: str
) -> tuple[int | None, int, float, float]:
    """The street to an approach of *node*: from which signal, over which node, metres and seconds.

    The signal is None at the edge of the network; without bends the node next to it is *node*.
    """
    street = _Streams(utdf, tuple(sites)).street(node, direction)
    return street.upstream, street.hop, street.length_m, street.time_s


@dataclass(slots=True)
class _Lanes:
    """Movements that queue together: the first has the lanes."""

    site: int
    members: list[UtdfMovement]
    flows_veh_per_h: list[float]
    lanes: int
    saturation_veh_per_h: float
    street: _Street


def planning_network_of(utdf: Utdf, name: str = "") -> tuple[PlanningNetwork, tuple[Finding, ...]]:
    """What the signals of *utdf* are planned for, and what had to be read otherwise.

    Raises :class:`PlanFileError` for what is missing or contradictory, with line and advice, and
    :class:`~controller.violations.InvalidError` for times that no site may have.
    """
    signals = utdf.signals()
    if not signals:
        raise PlanFileError(
            f"{utdf.source}: no node of TYPE 0 has both [Timeplans] and [Phases]: export the file "
            "with its timings"
        )
    if not utdf.links:
        raise PlanFileError(
            f"{utdf.source}: there is no [Links] section with distances and speeds, without which "
            "no offset can be found: export the file with all sections"
        )
    sites = tuple(site_of_node(utdf, node) for node in signals)
    network = PlanningNetwork(
        name=name or utdf.source,
        sites=tuple(
            PlanningSite(site=each.site, present=each.present, x_m=each.node.x_m, y_m=each.node.y_m)
            for each in sites
        ),
        streams=_Streams(utdf, sites).streams(),
    )
    return network, tuple(remark for each in sites for remark in each.remarks)


@dataclass
class _Streams:
    utdf: Utdf
    sites: tuple[UtdfSite, ...]
    lanes: list[_Lanes] = field(default_factory=list)

    def streams(self) -> tuple[Stream, ...]:
        for position, site in enumerate(self.sites):
            self.lanes += self._lane_groups(position, site)
        feeds = self._feeds()
        vehicles = tuple(self._stream(k, each, feeds[k]) for k, each in enumerate(self.lanes))
        return (*vehicles, *self._walkers())

    def _walkers(self) -> Iterator[Stream]:
        for at, made in enumerate(self.sites):
            for phase in made.timing.phases:
                if phase.walk_ms and phase.calls_per_h > 0.0:
                    group = made.site.group_index(walk_name(phase))
                    yield people_on_foot(at, made.site, group, phase.calls_per_h)

    def _lane_groups(self, position: int, site: UtdfSite) -> list[_Lanes]:
        by_approach: dict[str, list[UtdfMovement]] = defaultdict(list)
        for movement in site.movements:
            by_approach[movement.direction].append(movement)
        found: list[_Lanes] = []
        for direction, movements in by_approach.items():
            street = self.street(site.node, direction)
            own = [each for each in movements if self._lane_count(site.node, each)]
            if not own:
                raise self.utdf.fault(
                    site.node.line,
                    f"{direction} of node {site.node.id} has movements but no lanes: fill in Lanes",
                )
            groups = [self._lane_group(position, site.node, each, street) for each in own]
            for movement in movements:
                if movement not in own:
                    carrier = _carrier(groups)
                    carrier.members.append(movement)
                    carrier.flows_veh_per_h.append(self._volume(site.node, movement))
            found += groups
        return found

    def _lane_group(
        self, position: int, node: UtdfNode, movement: UtdfMovement, street: _Street
    ) -> _Lanes:
        lanes = self._lane_count(node, movement)
        given = self._value(node, "SatFlow", movement)
        ideal = self._value(node, "IdealFlow", movement)
        default = self.utdf.number("defFlow", self.utdf.settings.get("defflow"))
        per_lane = ideal or default or IDEAL_FLOW_VEH_PER_H
        volume = self._volume(node, movement)
        return _Lanes(position, [movement], [volume], lanes, given or per_lane * lanes, street)

    def _value(self, node: UtdfNode, record: str, movement: UtdfMovement) -> float | None:
        cell = self.utdf.lanes[node.id].get(record.lower(), {}).get(movement.column)
        return self.utdf.number(f"{record} of node {node.id}, {movement.column}", cell)

    def _lane_count(self, node: UtdfNode, movement: UtdfMovement) -> int:
        return round(self._value(node, "Lanes", movement) or 0)

    def _volume(self, node: UtdfNode, movement: UtdfMovement) -> float:
        records = self.utdf.lanes[node.id]
        where = f"Volume of node {node.id}, {movement.column}"
        cell = records.get("volume", {}).get(movement.column)
        volume = self.utdf.needed(where, cell, node)
        if volume < 0:
            line = node.line if cell is None else cell.line
            raise self.utdf.fault(line, f"{where} is {volume:g}: give 0 or more")
        return volume

    def street(self, node: UtdfNode, direction: str) -> _Street:
        """From the next signal upstream; bends on the way are passed."""
        hop, at = node.id, node
        length_m = time_s = 0.0
        seen = {node.id}
        while True:
            up, own_m, own_s = self._link(at, direction)
            length_m, time_s = length_m + own_m, time_s + own_s
            signals = {site.node.id for site in self.sites}
            if up is None or up in signals:
                return _Street(up, hop, length_m, time_s)
            before = self._only_other(up, at.id)
            if before is None or up in seen or up not in self.utdf.nodes:
                return _Street(None, hop, length_m, time_s)
            seen.add(up)
            hop, at, direction = up, self.utdf.nodes[up], before

    def _only_other(self, node: int, downstream: int) -> str | None:
        """The approach of a bend that its traffic to *downstream* comes from."""
        ups = {
            way: self.utdf.number(f"Up ID of node {node}, {way}", cell)
            for way, cell in self.utdf.links.get(node, {}).get("up id", {}).items()
        }
        others = [way for way, up in ups.items() if up and round(up) != downstream]
        return others[0] if len(others) == 1 else None

    def _link(self, node: UtdfNode, direction: str) -> tuple[int | None, float, float]:
        """(node upstream, length in metres, travel time in seconds) of one approach."""
        records = self.utdf.links.get(node.id, {})

        def value(record: str) -> float | None:
            cell = records.get(record.lower(), {}).get(direction)
            return self.utdf.number(f"{record} of node {node.id}, {direction}", cell)

        where = f"node {node.id}, {direction}"
        up = value("Up ID")
        length_m = (value("Distance") or 0.0) * self.utdf.unit_m
        speed = (value("Speed") or 0.0) * self.utdf.unit_m_per_s
        time_s = value("Time")
        cell = records.get("speed", {}).get(direction)
        line = node.line if cell is None else cell.line
        if length_m and speed <= 0 and not time_s:
            raise self.utdf.fault(line, f"{where} has a length but no speed: give it one")
        if length_m and speed > 0 and time_s:
            ratio = time_s * speed / length_m
            if not 1 / CONTRADICTION <= ratio <= CONTRADICTION:
                raise self.utdf.fault(
                    line,
                    f"{where}: {length_m:.0f} m at {speed * 3.6:.0f} km/h take "
                    f"{length_m / speed:.0f} s, Time says {time_s:g} s: correct one of them",
                )
        free_s = length_m / speed if speed > 0 else 0.0
        return (round(up) if up else None), length_m, time_s or free_s

    def _feeds(self) -> list[tuple[Feed, ...]]:
        """Of every lane group, what comes to it from each lane group upstream."""
        sources: dict[tuple[int, int], dict[int, float]] = defaultdict(lambda: defaultdict(float))
        for k, lanes in enumerate(self.lanes):
            node = self.sites[lanes.site].node
            for movement, flow in zip(lanes.members, lanes.flows_veh_per_h, strict=True):
                to = self._value(node, "Dest Node", movement)
                if to:
                    sources[node.id, round(to)][k] += flow
        totals: dict[tuple[int, str], float] = defaultdict(float)
        for lanes in self.lanes:
            totals[lanes.site, lanes.members[0].direction] += sum(lanes.flows_veh_per_h)
        found = []
        for lanes in self.lanes:
            street, own = lanes.street, sum(lanes.flows_veh_per_h)
            coming = sources.get((street.upstream or -1, street.hop), {})
            total, supply = totals[lanes.site, lanes.members[0].direction], sum(coming.values())
            part = own / max(total, supply) if own else 0.0
            found.append(
                tuple(
                    Feed(stream=up, flow_veh_per_h=flow * part, travel_time_s=street.time_s)
                    for up, flow in coming.items()
                    if flow * part > 0
                )
            )
        return found

    def _stream(self, position: int, lanes: _Lanes, feeds: tuple[Feed, ...]) -> Stream:
        site = self.sites[lanes.site].site
        main = lanes.members[0]
        groups = tuple(movement.column for movement in lanes.members)
        rivals = site.yields_to[site.group_index(main.column)]
        gives_way_to = tuple(
            k
            for k, other in enumerate(self.lanes)
            if other.site == lanes.site
            and k != position
            and any(rivals >> site.group_index(each.column) & 1 for each in other.members)
        )
        street = lanes.street
        storage = street.length_m * lanes.lanes / SPACING_M
        return Stream(
            name=f"{site.name} {main.column}",
            site=lanes.site,
            groups=groups,
            flow_veh_per_h=sum(lanes.flows_veh_per_h),
            saturation_veh_per_h=lanes.saturation_veh_per_h,
            lanes=lanes.lanes,
            length_m=street.length_m,
            travel_time_s=street.time_s,
            storage_veh=max(1.0, storage) if street.upstream is not None else inf,
            feeds=feeds,
            gives_way_to=gives_way_to,
            approach=main.direction,
            turn=main.turn,
        )


def _carrier(groups: list[_Lanes]) -> _Lanes:
    """The lane group that a movement without lanes uses: through traffic's where there is one."""
    return min(groups, key=lambda each: _CARRIERS.index(each.members[0].column[2]))
