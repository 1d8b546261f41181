"""Plans of ours as a control: fixed-time, coordinated, run by our signal controller.

:func:`planned` makes the plan from the demand of the scenario itself, as SUMO's own tools do;
:func:`from_file` runs one that is there already.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from controller import core
from controller.clock import Instant
from controller.detection import SiteReadings
from controller.plan import TimingPlan, check_plan
from controller.signals import Inputs, Outputs
from controller.take_over import Lit, take_over
from optimizer.planning.maker import PlanningError, make_plan
from optimizer.planning.network import NetworkPlan
from sim.controls.base import Control, Prepared, Setup
from sim.controls.loop_driven import loop_driven
from sim.errors import BenchError, ScenarioError
from sim.network import Junction, Network, derive_network
from sim.planning.demand import demand_of
from sim.planning.from_net import planning_network
from sim.plans import plan_json
from sim.scenario import Scenario

PLAN_SUFFIX = ".json"


class PlannedNetwork:
    """Every junction runs its plan by the clock; without one of its own, the shipped program's."""

    def __init__(self, network: Network, now: Instant, plan: NetworkPlan) -> None:
        plans = plans_by_site(plan, network)
        self._sites = tuple(
            PlannedSite(junction, now, plans[junction.id]) for junction in network.junctions
        )

    def step(self, now: Instant, readings: Sequence[SiteReadings]) -> Sequence[Outputs]:
        """See :class:`sim.controls.loop_driven.NetworkControl`."""
        return [site.step(now, seen) for site, seen in zip(self._sites, readings, strict=True)]

    def listen(
        self, now: Instant, readings: Sequence[SiteReadings], shown: Sequence[Outputs]
    ) -> None:
        """A plan needs to know nothing."""

    def take_over(self, now: Instant, lamps: Sequence[Lit]) -> None:
        """See :class:`sim.controls.loop_driven.GoesOn`."""
        for site, lit in zip(self._sites, lamps, strict=True):
            site.take_over(now, lit)


class PlannedSite:
    """One junction: its controller and the plan in force; like the peers without a start-up."""

    def __init__(self, junction: Junction, now: Instant, plan: TimingPlan) -> None:
        self._site = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
        self._plan = check_plan(plan, self._site)
        self._state = core.start(self._site, now)

    def take_over(self, now: Instant, lit: Lit) -> None:
        """Go on from lamps that show *lit*."""
        self._state = take_over(self._site, now, lit)

    def step(self, now: Instant, seen: SiteReadings) -> Outputs:
        """Run the plan; the buttons call the walks."""
        inputs = Inputs(*seen.masks(), self._plan)
        self._state, outputs = core.step(self._site, self._state, now, inputs)
        return outputs


def plans_by_site(plan: NetworkPlan, network: Network) -> Mapping[str, TimingPlan]:
    """The plan of every junction of *network*: that of its shipped program where *plan* has none.

    Raises :class:`ScenarioError` if *plan* is for none of them.
    """
    made = {each.site: each for each in plan.plans}
    if not any(junction.id in made for junction in network.junctions):
        own = [junction.id for junction in network.junctions]
        raise ScenarioError(
            f"plan {plan.name!r} is for {_listed(list(made))}, none of which {network.name} has "
            f"(it has {_listed(own)}): make one for this network"
        )
    return {
        junction.id: made.get(junction.id, junction.shipped_plan) for junction in network.junctions
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (" and others" if len(names) > 5 else "")


def planned(setup: Setup) -> Prepared:
    """A plan from the exact demand of the window."""
    scenario = setup.scenario
    network = derive_network(
        scenario.net_file, scenario.additional_files, setup.convention, scenario.begin_s
    )
    return _run(planned_plan(scenario, network, setup.scale))(setup)


def planned_plan(scenario: Scenario, network: Network, scale: float) -> NetworkPlan:
    """The plan for the exact demand of *scenario*; raises :class:`ScenarioError` if none fits."""
    demand = demand_of(scenario, network).scaled(scale)
    try:
        return make_plan(planning_network(network, demand)).plan
    except PlanningError as error:
        raise ScenarioError(str(error)) from None


def from_file(name: str) -> Control:
    """The control that runs the network plan in the file *name*.

    The file is read when a run is prepared; then :class:`BenchError` names what is wrong with it.
    """

    def prepare(setup: Setup) -> Prepared:
        return _run(read_plan(name))(setup)

    return Control(
        name=name,
        sees="nothing; push buttons",
        summary="a plan of ours, by the clock",
        prepare=prepare,
        ours=True,
    )


def read_plan(name: str) -> NetworkPlan:
    """The network plan in the file *name*.

    Raises :class:`BenchError` for a file that can't be read, and
    :class:`~controller.violations.InvalidError` for one that is no plan.
    """
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BenchError(f"{name}: the plan can't be read ({error})") from None
    return plan_json.from_json(text)


def _run(plan: NetworkPlan) -> Callable[[Setup], Prepared]:
    def make(network: Network, now: Instant) -> PlannedNetwork:
        return PlannedNetwork(network, now, plan)

    return loop_driven(make)
