"""Steps per second of the controller core: a realistic hour at 10 Hz, monitor and events included.

Run from the top of the repository: ``python -m benchmarks.controller_step``. The junction has 8
groups (4 vehicle, 4 pedestrian), 4 stages and 16 detectors under a coordinated actuated plan; every
loop sees random vehicles, every button random pedestrians. Inputs are made before the clock starts.
"""

from __future__ import annotations

import random
import time

from controller.clock import Instant
from controller.core import start, step
from controller.intersection import (
    Detector,
    DetectorRole,
    GroupKind,
    Intersection,
    SignalGroup,
    Stage,
    conflict_masks,
)
from controller.plan import CheckedPlan, PlanStage, TimingPlan, check_plan
from controller.signals import Inputs

TICK_MS = 100
TICKS = 36_000
FLOOR_STEPS_PER_S = 30_000
VEHICLES_PER_H = 300
OCCUPIED_TICKS = 6
ROUNDS = 3


def junction() -> Intersection:
    """Four approaches with a through and a left group per axis, and four crossings."""
    names = ("NS through", "NS left", "EW through", "EW left")
    groups = tuple(SignalGroup(name=name) for name in names) + tuple(
        SignalGroup(
            name=f"crossing {k}", kind=GroupKind.PEDESTRIAN, min_green_ms=6_000, ending_ms=8_000
        )
        for k in range(4)
    )
    apart = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    apart += [(0, 6), (0, 7), (2, 4), (2, 5)]
    apart += [(left, crossing) for left in (1, 3) for crossing in (4, 5, 6, 7)]
    conflicts = conflict_masks(8, apart)
    intergreen_ms = tuple(
        tuple(groups[i].ending_ms + 2_000 if conflicts[i] >> j & 1 else 0 for j in range(8))
        for i in range(8)
    )
    detectors = [
        Detector(name=f"{name} {role.value} {lane}", role=role, groups=(name,))
        for name in names
        for role in (DetectorRole.STOP_LINE, DetectorRole.ADVANCE)
        for lane in ((1, 2) if "through" in name else (1,))
    ]
    detectors += [
        Detector(name=f"button {k}", role=DetectorRole.PUSH_BUTTON, groups=(f"crossing {k}",))
        for k in range(4)
    ]
    return Intersection(
        name="benchmark",
        groups=groups,
        conflicts=conflicts,
        intergreen_ms=intergreen_ms,
        stages=(
            Stage(name="A", groups=("NS through", "crossing 0", "crossing 1")),
            Stage(name="B", groups=("NS left",)),
            Stage(name="C", groups=("EW through", "crossing 2", "crossing 3")),
            Stage(name="D", groups=("EW left",)),
        ),
        detectors=tuple(detectors),
    )


def plan_for(site: Intersection) -> CheckedPlan:
    """A 90 s coordinated plan, actuated beside its coordinated stage."""
    stages = (
        PlanStage(stage="A", split_ms=30_000, coordinated=True),
        PlanStage(stage="B", split_ms=15_000, actuated=True, skippable=True),
        PlanStage(stage="C", split_ms=30_000, actuated=True),
        PlanStage(stage="D", split_ms=15_000, actuated=True, skippable=True),
    )
    plan = TimingPlan(
        site=site.name, name="bench", cycle_ms=90_000, offset_ms=12_000, stages=stages
    )
    return check_plan(plan, site)


def hour_of_inputs(site: Intersection, plan: CheckedPlan, seed: int = 1) -> list[Inputs]:
    """An hour of detector masks at 10 Hz, 300 vehicles (or 30 pedestrians) per detector."""
    rng = random.Random(seed)
    on_until = [0] * len(site.detectors)
    inputs = []
    for tick in range(TICKS):
        occupied = pulsed = 0
        for d, detector in enumerate(site.detectors):
            button = detector.role is DetectorRole.PUSH_BUTTON
            rate = VEHICLES_PER_H / 10 if button else VEHICLES_PER_H
            if tick >= on_until[d] and rng.random() < rate / TICKS:
                on_until[d] = tick + OCCUPIED_TICKS
                pulsed |= 1 << d
            if tick < on_until[d]:
                occupied |= 1 << d
        inputs.append(Inputs(occupied=occupied, pulsed=pulsed, plan=plan))
    return inputs


def run(site: Intersection, inputs: list[Inputs]) -> tuple[float, int]:
    """(steps per second, events) over the hour."""
    now = Instant(0, 1_700_000_000_000)
    instants = [now.after(tick * TICK_MS) for tick in range(len(inputs))]
    state, events = start(site, now), 0
    begin = time.perf_counter()
    for instant, seen in zip(instants, inputs, strict=True):
        state, outputs = step(site, state, instant, seen)
        events += len(outputs.events)
    return len(inputs) / (time.perf_counter() - begin), events


def main() -> None:
    """Print the best of a few rounds."""
    site = junction()
    inputs = hour_of_inputs(site, plan_for(site))
    rounds = [run(site, inputs) for _ in range(ROUNDS)]
    best = max(rate for rate, _ in rounds)
    print(
        f"controller.step: {best:,.0f} steps/s ({1e6 / best:.1f} us) with monitor, "
        f"{rounds[0][1]:,} events in the hour; floor {FLOOR_STEPS_PER_S:,}"
    )


if __name__ == "__main__":
    main()
