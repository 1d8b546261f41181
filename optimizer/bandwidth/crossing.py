"""Green waves through arterials that cross: one cycle for all, one offset for each junction.

An arterial's bands do not change when all of its offsets move together. Where arterials and
crossings form no closed loop, each arterial therefore keeps its own widest wave, and only the
cycle is common: it is found by branch and bound, where a range of cycles can hold no more than the
sum of what each arterial alone gets out of that range. Closed loops tie offsets further: from the
waves of the arterials the offsets are improved junction by junction and arterial by arterial, and
the same bound says how much may be left.
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from controller.violations import InvalidError, Violation
from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.maxband import Status, Wave, widest_wave

GAP = 1e-4
"""A network within this of its bound is called optimal."""
SPLITS_MAX = 200
STEPS = 48
"""Offsets that a junction is tried at, before the best is refined."""
ROUNDS_MAX = 40
CYCLES_TRIED = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Crossing:
    """Two arterials that share a junction.

    ``first`` and ``second``: (arterial, signal) positions, from 0. ``lag``: from the start of the
    outbound green of the first to that of the second, as a fraction of the cycle.
    """

    first: tuple[int, int]
    second: tuple[int, int]
    lag: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingArterials:
    """Arterials, where they cross, and how much each counts.

    Raises :class:`~controller.violations.InvalidError` naming every fault.
    """

    arterials: tuple[Arterial, ...]
    crossings: tuple[Crossing, ...]
    weights: tuple[float, ...] = ()
    """One for each arterial; empty for equal weights."""

    def __post_init__(self) -> None:
        if not self.weights:
            object.__setattr__(self, "weights", (1.0,) * len(self.arterials))
        violations = tuple(self._violations())
        if violations:
            raise InvalidError("the network of arterials", violations)

    @property
    def cycle_range_s(self) -> tuple[float, float]:
        """What the ranges of all arterials have in common."""
        ranges = [arterial.cycle_range_s for arterial in self.arterials]
        return max(low for low, _ in ranges), min(high for _, high in ranges)

    def _violations(self) -> Iterator[Violation]:
        if not self.arterials:
            yield Violation("arterials", "arterials", "there is none; give one or more")
            return
        if len(self.weights) != len(self.arterials):
            yield Violation("length", "weights", "there must be one for each arterial")
        low, high = self.cycle_range_s
        if low > high:
            yield Violation(
                "cycle",
                "cycle_range_s",
                f"one arterial needs {low:g} s or more, another {high:g} s or less; crossing "
                "arterials need a common cycle: widen one of the ranges",
            )
        for i, crossing in enumerate(self.crossings):
            for arterial, signal in (crossing.first, crossing.second):
                known = 0 <= arterial < len(self.arterials)
                if not known or not 0 <= signal < self.arterials[arterial].signals:
                    yield Violation(
                        "crossing",
                        f"crossings[{i}]",
                        f"there is no signal {signal} on an arterial {arterial}",
                    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossingWaves:
    """A common cycle, offsets that agree at every crossing, and the bands that they give."""

    cycle_s: float
    waves: tuple[Wave, ...]
    """One for each arterial; all offsets count from one common moment."""
    value: float
    """Weighted sum over the arterials of outbound plus k times inbound band."""
    bound: float
    gap: float
    status: Status
    closed_loops: int
    """Crossings beyond those that a tree of arterials would have."""


def crossing_waves(network: CrossingArterials) -> CrossingWaves:
    """The widest waves of all arterials together."""
    cycles, bound = _best_cycles(network)
    trees = _Junctions(network)
    best: CrossingWaves | None = None
    for cycle in cycles[: CYCLES_TRIED if trees.loops else 1]:
        found = _settled(network, trees, cycle, bound)
        if best is None or found.value > best.value:
            best = found
    assert best is not None  # there is always a cycle
    return best


def _objective(arterial: Arterial, wave: Wave) -> float:
    return wave.band_outbound + arterial.k * wave.band_inbound


def _best_cycles(network: CrossingArterials) -> tuple[list[float], float]:
    """Common cycles, the best sum of separate waves first, and the bound on that sum."""

    def most(z0: float, z1: float) -> float:
        return sum(
            weight * widest_wave(replace(each, cycle_range_s=(1.0 / z1, 1.0 / z0))).bound
            for each, weight in zip(network.arterials, network.weights, strict=True)
        )

    shortest, longest = network.cycle_range_s
    z0, z1 = 1.0 / longest, 1.0 / shortest
    exact = {z: most(z, z) for z in {z0, z1, 0.5 * (z0 + z1)}}
    open_ranges = [(-most(z0, z1), z0, z1)]
    for _ in range(SPLITS_MAX):
        bound, z0, z1 = open_ranges[0]
        if -bound <= max(exact.values()) + 0.1 * GAP or z1 - z0 < 1e-12:
            break
        heapq.heappop(open_ranges)
        middle = 0.5 * (z0 + z1)
        exact[middle] = most(middle, middle)
        heapq.heappush(open_ranges, (-most(z0, middle), z0, middle))
        heapq.heappush(open_ranges, (-most(middle, z1), middle, z1))
    cycles = [1.0 / z for z in sorted(exact, key=lambda z: -exact[z])]
    return cycles, max(-open_ranges[0][0], *exact.values())


class _Junctions:
    """Signals of arterials that are one junction, and which crossings close loops."""

    def __init__(self, network: CrossingArterials) -> None:
        self.network = network
        self.home: dict[tuple[int, int], tuple[tuple[int, int], float]] = {
            (a, i): ((a, i), 0.0)
            for a, arterial in enumerate(network.arterials)
            for i in range(arterial.signals)
        }
        for crossing in network.crossings:
            self._tie(crossing)
        self.members: dict[tuple[int, int], list[tuple[int, int]]] = defaultdict(list)
        for place, (junction, _) in self.home.items():
            self.members[junction].append(place)
        self.tree, self.loops = self._tree()

    def _tie(self, crossing: Crossing) -> None:
        one, at_one = self.home[crossing.first]
        other, at_other = self.home[crossing.second]
        if one == other:
            return
        shift = at_one + crossing.lag - at_other
        for place, (junction, lag) in self.home.items():
            if junction == other:
                self.home[place] = (one, lag + shift)

    def _tree(self) -> tuple[list[tuple[int, int, Crossing]], int]:
        """(arterial that stands, one that is moved, crossing), and how many crossings are left."""
        tree: list[tuple[int, int, Crossing]] = []
        placed: set[int] = set()
        weights = self.network.weights
        order = sorted(range(len(weights)), key=lambda a: -weights[a])
        for root in order:
            if root in placed:
                continue
            placed.add(root)
            waiting = [root]
            while waiting:
                here = waiting.pop(0)
                for crossing in self.network.crossings:
                    ends = (crossing.first[0], crossing.second[0])
                    if here in ends:
                        there = ends[1] if ends[0] == here else ends[0]
                        if there not in placed:
                            placed.add(there)
                            tree.append((here, there, crossing))
                            waiting.append(there)
        return tree, len(self.network.crossings) - len(tree)


def _settled(
    network: CrossingArterials, junctions: _Junctions, cycle_s: float, bound: float
) -> CrossingWaves:
    """Offsets at one cycle: the arterials' own waves, moved to meet, improved around loops."""
    own = [widest_wave(replace(a, cycle_range_s=(cycle_s, cycle_s))) for a in network.arterials]
    start = [[offset / cycle_s for offset in wave.offset_s] for wave in own]
    for stands, moved, crossing in junctions.tree:
        forth = crossing.first[0] == stands
        near, far = (
            (crossing.first, crossing.second) if forth else (crossing.second, crossing.first)
        )
        lag = crossing.lag if forth else -crossing.lag
        shift = start[stands][near[1]] + lag - start[moved][far[1]]
        start[moved] = [each + shift for each in start[moved]]
    theta = {
        junction: start[junction[0]][junction[1]] - junctions.home[junction][1]
        for junction in junctions.members
    }
    plan = _Plan(network, junctions, cycle_s, own, theta)
    if junctions.loops:
        plan.improve()
    return plan.result(bound)


