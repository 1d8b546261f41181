"""The moves of a search for better settings, on one model that is kept up to date.

Descent: each node is tried at many offsets and splits at once, the best one is taken, and its
neighbours are looked at again, until no node can do better alone; then groups of neighbours are
moved together, because a platoon's gain is lost when only one of two signals moves. Then kicks:
some nodes are moved at random, the descent repairs what it can, and the better of the two stays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.profiles import _moves
from optimizer.profiles._tables import Floats, Indices, Tables, timing_of
from optimizer.profiles.model import EXACT, UPDATES_PER_LINK_MAX, new_model
from optimizer.profiles.network import Objective, Setting, SignalNetwork

SMALL_NETWORK_NODES = 60
"""Up to here every second of offset is tried at every visit."""
FULL_SCAN, SKETCH_SCAN = 20, 8
"""How many offsets are tried at a node's first visit in a greater network, and in a sketch."""
SPLIT_STEPS_S = (1.0, 2.0, 4.0, 8.0)
FIRST_SPLIT_STEPS_S, NEXT_SPLIT_STEPS_S = (2.0, 6.0), (1.0, 2.0, 4.0)
"""The same in a greater network, at a node's first visit and later."""
GROUP_NODES_MAX = 12
KICKED_NODES_MAX = 4
TRIAL, KEPT = 5e-2, 2e-3
"""Shares of the saturation flow below which a change is not followed downstream."""
SMALL_TRIAL, SMALL_KEPT = 1e-5, 1e-7
"""The same in a small network, where there is time."""
GAIN_MIN = 1e-7
"""Share of the index that a change must gain."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Where a search stands: what it does, how much of it is done, and the index so far."""

    phase: str
    done: int
    of: int
    index: float


OnProgress = Callable[[Progress], None]


@dataclass(frozen=True, slots=True)
class _Kept:
    """The timing of some nodes, to go back to."""

    nodes: Indices
    starts: Floats
    sequences: Indices
    cycles_s: Floats


