"""Cycle and splits of least HCM delay for batches of intersections: the front door.

Any stage structure: a lane group may be green in several stages, in full or in part (a permissive
turn, a shared lane). Its effective green is ::

    extra_green_s + sum over stages of service x stage green

where ``extra_green_s`` holds the interstages through which it stays green and, per green period,
the end gain less the start-up loss. Pedestrian minimums enter through ``minimum_green_s``,
intergreens through ``lost_s``.

Phases in rings are the same with ``ring`` and ``barrier``: "green" is then the split of a phase
(so ``lost_s`` is 0), and splits of all rings agree between barriers. The method and the proof of
how near the optimum its result is stand in :mod:`optimizer._splits_reference`, the delay in
:mod:`optimizer.delay`.

The compiled kernel is used where it is built, the NumPy reference elsewhere or when
``GREENBAND_NO_EXT=1``; :data:`IMPLEMENTATION` says which, and it is logged on import.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from optimizer import _splits_reference
from optimizer.delay import Floats
from optimizer.kernels import implementations

Optimise = Callable[..., None]

TOLERANCE = 1e-8
"""An exchange must promise more than this share of the total delay to be tried."""
EXCHANGES_MAX = 400
STAGES_MAX, GROUPS_MAX = 32, 64
RINGS_MAX, BARRIERS_MAX = 4, 8
SERVICE_MAX = 4.0
RANGE_MAX = 1e7
"""Greater numbers are errors, whatever they are meant to be."""


IMPLEMENTATIONS: dict[str, Optimise] = implementations(
    "splits",
    "optimizer._splits_kernel",
    lambda kernel: kernel.optimise,
    numpy=_splits_reference.optimise,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitProblem:
    """Intersections to optimise; *n* rows, padded to *s* stages and *p* lane groups.

    ``flow_veh_per_h``, ``saturation_veh_per_h``: (n, p). ``service``: (n, s, p), mostly 0..1;
    negative where a lane group loses by the stage's green (one that gives way).
    ``extra_green_s``: (n, p), may be negative. ``minimum_green_s``: (n, s). ``lost_s``: (n,).
    ``cycles_s``: (n, c) candidates, or (c,) for all rows; put neighbours next to each other, since
    each starts from the one before. ``stage_counts``, ``group_counts``: (n,), all of them if None;
    what lies beyond is padding and not looked at. ``ring``, ``barrier``: (n, s) of every phase,
    from 0, one ring without barriers if None. ``initial_queue_veh``: (n, p), none if None.
    What is least is ``delay_weight`` x delay and ``stop_s`` seconds for every stop.
    """

    flow_veh_per_h: ArrayLike
    saturation_veh_per_h: ArrayLike
    service: ArrayLike
    extra_green_s: ArrayLike
    minimum_green_s: ArrayLike
    lost_s: ArrayLike
    cycles_s: ArrayLike
    stage_counts: ArrayLike | None = None
    group_counts: ArrayLike | None = None
    ring: ArrayLike | None = None
    barrier: ArrayLike | None = None
    initial_queue_veh: ArrayLike | None = None
    period_h: float = 0.25
    """Analysis period T of d2 and d3."""
    delay_weight: float = 1.0
    stop_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSolution:
    """What :func:`optimise_splits` found."""

    cycle_s: Floats
    """(n,) the candidate with the least delay."""
    green_s: Floats
    """(n, s) greens without interstages; with ``lost_s`` they add up to the cycle."""
    delay_veh: Floats
    """(n, c) flow x delay of every candidate cycle (mean delayed vehicles), infinite where the
    minimums do not fit."""
    bound_veh: Floats
    """(n, c) what no greens at that cycle can beat; (n, 0) unless it was asked for."""


def optimise_splits(
    problem: SplitProblem, implementation: str | None = None, *, with_bound: bool = False
) -> SplitSolution:
    """The cycle and greens of least total delay for every row of *problem*.

    Raises :class:`ValueError` with the array, the row and the fault when shapes disagree, a value
    is not finite or out of range, or a row has no candidate cycle as long as its minimums.
    """
    checked = _checked(problem)
    n, s = checked["minimum_green_s"].shape
    green = np.zeros((n, s))
    cycle_index = np.full(n, -1, dtype=np.int64)
    delay = np.zeros_like(checked["cycles_s"])
    bound = np.zeros((n, delay.shape[1] if with_bound else 0))
    if n:
        IMPLEMENTATIONS[implementation or IMPLEMENTATION](
            *checked.values(),
            problem.period_h,
            problem.delay_weight,
            problem.stop_s,
            TOLERANCE,
            EXCHANGES_MAX,
            green,
            cycle_index,
            delay,
            bound,
        )
    short = np.flatnonzero(cycle_index < 0)
    if len(short):
        row = int(short[0])
        needed = _shortest_s(checked, row)
        raise ValueError(
            f"cycles_s: row {row} has no cycle of at least {needed:g} s, "
            "its minimum greens and interstages; add a longer candidate"
        )
    cycle = checked["cycles_s"][np.arange(n), cycle_index]
    real = np.arange(s) < checked["stage_counts"][:, None]
    return SplitSolution(
        cycle_s=cycle, green_s=np.where(real, green, 0.0), delay_veh=delay, bound_veh=bound
    )


def _shortest_s(checked: dict[str, NDArray[Any]], row: int) -> float:
    """The shortest cycle of a row: in every barrier group its longest ring."""
    real = slice(0, int(checked["stage_counts"][row]))
    rings, barriers = checked["ring"][row, real], checked["barrier"][row, real]
    sums = np.zeros((BARRIERS_MAX, RINGS_MAX))
    np.add.at(sums, (barriers, rings), checked["minimum_green_s"][row, real])
    return float(sums.max(axis=1).sum() + checked["lost_s"][row])


def _checked(problem: SplitProblem) -> dict[str, NDArray[Any]]:
    """The arrays of *problem*, in the order of the implementations, each C-contiguous."""
    service = _floats("service", problem.service, 3)
    n, s, p = service.shape
    if not (1 <= s <= STAGES_MAX and 1 <= p <= GROUPS_MAX):
        raise ValueError(
            f"service: {s} stages and {p} lane groups; 1..{STAGES_MAX} and 1..{GROUPS_MAX} can be"
        )
    cycles = np.asarray(problem.cycles_s, dtype=np.float64)
    if cycles.ndim == 1:
        cycles = np.broadcast_to(cycles, (n, len(cycles)))
    arrays: dict[str, NDArray[Any]] = {
        "flow_veh_per_h": _floats("flow_veh_per_h", problem.flow_veh_per_h, 2),
        "saturation_veh_per_h": _floats("saturation_veh_per_h", problem.saturation_veh_per_h, 2),
        "service": service,
        "extra_green_s": _floats("extra_green_s", problem.extra_green_s, 2),
        "minimum_green_s": _floats("minimum_green_s", problem.minimum_green_s, 2),
        "lost_s": _floats("lost_s", problem.lost_s, 1),
        "cycles_s": _floats("cycles_s", cycles, 2),
        "stage_counts": _counts("stage_counts", problem.stage_counts, n, s),
        "group_counts": _counts("group_counts", problem.group_counts, n, p),
        "initial_queue_veh": _floats(
            "initial_queue_veh",
            np.zeros((n, p)) if problem.initial_queue_veh is None else problem.initial_queue_veh,
            2,
        ),
        "ring": _places("ring", problem.ring, (n, s), RINGS_MAX),
        "barrier": _places("barrier", problem.barrier, (n, s), BARRIERS_MAX),
    }
    shapes = {
        "flow_veh_per_h": (n, p),
        "saturation_veh_per_h": (n, p),
        "extra_green_s": (n, p),
        "minimum_green_s": (n, s),
        "lost_s": (n,),
        "cycles_s": (n, arrays["cycles_s"].shape[1]),
        "initial_queue_veh": (n, p),
    }
    for name, shape in shapes.items():
        if arrays[name].shape != shape:
            raise ValueError(f"{name}: shape {arrays[name].shape}, but service asks for {shape}")
    if not arrays["cycles_s"].shape[1]:
        raise ValueError("cycles_s: there is no candidate cycle")
    if not (np.isfinite(problem.period_h) and problem.period_h > 0.0):
        raise ValueError(f"period_h: {problem.period_h} is not above 0")
    for name, weight in (("delay_weight", problem.delay_weight), ("stop_s", problem.stop_s)):
        if not 0.0 <= weight <= RANGE_MAX:
            raise ValueError(f"{name}: {weight} is not in 0..{RANGE_MAX:g}")
    _check_ranges(arrays)
    return arrays


def _floats(name: str, values: ArrayLike, dimensions: int) -> Floats:
    array = np.ascontiguousarray(values, dtype=np.float64)
    if np.ndim(values) != dimensions:
        raise ValueError(f"{name}: {np.ndim(values)} dimensions instead of {dimensions}")
    return array


def _counts(name: str, values: ArrayLike | None, rows: int, width: int) -> NDArray[np.int64]:
    if values is None:
        return np.full(rows, width, dtype=np.int64)
    counts = np.ascontiguousarray(values, dtype=np.int64)
    if counts.shape != (rows,):
        raise ValueError(f"{name}: shape {counts.shape}, but service asks for {(rows,)}")
    if rows and not (counts.min() >= 1 and counts.max() <= width):
        raise ValueError(f"{name}: every row needs 1..{width}")
    return counts


def _places(
    name: str, values: ArrayLike | None, shape: tuple[int, int], most: int
) -> NDArray[np.int64]:
    if values is None:
        return np.zeros(shape, dtype=np.int64)
    places = np.ascontiguousarray(values, dtype=np.int64)
    if places.shape != shape:
        raise ValueError(f"{name}: shape {places.shape}, but service asks for {shape}")
    if places.size and not (places.min() >= 0 and places.max() < most):
        raise ValueError(f"{name}: every phase needs 0..{most - 1}")
    return places


def _check_ranges(arrays: dict[str, NDArray[Any]]) -> None:
    """Every value that counts is finite and in its range; padding may hold anything."""
    _, s, p = arrays["service"].shape
    stage_is_real = np.arange(s) < arrays["stage_counts"][:, None]
    group_is_real = np.arange(p) < arrays["group_counts"][:, None]
    served_is_real = stage_is_real[:, :, None] & group_is_real[:, None, :]
    ranges = (
        ("flow_veh_per_h", group_is_real, 0.0, RANGE_MAX),
        ("saturation_veh_per_h", group_is_real, 1.0, RANGE_MAX),
        ("service", served_is_real, -SERVICE_MAX, SERVICE_MAX),
        ("extra_green_s", group_is_real, -RANGE_MAX, RANGE_MAX),
        ("minimum_green_s", stage_is_real, 0.0, RANGE_MAX),
        ("lost_s", np.array(True), 0.0, RANGE_MAX),
        ("cycles_s", np.array(True), 1.0, RANGE_MAX),
        ("initial_queue_veh", group_is_real, 0.0, RANGE_MAX),
    )
    for name, counts, low, high in ranges:
        values = arrays[name]
        # Most batches are clean throughout: two passes without a mask (NaN fails both).
        if not values.size or (values.min() >= low and values.max() <= high):
            continue
        wrong = np.argwhere(~((values >= low) & (values <= high)) & counts)
        if len(wrong):
            at = tuple(int(i) for i in wrong[0])
            raise ValueError(f"{name}: {values[at]} at {at} is not a number in {low:g}..{high:g}")
    if not served_is_real.all():
        # Padding must not disturb a vectorised expression.
        sound = np.where(group_is_real, arrays["saturation_veh_per_h"], 1.0)
        arrays["saturation_veh_per_h"] = sound
        for name in ("flow_veh_per_h", "extra_green_s", "initial_queue_veh"):
            arrays[name] = np.where(group_is_real, arrays[name], 0.0)
        arrays["service"] = np.where(served_is_real, arrays["service"], 0.0)
