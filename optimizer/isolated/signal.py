"""One signal as its splits see it: phases in rings (or stages in one), and who is green when.

A *phase* lasts from its start to the start of the next one of its ring; its split has green,
yellow and all-red. Stages are the phases of a single ring without barriers; each then begins with
the change to it. A *window* is when a lane group is green: while its phases run, from some time
after the start of the first to some time before or after the end of the last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np

from optimizer.delay import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A phase or stage; ``minimum_s`` is its shortest split: green or walk, and clearance."""

    name: str
    minimum_s: float
    ring: int = 0
    barrier: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """``phases`` (positions, one after the other in their ring) and the lags at both ends."""

    phases: tuple[int, ...]
    start_lag_s: float = 0.0
    end_lag_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneGroup:
    """Vehicles that queue and leave together.

    ``rivals``: positions of the lane groups that go first while both are green (a permitted turn),
    ``yielding_share`` how many of its own vehicles wait for them.
    """

    name: str
    flow_veh_per_h: float
    saturation_veh_per_h: float
    windows: tuple[Window, ...]
    rivals: tuple[int, ...] = ()
    yielding_share: float = 1.0
    lanes: int = 1
    initial_queue_veh: float = 0.0


class WindowTimes(NamedTuple):
    """Starts and lengths of windows: splits times ``start`` (k, w) and ``start_lag_s``, alike."""

    start: Floats
    start_lag_s: Floats
    length: Floats
    length_lag_s: Floats


@dataclass(frozen=True, kw_only=True)
class Signal:
    """Phases in the order of service (rings may alternate), and the lane groups they serve."""

    name: str
    phases: tuple[Phase, ...]
    groups: tuple[LaneGroup, ...]
    period_h: float = 0.25
    start_loss_s: float = 2.0
    end_gain_s: float = 2.0
    label: str = field(default="", compare=False)
    """Which of the ways to run the signal this is, in words."""

    @cached_property
    def parts(self) -> dict[tuple[int, int], tuple[int, ...]]:
        """The phases of every (barrier group, ring), in order."""
        found: dict[tuple[int, int], list[int]] = {}
        for k, phase in enumerate(self.phases):
            found.setdefault((phase.barrier, phase.ring), []).append(k)
        return {place: tuple(own) for place, own in sorted(found.items())}

    @cached_property
    def barriers(self) -> dict[int, tuple[tuple[int, ...], ...]]:
        """The parts of every barrier group, one for each ring that has any."""
        found: dict[int, list[tuple[int, ...]]] = {}
        for (barrier, _), own in self.parts.items():
            found.setdefault(barrier, []).append(own)
        return {barrier: tuple(own) for barrier, own in found.items()}

    @cached_property
    def minimums_s(self) -> Floats:
        """(k,) the shortest split of every phase."""
        return np.array([phase.minimum_s for phase in self.phases])

    @cached_property
    def shortest_cycle_s(self) -> float:
        """In every barrier group the longest ring counts."""
        return float(
            sum(
                max(sum(self.phases[k].minimum_s for k in part) for part in parts)
                for parts in self.barriers.values()
            )
        )

    @cached_property
    def starts(self) -> Floats:
        """(k, k) what every split adds to the start of every phase."""
        matrix = np.zeros((len(self.phases), len(self.phases)))
        for (barrier, ring), own in self.parts.items():
            for before, parts in self.barriers.items():
                if before < barrier:
                    through = self.parts.get((before, ring), parts[0])
                    matrix[np.ix_(own, through)] = 1.0
            for at, k in enumerate(own):
                matrix[k, list(own[:at])] = 1.0
        return matrix

    @cached_property
    def coupled(self) -> tuple[int, ...]:
        """The lane groups whose effective green is no sum of splits.

        They give way, or are green in several rings.
        """
        return tuple(
            at
            for at, group in enumerate(self.groups)
            if (group.rivals and group.yielding_share > 0.0)
            or len({self.phases[w.phases[0]].ring for w in group.windows}) > 1
        )

    @cached_property
    def loss_s(self) -> float:
        """What a green loses at its start, less what it gains after its end."""
        return self.start_loss_s - self.end_gain_s

    def is_always_green(self, window: Window) -> bool:
        """Whether the window is the whole cycle, which has no start to lose."""
        ring = self.phases[window.phases[0]].ring
        own = [phase for phase in self.phases if phase.ring == ring]
        return (
            len(window.phases) == len(own)
            and {phase.barrier for phase in own} == set(self.barriers)
            and window.start_lag_s == window.end_lag_s
        )

    def simple_greens(self) -> tuple[Floats, Floats]:
        """(k, p) and (p,): effective green as service of the splits and a constant.

        Those of :attr:`coupled` lane groups stay 0.
        """
        service = np.zeros((len(self.phases), len(self.groups)))
        extra = np.zeros(len(self.groups))
        for at, group in enumerate(self.groups):
            if at in self.coupled:
                continue
            for window in group.windows:
                service[list(window.phases), at] += 1.0
                extra[at] += window.end_lag_s - window.start_lag_s
                extra[at] -= 0.0 if self.is_always_green(window) else self.loss_s
        return service, extra

    @cached_property
    def window_times(self) -> tuple[WindowTimes, ...]:
        """When each lane group is green, as sums of splits."""
        found = []
        for group in self.groups:
            start = np.zeros((len(self.phases), len(group.windows)))
            length = np.zeros_like(start)
            for at, window in enumerate(group.windows):
                start[:, at] = self.starts[window.phases[0]]
                length[list(window.phases), at] = 1.0
            lags = np.array([[w.start_lag_s, w.end_lag_s] for w in group.windows]).reshape(-1, 2)
            found.append(WindowTimes(start, lags[:, 0], length, lags[:, 1] - lags[:, 0]))
        return tuple(found)

    def values(self, name: str) -> Floats:
        """(p,) a quantity of every lane group."""
        return np.array([float(getattr(group, name)) for group in self.groups])


def exchanges(signal: Signal) -> Floats:
    """(moves, k) of -1, 0 and 1: every way to move a second that keeps the rings together."""
    moves: list[Floats] = []

    def add(gives: Sequence[int], gains: Sequence[int]) -> None:
        move = np.zeros(len(signal.phases))
        move[list(gives)] -= 1.0
        move[list(gains)] += 1.0
        moves.append(move)

    for part in signal.parts.values():
        for give in part:
            for gain in part:
                if give != gain:
                    add((give,), (gain,))
    for source, giving in signal.barriers.items():
        for target, gaining in signal.barriers.items():
            if source != target:
                for gives in _one_of_each(giving):
                    for gains in _one_of_each(gaining):
                        add(gives, gains)
    return np.array(moves).reshape(len(moves), len(signal.phases))


def _one_of_each(parts: Sequence[tuple[int, ...]]) -> list[tuple[int, ...]]:
    chosen: list[tuple[int, ...]] = [()]
    for part in parts:
        chosen = [(*before, k) for before in chosen for k in part]
    return chosen
