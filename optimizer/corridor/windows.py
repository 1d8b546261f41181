"""The window planner: from a vehicle and the junctions ahead of it, when each has to be asked.

For each junction in the order of the route:

    eta         when the vehicle comes to the stop line: driving freely, and not before those in
                front of it are through.
    green from  the queue in front has to be gone when it comes: start-up loss, and a headway for
                every vehicle; a moment more, because drivers slow down for a red that they see.
    ask from    the signal controller needs its time: minimum greens and walks that run, then the
                clearances. Drivers of the junction before come along with the vehicle's way.

Where the queue fills the street up, nobody can leave the junction behind it, so a junction is green
no later than the one upstream of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SPACING_M = 7.0
"""Front to front in a standing queue (as the estimate has it, and a little more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowSettings:
    """What the planner reckons with, as trials on development seeds chose it (101 and up)."""

    startup_loss_s: float = 2.0
    headway_s: float = 2.0
    """Of a queue that discharges: 1,800 veh/h and lane."""
    margin_s: float = 3.5
    """Green before the vehicle comes: who sees a red brakes some 60 m before it."""
    hedge_s: float = 0.0
    """The controller may begin another stage in the very second in which it is not asked yet."""
    coming: float = 0.4
    """Part of those on their way who find the signal red, and have to be let go as well."""
    come_along: float = 0.25
    """Part of those in front who take the same way at a junction."""
    full_street: float = 0.7
    """From this part of its length on, a queue fills its street."""
    flush_max_s: float = 45.0
    """Nobody else waits for longer than this so that a queue is gone."""
    start_loss_s: float = 3.0
    """What a vehicle that stood loses until it drives at its speed again."""


DEFAULTS = WindowSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Approach:
    """One junction ahead, as it looks now.

    ``drive_s``: free driving time to its stop line from the one before, from the vehicle for the
    first. ``room_m``: the way that those in front have for standing: from the vehicle, or the
    junction before. ``queue_veh`` and ``coming_veh`` are of the fullest lane.
    """

    drive_s: float
    room_m: float
    queue_veh: float = 0.0
    coming_veh: float = 0.0
    """On their way to the stop line, and there before the vehicle."""
    change_s: float = 0.0
    """Until the way may be green, if it is asked for now."""


@dataclass(frozen=True, slots=True)
class Window:
    """In seconds from now; ``ask_from_s`` below 0: it should have been asked already."""

    eta_s: float
    green_from_s: float
    ask_from_s: float
    free_eta_s: float
    """Were there no signals and nobody else."""


def windows(
    approaches: Sequence[Approach],
    *,
    standing: bool = False,
    settings: WindowSettings = DEFAULTS,
) -> tuple[Window, ...]:
    """A window for each of *approaches*; *standing*: the vehicle does not drive yet."""
    found: list[Window] = []
    lost_s = settings.start_loss_s if standing else 0.0
    eta_s = free_s = 0.0
    along_veh = 0.0
    for approach in approaches:
        free_s += approach.drive_s
        eta_s += approach.drive_s + lost_s
        lost_s = 0.0
        ahead_veh = approach.queue_veh + settings.coming * approach.coming_veh + along_veh
        ahead_veh = min(ahead_veh, max(0.0, approach.room_m) / SPACING_M)
        flush_s = _flush_s(ahead_veh, settings)
        green_from_s = eta_s - flush_s - settings.margin_s
        full = approach.queue_veh * SPACING_M >= settings.full_street * approach.room_m > 0.0
        if found and full:
            green_from_s = min(green_from_s, found[-1].green_from_s)
        ask_from_s = green_from_s - approach.change_s - settings.hedge_s
        through_s = max(green_from_s, approach.change_s) + flush_s
        if through_s > eta_s:
            eta_s, lost_s = through_s, settings.start_loss_s
        along_veh = settings.come_along * ahead_veh
        found.append(Window(eta_s, green_from_s, ask_from_s, free_s))
    return tuple(found)


def _flush_s(ahead_veh: float, settings: WindowSettings) -> float:
    """How long a queue takes to be gone."""
    if ahead_veh < 1.0:
        return settings.headway_s * ahead_veh
    flush_s = settings.startup_loss_s + settings.headway_s * ahead_veh
    return min(flush_s, settings.flush_max_s)
