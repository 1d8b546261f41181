"""What a timing does to every lane group of its signal: v/c, delay, level of service, queues."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

import numpy as np

from optimizer.delay import EFFECTIVE_GREEN_MIN_S, control_delay_s, delay_terms
from optimizer.isolated.greens import effective_greens_s
from optimizer.isolated.signal import Signal
from optimizer.planning.predictions import LEVELS_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One lane group over the period.

    ``residual_veh`` wait as the period ends; if nobody came any more they would be gone
    ``clearing_s`` later (HCM 2000, appendix F of chapter 16).
    """

    name: str
    flow_veh_per_h: float
    capacity_veh_per_h: float
    saturation: float
    delay_s: float
    stops_per_veh: float
    residual_veh: float
    clearing_s: float

    @property
    def level_of_service(self) -> str:
        """A to F; F as well for more demand than capacity."""
        return "F" if self.saturation > 1.0 else level_of_service(self.delay_s)


def level_of_service(delay_s: float) -> str:
    """The letter of a control delay."""
    return next((letter for letter, most in LEVELS_S if delay_s <= most), "F")


def outcomes(signal: Signal, splits_s: Sequence[float], cycle_s: float) -> tuple[Outcome, ...]:
    """What every lane group has of *splits_s* at *cycle_s*, in the order of the signal."""
    if not signal.groups:
        return ()
    greens = effective_greens_s(signal, np.array([splits_s]), np.array([cycle_s]))[0]
    flow = signal.values("flow_veh_per_h")
    full = signal.values("saturation_veh_per_h")
    queue = signal.values("initial_queue_veh")
    delays = control_delay_s(flow, full, greens, cycle_s, signal.period_h, queue)
    stops = delay_terms(
        np.maximum(flow, 1e-6), full, greens, cycle_s, signal.period_h, queue, 0.0, 1.0
    ).total_veh
    capacity = full * np.clip(greens, EFFECTIVE_GREEN_MIN_S, cycle_s) / cycle_s
    rest = np.maximum(queue + signal.period_h * (flow - capacity), 0.0)
    return tuple(
        Outcome(
            name=group.name,
            flow_veh_per_h=group.flow_veh_per_h,
            capacity_veh_per_h=float(capacity[at]),
            saturation=group.flow_veh_per_h / float(capacity[at]),
            delay_s=float(delays[at]),
            stops_per_veh=float(stops[at] * 3600.0 / max(flow[at], 1e-6)),
            residual_veh=float(rest[at]),
            clearing_s=float(3600.0 * rest[at] / capacity[at]) if capacity[at] else inf,
        )
        for at, group in enumerate(signal.groups)
    )


def mean_delay_s(found: Sequence[Outcome]) -> float:
    """Mean control delay of all vehicles."""
    flow = sum(each.flow_veh_per_h for each in found)
    return sum(each.flow_veh_per_h * each.delay_s for each in found) / flow if flow else 0.0
