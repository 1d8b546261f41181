"""What a plan's report needs to know: from a SUMO network or a UTDF file, and from runs."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from controller.plan import TimingPlan
from optimizer.planning.chain import Chain
from optimizer.planning.network import NetworkPlan
from sim.controls.planned import PLAN_SUFFIX, plans_by_site
from sim.convention import Convention
from sim.errors import BenchError, ScenarioError
from sim.network.model import Network
from sim.pictures.ring_barrier import RingBarrier, from_utdf
from sim.pictures.stages import ground_of, star_of
from sim.pictures.street import main_streets, main_streets_of_planning
from sim.pictures.street_scenes import window_of
from sim.planning.chain import chain_of
from sim.planning.chain_utdf import chain_of_utdf
from sim.planning.demand import demand_of
from sim.planning.from_net import planning_network
from sim.plans.from_utdf import planning_network_of
from sim.plans.plan_json import from_json, to_json
from sim.plans.utdf import Utdf, parse_utdf
from sim.plans.utdf_phases import node_timing
from sim.plans.utdf_site import UtdfSite, site_of_node
from sim.plans.utdf_update import updated_utdf
from sim.report.cast import SHIPPED, label
from sim.report.plan_report import PlanRuns, PlanSubject
from sim.run import RunSpec, run_once
from sim.scenario import Scenario
from sim.simulation import sumo_version
from sim.street_record import Watch, watch_street

STREETS_SHOWN = 2


def subject_of_network(
    plan: NetworkPlan, network: Network, scenario: Scenario | None, names: Sequence[str] = ()
) -> PlanSubject:
    """*plan* for *network*; the demand is that of *scenario*, if there is one.

    *names*: the signals of the street to show, as :func:`~sim.planning.chain.chain_of` takes them;
    without any the longest. Raises :class:`ScenarioError` for a plan that lacks a site.
    """
    plans_by_site(plan, network)
    chains = chains_of(network, names)
    unclear = [] if chains else [_no_street(network.name)]
    planning = None
    if scenario is None:
        unclear.append(
            "No demand is known for a network alone, so nothing is said about saturation: give "
            "its scenario."
        )
    else:
        planning = planning_network(network, demand_of(scenario, network))
    return PlanSubject(
        plan=plan,
        sites=tuple(junction.intersection for junction in network.junctions),
        today={junction.id: junction.shipped_plan for junction in network.junctions},
        grounds={junction.id: ground_of(junction, network) for junction in network.junctions},
        chains=chains,
        planning=planning,
        unclear=tuple(unclear),
    )


def chains_of(
    network: Network, names: Sequence[str] = (), at_most: int = STREETS_SHOWN
) -> tuple[Chain, ...]:
    """The streets of *network* worth a time-space diagram, the longest first."""
    if names:
        return (chain_of(network, names),)
    return tuple(_possible(lambda sites: chain_of(network, sites), main_streets(network, at_most)))


def _possible(
    build: Callable[[Sequence[str]], Chain], streets: Sequence[tuple[str, ...]]
) -> Iterator[Chain]:
    for sites in streets:
        try:
            yield build(sites)
        except ScenarioError:
            continue  # the street bends where no lane leads on: no diagram


def _no_street(name: str) -> str:
    return f"{name} has no two signals in a row on one street, so there is no time–space diagram."


def subject_of_utdf(
    plan: NetworkPlan, text: str, source: str, names: Sequence[str] = ()
) -> PlanSubject:
    """*plan* for the UTDF file with *text*; raises as reading and updating such a file does."""
    utdf = parse_utdf(text, source)
    planning, _ = planning_network_of(utdf, source)
    read = [site_of_node(utdf, node) for node in utdf.signals()]
    made = {site.site.name: site for site in read}
    missing = [name for name in made if name not in {each.site for each in plan.plans}]
    if missing:
        raise ScenarioError(
            f"plan {plan.name!r} has none for {', '.join(missing[:5])} of {source}: make one for "
            "this file"
        )
    if names:
        chains: tuple[Chain, ...] = (chain_of_utdf(utdf, names),)
    else:
        streets = main_streets_of_planning(planning, STREETS_SHOWN)
        chains = tuple(_possible(lambda sites: chain_of_utdf(utdf, sites), streets))
    return PlanSubject(
        plan=plan,
        sites=tuple(site.site for site in made.values()),
        today={name: site.present for name, site in made.items()},
        grounds={name: star_of(site.site) for name, site in made.items()},
        chains=chains,
        planning=planning,
        rings=tuple(_rings(made, parse_utdf(updated_utdf(text, plan, source), source))),
        unclear=() if chains else (_no_street(source),),
    )


def _rings(made: Mapping[str, UtdfSite], updated: Utdf) -> Iterator[RingBarrier]:
    """The phases of every node under the plan, with the movements that each lights."""
    nodes = {node.id: node for node in updated.signals()}
    for name, site in made.items():
        serves: dict[int, list[str]] = {}
        for movement in site.movements:
            for number in sorted(movement.phases):
                permitted = "" if number in movement.protected else " (gives way)"
                serves.setdefault(number, []).append(movement.column + permitted)
        words = {number: ", ".join(columns) for number, columns in serves.items()}
        yield from_utdf(name, node_timing(updated, nodes[site.node.id]), words)


def main_watch(
    network: Network, scenario: Scenario, cycle_s: float | None = None, names: Sequence[str] = ()
) -> Watch | None:
    """What runs of *scenario* are to record of its main street; None if it has none."""
    chains = chains_of(network, names, at_most=1)
    if not chains:
        return None
    begin_s, end_s = window_of(scenario.begin_s, scenario.end_s, cycle_s)
    return watch_street(network, chains[0], begin_s, end_s)


def with_runs(
    subject: PlanSubject,
    network: Network,
    scenario: Scenario,
    *,
    before: str = SHIPPED,
    seed: int,
    convention: Convention,
    names: Sequence[str] = (),
) -> PlanSubject:
    """*subject* with a run of *scenario* under the control *before*, and one under the plan.

    Raises :class:`BenchError` as :func:`~sim.run.run_once` does.
    """
    cycle_s = max((zone.cycle_s for zone in subject.plan.zones), default=None)
    spec = RunSpec(
        scenario=scenario,
        control=before,
        seed=seed,
        convention=convention,
        detail=True,
        watch=main_watch(network, scenario, cycle_s, names),
    )
    old = run_once(spec)
    with tempfile.TemporaryDirectory(prefix="greenband-") as folder:
        file = Path(folder) / f"plan{PLAN_SUFFIX}"
        file.write_text(to_json(subject.plan), encoding="utf-8")
        new = run_once(replace(spec, control=str(file)))
    runs = PlanRuns(
        network=network,
        scenario=scenario.name,
        seed=seed,
        sumo=sumo_version(),
        before_name=label(before),
        before=old,
        after=new,
        before_plans=_plans_before(before, network),
    )
    return replace(subject, runs=runs)


def _plans_before(before: str, network: Network) -> Mapping[str, TimingPlan] | None:
    if before == SHIPPED:
        return {junction.id: junction.shipped_plan for junction in network.junctions}
    if before.endswith(PLAN_SUFFIX):
        try:
            text = Path(before).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BenchError(f"{before}: the plan can't be read ({error})") from None
        return plans_by_site(from_json(text), network)
    return None
