"""The lanes of a site as its detectors know them, and what each stage does for them.

A lane is its own lane group: it has its own queue, and a lane that several signal groups release
is blocked by its head while only some of them are green.
"""

from __future__ import annotations

from dataclasses import dataclass

from controller.intersection import DetectorRole, Intersection, bits

SERVICE_MIXED = 0.8
"""Saturation flow of a lane of which some movements give way, against a protected lane."""
SERVICE_PERMISSIVE = 0.5
"""The same where all its movements give way."""
SERVICE_PART = 0.3
"""The same where only some of its groups are green: the head of the queue blocks the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """One lane at the stop line; detectors are positions in ``site.detectors``."""

    name: str
    groups: int
    """Mask of the signal groups that release it."""
    stop_line: tuple[int, ...]
    advance: tuple[int, ...]


def lanes_of(site: Intersection) -> tuple[Lane, ...]:
    """The lanes that have a stop-line or an advance loop, in the order of the detectors."""
    loops: dict[str, dict[DetectorRole, list[int]]] = {}
    for d, detector in enumerate(site.detectors):
        if detector.lane and detector.role in (DetectorRole.STOP_LINE, DetectorRole.ADVANCE):
            loops.setdefault(detector.lane, {}).setdefault(detector.role, []).append(d)
    lanes = []
    for name, found in loops.items():
        stop_line = tuple(found.get(DetectorRole.STOP_LINE, ()))
        advance = tuple(found.get(DetectorRole.ADVANCE, ()))
        groups = 0
        for d in stop_line or advance:
            groups |= site.mask(site.detectors[d].groups)
        if groups:
            lanes.append(Lane(name=name, groups=groups, stop_line=stop_line, advance=advance))
    return tuple(lanes)


def service(site: Intersection, lane: Lane, stage_mask: int) -> float:
    """How much of the lane's saturation flow *stage_mask* releases, 0..1."""
    released = lane.groups & stage_mask
    if not released:
        return 0.0
    if released != lane.groups:
        return SERVICE_PART
    yielding = sum(1 for i in bits(released) if site.yields_to[i] & stage_mask)
    if not yielding:
        return 1.0
    return SERVICE_PERMISSIVE if yielding == released.bit_count() else SERVICE_MIXED
