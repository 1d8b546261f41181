"""Random but valid sites, plans, rings and days at the roadside, for the property tests.

Hypothesis draws sizes and seeds; the rest follows from the seed, so that an example costs
milliseconds and any failure repeats from what Hypothesis prints.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from hypothesis import strategies as st

from controller.clock import Instant
from controller.intersection import (
    Detector,
    DetectorRole,
    GroupKind,
    Intersection,
    SignalGroup,
    Stage,
    conflict_masks,
)
from controller.plan import (
    CheckedPlan,
    CheckedSchedule,
    PlanStage,
    ScheduledStage,
    StageSchedule,
    TimingPlan,
    Transition,
    check_plan,
    check_schedule,
    minimum_splits_ms,
)
from controller.ring_plan import CheckedRingPlan, RingPhase, RingPlan, check_ring_plan
from controller.signals import Inputs, OperatorMode

UTC_BASE_MS = 1_700_000_000_000
seeds = st.integers(0, 1_000_000)


@dataclass(frozen=True)
class Day:
    """A site and everything that comes to its controller, step by step."""

    site: Intersection
    steps: tuple[tuple[Instant, Inputs], ...]

    def __repr__(self) -> str:
        return f"Day({len(self.site.groups)} groups, {len(self.steps)} steps)"


def random_site(n_groups: int, rng: random.Random) -> Intersection:
    groups = tuple(_random_group(i, rng) for i in range(n_groups))
    density = rng.choice((0.3, 0.5, 0.8))
    pairs = [pair for pair in combinations(range(n_groups), 2) if rng.random() < density]
    conflicts = conflict_masks(n_groups, pairs)
    intergreen_ms = tuple(
        tuple(
            groups[i].ending_ms + 100 * rng.randrange(60) if conflicts[i] >> j & 1 else 0
            for j in range(n_groups)
        )
        for i in range(n_groups)
    )
    yields_to = tuple(
        sum(
            1 << j
            for j in range(n_groups)
            if j != i
            and not conflicts[i] >> j & 1
            and not groups[i].is_pedestrian
            and rng.random() < 0.3
        )
        for i in range(n_groups)
    )
    return Intersection(
        name="site",
        groups=groups,
        conflicts=conflicts,
        intergreen_ms=intergreen_ms,
        yields_to=yields_to,
        stages=_random_stages(groups, conflicts, rng),
        detectors=_random_detectors(groups, rng),
        startup_flash_ms=rng.choice((0, 2_000)),
        startup_red_ms=rng.choice((1_000, 3_000)),
        passage_ms=rng.choice((1_000, 3_000)),
    )


def _random_group(i: int, rng: random.Random) -> SignalGroup:
    if i and rng.random() < 0.35:
        return SignalGroup(
            name=f"g{i}",
            kind=GroupKind.PEDESTRIAN,
            min_green_ms=rng.choice((4_000, 7_000)),
            ending_ms=100 * rng.randrange(10, 120),
            revert_ms=rng.choice((0, 2_000)),
            max_wait_ms=rng.choice((60_000, 120_000, 240_000)),
        )
    return SignalGroup(
        name=f"g{i}",
        min_green_ms=rng.choice((1_000, 5_000, 8_300)),
        ending_ms=100 * rng.randrange(30, 61),
        revert_ms=rng.choice((0, 2_000, 3_500)),
        max_wait_ms=rng.choice((60_000, 120_000, 240_000)),
    )


def _random_stages(
    groups: Sequence[SignalGroup], conflicts: Sequence[int], rng: random.Random
) -> tuple[Stage, ...]:
    stages, served = [], set()
    while len(served) < len(groups) or len(stages) < 2:
        order = list(range(len(groups)))
        rng.shuffle(order)
        order.sort(key=lambda i: i in served)
        members: list[int] = []
        for i in order:
            if all(not conflicts[i] >> j & 1 for j in members) and (
                not members or rng.random() < 0.8
            ):
                members.append(i)
        served.update(members)
        stages.append(
            Stage(name=f"s{len(stages)}", groups=tuple(groups[i].name for i in sorted(members)))
        )
    return tuple(stages)


def _random_detectors(groups: Sequence[SignalGroup], rng: random.Random) -> tuple[Detector, ...]:
    detectors = []
    for group in groups:
        role = DetectorRole.PUSH_BUTTON if group.is_pedestrian else DetectorRole.STOP_LINE
        for k in range(rng.choice((0, 1, 1, 2))):
            detectors.append(
                Detector(
                    name=f"{group.name}.{k}",
                    role=role,
                    groups=(group.name,),
                    calls=rng.random() < 0.9,
                    extends=rng.random() < 0.9,
                )
            )
    return tuple(detectors)


def random_plan(
    site: Intersection, rng: random.Random, *, name: str = "plan", fixed: bool = False
) -> CheckedPlan:
    """A plan over all stages in random order; valid by construction."""
    order = list(range(len(site.stages)))
    rng.shuffle(order)
    masks = tuple(site.stage_masks[k] for k in order)
    splits = [
        minimum + 1_000 + 100 * rng.randrange(150) for minimum in minimum_splits_ms(site, masks)
    ]
    coordinated = rng.randrange(len(order)) if rng.random() < 0.5 else -1
    cycle_ms = sum(splits)
    plan = TimingPlan(
        site=site.name,
        name=name,
        cycle_ms=cycle_ms,
        offset_ms=rng.choice((None, rng.randrange(cycle_ms // 100) * 100)),
        sequence_no=rng.randrange(100),
        transition=rng.choice(tuple(Transition)),
        stages=tuple(
            PlanStage(
                stage=site.stages[k].name,
                split_ms=split,
                actuated=not fixed and rng.random() < 0.6,
                skippable=not fixed and rng.random() < 0.4,
                coordinated=not fixed and position == coordinated,
            )
            for position, (k, split) in enumerate(zip(order, splits, strict=True))
        ),
    )
    return check_plan(plan, site)


def random_schedule(site: Intersection, mono_ms: int, rng: random.Random) -> CheckedSchedule:
    entries = tuple(
        ScheduledStage(stage=rng.choice(site.stages).name, duration_ms=rng.randrange(500, 20_000))
        for _ in range(rng.randrange(1, 4))
    )
    schedule = StageSchedule(
        site=site.name, start_mono_ms=mono_ms, entries=entries, ttl_ms=rng.randrange(1_000, 30_000)
    )
    return check_schedule(schedule, site)


def random_steps(
    site: Intersection,
    rng: random.Random,
    *,
    n_steps: int = 700,
    operator: bool = True,
    clock_steps: bool = True,
    schedules: bool = True,
) -> tuple[tuple[Instant, Inputs], ...]:
    """Ticks of 0.1..1 s with random detectors, plans, schedules, operators and clocks."""
    now, steps = Instant(rng.randrange(10_000), UTC_BASE_MS + rng.randrange(600_000)), []
    plans = [None, random_plan(site, rng, name="a"), random_plan(site, rng, name="b")]
    plan, schedule = rng.choice(plans), None
    mode, manual_stage = OperatorMode.AUTO, 0
    known = (1 << len(site.detectors)) - 1
    missing = 0
    tick_ms = rng.choice((100, 100, 250, 500, 1_000))
    while len(steps) < n_steps:
        if rng.random() < 0.01:
            plan = rng.choice(plans)
        if schedules and rng.random() < 0.02:
            schedule = rng.choice((None, random_schedule(site, now.mono_ms, rng)))
        if operator and rng.random() < 0.01:
            mode = rng.choice((*OperatorMode, OperatorMode.AUTO, OperatorMode.AUTO))
            manual_stage = rng.randrange(-1, len(site.stages) + 1)
        if rng.random() < 0.01:
            missing = rng.choice((0, rng.getrandbits(16) & known))
        if rng.random() < 0.01:
            tick_ms = rng.choice((100, 100, 250, 500, 1_000))
        occupied = rng.getrandbits(16) & rng.getrandbits(16) & known
        steps.append(
            (
                now,
                Inputs(
                    occupied=occupied if rng.random() < 0.3 else 0,
                    pulsed=rng.getrandbits(16) & known if rng.random() < 0.1 else 0,
                    missing=missing,
                    plan=plan,
                    schedule=schedule,
                    operator=mode,
                    manual_stage=manual_stage,
                ),
            )
        )
        now = now.after(tick_ms)
        if clock_steps and rng.random() < 0.01:
            now = _jumped(now, rng)
    return tuple(steps)


def _jumped(now: Instant, rng: random.Random) -> Instant:
    by_ms = rng.choice((400, 1_000, 30_000, 3_600_000)) * rng.choice((1, -1))
    return rng.choice(
        (
            now._replace(utc_ms=now.utc_ms + by_ms),
            now._replace(mono_ms=now.mono_ms + by_ms),
            Instant(now.mono_ms - 100, now.utc_ms - 100),
        )
    )


@st.composite
def days(draw: st.DrawFn, **choices: bool) -> Day:
    """A random site and a random day there."""
    n_groups, rng = draw(st.integers(2, 10)), random.Random(draw(seeds))
    site = random_site(n_groups, rng)
    return Day(site, random_steps(site, rng, **choices))  # type: ignore[arg-type]


@st.composite
def planned_sites(draw: st.DrawFn, *, fixed: bool = False) -> tuple[Intersection, CheckedPlan]:
    """A random site and a valid plan for it."""
    n_groups, rng = draw(st.integers(2, 8)), random.Random(draw(seeds))
    site = random_site(n_groups, rng)
    return site, random_plan(site, rng, fixed=fixed)


RINGS = ((("1", "2"), ("3", "4")), (("5", "6"), ("7", "8")))


def dual_ring_site(rng: random.Random) -> Intersection:
    """The standard eight phases with four crossings beside the through phases 2, 4, 6, 8."""
    vehicles = tuple(
        SignalGroup(
            name=f"v{k}",
            min_green_ms=rng.choice((4_000, 6_000)),
            ending_ms=100 * rng.randrange(30, 51),
            max_wait_ms=600_000,
        )
        for k in range(1, 9)
    )
    walks = tuple(
        SignalGroup(
            name=f"p{k}",
            kind=GroupKind.PEDESTRIAN,
            min_green_ms=5_000,
            ending_ms=6_000,
            max_wait_ms=600_000,
        )
        for k in (2, 4, 6, 8)
    )
    groups = vehicles + walks
    position = {
        name: (r, b) for r, ring in enumerate(RINGS) for b, part in enumerate(ring) for name in part
    }
    pairs = [
        (i, j)
        for i, j in combinations(range(len(groups)), 2)
        if _apart(position[groups[i].name[1:]], position[groups[j].name[1:]])
        and groups[i].name[1:] != groups[j].name[1:]
    ]
    conflicts = conflict_masks(len(groups), pairs)
    intergreen_ms = tuple(
        tuple(
            groups[i].ending_ms + 100 * rng.randrange(5, 25) if conflicts[i] >> j & 1 else 0
            for j in range(len(groups))
        )
        for i in range(len(groups))
    )
    stages = (("1", "5"), ("2", "6"), ("3", "7"), ("4", "8"))
    return Intersection(
        name="site",
        groups=groups,
        conflicts=conflicts,
        intergreen_ms=intergreen_ms,
        stages=tuple(
            Stage(
                name="+".join(pair),
                groups=tuple(g.name for g in groups if g.name[1:] in pair),
            )
            for pair in stages
        ),
        detectors=tuple(
            Detector(
                name=f"d{group.name}",
                role=DetectorRole.PUSH_BUTTON if group.is_pedestrian else DetectorRole.STOP_LINE,
                groups=(group.name,),
            )
            for group in groups
        ),
    )


def _apart(one: tuple[int, int], other: tuple[int, int]) -> bool:
    return one[0] == other[0] or one[1] != other[1]


def random_ring_plan(site: Intersection, rng: random.Random) -> CheckedRingPlan:
    """A valid plan for :func:`dual_ring_site`."""
    coordinated = rng.random() < 0.5
    parts_ms = [34_000 + 100 * rng.randrange(300) for _ in range(2)]
    phases = []
    for ring in RINGS:
        for part, total_ms in zip(ring, parts_ms, strict=True):
            left_ms = 14_000 + 100 * rng.randrange((total_ms - 34_000) // 100 + 1)
            for name, split_ms in zip(part, (left_ms, total_ms - left_ms), strict=True):
                through = int(name) % 2 == 0
                phases.append(
                    RingPhase(
                        name=name,
                        group=f"v{name}",
                        pedestrian=f"p{name}" if through else None,
                        split_ms=split_ms,
                        recall=rng.random() < 0.3,
                        dual_entry=through,
                    )
                )
    cycle_ms = sum(parts_ms)
    plan = RingPlan(
        site=site.name,
        name="rings",
        phases=tuple(phases),
        rings=RINGS,
        cycle_ms=cycle_ms,
        offset_ms=rng.randrange(cycle_ms) if coordinated else None,
        coordinated=("2", "6") if coordinated else (),
        transition=rng.choice(tuple(Transition)),
    )
    return check_ring_plan(plan, site)


@st.composite
def ring_days(draw: st.DrawFn) -> tuple[Day, CheckedRingPlan]:
    """A dual-ring site under a random ring plan, with random traffic and clock steps."""
    rng = random.Random(draw(seeds))
    site = dual_ring_site(rng)
    plan = random_ring_plan(site, rng)
    steps = random_steps(
        site, rng, n_steps=900, operator=False, clock_steps=rng.random() < 0.3, schedules=False
    )
    return Day(site, tuple((now, replace(seen, plan=plan)) for now, seen in steps)), plan
