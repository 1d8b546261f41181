"""Our adaptive control: every second each junction decides on its own what to show next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.plan import CheckedSchedule, TimingPlan, check_plan, check_schedule
from controller.sequence import Sequence as StageSequence
from controller.signals import Inputs, Outputs
from controller.take_over import Lit, take_over
from edge.exchange import Exchange
from edge.junction_control import JunctionControl, running
from firmware_bridge.priority import PriorityCalls, held_schedule
from optimizer.explain import stage_in_words
from optimizer.links import Link
from optimizer.tactical import Decision, Running, TacticalSettings
from sim.decisions import DecisionNote, Tell
from sim.network import Junction, Network
from sim.network.links_between import links_between

BY_CONTROLLER = "signal controller"
"""The limit of a change that the signal controller made on its own."""


class TacticalNetwork:
    """Every junction on its own, side by side."""

    def __init__(
        self, network: Network, now: Instant, settings: TacticalSettings | None = None
    ) -> None:
        chosen = settings or TacticalSettings()
        self.links = links_between(network)
        self.sites = tuple(
            TacticalSite(junction, now, chosen, self.links) for junction in network.junctions
        )
        self._exchange = Exchange(
            self.links, [site.control.tactical.neighbours for site in self.sites]
        )

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        shown = [site.step(now, seen) for site, seen in zip(self.sites, readings, strict=True)]
        self._exchange.carry(now)
        return shown

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, seen, lamps in zip(self.sites, readings, shown, strict=True):
            site.control.observe(now, seen, lamps)

    def take_over(self, now: Instant, lamps: Sequence[Lit]) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, lit in zip(self.sites, lamps, strict=True):
            site.take_over(now, lit)

    def explain_to(self, tell: Tell) -> None:
        """See :class:`sim.decisions.Explains`."""
        for site in self.sites:
            site.narrator = Narrator(site.site, tell)


class TacticalSite:
    """One junction: its signal controller, and the control at the roadside that schedules it."""

    def __init__(
        self,
        junction: Junction,
        now: Instant,
        settings: TacticalSettings,
        links: Sequence[Link] = (),
    ) -> None:
        site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
        self.site = site
        self._plan = check_plan(junction.shipped_plan, site)
        self.control = JunctionControl(
            site,
            junction.shipped_plan,
            links,
            settings,
            keep_order=junction.keep_order,
            greens_s=junction.stage_greens_s if junction.keep_order else None,
        )
        self.narrator: Narrator | None = None
        self.calls: PriorityCalls | None = None
        """The priority calls of its cabinet, where it has any; the active one goes before ours."""
        self._stage_of = {mask: s for s, mask in enumerate(site.stage_masks)}
        self._state = core.start(site, now)
        self._outputs = Outputs(green=0, ending=0)

    def run_on(self, plan: TimingPlan) -> None:
        """Fall back to *plan* from now on; raises :class:`~controller.violations.InvalidError`."""
        self._plan = check_plan(plan, self.site)

    def take_over(self, now: Instant, lit: Lit) -> None:
        """Go on from lamps that show *lit*."""
        self._state = take_over(self.site, now, lit)
        self._outputs = Outputs(lit.green, lit.ending)

    def step(self, now: Instant, seen: SiteReadings) -> Outputs:
        """Estimate, decide, light."""
        self.control.observe(now, seen, self._outputs)
        shown = self.running()
        decision = self.control.decide(now, shown)
        if self.narrator is not None:
            self.narrator.follow(now, shown, decision, self._state.reason)
        inputs = Inputs(
            *seen.masks(len(self.site.detectors)),
            self._plan,
            self._schedule(now, decision),
        )
        self._state, self._outputs = core.step(self.site, self._state, now, inputs)
        return self._outputs

    def run(self, plan: TimingPlan) -> None:
        """Let *plan* be in force from now on: what runs while there is no schedule.

        Raises :class:`~controller.violations.InvalidError` if the site can't have it.
        """
        self._plan = check_plan(plan, self.site)

    @property
    def state(self) -> core.State:
        """The state of its signal controller."""
        return self._state

    def _schedule(self, now: Instant, decision: Decision) -> CheckedSchedule | None:
        call = None if self.calls is None else self.calls.active
        if call is not None:
            return held_schedule(self.site, call, now)
        if decision.schedule is None:
            return None
        return check_schedule(decision.schedule, self.site)

    @property
    def next_stage(self) -> str | None:
        """Where the change leads that is under way; None while there is none."""
        state = self._state
        if state.stage_since_ms is not None or not isinstance(state.sequence, StageSequence):
            return None
        stage = self._stage_of.get(state.sequence.mask)
        return None if stage is None else self.site.stages[stage].name

    def running(self) -> Running:
        """What its signal controller is doing."""
        state = self._state
        since_ms, sequence = state.stage_since_ms, state.sequence
        if since_ms is None or not isinstance(sequence, StageSequence):
            return Running(stage=None)
        stage = self._stage_of.get(sequence.mask)
        return running(stage, state.clock_ms - since_ms, state.calls.called)


class Narrator:
    """Tells the decisions of one junction that change something, each once."""

    def __init__(self, site: Intersection, tell: Tell) -> None:
        self._site = site
        self._tell = tell
        self._stage: int | None = None
        self._asked: int | None = None
        self._lost = False
        self._reason = ""

    def follow(self, now: Instant, running: Running, decision: Decision, reason: str) -> None:
        """Look at the *decision* taken at *now*; *reason* is what the signal controller says."""
        lost = decision.schedule is None
        if lost != self._lost:
            self._lost = lost
            why = decision.explain() if lost else "a detector works again: no longer by the plan"
            self._note(now, decision.limit, why)
        if running.stage is None:
            self._reason = reason
            return
        if running.stage != self._stage:
            if not lost and self._stage is not None and running.stage != self._asked:
                words = stage_in_words(self._site, running.stage)
                self._note(now, BY_CONTROLLER, f"changed to {words}: {self._reason}")
            self._stage, self._asked = running.stage, None
        if decision.changed and decision.target != self._asked:
            self._asked = decision.target
            self._note(now, decision.limit, decision.explain())

    def _note(self, now: Instant, limit: str, why: str) -> None:
        self._tell(DecisionNote(now.mono_ms / 1_000, self._site.name, limit, why))
