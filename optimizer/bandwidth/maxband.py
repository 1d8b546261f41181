"""The widest green wave along an arterial, with its proof: the front door.

The search is :mod:`optimizer.bandwidth._maxband_kernel` where it is built, else the slow and
simple :mod:`optimizer.bandwidth._maxband_reference` (also with ``GREENBAND_NO_EXT=1``);
:data:`IMPLEMENTATION` says which, and it is logged on import.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate

import numpy as np

from optimizer.bandwidth import _maxband_reference
from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.problem import Reduced, greens_min, objective, reduced, split
from optimizer.delay import Floats
from optimizer.kernels import implementations

Solve = Callable[..., None]

TOLERANCE = 1e-7
"""A band must be wider by this to be looked for: the gap of a proved optimum."""
TESTS_MAX = 30_000
"""Sets of states that one search may follow through; then the bound is what is proved by then."""

_log = logging.getLogger(__name__)


IMPLEMENTATIONS: dict[str, Solve] = implementations(
    "green waves",
    "optimizer.bandwidth._maxband_kernel",
    lambda kernel: kernel.solve,
    reference=_maxband_reference.solve,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


class Status(Enum):
    """What is known of a wave."""

    OPTIMAL = "optimal"
    """Proved: nothing is better by more than the gap."""
    FEASIBLE = "feasible"
    """A wave, but the search was stopped before the proof was complete."""
    NO_WAVE = "no wave"
    """Proved: no vehicle passes all signals both ways without stopping; the offsets come near."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wave:
    """Settings of an arterial and the bands that they give; *n* signals."""

    band_outbound: float
    """Share of the cycle."""
    band_inbound: float
    cycle_s: float
    offset_s: tuple[float, ...]
    """(n) start of the outbound through green, from that of the first signal."""
    offset_inbound_s: tuple[float, ...]
    """(n) start of the inbound through green, from the same moment."""
    speed_kmh: tuple[float, ...]
    """(n - 1) of the wave, the same in both directions."""
    pattern: tuple[int | None, ...]
    """(n) left-turn pattern; ``None`` where none was to be chosen."""
    bound: float
    """No setting has a greater ``band_outbound + k * band_inbound``."""
    gap: float
    """``bound`` less what these settings have."""
    status: Status


def widest_wave(
    arterial: Arterial, *, implementation: str | None = None, tests_max: int = TESTS_MAX
) -> Wave:
    """The widest bands through all signals of *arterial*, at the target ratio ``k``."""
    if arterial.one_way:
        return _one_way(arterial)
    problem = reduced(arterial)
    found = search(problem, implementation or IMPLEMENTATION, tests_max)
    if found.total < 0.0:
        return _one_way(arterial) if arterial.k == 0.0 else _compose(arterial, problem, found)
    if arterial.k == 0.0 and found.bound < greens_min(arterial)[0]:
        return _one_way(arterial)
    return _compose(arterial, problem, found)


@dataclass(frozen=True, slots=True)
class Found:
    """The answer of a search, in the terms of :class:`~optimizer.bandwidth.problem.Reduced`."""

    total: float
    z: float
    bound: float
    tests: int
    phase: Floats
    slowness: Floats
    pattern: np.ndarray[tuple[int], np.dtype[np.int32]]


def search(problem: Reduced, implementation: str, tests_max: int = TESTS_MAX) -> Found:
    """The greatest total band of *problem*; negative where the greens never meet."""
    signals = len(problem.green)
    phase, slowness = np.zeros(signals), np.zeros(signals - 1)
    pattern, outcome = np.zeros(signals, dtype=np.int32), np.zeros(5)
    IMPLEMENTATIONS[implementation](
        problem.green,
        problem.centre,
        problem.centres,
        problem.clearance,
        problem.length,
        problem.fast,
        problem.slow,
        problem.change,
        (problem.z_low, problem.z_high, problem.band_max, TOLERANCE, tests_max),
        phase,
        slowness,
        pattern,
        outcome,
    )
    total, z, bound, tests, done = outcome.tolist()
    if not done and implementation != "reference":
        _log.warning("green waves: rounding got in the way of the %s", implementation)
        return search(problem, "reference", tests_max)
    if not done:
        raise ArithmeticError("the search for a green wave lost its own solution to rounding")
    return Found(total, z, bound, int(tests), phase, slowness, pattern)


