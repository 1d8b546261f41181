"""Stage sequences that a site may run, in the terms of the network model.

A :class:`Layout` is one order of stages with what the changes between them mean: how long each
takes, when a stream's green begins and ends in it, and the shortest time of a stage. A stage of the
model starts with the change to it; the green of a controller's stage starts when that is over.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, permutations
from math import ceil

from controller.intersection import Intersection
from controller.plan import minimum_splits_ms
from optimizer.profiles.network import GreenTimes

POOL_MAX = 12
"""Of a site with more stages than these only those of its present sequence are combined."""
CHOSEN_MAX = 5
"""Stages that a new combination may have."""
ORDERS_MAX = 8
STAGE_MIN_S = 5.0
"""A shorter stage, where all that it lights is green before or after too, is not worth its name."""
ALWAYS = GreenTimes(start_stage=0, start_lag_s=0.0, end_stage=0, end_lag_s=0.0)


@dataclass(frozen=True)
class Layout:
    """The stages of *site*, by position, in their order."""

    site: Intersection
    stages: tuple[int, ...]

    @cached_property
    def masks(self) -> tuple[int, ...]:
        """The groups of each stage."""
        return tuple(self.site.stage_masks[stage] for stage in self.stages)

    @cached_property
    def interstages_ms(self) -> tuple[int, ...]:
        """How long the change *to* each stage takes."""
        return tuple(
            self.site.interstage_ms(self.masks[k - 1], mask) for k, mask in enumerate(self.masks)
        )

    @cached_property
    def minimums_s(self) -> tuple[float, ...]:
        """From the start of the change to each stage to the start of the next, at least.

        Whole seconds, so that whole seconds can be shifted, and at least :data:`STAGE_MIN_S`.
        """
        return tuple(
            ceil((split_ms + longer_ms) / 1000)
            for split_ms, longer_ms in zip(self._splits_ms, self._longer_ms, strict=True)
        )

    @cached_property
    def _longer_ms(self) -> tuple[int, ...]:
        """By how much a stage with the change to it is longer than its split."""
        changes = self.interstages_ms
        return tuple(change - changes[(k + 1) % len(changes)] for k, change in enumerate(changes))

    @cached_property
    def _splits_ms(self) -> tuple[int, ...]:
        """The shortest splits with which every stage is green when it is due.

        The legal minimum of a stage sees the clearances of those next to it. A long one, of people
        who cross a wide road, may last over several short stages: the last of them waits for it.
        """
        count = len(self.stages)
        splits = [
            max(split_ms, round(1000 * STAGE_MIN_S) - longer_ms)
            for split_ms, longer_ms in zip(
                minimum_splits_ms(self.site, self.masks), self._longer_ms, strict=True
            )
        ]
        for starting in range(count):
            for ago in range(3, count):
                between = [(starting - back) % count for back in range(ago - 1, 0, -1)]
                owed_ms = self._owed_ms((starting - ago) % count, between, starting)
                short_ms = owed_ms - sum(splits[k] for k in between)
                splits[between[-1]] += max(short_ms, 0)
        return tuple(splits)

    def _owed_ms(self, ended: int, between: Sequence[int], starting: int) -> int:
        """From the green after stage *ended* until its groups let stage *starting* turn green."""
        masks = self.masks
        new = masks[starting] & ~masks[between[-1]]
        lit = 0
        for k in between:
            lit |= masks[k]
        owed = (
            self.site.lead_ms(group, new) - lead_ms
            for group, lead_ms in self._leads_ms[ended].items()
            if not lit >> group & 1
        )
        return max(owed, default=0)

    def greens(self, groups: int) -> tuple[GreenTimes, ...]:
        """When all of *groups* are green; empty if that never is."""
        count = len(self.stages)
        on = [mask & groups == groups for mask in self.masks]
        breaks = [on[k] and self._lead_ms(k, groups) is not None for k in range(count)]
        starts = [k for k in range(count) if on[k] and (not on[k - 1] or breaks[k - 1])]
        if not starts:
            return (ALWAYS,) if all(on) else ()
        found = []
        for start in starts:
            last = start
            while not breaks[last]:
                last = (last + 1) % count
            end = (last + 1) % count
            lead_ms = self._lead_ms(last, groups) or 0
            found.append(
                GreenTimes(
                    start_stage=start,
                    start_lag_s=self.interstages_ms[start] / 1000,
                    end_stage=end,
                    end_lag_s=(self.interstages_ms[end] - lead_ms) / 1000,
                )
            )
        return tuple(found)

    def _lead_ms(self, k: int, groups: int) -> int | None:
        """How long before the green after stage *k* some of *groups* end; None if none do."""
        own = [lead for group, lead in self._leads_ms[k].items() if groups >> group & 1]
        return max(own, default=None)

    @cached_property
    def _leads_ms(self) -> tuple[dict[int, int], ...]:
        """By stage: the groups that end after it, and how long before the next green."""
        following = (*self.masks[1:], self.masks[0])
        return tuple(
            dict(self.site.leads_ms(mask, after))
            for mask, after in zip(self.masks, following, strict=True)
        )


def combinations_of(
    site: Intersection, present: Sequence[int], *, keep_order: bool
) -> tuple[tuple[int, ...], ...]:
    """Sets of stages that could be run, each in one order, the present one first.

    Besides the present sequence, with and without the stages that it could spare, these are the
    smallest sets of any stages of the site that serve every group.
    """
    found = [tuple(present)]
    if keep_order or len(set(present)) != len(present):
        return tuple(found)
    found += [own for own in _subsets(site, present) if len(own) < len(present)]
    every = range(len(site.stages))
    if len(every) <= POOL_MAX:
        found += list(_smallest(site, tuple(every)))
    unique: dict[frozenset[int], tuple[int, ...]] = {}
    for own in found:
        unique.setdefault(frozenset(own), own)
    return tuple(unique.values())


def orders_of(site: Intersection, stages: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Every cyclic order of *stages* and of its parts that serve every group, this one first."""
    if len(set(stages)) != len(stages):
        return (tuple(stages),)
    found: dict[tuple[int, ...], None] = {tuple(stages): None}
    for own in _subsets(site, stages):
        for rest in permutations(own[1:]):
            found.setdefault((own[0], *rest))
    return tuple(found)[:ORDERS_MAX]


def _subsets(site: Intersection, stages: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The parts of *stages*, greatest first, that serve every group; at least two of them."""
    for size in range(len(stages), 1, -1):
        for own in combinations(stages, size):
            if _serves_all(site, own):
                yield own


def _smallest(site: Intersection, stages: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """The sets of *stages* that serve every group and of which none is to spare."""
    for size in range(2, min(CHOSEN_MAX, len(stages)) + 1):
        for own in combinations(stages, size):
            if _serves_all(site, own) and not any(
                _serves_all(site, [stage for stage in own if stage != spared]) for spared in own
            ):
                yield own


def _serves_all(site: Intersection, stages: Sequence[int]) -> bool:
    served = 0
    for stage in stages:
        served |= site.stage_masks[stage]
    return served == site.all_groups
