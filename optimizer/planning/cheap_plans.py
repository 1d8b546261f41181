"""Plans of all sites for many demands at once, and what each costs at others, without offsets.

Good enough to say when a plan stops to fit, and a thousand times quicker than making it: every
site has HCM-optimal splits for its lane groups (:mod:`optimizer.splits`) at the common cycle that
costs least for all. Platoons are left out: they gain about as much under each of the plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.delay import Floats, control_delay_s
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.sequences import Layout
from optimizer.planning.stages import best_stages
from optimizer.planning.timing import opposed_veh_per_h, streams_by_site
from optimizer.profiles.network import DELAY
from optimizer.splits import SplitProblem, SplitSolution, optimise_splits

CYCLES_S = (40.0, 50.0, 60.0, 70.0, 80.0, 95.0, 110.0, 130.0, 150.0)
BEYOND_SHORTEST = 4
"""So many longer cycles are tried where even the minimums need more than the usual ones."""
GREEN_OF_OPPOSING = 0.5
"""The part of the cycle in which an opposing stream comes, for the gaps in it."""
ROWS_AT_ONCE = 4_000


@dataclass(frozen=True, slots=True)
class SiteModel:
    """A site as lane groups and stages; *p* lane groups, *s* stages.

    ``streams``: positions of its lane groups among those of the network. ``service``: (s, p).
    """

    streams: tuple[int, ...]
    saturation_veh_per_h: Floats
    service: Floats
    extra_green_s: Floats
    minimum_green_s: Floats
    lost_s: float

    @property
    def shortest_s(self) -> float:
        """The cycle that its minimums need."""
        return float(self.minimum_green_s.sum()) + self.lost_s


@dataclass(frozen=True, slots=True)
class CheapPlans:
    """*n* plans: ``cycle_s`` (n,), and ``green_s`` (n, streams), effective green of each stream."""

    cycle_s: Floats
    green_s: Floats

    def __len__(self) -> int:
        return len(self.cycle_s)


class CheapPlanner:
    """Makes and weighs plans for the sites of *network*, with the stages that suit its demand."""

    def __init__(self, network: PlanningNetwork, period_h: float = 0.25) -> None:
        by_site = streams_by_site(network)
        self._sites = tuple(
            _site_model(network, at, by_site[at])
            for at in range(len(network.sites))
            if by_site.get(at)
        )
        self._period_h = period_h
        self._saturation = np.ones(len(network.streams))
        for site in self._sites:
            self._saturation[list(site.streams)] = site.saturation_veh_per_h
        shortest_s = max(site.shortest_s for site in self._sites)
        longer = [shortest_s * (1.0 + 0.15 * k) for k in range(BEYOND_SHORTEST)]
        self._cycles_s = np.asarray([s for s in CYCLES_S if s >= shortest_s] or longer)

    def plans(self, flows_veh_per_h: Floats) -> CheapPlans:
        """The best plan for each row of (n, streams)."""
        parts = [
            self._plans(flows_veh_per_h[k : k + ROWS_AT_ONCE])
            for k in range(0, len(flows_veh_per_h), ROWS_AT_ONCE)
        ]
        return CheapPlans(
            np.concatenate([part.cycle_s for part in parts]),
            np.concatenate([part.green_s for part in parts]),
        )

    def _plans(self, flows: Floats) -> CheapPlans:
        total = np.zeros((len(flows), len(self._cycles_s)))
        for site in self._sites:
            total += self._splits(site, flows, self._cycles_s).delay_veh
        cycle_s = self._cycles_s[total.argmin(axis=1)]
        green_s = np.ones_like(flows)
        for site in self._sites:
            stage_s = self._splits(site, flows, cycle_s[:, None]).green_s
            own = site.extra_green_s + stage_s @ site.service
            green_s[:, list(site.streams)] = own
        return CheapPlans(cycle_s, green_s)

    def _splits(self, site: SiteModel, flows: Floats, cycles_s: Floats) -> SplitSolution:
        rows = len(flows)

        def each(values: Floats) -> Floats:
            return np.broadcast_to(values, (rows, *values.shape))

        return optimise_splits(
            SplitProblem(
                flow_veh_per_h=flows[:, list(site.streams)],
                saturation_veh_per_h=each(site.saturation_veh_per_h),
                service=each(site.service),
                extra_green_s=each(site.extra_green_s),
                minimum_green_s=each(site.minimum_green_s),
                lost_s=np.full(rows, site.lost_s),
                cycles_s=cycles_s,
                period_h=self._period_h,
            )
        )

    def delay_veh(self, plans: CheapPlans, at: Sequence[int] | slice, flows: Floats) -> Floats:
        """Vehicles delayed at any moment under the plans *at*, for each row of (m, streams).

        Returns (plans, m).
        """
        green = np.maximum(plans.green_s[at], 1.0)[:, None, :]
        cycle = plans.cycle_s[at][:, None, None]
        demand = flows[None, :, :]
        delay_s = control_delay_s(demand, self._saturation, green, cycle, self._period_h)
        total: Floats = (delay_s * demand).sum(axis=2) / 3600.0
        return total


def _site_model(network: PlanningNetwork, at: int, streams: Sequence[int]) -> SiteModel:
    planned = network.sites[at]
    layout = Layout(planned.site, best_stages(network, at, DELAY, streams_by_site(network)))
    changes_s = np.asarray(layout.interstages_ms) / 1000.0
    groups = [planned.site.mask(network.streams[k].groups) for k in streams]
    lit = np.asarray([[mask & own == own for own in groups] for mask in layout.masks])
    stays = lit & np.roll(lit, 1, axis=0)
    begins = (lit & ~np.roll(lit, 1, axis=0)).sum(axis=0)
    per_green_s = network.end_gain_s - network.start_loss_s
    return SiteModel(
        streams=tuple(streams),
        saturation_veh_per_h=np.asarray([_saturation(network, k) for k in streams]),
        service=lit.astype(np.float64),
        extra_green_s=changes_s @ stays + per_green_s * begins,
        minimum_green_s=np.asarray(layout.minimums_s) - changes_s,
        lost_s=float(changes_s.sum()),
    )


def _saturation(network: PlanningNetwork, at: int) -> float:
    """Of a turn that gives way: what the gaps of the opposing flow let through."""
    stream = network.streams[at]
    opposing = sum(network.streams[k].flow_veh_per_h for k in stream.gives_way_to)
    if not opposing:
        return stream.saturation_veh_per_h
    return opposed_veh_per_h(stream, opposing / GREEN_OF_OPPOSING)
