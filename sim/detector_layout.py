"""Fewer loops than the bench would place: streets whose approaches are only partly equipped."""

from __future__ import annotations

from dataclasses import replace

from controller.intersection import DetectorRole
from sim.errors import ScenarioError
from sim.network import Junction, Network

LAYOUTS = {
    "all": frozenset(DetectorRole),
    "stop+advance": frozenset(DetectorRole) - {DetectorRole.ENTRY},
    "stop": frozenset({DetectorRole.STOP_LINE, DetectorRole.PUSH_BUTTON}),
}
"""Detectors that exist, by the name of the layout. Push buttons stay: they belong to the signal."""


def check_layout(name: str) -> str:
    """*name* if it is a layout; raises :class:`ScenarioError` with the known ones."""
    if name not in LAYOUTS:
        raise ScenarioError(f"unknown layout {name!r}: choose one of {', '.join(LAYOUTS)}")
    return name


def with_layout(network: Network, layout: str) -> Network:
    """*network* with the detectors of *layout* only.

    A loop that was never built is no broken loop: it is gone from the site, so nobody waits for it
    or stands in for it. Raises :class:`ScenarioError` for an unknown layout.
    """
    roles = LAYOUTS[check_layout(layout)]
    if roles == LAYOUTS["all"]:
        return network
    junctions = tuple(_equipped(junction, roles) for junction in network.junctions)
    return replace(network, junctions=junctions)


def _equipped(junction: Junction, roles: frozenset[DetectorRole]) -> Junction:
    """*junction* with the detectors of *roles*; loop *i* is detector *i* again."""
    site = junction.intersection
    kept = [d for d, detector in enumerate(site.detectors) if detector.role in roles]
    now = {before: after for after, before in enumerate(kept)}
    return replace(
        junction,
        intersection=replace(site, detectors=tuple(site.detectors[d] for d in kept)),
        loops=tuple(
            replace(loop, detector=now[loop.detector])
            for loop in junction.loops
            if loop.detector in now
        ),
        buttons=tuple(
            replace(button, detector=now[button.detector])
            for button in junction.buttons
            if button.detector in now
        ),
    )
