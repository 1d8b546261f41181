"""The change from what is green to another stage: what ends when, so that all starts together.

The change takes as long as its longest intergreen. Every group that ends is released only when its
own intergreen to the starting groups requires: a pedestrian clearance begins first, while vehicles
with a shorter intergreen keep their green, and all starting groups are due at the same moment.

A stream that the next stage has too, but that the yellow trap ends with a permissive group, is one
of the starting groups: it stays red until the change is over. Were it lit again as soon as its own
red allows, the next permissive group to end would have to wait for its minimum green.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.intersection import Intersection, bits
from controller.lamps import LONG_AGO_MS, LampState


class Change(NamedTuple):
    """A change that may begin at ``ready_ms``."""

    mask: int
    """Groups of the next stage."""
    wanted: int
    """Groups to be green when the change is over: without pedestrians that nobody called."""
    duration_ms: int
    leads_ms: tuple[tuple[int, int], ...]
    """(group, how long before the end of the change its green ends)"""
    ending: int
    ending_vehicles: int
    ready_ms: int
    """From then on no minimum green, running clearance or red revert would delay the change."""


Steps = tuple[tuple[int, int], ...]
"""(time, groups wanted from then on), ascending."""


def prepare(site: Intersection, lamps: LampState, called: int, mask: int) -> Change:
    """The change from the present lamps to the stage *mask*."""
    green = lamps.green
    wanted = mask & (~site.pedestrian_groups | called | green)
    leads_ms = site.leads_ms(green, wanted)
    duration_ms = max((lead_ms for _, lead_ms in leads_ms), default=0)
    ending, ready_ms = 0, LONG_AGO_MS
    for i, lead_ms in leads_ms:
        ending |= 1 << i
        released_ms = duration_ms - lead_ms
        ready_ms = max(ready_ms, lamps.since_ms[i] + site.groups[i].min_green_ms - released_ms)
    starting = wanted & (~green | ending)
    for i in bits(starting & ~green):
        group, red_ms = site.groups[i], lamps.since_ms[i]
        if lamps.ending >> i & 1:
            red_ms += group.ending_ms
        ready_ms = max(ready_ms, red_ms + group.red_ms - duration_ms)
    for i in bits(site.all_groups & ~green):
        lead_ms = site.lead_ms(i, starting)
        if lead_ms:
            ready_ms = max(ready_ms, lamps.ended_ms[i] + lead_ms - duration_ms)
    vehicles = ending & ~site.pedestrian_groups
    return Change(mask, wanted, duration_ms, leads_ms, ending, vehicles, ready_ms)


def steps_of(change: Change, green: int, begin_ms: int) -> Steps:
    """When to stop wanting each group, and from when to want the next stage."""
    end_ms = begin_ms + change.duration_ms
    want, steps = green, []
    for lead_ms in sorted({lead for _, lead in change.leads_ms}, reverse=True):
        for group, lead in change.leads_ms:
            if lead == lead_ms:
                want &= ~(1 << group)
        if lead_ms:
            steps.append((end_ms - lead_ms, want))
    steps.append((end_ms, change.wanted))
    return tuple(steps)
