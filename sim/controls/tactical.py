"""Our adaptive control: every second each junction decides on its own what to show next."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.plan import check_plan, check_schedule
from controller.sequence import Sequence as StageSequence
from controller.signals import Inputs, Outputs
from edge.exchange import Exchange
from optimizer.bounds import CYCLE_MAX_S, StrategicBounds
from optimizer.explain import stage_in_words
from optimizer.links import Link
from optimizer.tactical import Decision, Running, TacticalControl, TacticalSettings
from sim.decisions import DecisionNote, Tell
from sim.network import Junction, Network
from sim.network.links_between import links_between

FOREVER_MS = 10**15
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
        self._exchange = Exchange(self.links, [site.control.neighbours for site in self.sites])

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        shown = [site.step(now, seen) for site, seen in zip(self.sites, readings, strict=True)]
        self._exchange.carry(now)
        return shown

    def explain_to(self, tell: Tell) -> None:
        """See :class:`sim.decisions.Explains`."""
        for site in self.sites:
            site.narrator = Narrator(site.control, tell)


class TacticalSite:
    """One junction: its signal controller, and the tactical control that schedules its stages."""

    def __init__(
        self,
        junction: Junction,
        now: Instant,
        settings: TacticalSettings,
        links: Sequence[Link] = (),
    ) -> None:
        site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
        self._site = site
        self._plan = check_plan(junction.shipped_plan, site)
        order = None
        if junction.keep_order:
            order = tuple(site.stage_index(entry.stage) for entry in junction.shipped_plan.stages)
        self.control = TacticalControl(
            site, order=order, plan=junction.shipped_plan, links=links, settings=settings
        )
        if junction.keep_order:
            self.control.bound(_city_bounds(junction))
        self.narrator: Narrator | None = None
        self._stage_of = {mask: s for s, mask in enumerate(site.stage_masks)}
        self._state = core.start(site, now)
        self._outputs = Outputs(green=0, ending=0)

    def step(self, now: Instant, seen: SiteReadings) -> Outputs:
        """Estimate, decide, light."""
        self.control.observe(now, seen, self._outputs)
        running = self._running()
        decision = self.control.decide(now, running)
        if self.narrator is not None:
            self.narrator.follow(now, running, decision, self._state.reason)
        schedule = decision.schedule
        inputs = Inputs(
            *seen.masks(len(self._site.detectors)),
            self._plan,
            None if schedule is None else check_schedule(schedule, self._site),
        )
        self._state, self._outputs = core.step(self._site, self._state, now, inputs)
        return self._outputs

    def _running(self) -> Running:
        state = self._state
        since_ms = state.stage_since_ms
        sequence = state.sequence
        stage = self._stage_of.get(sequence.mask) if isinstance(sequence, StageSequence) else None
        if since_ms is None or stage is None:
            return Running(stage=None)
        return Running(
            stage=stage,
            green_s=(state.clock_ms - since_ms) // 1000,
            called=state.calls.called,
        )


def _city_bounds(junction: Junction) -> StrategicBounds | None:
    """The greens that the shipped program allows; None where it says nothing of them."""
    least: dict[str, float] = {}
    most: dict[str, float] = {}
    entries = zip(junction.shipped_plan.stages, junction.shipped_greens_s, strict=True)
    for entry, (shortest_s, longest_s) in entries:
        # A stage that comes twice may be as short as its shorter and as long as its longer one.
        least[entry.stage] = min(shortest_s, least.get(entry.stage, math.inf))
        most[entry.stage] = max(longest_s, most.get(entry.stage, 0.0))
    most = {name: longest_s for name, longest_s in most.items() if longest_s < CYCLE_MAX_S}
    if not most:
        return None
    site = junction.intersection
    for name in most:
        # Walks may need more than the program gives: then the green is as long as they are.
        minimum_s = site.stage_minimum_ms(site.mask_of_stage[name]) / 1_000.0
        most[name] = math.ceil(max(most[name], least[name], minimum_s))
    return StrategicBounds(
        site=junction.id,
        sequence_no=0,
        valid_from_utc_ms=0,
        valid_to_utc_ms=FOREVER_MS,
        min_green_s={name: min(s, CYCLE_MAX_S) for name, s in least.items()},
        max_green_s=most,
    )


class Narrator:
    """Tells the decisions of one junction that change something, each once."""

    def __init__(self, control: TacticalControl, tell: Tell) -> None:
        self._site = control.site
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
