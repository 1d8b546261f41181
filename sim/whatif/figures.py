"""What one candidate did with the present: the figures of one run ahead."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A figure and where it was measured: signal and groups, or a lane."""

    where: str
    value: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Ahead:
    """One run from the present to the horizon.

    ``vehicles`` are those present, those waiting to get in, and those that come; ``delay_veh_h`` is
    all that they lose from the present on, whether they arrive or not (time loss, and the wait to
    get in). ``standing``: (seconds from the present, vehicles that stand in the network).
    """

    vehicles: int
    arrived: int
    delay_veh_h: float
    standing: tuple[tuple[float, float], ...]
    longest_queue_veh: Place
    """Most vehicles standing on one lane at a time."""
    full_lane_min: float
    """How long lanes stood full from end to end, added up over the lanes: spillback."""
    longest_wait_s: Place
    """The longest that one vehicle stood in one piece, from the present on."""
    worst_group: Place | None
    """Most standing time per vehicle (s) before one lane's signal groups; None without traffic."""
    walkers: int
    walker_wait_s: float | None
    """Mean wait of the persons on foot, from the present on."""
    unsafe: tuple[str, ...]
    """What the lamps showed while the candidate took over that they must not; empty if all well."""
