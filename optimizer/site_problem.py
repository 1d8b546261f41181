"""One site's demand and stage sequence as a problem for :mod:`optimizer.splits`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller.intersection import Intersection, bits
from controller.plan import TimingPlan, minimum_splits_ms
from optimizer.delay import EFFECTIVE_GREEN_MIN_S, Floats
from optimizer.demand import LaneDemand
from optimizer.lanes import Lane, service
from optimizer.splits import SplitProblem, optimise_splits

END_GAIN_S = 2.0
"""Part of the yellow that is still used (HCM 2010, chapter 18, extension of effective green)."""


@dataclass(frozen=True, slots=True)
class Sequence:
    """The stages of a plan in order; *s* of them, times in s."""

    masks: tuple[int, ...]
    interstage_s: Floats
    minimum_green_s: Floats


def sequence_of(site: Intersection, plan: TimingPlan) -> Sequence:
    """The stages of *plan* with the interstage that follows each and its minimum green."""
    masks = tuple(site.stage_masks[site.stage_index(entry.stage)] for entry in plan.stages)
    following = masks[1:] + masks[:1]
    interstage_s = np.array(
        [site.interstage_ms(a, b) / 1000.0 for a, b in zip(masks, following, strict=True)]
    )
    minimum_s = np.array([split / 1000.0 for split in minimum_splits_ms(site, masks)])
    return Sequence(masks, interstage_s, minimum_s - interstage_s)


@dataclass(frozen=True, slots=True)
class SiteProblem:
    """Known lanes (*p*) against the stages of a sequence (*s*)."""

    lanes: tuple[LaneDemand, ...]
    """Only those whose flow is known."""
    service: Floats
    """(s, p)"""
    extra_green_s: Floats
    """(p,)"""
    unknown: tuple[bool, ...]
    """Per stage, whether it serves vehicles that nothing is known of."""


def site_problem(
    site: Intersection, sequence: Sequence, demands: tuple[LaneDemand, ...]
) -> SiteProblem:
    """What the stages of *sequence* do for each lane with a known flow, and what is not known."""
    known = tuple(demand for demand in demands if demand.flow.value is not None)
    missing = _groups_not_seen(site, tuple(demand.lane for demand in demands))
    for demand in demands:
        if demand.flow.value is None:
            missing |= demand.lane.groups
    served = np.array(
        [[service(site, demand.lane, mask) for demand in known] for mask in sequence.masks]
    ).reshape(len(sequence.masks), len(known))
    extra = [
        _extra_green_s(sequence, demand, served[:, column]) for column, demand in enumerate(known)
    ]
    return SiteProblem(
        known, served, np.array(extra), tuple(bool(mask & missing) for mask in sequence.masks)
    )


def _groups_not_seen(site: Intersection, lanes: tuple[Lane, ...]) -> int:
    seen = site.pedestrian_groups
    for lane in lanes:
        seen |= lane.groups
    return site.all_groups & ~seen


def _extra_green_s(sequence: Sequence, demand: LaneDemand, served: Floats) -> float:
    """Effective green beyond that of the stages: interstages kept, end gain, start-up loss."""
    extra = 0.0
    stages = len(sequence.masks)
    for k in range(stages):
        here, there = served[k], served[(k + 1) % stages]
        continues = sequence.masks[k] & sequence.masks[(k + 1) % stages] & demand.lane.groups
        if here and there and continues:
            extra += min(here, there) * sequence.interstage_s[k]
        elif here:
            extra += here * (END_GAIN_S - demand.startup_loss_s)
    return extra


@dataclass(frozen=True, slots=True)
class SiteSolution:
    """Cycle and greens (s,) in s, and the total delay that the formula expects (veh)."""

    cycle_s: float
    green_s: Floats
    delay_veh: float


def solve_site(
    problem: SiteProblem, sequence: Sequence, minimum_green_s: Floats, cycles_s: Floats
) -> SiteSolution:
    """Least delay over *cycles_s*; stages need *minimum_green_s* (s,). At least one lane known."""
    flows = np.array([[lane.flow.value or 0.0 for lane in problem.lanes]])
    solution = optimise_splits(
        SplitProblem(
            flow_veh_per_h=flows,
            saturation_veh_per_h=_saturation(problem)[None],
            service=problem.service[None],
            extra_green_s=problem.extra_green_s[None],
            minimum_green_s=minimum_green_s[None],
            lost_s=[float(sequence.interstage_s.sum())],
            cycles_s=cycles_s,
        )
    )
    return SiteSolution(
        float(solution.cycle_s[0]), solution.green_s[0], float(solution.delay_veh.min())
    )


def saturation_degrees(problem: SiteProblem, cycle_s: float, green_s: Floats) -> Floats:
    """Degree of saturation of every known lane under *green_s* (s,); (p,)."""
    flows = np.array([lane.flow.value or 0.0 for lane in problem.lanes])
    effective = green_s @ problem.service + problem.extra_green_s
    capacity = _saturation(problem) * np.maximum(effective, EFFECTIVE_GREEN_MIN_S) / cycle_s
    degrees: Floats = flows / capacity
    return degrees


def _saturation(problem: SiteProblem) -> Floats:
    return np.array([lane.saturation.value or 1.0 for lane in problem.lanes])


def names_of(site: Intersection, mask: int) -> str:
    """The groups of *mask* in words."""
    return ", ".join(site.groups[i].name for i in bits(mask))
