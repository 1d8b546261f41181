"""What the stage sequencer runs: a checked plan laid out for quick use, or free running."""

from __future__ import annotations

from typing import NamedTuple

from controller.coordination import FAST_RATE_MAX, NORMAL_RATE, Rhythm
from controller.intersection import Intersection
from controller.plan import CheckedPlan, Transition, minimum_splits_ms

FREE_SPLIT_MS = 60_000
"""Longest split of a stage while no plan is in force and somebody else waits."""


class Program(NamedTuple):
    """A sequence of stages; sets of stages are bit masks over the program's positions."""

    plan: CheckedPlan | None
    """None: free running, actuated over all stages of the site."""
    masks: tuple[int, ...]
    splits_ms: tuple[int, ...]
    minimums_ms: tuple[int, ...]
    starts_ms: tuple[int, ...]
    actuated: int
    skippable: int
    coordinated: int
    floating: bool
    """Isolated without a coordinated stage: each split counts from the stage's own start."""
    rhythm: Rhythm

    @property
    def last(self) -> int:
        """Position of the last stage."""
        return len(self.masks) - 1


def plan_program(site: Intersection, checked: CheckedPlan) -> Program:
    """The program that runs *checked* at *site*."""
    plan = checked.plan
    splits_ms = tuple(entry.split_ms for entry in plan.stages)
    minimums_ms = minimum_splits_ms(site, checked.masks)
    coordinated = _mask_of(tuple(entry.coordinated for entry in plan.stages))
    if plan.offset_ms is not None and not coordinated:
        coordinated = 1
    hold = (coordinated & -coordinated).bit_length() - 1 if coordinated else 0
    return Program(
        plan=checked,
        masks=checked.masks,
        splits_ms=splits_ms,
        minimums_ms=minimums_ms,
        starts_ms=checked.starts_ms,
        actuated=_mask_of(tuple(entry.actuated for entry in plan.stages)) & ~coordinated,
        skippable=_mask_of(tuple(entry.skippable for entry in plan.stages)),
        coordinated=coordinated,
        floating=not coordinated,
        rhythm=Rhythm(
            plan.cycle_ms,
            plan.offset_ms,
            plan.transition,
            _fastest_rate(splits_ms, minimums_ms),
            checked.starts_ms[hold],
        ),
    )


def free_program(site: Intersection) -> Program:
    """Actuated over the stages of *site* in their order, those without a call left out."""
    count = len(site.stages)
    splits_ms = tuple(
        max(FREE_SPLIT_MS, minimum) for minimum in minimum_splits_ms(site, site.stage_masks)
    )
    starts_ms = tuple(sum(splits_ms[:k]) for k in range(count))
    every = (1 << count) - 1
    return Program(
        plan=None,
        masks=site.stage_masks,
        splits_ms=splits_ms,
        minimums_ms=minimum_splits_ms(site, site.stage_masks),
        starts_ms=starts_ms,
        actuated=every,
        skippable=every,
        coordinated=0,
        floating=True,
        rhythm=Rhythm(sum(splits_ms), None, Transition.SHORTWAY, NORMAL_RATE, 0),
    )


def _fastest_rate(splits_ms: tuple[int, ...], minimums_ms: tuple[int, ...]) -> int:
    """The rate at which the tightest split just meets its minimum, within the general limit."""
    return min(
        FAST_RATE_MAX,
        *(
            split * NORMAL_RATE // minimum if minimum else FAST_RATE_MAX
            for split, minimum in zip(splits_ms, minimums_ms, strict=True)
        ),
    )


def _mask_of(flags: tuple[bool, ...]) -> int:
    return sum(1 << k for k, flag in enumerate(flags) if flag)
