"""The streams of a network as its loops see them: lanes that queue as one, and where they lead.

Everything here follows from the sites and the streets between them, before any vehicle came. Lanes
of an approach that a movement joins, and that the same stages release, are one lane group: drivers
choose the shorter queue.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import inf

from controller.intersection import Intersection, Movement, bits
from optimizer.links import Link
from optimizer.neighbours import OTHER_PART, USUAL_PART
from optimizer.platoons import CROSSING_S
from optimizer.traffic.layout import layout_of

CRUISE = 0.94
"""Cruise speed as a part of the free-flow speed."""
SPACING_M = 7.5
"""Length of a standing vehicle and its gap."""
SPEED_M_PER_S = 13.9
TURN_ORDER = ("right", "through", "left", "u-turn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """One movement out of one lane group; *share*: its usual part of a lane's vehicles."""

    exit: str
    direction: str
    yields_to: int
    """Mask of the groups of road vehicles that it gives way to."""
    lanes: tuple[int, ...]
    """Positions in the layout of the site."""
    usual: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneGroup:
    """Lanes of the site at position *site* that queue as one; lanes as positions in its layout."""

    name: str
    site: int
    lanes: tuple[int, ...]
    groups: int
    approach: str
    turns: tuple[Turn, ...]
    rivals: tuple[int, ...]
    """Positions of the lane groups that some of its vehicles give way to."""
    length_m: float
    travel_s: float
    storage_veh: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """From an exit of one site to an approach of another; sites by position."""

    upstream: int
    exit: str
    downstream: int
    approach: str
    share: float
    """Part of the exit's vehicles that come to the approach."""
    travel_s: float
    """From stop line to stop line at cruise speed."""


@dataclass(frozen=True, slots=True)
class Streets:
    """All lane groups, site by site, and the streets that join them."""

    groups: tuple[LaneGroup, ...]
    streets: tuple[Street, ...]


def streets_of(sites: Sequence[Intersection], links: Sequence[Link]) -> Streets:
    """The lane groups of *sites*, and those of *links* that join two of them."""
    position = {site.name: at for at, site in enumerate(sites)}
    joined = [link for link in links if {link.upstream, link.downstream} <= position.keys()]
    found: list[LaneGroup] = []
    for at, site in enumerate(sites):
        found += _groups_of(site, at, joined, len(found))
    return Streets(
        groups=tuple(found),
        streets=tuple(
            Street(
                upstream=position[link.upstream],
                exit=link.exit,
                downstream=position[link.downstream],
                approach=link.approach,
                share=min(link.share, 1.0),
                travel_s=(CROSSING_S + link.travel_s) / CRUISE,
            )
            for link in joined
        ),
    )


def _groups_of(site: Intersection, at: int, links: Sequence[Link], first: int) -> list[LaneGroup]:
    """*first*: the position of its first lane group among those of all sites."""
    layout = layout_of(site)
    number = {lane.name: k for k, lane in enumerate(layout.lanes)}
    movements = [m for m in site.movements if m.turn != "crossing" and set(m.lanes) & set(number)]
    together = _together(site, [lane.groups for lane in layout.lanes], movements, number)
    names: dict[str, int] = {}
    found = []
    for lanes in together:
        mask = 0
        for k in lanes:
            mask |= layout.lanes[k].groups
        own = [m for m in movements if {number.get(name) for name in m.lanes} & set(lanes)]
        approach = layout.approaches[layout.lanes[lanes[0]].approach]
        turns = tuple(_turn(site, m, lanes, number, mask) for m in own)
        into = [x for x in links if x.downstream == site.name and x.approach == approach]
        length_m = min((x.length_m for x in into), default=0.0)
        name = _named(site, mask, {turn.direction for turn in turns})
        names[name] = names.get(name, 0) + 1
        found.append(
            LaneGroup(
                name=name if names[name] == 1 else f"{name} {names[name]}",
                site=at,
                lanes=lanes,
                groups=mask,
                approach=approach,
                turns=turns,
                rivals=(),
                length_m=length_m,
                travel_s=length_m / (SPEED_M_PER_S * CRUISE),
                storage_veh=max(length_m * len(lanes) / SPACING_M, 1.0) if length_m else inf,
            )
        )
    return [_with_rivals(group, found, first) for group in found]


def _turn(
    site: Intersection, movement: Movement, lanes: Sequence[int], number: dict[str, int], own: int
) -> Turn:
    yields = 0
    for i in bits(site.mask((movement.group,))):
        yields |= site.yields_to[i]
    return Turn(
        exit=movement.to_exit,
        direction=movement.turn,
        yields_to=yields & ~site.pedestrian_groups & ~own,
        lanes=tuple(number[name] for name in movement.lanes if number.get(name) in lanes),
        usual=USUAL_PART.get(movement.turn, OTHER_PART),
    )


def _together(
    site: Intersection,
    masks: Sequence[int],
    movements: Sequence[Movement],
    number: dict[str, int],
) -> list[tuple[int, ...]]:
    """Lanes that a movement joins and that the same stages release."""
    lit = [tuple(mask & groups == groups for mask in site.stage_masks) for groups in masks]
    part = {k: {k} for k in range(len(masks))}
    for movement in movements:
        lanes = [number[name] for name in movement.lanes if name in number]
        for one in lanes:
            for other in lanes:
                if lit[one] == lit[other] and part[one] is not part[other]:
                    part[one] |= part[other]
                    for k in part[other]:
                        part[k] = part[one]
    found = dict.fromkeys(tuple(sorted(part[k])) for k in range(len(masks)) if masks[k])
    return list(found)


def _with_rivals(group: LaneGroup, own: Sequence[LaneGroup], first: int) -> LaneGroup:
    yields = 0
    for turn in group.turns:
        yields |= turn.yields_to
    rivals = tuple(
        first + k
        for k, other in enumerate(own)
        if other is not group and other.groups & yields and other.approach != group.approach
    )
    return replace(group, rivals=rivals)


def _named(site: Intersection, groups: int, directions: set[str]) -> str:
    """Site, compass (as the first of its signal groups is called), turns."""
    first = next((site.groups[i].name for i in bits(groups)), "?").split()[0]
    return f"{site.name} {first} {'+'.join(word for word in TURN_ORDER if word in directions)}"