class Search:
    """A model, its timing, and the moves that it may make."""

    def __init__(
        self,
        network: SignalNetwork,
        setting: Setting,
        objective: Objective,
        move: Collection[str],
        implementation: str | None = None,
        *,
        tables: Tables | None = None,
    ) -> None:
        """*setting* keeps to the minimums; *move* is of :data:`~.improve.MOVES`."""
        self._network = network
        timing = timing_of(network, setting)
        self._period_s = timing.period_s
        self._starts = timing.starts.copy()
        self._sequences = timing.sequences.copy()
        self._cycles_s = timing.cycles_s.copy()
        self._common_cycle_s = timing.common_cycle_s
        self._is_small = len(network.nodes) <= SMALL_NETWORK_NODES
        self._trial, self._keep = (SMALL_TRIAL, SMALL_KEPT) if self._is_small else (TRIAL, KEPT)
        self._updates_max = UPDATES_PER_LINK_MAX * max(len(network.links), 1)
        self._move = frozenset(move)
        self._neighbours = neighbours(network)
        self._model = new_model(network, objective, implementation, tables=tables)
        self.index = self._model.load(timing, tolerance=EXACT, updates_max=self._updates_max)
        self._gain_min = GAIN_MIN * max(self.index, 1e-3)
        self.trials = 0
        self.tell: OnProgress = lambda _: None
        self.is_late: Callable[[], bool] = lambda: False
        self._may_shift = [
            "offsets" in self._move and node.may_move_offset for node in network.nodes
        ]
        self._changed: dict[int, _Kept] | None = None

    def setting(self, like: Setting) -> Setting:
        """The timing as it stands."""
        nodes = range(len(self._network.nodes))
        return Setting(
            cycle_s=like.cycle_s,
            stage_start_s=tuple(
                tuple(self._starts[n, : self._network.nodes[n].stages].tolist()) for n in nodes
            ),
            cycle_factors=tuple((self._cycles_s / self._common_cycle_s).tolist()),
            sequences=tuple(self._sequences.tolist()),
        )

    def sketch(self) -> None:
        """Each node once, at a few offsets: enough to compare cycles."""
        for node, may_shift in enumerate(self._may_shift):
            if self.is_late():
                return
            if may_shift:
                cycle = float(self._cycles_s[node])
                step = max(1.0, round(cycle / SKETCH_SCAN))
                self._shift([node], np.arange(step, cycle, step))

    def run(self, kicks: int, rng: np.random.Generator, *, is_local: bool = False) -> None:
        """Descent, groups, kicks; *is_local*: from a good setting on, so only by small steps."""
        everything = range(len(self._network.nodes))
        self._descend(everything, "nodes", is_first=not is_local)
        while self._move_groups(rng) and not self.is_late():
            self._descend(everything, "nodes", is_first=False)
        for kick in range(kicks):
            if self.is_late() or not any(self._may_shift):
                break
            self._kick(rng)
            self.tell(Progress(phase="kicks", done=kick + 1, of=kicks, index=self.index))

    def _descend(self, nodes: Sequence[int], phase: str = "", *, is_first: bool = False) -> None:
        """Better each of *nodes*, and the neighbours of those that moved, until none moves."""
        waiting = deque(nodes)
        is_waiting = set(nodes)
        first = set(nodes) if is_first else set()
        visits = 0
        while waiting and not self.is_late():
            node = waiting.popleft()
            is_waiting.discard(node)
            moved = self._better_node(node, is_first=node in first)
            first.discard(node)
            if moved:
                again = [n for n in (*self._neighbours[node], node) if n not in is_waiting]
                is_waiting.update(again)
                waiting.extend(again)
            visits += 1
            if phase:
                of = visits + len(waiting)
                self.tell(Progress(phase=phase, done=visits, of=of, index=self.index))

    def _better_node(self, node: int, *, is_first: bool) -> bool:
        """Try every move of one node."""
        moved = False
        if self._may_shift[node]:
            moved |= self._shift([node], self._offsets(self._cycles_s[node], is_first))
        definition = self._network.nodes[node]
        if "splits" in self._move and definition.may_move_splits:
            sequence = definition.sequences[self._sequences[node]]
            steps: Sequence[float] = SPLIT_STEPS_S
            if not self._is_small:
                steps = FIRST_SPLIT_STEPS_S if is_first else NEXT_SPLIT_STEPS_S
            moved |= self._take_best(
                [node],
                _moves.splits(self._starts[node], self._cycles_s[node], sequence, steps),
            )
        may_reorder = is_first or self._is_small
        if may_reorder and "order" in self._move and definition.other_sequences:
            moved |= self._reorder(node)
        if may_reorder and "cycles" in self._move and len(definition.cycle_factors) > 1:
            moved |= self._recycle(node)
        return moved

    def _offsets(self, cycle_s: float, is_first: bool) -> Floats:
        """By how much to move: everything, or a list of small and great steps."""
        if self._is_small:
            return np.arange(1.0, np.ceil(cycle_s))
        if is_first:
            step = max(1.0, round(cycle_s / FULL_SCAN))
            return np.arange(step, cycle_s, step)
        small = np.array([1.0, 2.0, 4.0, 8.0, round(0.15 * cycle_s), round(0.4 * cycle_s)])
        return np.concatenate([small, -small])

    def _shift(self, nodes: Sequence[int], by_s: Floats) -> bool:
        chosen = np.asarray(nodes, dtype=np.intp)
        return self._take_best(
            nodes, _moves.shifted(self._starts[chosen], self._cycles_s[chosen], by_s)
        )

    def _reorder(self, node: int) -> bool:
        """Try the other sequences, each at every offset."""
        definition = self._network.nodes[node]
        rows, sequences = [], []
        cycle = self._cycles_s[node]
        old = int(self._sequences[node])
        by = np.arange(0.0, cycle, max(1.0, round(cycle / FULL_SCAN)))
        for new in range(len(definition.sequences)):
            starts = self._starts[node]
            moved = None if new == old else _moves.in_order(definition, starts, cycle, old, new)
            if moved is None:
                continue
            shifts = by if self._may_shift[node] else by[:1]
            rows.append(_moves.shifted(moved[None], np.array([cycle]), shifts))
            sequences += [new] * len(shifts)
        if not rows:
            return False
        return self._take_best([node], np.concatenate(rows), sequences=np.array(sequences))

    def _recycle(self, node: int) -> bool:
        """Try the node's other cycles, each at every offset."""
        definition = self._network.nodes[node]
        sequence = definition.sequences[self._sequences[node]]
        stages = list(sequence.stages)
        lasts = _moves.durations(self._starts[node, stages], self._cycles_s[node])
        rows, cycles = [], []
        for factor in definition.cycle_factors:
            cycle = factor * self._common_cycle_s
            if cycle == self._cycles_s[node]:
                continue
            minimums = np.asarray(sequence.minimum_split_s)
            fitted = _moves.fit(lasts, minimums, cycle, slack_s=definition.slack_s)
            if fitted is None:
                continue
            starts = self._starts[node].copy()
            starts[stages] = starts[stages[0]] + np.cumsum([0.0, *fitted[:-1]])
            by = np.arange(0.0, cycle, max(1.0, round(cycle / FULL_SCAN)))
            shifts = by if self._may_shift[node] else by[:1]
            rows.append(_moves.shifted(starts[None], np.array([cycle]), shifts))
            cycles += [cycle] * len(shifts)
        if not rows:
            return False
        return self._take_best([node], np.concatenate(rows), cycles_s=np.array(cycles))

    def _take_best(
        self,
        nodes: Sequence[int],
        starts: Floats,
        *,
        sequences: Indices | None = None,
        cycles_s: Floats | None = None,
    ) -> bool:
        """Try the rows of *starts* (k, m, s) on *nodes*; keep the best if it gains."""
        rows = len(starts)
        if not rows:
            return False
        chosen = np.asarray(nodes, dtype=np.intp)
        orders = np.broadcast_to(self._sequences[chosen], (rows, len(chosen)))
        orders = orders if sequences is None else sequences[:, None]
        cycles = np.broadcast_to(self._cycles_s[chosen], (rows, len(chosen)))
        cycles = cycles if cycles_s is None else cycles_s[:, None]
        orders = np.ascontiguousarray(orders, dtype=np.intp)
        cycles = np.ascontiguousarray(cycles, dtype=np.float64)
        changes = np.empty(rows)
        self._model.try_changes(
            chosen,
            np.ascontiguousarray(starts),
            orders,
            cycles,
            changes,
            tolerance=self._trial,
            updates_max=self._updates_max,
        )
        self.trials += rows
        best = int(np.argmin(changes))
        if not changes[best] < -self._gain_min:
            return False
        kept = self._timing(chosen)
        gained = self._set(_Kept(chosen, starts[best], orders[best], cycles[best]))
        if gained < -0.5 * self._gain_min:
            return True
        self._set(kept)
        return False

    def _timing(self, nodes: Indices) -> _Kept:
        """The timing of *nodes* as it stands (a copy)."""
        return _Kept(nodes, self._starts[nodes], self._sequences[nodes], self._cycles_s[nodes])

    def _set(self, timing: _Kept) -> float:
        """Change to *timing*; what it changes in the index."""
        if self._changed is not None:
            for node in timing.nodes.tolist():
                if node not in self._changed:
                    self._changed[node] = self._timing(np.array([node], dtype=np.intp))
        change = self._model.commit(
            timing.nodes,
            np.ascontiguousarray(timing.starts),
            np.ascontiguousarray(timing.sequences),
            np.ascontiguousarray(timing.cycles_s),
            tolerance=self._keep,
            updates_max=self._updates_max,
        )
        self._starts[timing.nodes] = timing.starts
        self._sequences[timing.nodes] = timing.sequences
        self._cycles_s[timing.nodes] = timing.cycles_s
        self.index += change
        return change

    def _move_groups(self, rng: np.random.Generator) -> bool:
        """Move every pair of neighbours together, and a random group around each node."""
        pairs = [
            (node, other)
            for node, others in enumerate(self._neighbours)
            for other in others
            if node < other
        ]
        groups = [list(pair) for pair in pairs]
        groups += [self._group(int(node), rng) for node in rng.permutation(len(self._neighbours))]
        moved = False
        for at, group in enumerate(groups):
            if self.is_late():
                break
            if len(group) > 1 and all(self._may_shift[node] for node in group):
                by = self._offsets(float(self._cycles_s[group].max()), is_first=False)
                moved |= self._shift(group, by)
            self.tell(Progress(phase="groups", done=at + 1, of=len(groups), index=self.index))
        return moved

    def _group(self, node: int, rng: np.random.Generator) -> list[int]:
        """Some nodes around *node* that hang together and may be shifted."""
        size = int(rng.integers(2, GROUP_NODES_MAX + 1))
        group = [node]
        edge = list(self._neighbours[node])
        while edge and len(group) < min(size, len(self._neighbours) - 1):
            other = edge.pop(int(rng.integers(len(edge))))
            if other in group or not self._may_shift[other]:
                continue
            group.append(other)
            edge += self._neighbours[other]
        return group

    def _kick(self, rng: np.random.Generator) -> None:
        """Move some nodes at random, repair, and go back if that was for the worse."""
        before = self.index
        self._changed = {}
        movable = [node for node, may in enumerate(self._may_shift) if may]
        group = self._group(movable[int(rng.integers(len(movable)))], rng)
        if rng.random() < 0.5:
            self._shift_blindly(np.asarray(group, dtype=np.intp), rng)
        else:
            for node in group[:KICKED_NODES_MAX]:
                self._shift_blindly(np.array([node], dtype=np.intp), rng)
        around = {other for node in group for other in self._neighbours[node]}
        self._descend([*group, *sorted(around - set(group))])
        changed, self._changed = self._changed, None
        if self.index > before - self._gain_min:
            for kept in changed.values():
                self._set(kept)
            self.index = before

    def _shift_blindly(self, nodes: Indices, rng: np.random.Generator) -> None:
        by = np.array([float(rng.integers(1, max(int(self._cycles_s[nodes].max()), 2)))])
        kept = self._timing(nodes)
        moved = _moves.shifted(kept.starts, kept.cycles_s, by)[0]
        self._set(_Kept(nodes, moved, kept.sequences, kept.cycles_s))


def neighbours(network: SignalNetwork) -> list[list[int]]:
    """For every node, those that feed it or that it feeds, straight or by unsignalised links."""
    links = network.links
    found: list[set[int]] = [set() for _ in network.nodes]
    sources: list[set[int]] = [set() if link.node is None else {link.node} for link in links]
    # Vehicles may pass several unsignalised links in a row.
    for _ in range(4):
        for position, link in enumerate(links):
            if link.node is None:
                sources[position].update(*(sources[feed.link] for feed in link.feeds))
    for link in links:
        if link.node is not None:
            for feed in link.feeds:
                for other in sources[feed.link] - {link.node}:
                    found[link.node].add(other)
                    found[other].add(link.node)
    return [sorted(others) for others in found]
