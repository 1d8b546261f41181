"""Nobody starves: any site, any stages, random arrivals, through the real signal controller.

What can be proven. A call that has waited ``max_wait_ms`` of its group is overdue, and the signal
controller serves the one that is overdue for longest before any schedule. Calls that come later can
be overdue only later, so at most each other group is served once before. A group is served within
the change to it, after the minimum greens of what runs.
"""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Detector, DetectorRole, Intersection
from controller.plan import check_schedule
from controller.signals import Inputs, Outputs
from optimizer.tactical import TacticalControl
from tests.controller.strategies import random_plan, random_site
from tests.optimizer.tactical_runs import running_of

SECONDS = 700
TICK_MS = 1_000
SATURATION_S = 2
"""From one vehicle to the next; the first leaves in its first second of green."""


def equipped(site: Intersection) -> Intersection:
    """*site* with a stop-line loop for every vehicle group and a button for every crossing."""
    return replace(
        site,
        startup_flash_ms=0,
        startup_red_ms=0,
        detectors=tuple(
            Detector(
                name=f"{group.name} seen",
                role=DetectorRole.PUSH_BUTTON if group.is_pedestrian else DetectorRole.STOP_LINE,
                groups=(group.name,),
                lane="" if group.is_pedestrian else f"{group.name} lane",
                distance_m=2.0,
            )
            for group in site.groups
        ),
    )


def longest_waits_ms(site: Intersection) -> list[int]:
    """The bound for a call of each group; see the module."""
    n = len(site.groups)
    change_ms = max(site.interstage_ms(a, b) for a in site.stage_masks for b in site.stage_masks)
    revert_ms = max(group.revert_ms + group.ending_ms for group in site.groups)
    serve_ms = change_ms + revert_ms + max(group.min_green_ms for group in site.groups) + TICK_MS
    return [group.max_wait_ms + (n + 1) * serve_ms for group in site.groups]


class Street:
    """One point queue per group; who stands first in it waits for green."""

    def __init__(self, site: Intersection, rng: random.Random, per_s: list[float]) -> None:
        self._site, self._rng, self._per_s = site, rng, per_s
        self.queue = [0] * len(site.groups)
        self.waited_ms = [0] * len(site.groups)
        self._green_s = [0] * len(site.groups)

    def step(self, green: int) -> SiteReadings:
        """One second under *green*."""
        entered, left, occupied = [], [], []
        for i, group in enumerate(self._site.groups):
            stood = self.queue[i] > 0
            came = int(self._rng.random() < self._per_s[i])
            self.queue[i] += came
            lit = bool(green >> i & 1)
            gone = self._leave(i, lit, group.is_pedestrian)
            waits = self.queue[i] > 0 and not lit
            self.waited_ms[i] = self.waited_ms[i] + TICK_MS if waits else 0
            present = self.queue[i] > 0
            entered.append(came if group.is_pedestrian else max(0, gone + present - stood))
            left.append(gone)
            occupied.append(present)
        return SiteReadings(tuple(entered), tuple(left), tuple(occupied))

    def _leave(self, i: int, lit: bool, walks: bool) -> int:
        self._green_s[i] = self._green_s[i] + 1 if lit else 0
        if not lit:
            return 0
        gone = self.queue[i] if walks else min(self.queue[i], self._green_s[i] % SATURATION_S)
        self.queue[i] -= gone
        return gone


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(2, 8), st.integers(0, 1_000_000), st.booleans())
def test_nobody_starves(n_groups: int, seed: int, ordered: bool) -> None:
    rng = random.Random(seed)
    site = equipped(random_site(n_groups, rng))
    plan = random_plan(site, rng)
    order = tuple(site.stage_index(entry.stage) for entry in plan.plan.stages) if ordered else None
    control = TacticalControl(site, order=order, plan=plan.plan)
    busy = rng.choice((0.02, 0.1, 0.3))
    street = Street(site, rng, [busy * rng.choice((0.05, 0.3, 1.0)) for _ in site.groups])
    now, outputs = Instant(0, 0), Outputs(0, 0)
    state = core.start(site, now)
    bounds_ms = longest_waits_ms(site)
    for _ in range(SECONDS):
        now = now.after(TICK_MS)
        readings = street.step(outputs.green)
        kept = zip(street.waited_ms, bounds_ms, strict=True)
        assert all(waited <= bound for waited, bound in kept), (street.waited_ms, bounds_ms)
        control.observe(now, readings, outputs)
        decision = control.decide(now, running_of(site, state))
        schedule = decision.schedule and check_schedule(decision.schedule, site)
        masks = readings.masks(len(site.detectors))
        state, outputs = core.step(site, state, now, Inputs(*masks, plan, schedule))