class _Plan:
    """Offsets of all junctions at one cycle, with the speeds of the arterials' own waves."""

    def __init__(
        self,
        network: CrossingArterials,
        junctions: _Junctions,
        cycle_s: float,
        own: list[Wave],
        theta: dict[tuple[int, int], float],
    ) -> None:
        self.network, self.junctions, self.cycle_s = network, junctions, cycle_s
        self.own, self.theta = own, theta
        self.values = [self.value(a) for a in range(len(own))]

    def starts(self, a: int) -> list[float]:
        """Start of the outbound greens of an arterial, in cycles."""
        homes = (self.junctions.home[a, i] for i in range(self.network.arterials[a].signals))
        return [self.theta[junction] + lag for junction, lag in homes]

    def bands(self, a: int) -> tuple[float, float]:
        """What an arterial's bands really are."""
        arterial, own = self.network.arterials[a], self.own[a]
        starts = [self.cycle_s * each for each in self.starts(a)]
        out, _ = band_of(arterial, self.cycle_s, own.speed_kmh, starts)
        if arterial.one_way:
            return out, 0.0
        inbound = [
            start + to_in - to_out
            for start, to_in, to_out in zip(starts, own.offset_inbound_s, own.offset_s, strict=True)
        ]
        into, _ = band_of(arterial, self.cycle_s, own.speed_kmh, inbound, inbound=True)
        if arterial.k == 1.0:
            return min(out, into), min(out, into)
        if arterial.k < 1.0:
            return (min(out, into / arterial.k) if arterial.k else out), into
        return out, min(into, arterial.k * out)

    def value(self, a: int) -> float:
        """The weighted bands of one arterial."""
        out, into = self.bands(a)
        return self.network.weights[a] * (out + self.network.arterials[a].k * into)

    def improve(self) -> None:
        """Move junctions, alone and arterial by arterial, as long as it helps."""
        groups: list[tuple[tuple[int, int], ...]] = [(each,) for each in self.junctions.members]
        for a, arterial in enumerate(self.network.arterials):
            homes = {self.junctions.home[a, i][0] for i in range(arterial.signals)}
            groups.append(tuple(sorted(homes)))
        for _ in range(ROUNDS_MAX):
            before = sum(self.values)
            for group in groups:
                self._move(group)
            if sum(self.values) < before + 1e-7:
                return

    def _move(self, group: tuple[tuple[int, int], ...]) -> None:
        """Move a group of junctions together to where the bands through it are widest."""
        touched = sorted({a for junction in group for a, _ in self.junctions.members[junction]})
        kept = {junction: self.theta[junction] for junction in group}
        best, best_shift = sum(self.values[a] for a in touched), 0.0

        def at(shift: float) -> float:
            for junction in group:
                self.theta[junction] = kept[junction] + shift
            return sum(self.value(a) for a in touched)

        width = 1.0 / STEPS
        shifts = [step * width for step in range(1, STEPS)]
        while width > 1e-7:
            for shift in shifts:
                value = at(shift)
                if value > best + 1e-9:
                    best, best_shift = value, shift
            width /= 4.0
            shifts = [best_shift + step * width for step in (-3, -2, -1, 1, 2, 3)]
        at(best_shift)
        for a in touched:
            self.values[a] = self.value(a)

    def result(self, bound: float) -> CrossingWaves:
        """The plan as a value."""
        waves = []
        for a, own in enumerate(self.own):
            starts = [start % 1.0 * self.cycle_s for start in self.starts(a)]
            out, into = self.bands(a)
            inbound = tuple(
                (start + to_in - to_out) % self.cycle_s
                for start, to_in, to_out in zip(
                    starts, own.offset_inbound_s, own.offset_s, strict=True
                )
            )
            none = own.status is Status.NO_WAVE
            waves.append(
                replace(
                    own,
                    band_outbound=0.0 if none else out,
                    band_inbound=0.0 if none else into,
                    offset_s=tuple(starts),
                    offset_inbound_s=inbound,
                    gap=own.bound - (0.0 if none else out + self.network.arterials[a].k * into),
                    status=own.status if none else Status.FEASIBLE,
                )
            )
        value = sum(
            weight * _objective(arterial, wave)
            for weight, arterial, wave in zip(
                self.network.weights, self.network.arterials, waves, strict=True
            )
        )
        gap = max(0.0, bound - value)
        return CrossingWaves(
            cycle_s=self.cycle_s,
            waves=tuple(waves),
            value=value,
            bound=bound,
            gap=gap,
            status=Status.OPTIMAL if gap <= GAP else Status.FEASIBLE,
            closed_loops=self.junctions.loops,
        )
