"""The lanes of a turn, and those beside them."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.corridor.changes import Lanes
from optimizer.traffic.layout import TrafficLane


def lanes_of_turn(layout: Sequence[TrafficLane], positions: Sequence[int]) -> Lanes:
    """Masks that release the lanes at *positions* of *layout*, and all those of their approaches.

    Positions that the layout does not have are passed over.
    """
    own = [layout[k] for k in positions if 0 <= k < len(layout)]
    approaches = {lane.approach for lane in own}
    return (
        tuple(lane.groups for lane in own),
        tuple(lane.groups for lane in layout if lane.approach in approaches),
    )
