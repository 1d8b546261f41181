"""The state of the compiled model as arrays: what :mod:`optimizer.traffic._kernel` works on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from optimizer.traffic import _kernel, law
from optimizer.traffic._state import LaneState
from optimizer.traffic.layout import Layout

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]


class CompiledModel:
    """See :class:`optimizer.traffic._reference.ReferenceModel`."""

    def __init__(self, layout: Layout) -> None:
        self.now_s = 0.0
        self._lanes = np.zeros(len(layout.lanes), dtype=_kernel.lane_type)
        self._sources = np.zeros(len(layout.sources), dtype=_kernel.source_type)
        self._to_lane = np.zeros((len(layout.sources), len(layout.lanes)))
        links: list[int] = []
        self._fill_lanes(layout, links)
        self._fill_sources(layout, links)
        self._layout = layout
        laws = np.zeros(1, dtype=_kernel.law_type)
        for name in _kernel.law_type.names or ():
            laws[name] = getattr(law, name.upper())
        self._model = _kernel.Model(
            self._lanes, self._sources, self._to_lane, np.array(links, dtype=np.int32), laws
        )

    def _fill_lanes(self, layout: Layout, links: list[int]) -> None:
        blank = LaneState()
        for k, spec in enumerate(layout.lanes):
            lane = self._lanes[k]
            serving = [(p, s) for p, s in enumerate(layout.sources) if k in s.lanes]
            ranges = {
                "stop": spec.stop,
                "advance": spec.advance,
                "near": [p for p, source in serving if source.near],
                "far": [p for p, source in serving if not source.near],
            }
            for name, members in ranges.items():
                lane[f"{name}_first"] = len(links)
                links.extend(members)
                lane[f"{name}_end"] = len(links)
            lane["stored"] = spec.stored
            lane["advance_travel_s"] = spec.advance_travel_s
            for name in ("quiet_s", "moving_s", "advance_quiet_s", "rate_veh_per_s"):
                lane[name] = getattr(blank, name)
            lane["head_since_s"] = blank.head_since_s

    def _fill_sources(self, layout: Layout, links: list[int]) -> None:
        for p, spec in enumerate(layout.sources):
            source = self._sources[p]
            source["detector"] = spec.detector
            source["lanes_first"] = len(links)
            links.extend(spec.lanes)
            source["lanes_end"] = len(links)
            source["stored"] = min(spec.stored, _kernel.ring)
            source["group"] = next(q for q, x in enumerate(layout.sources) if x.lanes == spec.lanes)
            source["near"] = spec.near
            source["travel_s"] = spec.travel_s
            source["rate_veh_per_s"] = law.RATE_PRIOR_VEH_PER_S
            self._to_lane[p, list(spec.lanes)] = spec.share / len(spec.lanes)

    def advance(self, dt_s: float, counts: Counts, service: Floats) -> None:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        self.now_s += dt_s
        self._model.advance(counts, service, self.now_s, dt_s)

    def forecast(self, queue: Floats, arrivals: Floats) -> None:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        self._model.forecast(self.now_s, queue, arrivals)

    def trapped(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        vehicles = np.zeros(len(self._lanes))
        self._model.trapped(self.now_s, vehicles)
        return vehicles

    def head_waits(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        wait_s = np.empty(len(self._lanes))
        self._model.head_waits(self.now_s, wait_s)
        return wait_s

    def longest_held_s(self) -> float:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return self._model.longest_held_s()

    def column(self, name: str) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return self._lanes[name].astype(np.float64)

    def shares(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return self._to_lane.copy()

    def spilled(self) -> NDArray[np.bool_]:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        full = np.zeros(len(self._lanes), dtype=np.bool_)
        for p, spec in enumerate(self._layout.sources):
            if self._sources["on_s"][p] >= law.SPILLED_S:
                full[list(spec.lanes)] = True
        return full

    def stood_on_s(self) -> Floats:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        return self._sources["on_s"].copy()

    def set_rate(self, k: int, veh_per_s: float) -> None:
        """See :class:`optimizer.traffic.model.TrafficModel`."""
        self._lanes["rate_veh_per_s"][k] = veh_per_s
