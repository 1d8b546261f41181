"""What the loops saw and the lamps showed before the present, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.signals import Outputs
from sim.network import Junction
from sim.whatif.lamps import outputs_by
from sim.whatif.present import Heard, Present

Step = tuple[Instant, list[SiteReadings], list[Outputs]]


def heard_steps(present: Present, junctions: Sequence[Junction], step_s: float) -> Iterator[Step]:
    """(time, readings, lamps) of every step kept before *present*, aligned with *junctions*.

    Nothing where the state has none, or where the detectors are others than those that were kept.
    """
    kept = [present.heard.get(junction.id) for junction in junctions]
    known = [each for each in kept if each is not None]
    if len(known) < len(junctions) or not known:
        return
    sizes = [len(junction.intersection.detectors) for junction in junctions]
    if [each.detectors for each in known] != sizes:
        return
    steps = len(known[0].readings)
    lamps = [Outputs(0, 0)] * len(junctions)
    for step in range(steps):
        then_ms = round(1_000 * (present.time_s - (steps - 1 - step) * step_s))
        for k, (junction, each) in enumerate(zip(junctions, known, strict=True)):
            for at, letters in each.lamps:
                if at == step:
                    lamps[k] = outputs_by(junction, letters)
        readings = [_readings(each, step) for each in known]
        yield Instant(then_ms, then_ms), readings, lamps


def _readings(heard: Heard, step: int) -> SiteReadings:
    entered, left = [0] * heard.detectors, [0] * heard.detectors
    occupied = [False] * heard.detectors
    for detector, came, went, there in heard.readings[step]:
        entered[detector], left[detector], occupied[detector] = came, went, there
    return SiteReadings(tuple(entered), tuple(left), tuple(occupied))
