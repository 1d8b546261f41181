"""What offsets cost the traffic of an arterial, by the network model."""

from __future__ import annotations

from collections.abc import Sequence

from optimizer.planning.arterial_greens import SiteTiming
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.timing import SitePlan, signal_network
from optimizer.profiles.model import Evaluation, evaluated, new_model
from optimizer.profiles.network import Objective, Setting


class ArterialModel:
    """The sites *zone* (positions) of *network* with one timing each; only offsets change."""

    def __init__(
        self,
        network: PlanningNetwork,
        zone: Sequence[int],
        timings: Sequence[SiteTiming],
        cycle_s: float,
        objective: Objective,
    ) -> None:
        self.sites: tuple[SitePlan, ...] = tuple(timing.plan for timing in timings)
        self._starts_s = tuple(timing.starts_s for timing in timings)
        self._cycle_s = cycle_s
        self._network, self.streams = signal_network(
            network, dict(zip(zone, self.sites, strict=True)), zone
        )
        self._model = new_model(self._network, objective, stops=True)

    def setting(self, offset_s: Sequence[float]) -> Setting:
        """The signals with the first stage of each site at its offset."""
        return Setting(
            cycle_s=self._cycle_s,
            stage_start_s=tuple(
                tuple((start + offset) % self._cycle_s for start in starts)
                for starts, offset in zip(self._starts_s, offset_s, strict=True)
            ),
        )

    def evaluation(self, offset_s: Sequence[float]) -> Evaluation:
        """Delay, stops and queue of every stream (in the order of :attr:`streams`)."""
        return evaluated(self._model, self._network, self.setting(offset_s))

    def index(self, offset_s: Sequence[float]) -> float:
        """What the objective asks for."""
        return self.evaluation(offset_s).index
