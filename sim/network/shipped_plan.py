"""The shipped program as a timing plan that the controller accepts.

Greens start where the shipped ones start, as long as minimum greens, walks and clearances allow.
Where they don't, stages with time to spare give it up; only then is the cycle longer.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from controller.intersection import Intersection
from controller.plan import CYCLE_MAX_MS, PlanStage, TimingPlan, minimum_splits_ms
from sim.network.model import Finding
from sim.network.programs import ShippedProgram
from sim.network.stages import ShippedStage


def shipped_plan(
    program: ShippedProgram, site: Intersection, sequence: Sequence[ShippedStage]
) -> tuple[TimingPlan, tuple[Finding, ...]]:
    """The plan of *program* over the stages of *site*, and what had to be changed."""
    cycle_ms = round(program.cycle_s * 1000)
    starts = [round(stage.start_s * 1000) for stage in sequence]
    ends = [*starts[1:], starts[0] + cycle_ms]
    wanted = [end - start for start, end in zip(starts, ends, strict=True)]
    masks = tuple(stage.mask for stage in sequence)
    minimums = minimum_splits_ms(site, masks)
    splits = fitted_splits_ms(wanted, minimums)
    names = {mask: stage.name for stage, mask in zip(site.stages, site.stage_masks, strict=True)}
    total_ms = sum(splits)
    plan = TimingPlan(
        site=site.name,
        name=f"shipped {program.id}",
        cycle_ms=total_ms,
        offset_ms=round(program.offset_s * 1000 + starts[0]) % total_ms,
        stages=tuple(
            PlanStage(stage=names[mask], split_ms=split)
            for mask, split in zip(masks, splits, strict=True)
        ),
    )
    return plan, tuple(_changes(program, plan, wanted, minimums))


def shipped_greens_s(
    program: ShippedProgram, sequence: Sequence[ShippedStage], phases: Sequence[int]
) -> tuple[tuple[float, float], ...]:
    """Shortest and longest green of each stage of *sequence*, (0, inf) where none is given.

    *phases* are those that are stages. An actuated program that a city has tuned says how long
    its stages may be; on a controller over several nodes the vehicles between them depend on it.
    """
    starts = [0.0]
    for phase in program.phases:
        starts.append(starts[-1] + phase.duration_s)
    ends = [*(stage.start_s for stage in sequence[1:]), sequence[0].start_s + program.cycle_s]
    found = []
    for stage, end_s in zip(sequence, ends, strict=True):
        # The first stage may begin before second 0: its phases then stand at the end.
        own = [
            program.phases[p]
            for p in phases
            if stage.start_s <= starts[p] < end_s
            or stage.start_s <= starts[p] - program.cycle_s < end_s
        ]
        given = any(
            phase.min_s < phase.duration_s or phase.max_s > phase.duration_s for phase in own
        )
        least, most = sum(phase.min_s for phase in own), sum(phase.max_s for phase in own)
        found.append((least, most) if given else (0.0, math.inf))
    return tuple(found)


def fitted_splits_ms(wanted: Sequence[int], minimums: Sequence[int]) -> list[int]:
    """*wanted* raised to the *minimums*, the time taken from stages with slack as far as it goes.

    The sum stays that of *wanted* where the minimums leave room, and at most the longest cycle.
    """
    splits = [max(w, least) for w, least in zip(wanted, minimums, strict=True)]
    surplus_ms = sum(splits) - min(sum(wanted), CYCLE_MAX_MS)
    slack = [split - least for split, least in zip(splits, minimums, strict=True)]
    total_slack_ms = sum(slack)
    taken_ms = min(surplus_ms, total_slack_ms)
    if taken_ms <= 0:
        return splits
    shares = [taken_ms * each // total_slack_ms for each in slack]
    for k in sorted(range(len(slack)), key=lambda k: -slack[k]):
        missing_ms = taken_ms - sum(shares)
        shares[k] += min(missing_ms, slack[k] - shares[k])
    return [split - share for split, share in zip(splits, shares, strict=True)]


def _changes(
    program: ShippedProgram, plan: TimingPlan, wanted: Sequence[int], minimums: Sequence[int]
) -> list[Finding]:
    short = [
        f"stage {entry.stage} has {w / 1000:g} s and needs {least / 1000:g} s"
        for entry, w, least in zip(plan.stages, wanted, minimums, strict=True)
        if w < least
    ]
    where = f"{program.controller}, program {program.id}"
    findings = []
    if short:
        cycle_s = sum(wanted) / 1000
        effect = (
            f"the cycle stays {cycle_s:g} s"
            if plan.cycle_ms == sum(wanted)
            else f"the cycle grows from {cycle_s:g} s to {plan.cycle_ms / 1000:g} s"
        )
        findings.append(
            Finding(
                "warning",
                "minimum times",
                where,
                f"{'; '.join(short)} for minimum green or walk and the interstage: "
                f"its plan gives them that, {effect}",
            )
        )
    if sum(wanted) > CYCLE_MAX_MS:
        findings.append(
            Finding(
                "warning",
                "cycle",
                where,
                f"its cycle of {sum(wanted) / 1000:g} s is longer than the "
                f"{CYCLE_MAX_MS / 1000:g} s that a plan may have: its plan has "
                f"{plan.cycle_ms / 1000:g} s",
            )
        )
    return findings
