"""How long a signal controller needs to get to a stage, nothing cut."""

from __future__ import annotations

from controller.intersection import Intersection, bits

Lanes = tuple[tuple[int, ...], tuple[int, ...]]

UNKNOWN_S = 20.0
"""For a site whose times nobody knows."""


def change_s(site: Intersection, stage: str | None, green_ms: int, wanted: str) -> float:
    """From now until every group of stage *wanted* may be green.

    *stage* has been fully green for *green_ms*; its minimum greens and walks are finished, and
    clearances follow. With None, a change to nobody knows which stage is under way: as long as it
    takes on average from the beginning of one. Raises :class:`KeyError` for a stage *wanted* that
    the site does not have; one *stage* that it does not have counts as None.
    """
    if stage == wanted:
        return 0.0
    mask = site.mask_of_stage.get(stage) if stage is not None else None
    if mask is None:
        return usual_change_s(site, wanted)
    return _change_ms(site, mask, green_ms, site.mask_of_stage[wanted]) / 1_000.0


def usual_change_s(site: Intersection, wanted: str) -> float:
    """From the very beginning of a stage, the mean over all stages."""
    mask = site.mask_of_stage[wanted]
    changes_ms = [_change_ms(site, each, 0, mask) for each in site.stage_masks if each != mask]
    return sum(changes_ms) / max(len(changes_ms), 1) / 1_000.0


def _change_ms(site: Intersection, mask: int, green_ms: int, wanted: int) -> int:
    leads = site.leads_ms(mask, wanted)
    duration_ms = max((lead_ms for _, lead_ms in leads), default=0)
    ready_ms = 0
    for group, lead_ms in leads:
        left_ms = site.groups[group].min_green_ms - green_ms
        ready_ms = max(ready_ms, left_ms - (duration_ms - lead_ms))
    return ready_ms + duration_ms


def hindrance(site: Intersection, groups: tuple[str, ...], lanes: Lanes, stage: str) -> int:
    """How far *stage* keeps a vehicle from going by any of *groups*; 0: not at all.

    It may have to give way itself. Those in front of it on its lanes may want another way: where
    that is red, they block the lane for as long as the stage is held; where they have to give way,
    until they find a gap. And where the other lanes of its approach are red, their queue may reach
    back to where the vehicle has yet to come by. *lanes*: the masks that release its own lanes, and
    all those of its approach.
    """
    mask, vehicles_only = site.mask_of_stage[stage], ~site.pedestrian_groups
    ours, own_lanes, approach = site.mask(groups), _union(lanes[0]), _union(lanes[1])
    found = 0
    for i in bits((ours | own_lanes | approach) & vehicles_only):
        lit, ahead = mask >> i & 1, own_lanes >> i & 1
        gives_way = lit and site.yields_to[i] & mask & vehicles_only
        if ours >> i & 1:
            found += 4 if gives_way else 0
        elif lit:
            found += 1 if gives_way and ahead else 0
        else:
            found += 3 if ahead else 2
    return found


def _union(masks: tuple[int, ...]) -> int:
    union = 0
    for mask in masks:
        union |= mask
    return union


def walks(site: Intersection, groups: tuple[str, ...], stage: str) -> int:
    """How many pedestrian groups *groups* give way to in *stage*."""
    mask = site.mask_of_stage[stage] & site.pedestrian_groups
    known = {group.name: i for i, group in enumerate(site.groups)}
    crossed = 0
    for name in groups:
        if name in known:
            crossed |= site.yields_to[known[name]] & mask
    return sum(1 for _ in bits(crossed))
