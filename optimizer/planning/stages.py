"""Which stages a site should run: those that serve its demand at least cost, looked at alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import inf

from controller.plan import TimingPlan
from optimizer.planning.network import PlanningNetwork, PlanningSite
from optimizer.planning.sequences import combinations_of
from optimizer.planning.timing import SitePlan, positions_of, signal_network
from optimizer.profiles._tables import timing_of
from optimizer.profiles.cycle import balanced_setting, shortest_cycle_s
from optimizer.profiles.model import EXACT, UPDATES_PER_LINK_MAX, new_model
from optimizer.profiles.network import Objective

NEW_STAGES_GAIN = 0.03
"""Other stages than the present ones must save this share of a site's own index."""
UPDATES_MAX = 100 * UPDATES_PER_LINK_MAX
SCREENED_CYCLES_S = (45.0, 60.0, 80.0, 110.0, 150.0)


def best_stages(
    network: PlanningNetwork, at: int, objective: Objective, by_site: Mapping[int, Sequence[int]]
) -> tuple[int, ...]:
    """The stages with which the site at position *at* costs least, the present ones if in doubt.

    *by_site*: the positions of every site's streams.
    """
    planned = network.sites[at]
    candidates = combinations_of(planned.site, positions_of(planned), keep_order=planned.keep_order)
    if len(candidates) == 1:
        return candidates[0]
    costs = [_cost_alone(network, at, stages, objective, by_site) for stages in candidates]
    costs[0] *= 1.0 - NEW_STAGES_GAIN
    return candidates[min(range(len(costs)), key=costs.__getitem__)]


def _cost_alone(
    network: PlanningNetwork,
    at: int,
    stages: tuple[int, ...],
    objective: Objective,
    by_site: Mapping[int, Sequence[int]],
) -> float:
    """The index of the site with *stages* at the cycle that suits them, arrivals even.

    Cycles are tried upwards until one costs more than the one before: alone, a site has one best.
    """
    alone = {at: SitePlan(network.sites[at], (stages,))}
    network_alone, _ = signal_network(network, alone, [at], by_site=by_site)
    model = new_model(network_alone, objective)
    shortest_s = shortest_cycle_s(network_alone)
    cycles = [cycle for cycle in SCREENED_CYCLES_S if cycle >= shortest_s] or [shortest_s]
    least = inf
    for cycle in cycles:
        timing = timing_of(network_alone, balanced_setting(network_alone, cycle))
        index = model.load(timing, tolerance=EXACT, updates_max=UPDATES_MAX)
        if index >= least:
            break
        least = index
    return least


def changed_stages(planned: PlanningSite, plan: TimingPlan) -> str | None:
    """Says that *plan* runs other stages than today, or the same in another order."""
    before = [entry.stage for entry in planned.present.stages]
    after = [entry.stage for entry in plan.stages]
    first = after.index(before[0]) if before[0] in after else 0
    turned = after[first:] + after[:first]
    if turned == before:
        return None
    what = "runs its stages in the order" if sorted(after) == sorted(before) else "runs stages"
    return f"{planned.name} {what} {', '.join(after)} in place of {', '.join(before)}"
