"""Our strategic tier as a control: plans for the whole network, made on-line from the loops.

Nobody tells it the demand. Until it has counted for some minutes every junction runs the stages of
its shipped program, actuated and isolated, as on the day of an installation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.plan import TimingPlan, check_plan
from controller.signals import Inputs, Outputs
from controller.take_over import Lit, take_over
from optimizer.adaptive_plan import AdaptivePlan
from optimizer.bounds import StrategicBounds
from optimizer.planning.network import PlanningNetwork, PlanningSite
from optimizer.strategic.demand import Drivers
from optimizer.strategic.tier import StrategicSettings, StrategicTier
from optimizer.strategic.windows import WindowSettings, bounds_for, windows
from optimizer.tactical import TacticalSettings
from optimizer.traffic import JunctionTraffic
from sim.controls.tactical import TacticalNetwork
from sim.decisions import DecisionNote, Tell
from sim.network import Junction, Network
from sim.network.links_between import links_between
from sim.planning.from_net import DISPERSION, END_GAIN_S, FASTEST, START_LOSS_S

SUMO_DRIVERS = Drivers(
    start_loss_s=START_LOSS_S, end_gain_s=END_GAIN_S, dispersion=DISPERSION, fastest=FASTEST
)
NEW_PLAN = "new plan"
PLAN_STAYS = "plan stays"
VALID_MS = 900_000
"""Bounds that nobody renews end by themselves."""


class CoordinatedNetwork:
    """Every junction runs the plan that the strategic tier last gave it."""

    def __init__(
        self, network: Network, now: Instant, settings: StrategicSettings | None = None
    ) -> None:
        self.sites = tuple(CoordinatedSite(junction, now) for junction in network.junctions)
        self.tier = strategic_tier(network, settings)
        self._tell: Tell | None = None

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        shown = [site.step(now, seen) for site, seen in zip(self.sites, readings, strict=True)]
        for at, site in enumerate(self.sites):
            self.tier.observe(now, at, site.traffic)
        review = self.tier.due(now)
        if review is not None:
            outcome = review.work()
            plans = self.tier.adopt(now, outcome)
            for site in self.sites:
                if site.name in plans:
                    site.run(plans[site.name])
            tell_of(self._tell, now, outcome.told, plans)
        return shown

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for at, (site, seen) in enumerate(zip(self.sites, readings, strict=True)):
            site.traffic.observe(now, seen, shown[at].green)
            self.tier.observe(now, at, site.traffic)

    def take_over(self, now: Instant, lamps: Sequence[Lit]) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, lit in zip(self.sites, lamps, strict=True):
            site.take_over(now, lit)

    def explain_to(self, tell: Tell) -> None:
        """See :class:`sim.decisions.Explains`."""
        self._tell = tell


class CoordinatedSite:
    """One junction: its controller, what its loops say, and the plan in force."""

    def __init__(self, junction: Junction, now: Instant) -> None:
        self._site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
        self.name = self._site.name
        self.traffic = JunctionTraffic(self._site)
        self._plan = check_plan(before_counts(junction, now), self._site)
        self._state = core.start(self._site, now)
        self._outputs = Outputs(green=0, ending=0)

    def step(self, now: Instant, seen: SiteReadings) -> Outputs:
        """Count, and run the plan."""
        self.traffic.observe(now, seen, self._outputs.green)
        inputs = Inputs(*seen.masks(), self._plan)
        self._state, self._outputs = core.step(self._site, self._state, now, inputs)
        return self._outputs

    @property
    def state(self) -> core.State:
        """The state of its signal controller."""
        return self._state

    def take_over(self, now: Instant, lit: Lit) -> None:
        """Go on from lamps that show *lit*."""
        self._state = take_over(self._site, now, lit)
        self._outputs = Outputs(lit.green, lit.ending)

    def run(self, plan: TimingPlan) -> None:
        """Take *plan* at the end of a stage; the signal controller gets into step with it."""
        self._plan = check_plan(plan, self._site)


def before_counts(junction: Junction, now: Instant) -> TimingPlan:
    """The shipped stages of *junction*, actuated: all that can be done before anything is known."""
    planner = AdaptivePlan(
        junction.intersection, junction.shipped_plan, keep_order=junction.keep_order
    )
    return planner.plan(now) or junction.shipped_plan


def strategic_tier(network: Network, settings: StrategicSettings | None = None) -> StrategicTier:
    """The tier over all junctions of *network*, for SUMO's drivers unless *settings* say else."""
    return StrategicTier(
        network.name,
        [
            PlanningSite(
                site=junction.intersection,
                present=junction.shipped_plan,
                x_m=junction.position[0],
                y_m=junction.position[1],
                keep_order=junction.keep_order,
            )
            for junction in network.junctions
        ],
        links_between(network),
        settings or StrategicSettings(drivers=SUMO_DRIVERS),
    )


def tell_of(
    tell: Tell | None, now: Instant, told: Mapping[str, str], plans: Mapping[str, TimingPlan]
) -> None:
    """A note for every junction that the review has a line for."""
    if tell is None:
        return
    for name, why in told.items():
        limit = NEW_PLAN if name in plans else PLAN_STAYS
        tell(DecisionNote(now.mono_ms / 1_000, name, limit, why))


class CoordinatedTacticalNetwork(TacticalNetwork):
    """As :class:`~sim.controls.tactical.TacticalNetwork`, within bounds of the strategic tier."""

    def __init__(
        self,
        network: Network,
        now: Instant,
        settings: TacticalSettings | None = None,
        strategic: StrategicSettings | None = None,
        window: WindowSettings | None = None,
    ) -> None:
        super().__init__(network, now, settings)
        self.tier = strategic_tier(network, strategic)
        self._window = window or WindowSettings()
        self._orders = [
            tuple(
                junction.intersection.stage_index(entry.stage)
                for entry in junction.shipped_plan.stages
            )
            if junction.keep_order
            else None
            for junction in network.junctions
        ]
        self.bounds: dict[str, StrategicBounds | None] = {}
        """What each site was last given."""
        self._strategic_tell: Tell | None = None
        self._number = 0

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        shown = super().step(now, readings)
        for at, site in enumerate(self.sites):
            self.tier.observe(now, at, site.control.tactical.traffic)
        review = self.tier.due(now)
        if review is not None:
            outcome = review.work()
            plans = self.tier.adopt(now, outcome)
            self._bound(now, review.network, plans)
            tell_of(self._strategic_tell, now, outcome.told, plans)
        return shown

    def _bound(
        self, now: Instant, demand: PlanningNetwork, plans: Mapping[str, TimingPlan]
    ) -> None:
        """New windows for all sites; the plans are what they run where no loop is left."""
        if self.tier.plan is None:
            return
        self._number += 1
        wanted = windows(demand, self.tier.plan, self._window)
        for site, order in zip(self.sites, self._orders, strict=True):
            name = site.site.name
            if name in plans:
                site.run(plans[name])
            bounds = None
            if name in wanted:
                bounds = bounds_for(
                    site.site,
                    wanted[name],
                    order=order,
                    sequence_no=self._number,
                    valid_ms=(now.utc_ms, now.utc_ms + VALID_MS),
                    settings=self._window,
                )
            site.control.bound(bounds)
            self.bounds[name] = bounds

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        super().listen(now, readings, shown)
        for at, site in enumerate(self.sites):
            self.tier.observe(now, at, site.control.tactical.traffic)

    def explain_to(self, tell: Tell) -> None:
        """See :class:`sim.decisions.Explains`."""
        super().explain_to(tell)
        self._strategic_tell = tell
