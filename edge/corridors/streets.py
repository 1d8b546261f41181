"""The street map that corridors are planned on: directed streets, and the signals at their ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Point = tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """One directed street from a node to the next; *shape* in metres, x east, y north."""

    name: str
    label: str
    """What people call it; the name where nobody does."""
    from_node: str
    to_node: str
    length_m: float
    speed_m_per_s: float
    lanes: int
    shape: tuple[Point, ...]
    open_to_emergency: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """From a street into the next one.

    ``site`` is empty where no signal stands between them. ``groups``: the signal groups whose green
    lets the vehicle pass. ``stages``: the stages that show all of them, the best for a corridor
    first (nobody to give way to, nobody in front who waits for another green; then those that
    serve most). ``crossing_m`` is
    the way through the junction. ``lanes``: the lanes of the estimate that queue in front of it.
    """

    from_street: str
    to_street: str
    crossing_m: float
    site: str = ""
    groups: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    lanes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Streets:
    """All streets by name, and the turns out of each."""

    name: str
    streets: Mapping[str, Street]
    turns: Mapping[str, tuple[Turn, ...]]
