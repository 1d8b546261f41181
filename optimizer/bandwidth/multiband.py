"""A green band of its own for each link, weighted by its volume: the front door.

One band through all signals is as narrow as the worst place allows and serves those who drive all
the way; bands by link serve each link's own traffic (MULTIBAND, Gartner and others 1991). The
method is a dynamic program over candidates of (phase, lead), see
:mod:`optimizer.bandwidth._multiband_reference`: all at a spacing of 1/60 of the cycle, for several
cycles, then ever finer ones around the best. Its bound comes from the same program with every
candidate standing for all around it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from optimizer.bandwidth import _multiband_reference
from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.maxband import Status
from optimizer.bandwidth.problem import Reduced, reduced
from optimizer.delay import Floats
from optimizer.kernels import implementations

BestPath = Callable[..., float]

SPACING = 60
"""Candidates in a cycle."""
CYCLES = 11
REFINED = 3
"""So many of the cycles are refined."""
FINER = 16
"""Times that the spacing is reduced by a third."""


IMPLEMENTATIONS: dict[str, BestPath] = implementations(
    "waves by link",
    "optimizer.bandwidth._multiband_kernel",
    lambda kernel: kernel.best_path,
    numpy=_multiband_reference.best_path,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkWaves:
    """Settings of an arterial and the band of each link; *n* signals."""

    band_outbound: tuple[float, ...]
    """(n - 1) shares of the cycle."""
    band_inbound: tuple[float, ...]
    cycle_s: float
    offset_s: tuple[float, ...]
    """(n) start of the outbound through green, from that of the first signal."""
    offset_inbound_s: tuple[float, ...]
    speed_kmh: tuple[float, ...]
    pattern: tuple[int | None, ...]
    value: float
    """Mean band, weighted by the volumes."""
    bound: float
    """No setting has a greater value."""
    gap: float
    """``bound`` less ``value``; the search for candidates is fine, its proof is coarse."""
    status: Status


@dataclass(frozen=True, slots=True)
class _Path:
    """A choice at every signal: its value, and where it is."""

    value: float
    z: float
    phase: Floats
    lead: Floats


class _Search:
    """The candidates and weights of one arterial."""

    def __init__(self, arterial: Arterial, implementation: str) -> None:
        self.arterial = arterial
        self.problem = reduced(arterial)
        self.run = IMPLEMENTATIONS[implementation]
        out = np.array(arterial.volume_outbound_veh_per_h)
        into = np.array(arterial.volume_inbound_veh_per_h)
        if arterial.one_way:
            into = np.zeros_like(into)
        sum_of_all = max(1e-9, float(out.sum() + into.sum()))
        ratio = np.where(out > 0.0, into / np.maximum(out, 1e-9), 1e9)
        self.weight = np.column_stack((out / sum_of_all, into / sum_of_all, ratio))
        self.green = np.column_stack(
            (
                1.0 - np.array(arterial.red_outbound),
                1.0 - np.array(arterial.red_inbound) * (not arterial.one_way),
            )
        )

    def times(self, slow: Floats, fast: Floats, z: tuple[float, float]) -> Floats:
        """(n - 1, 2) least and greatest T for 1/cycle in a range."""
        length, clearance = self.problem.length, self.problem.clearance
        return np.column_stack((length * fast * z[0] - clearance, length * slow * z[1] - clearance))

    def path(
        self, z: float, phase: Floats, lead: Floats, time: Floats, slack: float = 0.0
    ) -> _Path:
        """The best choice among candidates."""
        chosen = np.zeros((len(phase), 2), dtype=np.int32)
        problem = self.problem
        value = self.run(
            np.ascontiguousarray(phase),
            np.ascontiguousarray(lead),
            problem.centre,
            problem.centres,
            self.green,
            np.ascontiguousarray(time),
            self.weight,
            slack,
            chosen,
        )
        rows = np.arange(len(phase))
        return _Path(value, z, phase[rows, chosen[:, 0]], lead[rows, chosen[:, 1]])

    def coarse(self, z: float, time: Floats, slack: float = 0.0) -> _Path:
        """The best choice among all of a cycle; the candidates move with the slowest speed."""
        phase = np.cumsum(np.concatenate(([0.0], time[:, 0])))[:, None] % 1.0
        phase = phase + np.arange(SPACING) / SPACING
        count = int(self.green[:, 0].max() * SPACING) + 2
        lead = np.broadcast_to(np.arange(count) / SPACING, (len(phase), count))
        return self.path(z, phase, lead, time, slack)

    def finer(self, path: _Path, slow: Floats, fast: Floats) -> _Path:
        """The best choice around *path*, at ever smaller spacings and at nearby cycles."""
        problem, spacing = self.problem, 1.0 / SPACING
        steps = np.arange(-2, 3) / 2.0
        reach = (problem.z_high - problem.z_low) / (2 * CYCLES)
        for _ in range(FINER):
            if problem.limits_bind:
                slow, fast = self._speeds_around(path)
            best = path
            for z in {path.z, path.z - reach, path.z + reach}:
                if problem.z_low <= z <= problem.z_high:
                    # Waves keep their shape when the cycle changes: phases stretch with it.
                    phase = path.phase + self._stretch(path, z)
                    found = self.path(
                        z,
                        phase[:, None] + steps * spacing,
                        path.lead[:, None] + steps * spacing,
                        self.times(slow, fast, (z, z)),
                    )
                    best = max(best, found, key=lambda each: each.value)
            path = best
            spacing *= 2.0 / 3.0
            reach *= 2.0 / 3.0
        return path

    def travel(self, path: _Path) -> Floats:
        """(n - 1) travel times there and back along *path*, in cycles."""
        gained = np.diff(path.phase) + self.problem.clearance
        low, high = (
            self.problem.length * each * path.z for each in (self.problem.fast, self.problem.slow)
        )
        travel: Floats = np.clip(gained + np.round(0.5 * (low + high) - gained), low, high)
        return travel

    def _stretch(self, path: _Path, z: float) -> Floats:
        """What the phases of *path* gain when its slownesses in s/m are kept at another cycle."""
        return np.concatenate(([0.0], np.cumsum(self.travel(path) * (z / path.z - 1.0))))

    def _speeds_around(self, path: _Path) -> tuple[Floats, Floats]:
        """Slowest and fastest speeds around *path* of which any choice obeys the limits of change.

        Two links may share between them what their difference leaves of the limit.
        """
        problem = self.problem
        here = self.travel(path) / problem.length / path.z
        rise = np.diff(here)
        apart = np.maximum(0.0, 0.5 * (problem.change - rise))
        together = np.maximum(0.0, 0.5 * (problem.change + rise))
        up = np.minimum(np.append(together, np.inf), np.insert(apart, 0, np.inf))
        down = np.minimum(np.append(apart, np.inf), np.insert(together, 0, np.inf))
        return np.minimum(problem.slow, here + up), np.maximum(problem.fast, here - down)


def link_waves(arterial: Arterial, *, implementation: str | None = None) -> LinkWaves:
    """The best bands by link of *arterial*, weighted by its volumes (equally without any).

    The ratio of a link's bands is at least that of its volumes towards the weaker direction.
    """
    search = _Search(arterial, implementation or IMPLEMENTATION)
    problem = search.problem
    zs = np.linspace(problem.z_low, problem.z_high, CYCLES).tolist()
    if problem.z_low == problem.z_high:
        zs = zs[:1]
    best: _Path | None = None
    for slow, fast in _speed_sets(problem):
        paths = [search.coarse(z, search.times(slow, fast, (z, z))) for z in zs]
        paths.sort(key=lambda each: -each.value)
        for path in paths[:REFINED]:
            if np.isfinite(path.value):
                found = search.finer(path, slow, fast)
                if best is None or found.value > best.value:
                    best = found
    bound = 0.0
    for z in pairwise(zs) if len(zs) > 1 else [(zs[0], zs[0])]:
        time = search.times(problem.slow, problem.fast, z)
        bound = max(bound, search.coarse(z[0], time, 1.0 / SPACING).value)
    if best is None:
        return _no_waves(arterial, bound)
    return _compose(search, best, max(bound, best.value))


def _speed_sets(problem: Reduced) -> Iterator[tuple[Floats, Floats]]:
    """Slowest and fastest speeds from which any choice by link obeys the limits of change."""
    if not problem.limits_bind:
        yield problem.slow, problem.fast
        return
    yield problem.fast, problem.fast
    limit = float(problem.change.min())
    for centre in np.linspace(problem.fast.min(), problem.slow.max(), 7):
        slow = np.minimum(problem.slow, centre + 0.5 * limit)
        fast = np.maximum(problem.fast, centre - 0.5 * limit)
        if (fast <= slow).all():
            yield slow, fast


def _compose(search: _Search, path: _Path, bound: float) -> LinkWaves:
    arterial, problem, z = search.arterial, search.problem, path.z
    travel = search.travel(path)
    slowness = travel / problem.length
    step = travel / 2.0 - np.array(arterial.queue_clearance_outbound)[1:]
    line = np.concatenate(([0.0], np.cumsum(step)))
    start = line - path.lead
    red_out, red_in = np.array(arterial.red_outbound), np.array(arterial.red_inbound)
    off = path.phase[:, None] - problem.centre - 1.0 + 0.5 * search.green[:, :1]
    off = np.abs((off - path.lead[:, None] + 0.5) % 1.0 - 0.5)
    off[np.arange(off.shape[1]) >= problem.centres[:, None]] = np.inf
    choice = off.argmin(axis=1)
    rows = np.arange(len(choice))
    start_in = start - 0.5 * red_out - problem.centre[rows, choice] + 0.5 * red_in
    room_out = 0.5 * search.green[:, 0] - np.abs(path.lead - 0.5 * search.green[:, 0])
    room_in = 0.5 * search.green[:, 1] - off[rows, choice]
    bands = [
        _ratio_kept(2.0 * min(room_out[i : i + 2]), 2.0 * min(room_in[i : i + 2]), ratio)
        for i, ratio in enumerate(search.weight[:, 2].tolist())
    ]
    return LinkWaves(
        band_outbound=tuple(out for out, _ in bands),
        band_inbound=tuple(0.0 if arterial.one_way else into for _, into in bands),
        cycle_s=1.0 / z,
        offset_s=tuple(((start - start[0]) % 1.0 / z).tolist()),
        offset_inbound_s=tuple(((start_in - start[0]) % 1.0 / z).tolist()),
        speed_kmh=tuple((3600.0 * z / slowness).tolist()),
        pattern=tuple(tuple(arterial.red_centre_shifts(i))[k] for i, k in enumerate(choice)),
        value=path.value,
        bound=bound,
        gap=bound - path.value,
        status=Status.OPTIMAL if bound - path.value <= 1e-6 else Status.FEASIBLE,
    )


def _ratio_kept(out: float, into: float, ratio: float) -> tuple[float, float]:
    out, into = max(0.0, float(out)), max(0.0, float(into))
    if ratio == 1.0:
        return min(out, into), min(out, into)
    if ratio < 1.0:
        return (min(out, into / ratio) if ratio else out), into
    return out, min(into, ratio * out)


def _no_waves(arterial: Arterial, bound: float) -> LinkWaves:
    """No progression lines were found: all greens at once, and no bands."""
    from optimizer.bandwidth.maxband import widest_wave

    nearest = widest_wave(replace(arterial, k=1.0))
    none = (0.0,) * (arterial.signals - 1)
    return LinkWaves(
        band_outbound=none,
        band_inbound=none,
        cycle_s=nearest.cycle_s,
        offset_s=nearest.offset_s,
        offset_inbound_s=nearest.offset_inbound_s,
        speed_kmh=nearest.speed_kmh,
        pattern=nearest.pattern,
        value=0.0,
        bound=bound,
        gap=bound,
        status=Status.FEASIBLE if bound > 0.0 else Status.NO_WAVE,
    )
