"""What the reference model knows of each lane and each source."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from optimizer.traffic.law import RATE_PRIOR_VEH_PER_S


@dataclass(slots=True)
class LaneState:
    """What is known of one lane."""

    near: deque[float] = field(default_factory=deque)
    some: float = 0.0
    beyond: float = 0.0
    """Queue upstream of the advance loop that no source counted."""
    quiet_s: float = 99.0
    """Since the stop-line loop last saw anyone."""
    moving_s: float = 99.0
    """Since the stop-line loop last saw anyone leave."""
    on_stop_s: float = 0.0
    on_advance_s: float = 0.0
    over: bool = False
    """The queue reaches the advance loop, or still moves up over it."""
    advance_quiet_s: float = 99.0
    clear_s: float = 0.0
    """Since the queue last reached the advance loop."""
    green_s: float = 0.0
    green_occupied_s: float = 0.0
    rate_veh_per_s: float = RATE_PRIOR_VEH_PER_S
    credit: float = 0.0
    had_advance: bool = False
    has_advance: bool = False
    has_source: bool = False
    head_since_s: float = -1.0


@dataclass(slots=True)
class SourceState:
    """What is known of one source: vehicles on their way, and where they go."""

    far: list[list[float]]
    """[due time at the stop line, whether it was shared out to lanes without advance loops]"""
    to_lane: list[float]
    """Per lane of the site, the part of its vehicles that comes there."""
    rate_veh_per_s: float = RATE_PRIOR_VEH_PER_S
    on_s: float = 0.0
    works: bool = False
