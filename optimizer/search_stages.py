"""What the stages of a junction allow: greens, successors, and what each change does to each lane.

These depend on the site and on the pedestrians that have called, not on the traffic, so they are
checked and laid out once and then searched over every second (:mod:`optimizer.search`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimizer.delay import Floats

Integers = NDArray[Any]
Plan = tuple[tuple[int, int], ...]
"""Rows of (stage, seconds it is held from now or from its start of green)."""

NEVER_S = 9_999
"""A time after the start of a change that does not come."""
LANES_MAX = 64
STARTUP_MAX_S = 60


@dataclass(frozen=True, kw_only=True, eq=False)
class StageChanges:
    """What the stages of a junction allow, independent of the traffic; checked once.

    ``change_s`` (S, S): from the begin of a change to the start of green of the next stage, at
    least 1. ``stops_after_s``, ``starts_after_s`` (S, S, L): seconds of a change after which a lane
    stops being served (the used part of its yellow included; :data:`NEVER_S` where it stays green)
    and from which it is served as in the next stage (start-up loss included; may lie after the
    change; :data:`NEVER_S` where it does not start anew). ``min_green_s``, ``max_green_s`` (S,).
    ``allowed`` (S, S): whether a stage may follow; a given order has one per row.
    """

    change_s: ArrayLike
    stops_after_s: ArrayLike
    starts_after_s: ArrayLike
    min_green_s: ArrayLike
    max_green_s: ArrayLike
    allowed: ArrayLike
    unbounded: StageChanges | None = None
    """The same without strategic bounds, where there are any."""
    n_stages: int = field(init=False)
    n_lanes: int = field(init=False)
    ready: dict[str, Integers] = field(init=False, repr=False)
    """The arrays as the implementations take them, lanes padded to a multiple of 8."""

    def __post_init__(self) -> None:
        stops = np.asarray(self.stops_after_s)
        if stops.ndim != 3 or not stops.size:
            raise ValueError(f"stops_after_s: shape {stops.shape} instead of (S, S, L)")
        stages, lanes = stops.shape[1:]
        if lanes > LANES_MAX:
            raise ValueError(f"stops_after_s: {lanes} lanes; at most {LANES_MAX} can be")
        pair, width = (stages, stages), padded(lanes)
        allowed = _whole("allowed", self.allowed, pair, 0, 1).astype(np.uint8)
        np.fill_diagonal(allowed, 0)
        minimum = _whole("min_green_s", self.min_green_s, (stages,), 0, NEVER_S)
        maximum = _whole("max_green_s", self.max_green_s, (stages,), 1, 1_000_000)
        if (maximum < minimum).any():
            stage = int(np.argmax(maximum < minimum))
            raise ValueError(
                f"max_green_s: {maximum[stage]} s of stage {stage} is below its minimum green, "
                f"{minimum[stage]} s"
            )
        change = _whole("change_s", self.change_s, pair, 0, 1_000)
        change = np.where(allowed, np.maximum(change, 1), 1).astype(np.int32)
        starts = _whole("starts_after_s", self.starts_after_s, (*pair, lanes), 0, NEVER_S)
        late = (starts < NEVER_S) & (starts > change[:, :, None] + STARTUP_MAX_S)
        if (late & (allowed[:, :, None] > 0)).any():
            raise ValueError(
                f"starts_after_s: a lane starts more than {STARTUP_MAX_S} s after a change"
            )
        starts[allowed == 0] = NEVER_S
        put = object.__setattr__
        put(self, "n_stages", stages)
        put(self, "n_lanes", lanes)
        ready = {
            "change_s": change,
            "stops_s": _pad(_whole("stops_after_s", stops, (*pair, lanes), 0, NEVER_S), width, 0),
            "starts_s": _pad(starts, width, NEVER_S),
            "min_green_s": minimum,
            # A stage that nothing may follow has no maximum.
            "max_green_s": np.where(allowed.any(axis=1), maximum, 1_000_000).astype(np.int32),
            "allowed": allowed,
        }
        put(self, "ready", {name: np.ascontiguousarray(array) for name, array in ready.items()})

    def within(
        self, min_green_s: Sequence[int], max_green_s: Sequence[int], allowed: Integers
    ) -> StageChanges:
        """The same changes within strategic bounds."""
        return replace(
            self,
            min_green_s=min_green_s,
            max_green_s=max_green_s,
            allowed=allowed,
            unbounded=self,
        )

    @cached_property
    def compiled(self) -> Any:  # noqa: ANN401
        """What the compiled kernel keeps of these stages; only where it is built."""
        from optimizer import _search_kernel

        return _search_kernel.Stages(self.ready, self.n_lanes)


def padded(lanes: int) -> int:
    """*lanes* rounded up to a multiple of 8."""
    return -(-lanes // 8) * 8


def _pad(array: Integers, width: int, value: int) -> Integers:
    padded = np.full((*array.shape[:-1], width), value, dtype=np.int32)
    padded[..., : array.shape[-1]] = array
    return padded


def _whole(name: str, values: ArrayLike, shape: tuple[int, ...], low: int, high: int) -> Integers:
    """A copy of *values* as integers in low..high."""
    array = np.asarray(values)
    if array.shape != shape:
        raise ValueError(f"{name}: shape {array.shape}, but stops_after_s asks for {shape}")
    if not np.all((array >= low) & (array <= high)):
        raise ValueError(f"{name}: not every value is a number in {low}..{high}")
    whole = array.astype(np.int32)
    if not np.all(whole == array):
        raise ValueError(f"{name}: whole seconds are needed")
    return whole


def plan_after(plan: Plan, seconds: int, changes: StageChanges) -> Plan:
    """What is left of *plan* when it has been followed for *seconds*; empty during a change."""
    rows = list(plan)
    while rows:
        stage, hold = rows[0]
        if seconds <= hold or len(rows) == 1:
            return ((stage, max(0, hold - seconds)), *rows[1:])
        seconds -= hold + int(changes.ready["change_s"][stage, rows[1][0]])
        rows.pop(0)
        if seconds < 0:
            break
    return ()


def floats_of(name: str, values: ArrayLike, shape: tuple[int, ...], high: float) -> Floats:
    """*values* as floats in 0..*high*; raises :class:`ValueError` with *name* and the fault."""
    array = np.asarray(values, dtype=np.float64)
    if array.shape != shape:
        raise ValueError(f"{name}: shape {array.shape}, but changes ask for {shape}")
    # NaN fails both comparisons.
    if array.size and not (array.min() >= 0.0 and array.max() <= high):
        raise ValueError(f"{name}: not every value is a number in 0..{high:g}")
    return array
