"""The tactical control driven through the real signal controller against point queues."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from controller import core
from controller.detection import SiteReadings
from controller.intersection import DetectorRole
from controller.plan import check_plan, check_schedule
from controller.signals import Inputs, Outputs
from optimizer.tactical import Decision, Running, TacticalControl
from tests.optimizer.points import LANES, World, shipped


@dataclass(frozen=True)
class Moment:
    """One second of a run."""

    second: int
    running: Running
    decision: Decision
    outputs: Outputs
    unserved_s: dict[str, int]
    """Per lane, for how long somebody has waited there without a green."""


def as_loops_see(site, readings: SiteReadings, before: SiteReadings | None) -> SiteReadings:
    """Point queues have no length: here a stop-line loop sees one vehicle at a time.

    The next comes onto it as the one before leaves, and a queue that moves up leaves gaps on the
    advance loop.
    """
    entered, _, occupied = (list(column) for column in readings)
    for d, detector in enumerate(site.detectors[:-1]):
        if readings.left[d] is None:
            continue
        if detector.role is DetectorRole.STOP_LINE:
            stood = bool(before and before.occupied[d])
            entered[d] = max(0, readings.left[d] + bool(occupied[d]) - stood)
        elif readings.left[d - 1]:
            occupied[d] = False
    return readings._replace(entered=tuple(entered), occupied=tuple(occupied))


def running_of(site, state) -> Running:
    """What the signal controller is doing."""
    since_ms = state.stage_since_ms
    if since_ms is None or state.sequence.mask not in site.stage_masks:
        return Running(stage=None)
    return Running(
        stage=site.stage_masks.index(state.sequence.mask),
        green_s=(state.clock_ms - since_ms) // 1000,
        called=state.calls.called,
    )


def tactical_run(
    world: World,
    seconds: int,
    control: TacticalControl | None,
    spoil: Callable[[int, SiteReadings], SiteReadings] = lambda _, readings: readings,
) -> Iterator[Moment]:
    """Run *world*; without *control* by the shipped plan. *spoil* changes what detectors say."""
    site, plan = world.site, check_plan(shipped(world.site), world.site)
    state = core.start(site, world.now)
    outputs = Outputs(green=0, ending=0)
    decision = Decision(schedule=None)
    before, unserved_s = None, dict.fromkeys(LANES, 0)
    for second in range(seconds):
        world.now = now = world.now.after(1_000)
        seen = before = as_loops_see(site, world.step(outputs), before)
        readings = spoil(second, seen)
        for lane, group in LANES.items():
            green = outputs.green >> site.group_index(group) & 1
            waits = world.queue[lane] > 0 and not green
            unserved_s[lane] = unserved_s[lane] + 1 if waits else 0
        running = running_of(site, state)
        if control is not None:
            control.observe(now, readings, outputs)
            decision = control.decide(now, running)
        schedule = decision.schedule and check_schedule(decision.schedule, site)
        masks = readings.masks(len(site.detectors))
        state, outputs = core.step(site, state, now, Inputs(*masks, plan, schedule))
        yield Moment(second, running, decision, outputs, dict(unserved_s))
