"""The conflict monitor: looks only at what the lamps show, and latches flash when it is unsafe.

It shares no code and no memory with the lamp layer: it keeps its own record of past outputs and
holds it against the site's matrices. A failed check is final until somebody resets the monitor by
hand (NEMA TS 2 malfunction management unit; the 2.7 s yellow floor is from there).
"""

from __future__ import annotations

from typing import NamedTuple

from controller.intersection import Intersection
from controller.signals import Fault

YELLOW_FLOOR_MS = 2_700
TOLERANCE_MS = 300
"""By how much an intergreen or a pedestrian clearance may fall short before it is a fault."""
_LONG_AGO_MS = -(1 << 40)


class MonitorState(NamedTuple):
    """The monitor's own record of the lamps."""

    green: int
    ending: int
    green_end_ms: tuple[int, ...]
    """Per group, when it was last seen to stop being green."""
    fault: Fault | None = None
    """What has tripped the monitor; it stays until a reset."""


def clear_record(site: Intersection) -> MonitorState:
    """A monitor that has seen nothing yet."""
    return MonitorState(0, 0, (_LONG_AGO_MS,) * len(site.groups))


def look(
    site: Intersection, record: MonitorState, green: int, ending: int, clock_ms: int
) -> MonitorState:
    """The record after one step; its ``fault`` is set if what is shown is unsafe."""
    if green == record.green and ending == record.ending:
        return record
    ends = list(record.green_end_ms)
    fault = _static_fault(site, green, ending)
    for i, group in enumerate(site.groups):
        bit = 1 << i
        was_green, was_ending = record.green & bit, record.ending & bit
        if was_green and not green & bit:
            ends[i] = clock_ms
            if not ending & bit:
                fault = fault or Fault("skipped yellow", f"{group.name} went from green to red")
        elif was_ending and not ending & bit:
            floor_ms = group.ending_ms - TOLERANCE_MS if group.is_pedestrian else YELLOW_FLOOR_MS
            shown_ms = clock_ms - ends[i]
            if shown_ms < floor_ms or green & bit:
                fault = fault or Fault(
                    "short yellow", f"{group.name} ended after {shown_ms} ms of yellow or clearance"
                )
        elif ending & bit and not was_green and not was_ending:
            fault = fault or Fault("yellow after red", f"{group.name} went from red to yellow")
    for j, starter in enumerate(site.groups):
        if not (green >> j & 1) or record.green >> j & 1:
            continue
        for i, ender in enumerate(site.groups):
            needed_ms = site.intergreen_ms[i][j]
            passed_ms = clock_ms - ends[i]
            if needed_ms and passed_ms < needed_ms - TOLERANCE_MS:
                fault = fault or Fault(
                    "short intergreen",
                    f"{starter.name} started {passed_ms} ms after {ender.name} ended, "
                    f"not {needed_ms} ms",
                )
    return MonitorState(green, ending, tuple(ends), fault)


def cut(record: MonitorState, clock_ms: int) -> MonitorState:
    """The record when flash cuts off whatever is lit."""
    lit = record.green | record.ending
    ends = tuple(
        clock_ms if lit >> i & 1 else end_ms for i, end_ms in enumerate(record.green_end_ms)
    )
    return MonitorState(0, 0, ends, record.fault)


def _static_fault(site: Intersection, green: int, ending: int) -> Fault | None:
    """What is wrong with one picture of the lamps, whatever came before."""
    shown = green | ending
    if shown >> len(site.groups):
        return Fault("unknown group", "a lamp is lit that the site does not have")
    both = green & ending
    if both:
        return Fault("dual indication", f"{', '.join(site.names(both))}: green and yellow")
    for i, group in enumerate(site.groups):
        if shown >> i & 1 and site.conflicts[i] & shown:
            others = ", ".join(site.names(site.conflicts[i] & shown))
            return Fault("conflict", f"{group.name} is lit together with {others}")
    return None