def _compose(arterial: Arterial, problem: Reduced, found: Found) -> Wave:
    """Offsets from phases: each signal shares the room beside the bands out fairly."""
    out, into = split(arterial, found.total)
    slowness, choice = found.slowness.tolist(), found.pattern.tolist()
    signals = zip(
        _fronts(arterial, slowness),
        found.phase.tolist(),
        problem.centre.tolist(),
        choice,
        arterial.red_outbound,
        arterial.red_inbound,
        strict=True,
    )
    green_out, green_in = [], []
    for front, phase, centre, pattern, red_out, red_in in signals:
        shift, room_out = centre[pattern], 1.0 - red_out - out
        room = max(room_out + 1.0 - red_in - into, 1e-300)
        off = phase - shift
        before_band = (off - round(off) + 0.5 * room) * room_out / room
        start = front - min(max(before_band, min(0.0, room_out)), max(0.0, room_out))
        green_out.append(start)
        green_in.append(start - 0.5 * red_out - shift + 0.5 * red_in)
    none = found.total < 0.0
    bound = max(0.0, objective(arterial, found.bound))
    value = 0.0 if none else out + arterial.k * into
    proved = found.bound - found.total <= 2.0 * TOLERANCE
    status = Status.OPTIMAL if proved else Status.FEASIBLE
    return Wave(
        band_outbound=0.0 if none else out,
        band_inbound=0.0 if none else into,
        cycle_s=1.0 / found.z,
        offset_s=_offsets(green_out, green_out[0], found.z),
        offset_inbound_s=_offsets(green_in, green_out[0], found.z),
        speed_kmh=tuple(3600.0 * found.z / each for each in slowness),
        pattern=tuple(
            arterial.patterns[i][pattern] if arterial.patterns[i] else None
            for i, pattern in enumerate(choice)
        ),
        bound=bound,
        gap=max(0.0, bound - value),
        status=Status.NO_WAVE if none and found.bound <= TOLERANCE else status,
    )


def _one_way(arterial: Arterial) -> Wave:
    """Outbound alone a wave as wide as the shortest green always exists: at the highest speeds."""
    z = 1.0 / arterial.cycle_range_s[0]
    slowness = (z * reduced(arterial).fast).tolist()
    band = greens_min(arterial)[0]
    shifts = [arterial.red_centre_shifts(i) for i in range(arterial.signals)]
    green, green_in = [], []
    for i, front in enumerate(_fronts(arterial, slowness)):
        red = arterial.red_outbound[i]
        green.append(front - 0.5 * (1.0 - red - band))
        shift = next(iter(shifts[i].values()))
        green_in.append(green[-1] - 0.5 * red - shift + 0.5 * arterial.red_inbound[i])
    return Wave(
        band_outbound=band,
        band_inbound=0.0,
        cycle_s=1.0 / z,
        offset_s=_offsets(green, green[0], z),
        offset_inbound_s=_offsets(green if arterial.one_way else green_in, green[0], z),
        speed_kmh=tuple(3600.0 * z / each for each in slowness),
        pattern=tuple(next(iter(each)) for each in shifts),
        bound=band,
        gap=0.0,
        status=Status.OPTIMAL,
    )


def _fronts(arterial: Arterial, slowness: Sequence[float]) -> list[float]:
    """(n) when the outbound band's front is at each signal, in cycles."""
    steps = (
        1e-3 * distance * each - early
        for distance, each, early in zip(
            arterial.distance_m, slowness, arterial.queue_clearance_outbound[1:], strict=True
        )
    )
    return list(accumulate(steps, initial=0.0))


def _offsets(start: Sequence[float], zero: float, z: float) -> tuple[float, ...]:
    cycles = ((each - zero) % 1.0 for each in start)
    return tuple(0.0 if each > 1.0 - 1e-12 else each / z for each in cycles)
