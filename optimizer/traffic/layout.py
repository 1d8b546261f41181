"""Which loop sees which lane: the part of a site that its traffic model depends on.

Three kinds of loops, by how much is known where they lie:

    stop line   the vehicle has come; its lane is known.
    advance     it comes in a few seconds, and its lane is known, or one of a few (before a fork).
    entry       it comes, perhaps, to one of the lanes of the approach.

The last two of uncertain lane are :class:`Source` here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from controller.intersection import Detector, DetectorRole, Intersection

SPEED_M_PER_S = 13.9
"""Where a detector does not say how long vehicles take from it to the stop line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficLane:
    """One lane at the stop line; detectors are positions in ``site.detectors``."""

    name: str
    approach: int
    groups: int
    """Mask of the signal groups that release it."""
    stop: tuple[int, ...] = ()
    advance: tuple[int, ...] = ()
    advance_travel_s: float = 0.0
    stored: int = 0
    """Vehicles that stand between the advance loop and the stop line when it is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A loop whose vehicles come to one of several lanes; ``lanes`` are positions."""

    detector: int
    lanes: tuple[int, ...]
    travel_s: float
    share: float
    near: bool
    """An advance loop before a fork: all of its vehicles come, and entry loops lie behind it."""
    stored: int
    """Vehicles that stand between it and the next loop downstream when its lane is full."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Lanes in the order of the movements, approaches by name, sources in that of detectors."""

    lanes: tuple[TrafficLane, ...]
    approaches: tuple[str, ...]
    sources: tuple[Source, ...]
    detectors: int


VEHICLE_SPACING_M = 6.5
"""Front to front in a standing queue."""


def layout_of(site: Intersection) -> Layout:
    """The lanes and loops of *site*; lanes without any loop are included."""
    groups, approach_of, approaches = _lanes_by_movement(site)
    for detector in site.detectors:
        if detector.lane and detector.role is not DetectorRole.PUSH_BUTTON:
            _add_unknown_lane(site, detector, groups, approach_of, approaches)
    names = list(groups)
    lanes = tuple(_lane(site, name, groups[name], approach_of[name]) for name in names)
    sources = tuple(_sources(site, lanes))
    return Layout(
        lanes=lanes,
        approaches=tuple(approaches),
        sources=sources,
        detectors=len(site.detectors),
    )


def _lanes_by_movement(
    site: Intersection,
) -> tuple[dict[str, int], dict[str, int], list[str]]:
    groups: dict[str, int] = {}
    approach_of: dict[str, int] = {}
    approaches: list[str] = []
    for movement in site.movements:
        if movement.turn == "crossing":
            continue
        if movement.from_approach not in approaches:
            approaches.append(movement.from_approach)
        for name in movement.lanes:
            approach_of.setdefault(name, approaches.index(movement.from_approach))
            groups[name] = groups.get(name, 0) | site.mask((movement.group,))
    return groups, approach_of, approaches


def _add_unknown_lane(
    site: Intersection,
    detector: Detector,
    groups: dict[str, int],
    approach_of: dict[str, int],
    approaches: list[str],
) -> None:
    """A lane that no movement names: an approach of its own."""
    if detector.lane in groups or not detector.groups:
        return
    groups[detector.lane] = site.mask(detector.groups)
    approach_of[detector.lane] = len(approaches)
    approaches.append(detector.lane)


def _lane(site: Intersection, name: str, groups: int, approach: int) -> TrafficLane:
    stop = tuple(_loops(site, name, DetectorRole.STOP_LINE))
    advance = tuple(_loops(site, name, DetectorRole.ADVANCE))
    if not advance:
        return TrafficLane(name=name, approach=approach, groups=groups, stop=stop)
    loops = [site.detectors[d] for d in advance]
    stop_m = max((site.detectors[d].distance_m for d in stop), default=0.0)
    length_m = min(loop.distance_m for loop in loops)
    return TrafficLane(
        name=name,
        approach=approach,
        groups=groups,
        stop=stop,
        advance=advance,
        advance_travel_s=min(_travel_s(loop) for loop in loops),
        stored=int((length_m - stop_m) / VEHICLE_SPACING_M),
    )


def _loops(site: Intersection, lane: str, role: DetectorRole) -> Iterable[int]:
    return (d for d, loop in enumerate(site.detectors) if loop.lane == lane and loop.role is role)


def _travel_s(detector: Detector) -> float:
    return detector.travel_time_s or detector.distance_m / SPEED_M_PER_S


def _sources(site: Intersection, lanes: tuple[TrafficLane, ...]) -> Iterable[Source]:
    for d, detector in enumerate(site.detectors):
        near = detector.role is DetectorRole.ADVANCE
        if not (near or detector.role is DetectorRole.ENTRY) or (near and detector.lane):
            continue
        served = _served(site, detector, lanes)
        if not served:
            continue
        yield Source(
            detector=d,
            lanes=served,
            travel_s=_travel_s(detector),
            share=detector.share,
            near=near,
            stored=int(detector.distance_m / VEHICLE_SPACING_M),
        )


def _served(
    site: Intersection, detector: Detector, lanes: tuple[TrafficLane, ...]
) -> tuple[int, ...]:
    """The lanes that the detector names; else those of its lane's approach, or of its groups."""
    if detector.lanes:
        return tuple(k for k, lane in enumerate(lanes) if lane.name in detector.lanes)
    mask = site.mask(detector.groups)
    return tuple(k for k, lane in enumerate(lanes) if lane.groups & mask)
