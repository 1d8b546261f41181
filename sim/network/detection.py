"""The detectors of a junction: loops on its approaches and push buttons at its crossings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from controller.intersection import Detector, DetectorRole
from sim.network.heads import HeadGroup
from sim.network.loops import (
    ENTRY_SPACING_M,
    POCKET_M,
    Place,
    entry_places,
    leads_only_to,
    loop_places,
    pocket_places,
)
from sim.network.model import Button, Loop
from sim.network.net_file import NetFile


@dataclass(frozen=True, slots=True)
class Detection:
    """Detectors in order: loop *i* is detector *i*, the buttons follow."""

    detectors: tuple[Detector, ...]
    loops: tuple[Loop, ...]
    buttons: tuple[Button, ...]


def place_detection(net: NetFile, controller: str, groups: Sequence[HeadGroup]) -> Detection:
    """Loops for every approach of the controller, then a button for every crossing.

    Stop-line and advance loops call and extend the groups of their lane. Entry loops, and advance
    loops that several lanes share, only count: where their vehicles go is not known there.
    """
    placing = _Placing(net, controller, groups)
    for approach, lanes in placing.approaches().items():
        placing.add_approach(approach, lanes)
    loops = tuple(placing.loops)
    return Detection((*placing.detectors, *placing.buttons()), loops, tuple(placing.crossings))


@dataclass
class _Placing:
    net: NetFile
    controller: str
    groups: Sequence[HeadGroup]
    detectors: list[Detector] = field(default_factory=list)
    loops: list[Loop] = field(default_factory=list)
    crossings: list[Button] = field(default_factory=list)

    def approaches(self) -> dict[str, list[str]]:
        """The motorised stop-line lanes of every approach, in order of the groups."""
        lanes = dict.fromkeys(
            c.from_lane for group in self.groups for head in group.heads for c in head.connections
        )
        approaches: dict[str, list[str]] = {}
        for lane in lanes:
            if self.net.lanes[lane].motorised:
                approaches.setdefault(self.net.lanes[lane].edge, []).append(lane)
        return approaches

    def add_approach(self, approach: str, lanes: Sequence[str]) -> None:
        """Place the loops of one approach."""
        places = {lane: loop_places(self.net, lane) for lane in lanes}
        pockets = [
            lane
            for lane, (stop, advance) in places.items()
            if (advance or stop).distance_m < POCKET_M
        ]
        before_fork = {
            place: behind
            for place, behind in pocket_places(self.net, pockets).items()
            if place.distance_m >= POCKET_M
        }
        replaced = {lane for behind in before_fork.values() for lane in behind}
        for lane, (stop, advance) in places.items():
            self._add(stop, DetectorRole.STOP_LINE, approach, (lane,))
            if advance is not None and lane not in replaced:
                self._add(advance, DetectorRole.ADVANCE, approach, (lane,))
        for place, behind in before_fork.items():
            self._add(place, DetectorRole.ADVANCE, approach, behind)
        reached = [*before_fork, *(p for pair in places.values() for p in pair if p is not None)]
        farthest_m = max(place.distance_m for place in reached)
        for place in entry_places(self.net, approach):
            if place.distance_m >= farthest_m + ENTRY_SPACING_M:
                self._add(place, DetectorRole.ENTRY, approach, tuple(lanes))

    def _add(
        self, place: Place, role: DetectorRole, approach: str, stop_lanes: tuple[str, ...]
    ) -> None:
        certain = role is not DetectorRole.ENTRY and len(stop_lanes) == 1
        if certain and place.lane not in stop_lanes:
            certain = leads_only_to(self.net, place.lane, stop_lanes)
        name = f"{role.value} {stop_lanes[0] if certain else approach}"
        self.detectors.append(
            Detector(
                name=name if name.endswith(place.lane) else f"{name} on {place.lane}",
                role=role,
                groups=self._groups_of(stop_lanes),
                lane=stop_lanes[0] if certain else "",
                distance_m=round(place.distance_m, 2),
                lanes=stop_lanes,
                travel_time_s=round(place.travel_time_s, 2),
                share=place.share,
                calls=certain,
                extends=certain,
            )
        )
        self.loops.append(
            Loop(
                id=f"{self.controller}/{len(self.loops)}",
                lane=place.lane,
                position_m=place.position_m,
                detector=len(self.loops),
                approach=approach,
                stop_lanes=stop_lanes,
                travel_time_s=round(place.travel_time_s, 2),
                share=place.share,
            )
        )

    def _groups_of(self, lanes: Sequence[str]) -> tuple[str, ...]:
        return tuple(
            group.name
            for group in self.groups
            if any(c.from_lane in lanes for head in group.heads for c in head.connections)
        )

    def buttons(self) -> list[Detector]:
        """One detector per crossing, for the buttons at both of its ends."""
        calls: dict[str, list[str]] = {}
        for group in self.groups:
            if group.is_pedestrian:
                for head in group.heads:
                    calls.setdefault(head.origin, []).append(group.name)
        detectors: list[Detector] = []
        for crossing, names in calls.items():
            areas = {
                end
                for c in self.net.connections
                if crossing in {c.from_edge, c.to_edge}
                for end in (c.from_edge, c.to_edge)
            } - {crossing}
            index = len(self.loops) + len(detectors)
            self.crossings.append(Button(index, crossing, tuple(sorted(areas))))
            detectors.append(
                Detector(
                    name=f"button {crossing}",
                    role=DetectorRole.PUSH_BUTTON,
                    groups=tuple(dict.fromkeys(names)),
                    extends=False,
                )
            )
        return detectors
