"""Chooses the compiled model where it is built, the reference elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from optimizer.kernels import implementations
from optimizer.traffic._reference import ReferenceModel
from optimizer.traffic.layout import Layout

Floats = NDArray[np.float64]
Counts = NDArray[np.int32]


class TrafficModel(Protocol):
    """What both implementations do; the law stands in :mod:`optimizer.traffic._reference`."""

    now_s: float

    def advance(self, dt_s: float, counts: Counts, service: Floats) -> None:
        """Take the last *dt_s* seconds.

        *counts*: (3, detectors) entered, left, occupied, -1 where unknown. *service*: (lanes,)
        veh/s that the lamps allowed meanwhile, 0 at red.
        """

    def forecast(self, queue: Floats, arrivals: Floats) -> None:
        """Fill *queue*, (lanes,), and *arrivals*, (lanes, seconds), which have to be 0 before."""

    def trapped(self) -> Floats:
        """(lanes,) vehicles bound for other lanes that stand behind the queue of this one.

        A queue beyond the advance loop of one lane keeps those from their own lanes that stand
        among it: they can't move before it does.
        """

    def head_waits(self) -> Floats:
        """(lanes,) how long the first vehicle of each queue has waited, 0 where none is."""

    def longest_held_s(self) -> float:
        """For how long the most blocked lane has stood in green."""

    def column(self, name: str) -> Floats:
        """One number of every lane, by its name in the reference."""

    def shares(self) -> Floats:
        """(sources, lanes) part of each source's vehicles that comes to each lane."""

    def spilled(self) -> NDArray[np.bool_]:
        """(lanes,) whether the queue has reached a source of the lane."""

    def stood_on_s(self) -> Floats:
        """(sources,) for how long a vehicle has stood on each."""

    def set_rate(self, k: int, veh_per_s: float) -> None:
        """What lane *k* gets, known from elsewhere."""


IMPLEMENTATIONS: dict[str, Callable[[Layout], TrafficModel]] = implementations(
    "traffic",
    "optimizer.traffic.compiled",
    lambda module: module.CompiledModel,
    reference=ReferenceModel,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))
