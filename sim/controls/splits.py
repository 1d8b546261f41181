"""Our plan-based control: each cycle the counts give a new plan, and the controller runs it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.plan import check_plan
from controller.signals import Inputs, Outputs
from controller.take_over import Lit, take_over
from controller.violations import InvalidError
from optimizer.adaptive_plan import AdaptivePlan
from sim.network import Junction, Network

_log = logging.getLogger(__name__)


class SplitsControl:
    """Every junction on its own: counts to plans, plans to the signal controller."""

    def __init__(self, network: Network, now: Instant) -> None:
        self._sites = tuple(SplitsSite(junction, now) for junction in network.junctions)

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        return [site.step(now, seen) for site, seen in zip(self._sites, readings, strict=True)]

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, seen, lamps in zip(self._sites, readings, shown, strict=True):
            site.planner.observe(now, seen, lamps)

    def take_over(self, now: Instant, lamps: Sequence[Lit]) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, lit in zip(self._sites, lamps, strict=True):
            site.take_over(now, lit)


class SplitsSite:
    """One junction: its controller, and what makes its plans.

    The peers start in the middle of their programs, so the bench skips the start-up flash and
    all-red of ours: a site that has been running all day.
    """

    def __init__(self, junction: Junction, now: Instant) -> None:
        site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
        self._site = site
        self._plan = check_plan(junction.shipped_plan, site)
        self.planner = AdaptivePlan(site, junction.shipped_plan, keep_order=junction.keep_order)
        self._state = core.start(site, now)
        self._outputs = Outputs(green=0, ending=0)

    def take_over(self, now: Instant, lit: Lit) -> None:
        """Go on from lamps that show *lit*."""
        self._state = take_over(self._site, now, lit)
        self._outputs = Outputs(lit.green, lit.ending)

    def step(self, now: Instant, seen: SiteReadings) -> Outputs:
        """Feed the counts to the planner, run what it made of them."""
        self.planner.observe(now, seen, self._outputs)
        plan = self.planner.plan(now)
        if plan is not None:
            try:
                self._plan = check_plan(plan, self._site)
            except InvalidError as error:
                _log.warning("%s keeps its plan: %s", self._site.name, error)
        occupied, pulsed, missing = seen.masks()
        inputs = Inputs(occupied, pulsed, missing, self._plan)
        self._state, self._outputs = core.step(self._site, self._state, now, inputs)
        return self._outputs
