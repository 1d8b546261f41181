"""One change between two stages, driven by an operator through the real controller."""

from __future__ import annotations

from dataclasses import dataclass, replace

from controller.clock import Instant
from controller.core import State, start, step
from controller.intersection import Intersection
from controller.signals import Inputs, OperatorMode, Outputs

SETTLING_S = 60
CHANGE_MAX_S = 90


@dataclass
class MadeChange:
    """What the lamps did, in ms since the change began."""

    before: int
    """Groups that were green when it began."""
    wanted: int
    """Groups of the next stage, without pedestrians that nobody called."""
    over_ms: int
    """When all that was wanted was green."""
    ended_ms: dict[int, int]
    """Per group, when its green ended."""
    started_ms: dict[int, list[int]]
    """Per group, every time it turned green."""


def on_ticks(site: Intersection, tick_ms: int) -> Intersection:
    """*site* with all its times rounded up to ticks, and a red of at least one tick."""

    def up(duration_ms: int) -> int:
        return -(-duration_ms // tick_ms) * tick_ms

    groups = tuple(
        replace(group, ending_ms=up(group.ending_ms), revert_ms=up(group.red_ms))
        for group in site.groups
    )
    rows = tuple(tuple(up(value) for value in row) for row in site.intergreen_ms)
    return replace(site, groups=groups, intergreen_ms=rows)


class Operator:
    """Somebody at the cabinet of *site*, and one push button for every crossing."""

    def __init__(self, site: Intersection, tick_ms: int) -> None:
        self.site, self.tick_ms = site, tick_ms
        self.now = Instant(0, 0)
        self.state: State = start(site, self.now)
        self.outputs = Outputs(0, 0)

    def hold(self, stage: int, pressed: int = 0) -> None:
        """One tick with *stage* chosen and the buttons of the groups in *pressed* pushed."""
        pulsed = sum(
            1 << d
            for d, detector in enumerate(self.site.detectors)
            if self.site.mask(detector.groups) & pressed
        )
        self.now = self.now.after(self.tick_ms)
        seen = Inputs(pulsed=pulsed, operator=OperatorMode.MANUAL, manual_stage=stage)
        self.state, self.outputs = step(self.site, self.state, self.now, seen)


def make_change(
    site: Intersection, stages: tuple[int, int], pressed: int, tick_ms: int
) -> MadeChange:
    """The change between *stages* (positions; not of the same groups), *pressed* groups called."""
    here, there = stages
    operator = Operator(site, tick_ms)
    for _ in range(SETTLING_S * 1_000 // tick_ms):
        operator.hold(here)
    operator.hold(here, pressed)
    before = operator.outputs.green
    while operator.state.sequence.mask != site.stage_masks[there]:
        before = operator.outputs.green
        operator.hold(there, pressed)
    begin_ms, lit = operator.now.mono_ms, before
    unused = site.pedestrian_groups & ~operator.state.calls.called & ~before
    made = MadeChange(before, site.stage_masks[there] & ~unused, 0, {}, {})
    while made.over_ms < CHANGE_MAX_S * 1_000:
        green = operator.outputs.green
        made.over_ms = operator.now.mono_ms - begin_ms
        for i in range(len(site.groups)):
            if lit & ~green & 1 << i:
                made.ended_ms[i] = made.over_ms
            if green & ~lit & 1 << i:
                made.started_ms.setdefault(i, []).append(made.over_ms)
        lit = green
        if green & made.wanted == made.wanted:
            break
        operator.hold(there)
    return made
