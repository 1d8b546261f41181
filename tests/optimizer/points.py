"""A small deterministic world for tests: one junction whose lanes are point queues."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import (
    Detector,
    DetectorRole,
    GroupKind,
    Intersection,
    Movement,
    SignalGroup,
    Stage,
    conflict_masks,
)
from controller.plan import PlanStage, TimingPlan, check_plan
from controller.signals import Inputs, Outputs
from optimizer.adaptive_plan import AdaptivePlan

LANES = {"main 1": "main", "main 2": "main", "side": "side", "left": "left"}
REACH_S = 4
"""From the advance loop to the stop line."""
SATURATION_VEH_PER_S = 0.5
STARTUP_S = 2
ADVANCE_STANDS = 6
"""A queue of so many vehicles stands on the advance loop."""


def junction() -> Intersection:
    """Main road, side road with a crossing, and a left turn with a stage of its own."""
    names = ["main", "side", "left", "walk"]
    conflicts = conflict_masks(4, [(0, 1), (0, 2), (1, 2), (0, 3), (2, 3)])
    ending = [3_000, 3_000, 3_000, 8_000]
    intergreen = tuple(
        tuple(ending[i] + 1_000 if conflicts[i] >> j & 1 else 0 for j in range(4)) for i in range(4)
    )
    detectors = tuple(
        Detector(
            name=f"{lane} {role.value}",
            role=role,
            groups=(group,),
            lane=lane,
            distance_m=4.0 if role is DetectorRole.STOP_LINE else 40.0,
        )
        for lane, group in LANES.items()
        for role in (DetectorRole.STOP_LINE, DetectorRole.ADVANCE)
    )
    button = Detector(name="button", role=DetectorRole.PUSH_BUTTON, groups=("walk",))
    return Intersection(
        name="points",
        startup_flash_ms=0,
        startup_red_ms=8_000,
        groups=tuple(
            SignalGroup(name=name, kind=GroupKind.PEDESTRIAN, min_green_ms=7_000, ending_ms=8_000)
            if name == "walk"
            else SignalGroup(name=name)
            for name in names
        ),
        conflicts=conflicts,
        intergreen_ms=intergreen,
        stages=(
            Stage(name="1", groups=("main",)),
            Stage(name="2", groups=("side", "walk")),
            Stage(name="3", groups=("left",)),
        ),
        detectors=(*detectors, button),
        movements=(
            Movement(
                name="main through",
                group="main",
                from_approach="w",
                to_exit="e",
                lanes=("main 1", "main 2"),
            ),
            Movement(
                name="side left",
                group="side",
                from_approach="s",
                to_exit="w",
                turn="left",
                lanes=("side",),
            ),
            Movement(
                name="side right",
                group="side",
                from_approach="s",
                to_exit="e",
                turn="right",
                lanes=("side",),
            ),
        ),
    )


def shipped(site: Intersection) -> TimingPlan:
    """Equal thirds of 90 s."""
    return TimingPlan(
        site=site.name,
        name="shipped",
        cycle_ms=90_000,
        stages=tuple(PlanStage(stage=stage.name, split_ms=30_000) for stage in site.stages),
    )


@dataclass
class World:
    """Lanes of :func:`junction` with Poisson arrivals; one step is a second."""

    flows_veh_per_h: dict[str, float]
    seed: int = 1
    broken: tuple[str, ...] = ()
    """Detectors that report nothing."""

    def __post_init__(self) -> None:
        self.site = junction()
        self._rng = np.random.default_rng(self.seed)
        self._coming = {lane: [0] * REACH_S for lane in LANES}
        self._credit = dict.fromkeys(LANES, 0.0)
        self._green_s = dict.fromkeys(LANES, 0)
        self.queue = dict.fromkeys(LANES, 0)
        self.now = Instant(0, 0)
        self.waited_s = 0
        self.arrived = 0

    def step(self, outputs: Outputs) -> SiteReadings:
        """One second under *outputs*; what the detectors saw in it."""
        entered: list[int | None] = []
        left: list[int | None] = []
        occupied: list[bool | None] = []
        for lane, group in LANES.items():
            arrivals = int(self._rng.poisson(self.flows_veh_per_h[lane] / 3600.0))
            self._coming[lane].append(arrivals)
            reached = self._coming[lane].pop(0)
            self.arrived += arrivals
            self.queue[lane] += reached
            green = bool(outputs.green >> self.site.group_index(group) & 1)
            gone = self._discharge(lane, green)
            self.waited_s += self.queue[lane]
            entered += [reached, arrivals]
            left += [gone, arrivals]
            occupied += [self.queue[lane] > 0, self.queue[lane] >= ADVANCE_STANDS]
        readings = ([*entered, 0], [*left, 0], [*occupied, False])
        for d, detector in enumerate(self.site.detectors):
            if detector.name in self.broken:
                for column in readings:
                    column[d] = None
        return SiteReadings(*(tuple(column) for column in readings))

    def _discharge(self, lane: str, green: bool) -> int:
        self._green_s[lane] = self._green_s[lane] + 1 if green else 0
        if not green or self._green_s[lane] <= STARTUP_S:
            self._credit[lane] = 0.0
            return 0
        self._credit[lane] = min(self._credit[lane] + SATURATION_VEH_PER_S, 1.0)
        gone = min(int(self._credit[lane]), self.queue[lane])
        self._credit[lane] -= gone
        self.queue[lane] -= gone
        return gone

    @property
    def delay_s(self) -> float:
        """Mean wait per vehicle."""
        return self.waited_s / max(self.arrived, 1)


def run(world: World, seconds: int, adaptive: AdaptivePlan | None) -> list[TimingPlan]:
    """Drive *world* through the real controller; the plans that *adaptive* issued."""
    site, plan = world.site, shipped(world.site)
    checked = check_plan(plan, site)
    state = core.start(site, world.now)
    outputs = Outputs(green=0, ending=0)
    issued = []
    for _ in range(seconds):
        world.now = now = world.now.after(1_000)
        readings = world.step(outputs)
        if adaptive is not None:
            adaptive.observe(now, readings, outputs)
            new = adaptive.plan(now)
            if new is not None:
                checked = check_plan(new, site)
                issued.append(new)
        occupied, pulsed, missing = readings.masks()
        state, outputs = core.step(site, state, now, Inputs(occupied, pulsed, missing, checked))
    return issued
