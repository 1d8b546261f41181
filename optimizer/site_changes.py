"""What the stages of a site mean for its lanes: what the search needs and only the site decides.

The times are those of the signal controller (:mod:`controller.change`), rounded up to the seconds
in which the search counts: how long the change between two stages takes, until when a lane that
loses its green is still served, and from when a lane that gets green is.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np

from controller.intersection import Intersection
from optimizer.search_stages import NEVER_S, Integers, StageChanges

YELLOW_USED_S = 2
"""Part of a yellow in which vehicles still leave (HCM 2010, chapter 31: end gain)."""
STARTUP_LOSS_S = 1
"""From the start of green until the queue moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageRules:
    """What limits the stages besides the site itself.

    ``order``: the stages in the order in which they have to follow each other (positions in
    ``site.stages``), or None if any may follow any. ``max_green_s``: per stage. ``avoided``: stages
    that nothing changes to where any may follow any.
    """

    max_green_s: Sequence[int]
    order: Sequence[int] | None = None
    avoided: Collection[int] = ()

    def closing(self, stages: Collection[int]) -> StageRules:
        """The same, with *stages* ended after their minimum green, and avoided."""
        if not stages:
            return self
        return replace(
            self,
            avoided=(*self.avoided, *stages),
            max_green_s=[0 if k in stages else s for k, s in enumerate(self.max_green_s)],
        )


def site_changes(
    site: Intersection, lane_groups: Sequence[int], called_pedestrians: int, rules: StageRules
) -> StageChanges:
    """The changes between all stages, for lanes (and crossings) released by *lane_groups*.

    *lane_groups* are masks of signal groups. Pedestrian groups that are not in
    *called_pedestrians* stay red, so that nobody waits for the clearance of an empty crossing.
    """
    unused = site.pedestrian_groups & ~called_pedestrians
    masks = [mask & ~unused for mask in site.stage_masks]
    n_stages, n_lanes = len(masks), len(lane_groups)
    change_s = np.ones((n_stages, n_stages), dtype=np.int32)
    stops_s = np.zeros((n_stages, n_stages, n_lanes), dtype=np.int32)
    starts_s = np.full((n_stages, n_stages, n_lanes), NEVER_S, dtype=np.int32)
    for a, before in enumerate(masks):
        for b, after in enumerate(masks):
            if a != b:
                change = _Change(site, before, after)
                change_s[a, b] = change.duration_s
                stops_s[a, b] = [change.stops_s(groups) for groups in lane_groups]
                starts_s[a, b] = [change.starts_s(groups) for groups in lane_groups]
    return StageChanges(
        change_s=change_s,
        stops_after_s=stops_s,
        starts_after_s=starts_s,
        min_green_s=[_seconds_up(site.stage_minimum_ms(mask)) for mask in masks],
        max_green_s=_maximum_greens(site, masks, rules),
        allowed=_allowed(masks, rules),
    )


class _Change:
    """One change, in whole seconds."""

    def __init__(self, site: Intersection, before: int, after: int) -> None:
        leads_ms = dict(site.leads_ms(before, after))
        duration_ms = max(leads_ms.values(), default=0)
        ending = sum(1 << i for i in leads_ms)
        self._before = before
        self._starting = after & (~before | ending)
        self._released_ms = {i: duration_ms - lead_ms for i, lead_ms in leads_ms.items()}
        self.duration_s = max(1, _seconds_up(duration_ms))

    def stops_s(self, groups: int) -> int:
        """Until when a lane is served as before: its first group to end ends it."""
        ends = [end_ms for i, end_ms in self._released_ms.items() if groups >> i & 1]
        if ends:
            return min(ends) // 1000 + YELLOW_USED_S
        return NEVER_S if groups & self._before else 0

    def starts_s(self, groups: int) -> int:
        """From when a lane is served as in the next stage; never if nothing of it starts."""
        return self.duration_s + STARTUP_LOSS_S if groups & self._starting else NEVER_S


def _maximum_greens(site: Intersection, masks: Sequence[int], rules: StageRules) -> list[int]:
    return [
        max(limit, _seconds_up(site.stage_minimum_ms(mask)))
        for limit, mask in zip(rules.max_green_s, masks, strict=True)
    ]


def _allowed(masks: Sequence[int], rules: StageRules) -> Integers:
    n_stages, order = len(masks), rules.order
    if order is None:
        # A stage for pedestrians only, of whom none has called, releases nobody.
        useful = np.array([mask != 0 for mask in masks], dtype=np.uint8)
        useful[list(rules.avoided)] = 0
        return np.tile(useful, (n_stages, 1))
    allowed = np.zeros((n_stages, n_stages), dtype=np.uint8)
    for here, there in zip(order, (*order[1:], order[0]), strict=True):
        allowed[here, there] = 1
    # The controller may have gone elsewhere, for an overdue call: from there, back into the order.
    outside = [stage for stage in range(n_stages) if stage not in order]
    allowed[np.ix_(outside, list(order))] = 1
    return allowed


def _seconds_up(duration_ms: int) -> int:
    return -(-duration_ms // 1000)
