"""Finds a chain of signals among streets: in a given order, between two ends, or by street name."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from optimizer.planning.chain import Chain, Way, WayEdge
from sim.errors import ScenarioError

TURN_M = {"through": 0.0, "right": 400.0, "left": 400.0, "u-turn": 4_000.0}
"""Between two ends a detour of so many metres is taken rather than the turn."""
PREFERRED = ("through", "right", "left", "u-turn")
LISTED_MAX = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Street:
    """From an exit of one site to an approach of the next. ``edges``: with where they begin."""

    upstream: str
    exit: str
    downstream: str
    approach: str
    length_m: float
    free_s: float
    edges: tuple[WayEdge, ...] = ()
    names: frozenset[str] = frozenset()
    """What its first and its last edge are both called, in lower case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A turn at a site, from its stop line to the beginning of the exit."""

    turn: str
    groups: tuple[str, ...]
    length_m: float = 0.0
    free_s: float = 0.0
    approach_m: float = 0.0
    """Length of the approach's edge."""
    exit_m: float = 0.0


@dataclass
class Streets:
    """All streets between sites, and the passages: (site, approach, exit) to what is there.

    ``unknown_exit``: exits are not always known (UTDF), so that the last one may be empty.
    """

    where: str
    places: Mapping[str, tuple[float, float]]
    streets: tuple[Street, ...]
    passages: Mapping[tuple[str, str, str], Passage]
    _out_of: dict[str, list[Street]] = field(default_factory=lambda: defaultdict(list), init=False)

    def __post_init__(self) -> None:
        for street in self.streets:
            self._out_of[street.upstream].append(street)

    def chain(self, names: Sequence[str]) -> Chain:
        """The chain along *names*: sites in driving order, two ends, or one street's name.

        Raises :class:`ScenarioError` that says which of them do not belong together.
        """
        names = [name.strip() for name in names if name.strip()]
        if len(names) == 1 and names[0] not in self.places:
            sites = self._along(names[0])
            return self._built(names[0], sites)
        self._require_sites(names)
        if len(names) < 2:
            raise ScenarioError(
                f"an arterial needs two signals or more, there is only {', '.join(names) or 'none'}"
                ": give them in driving order, or the first and the last"
            )
        direct = any(street.downstream == names[1] for street in self._out_of[names[0]])
        if len(names) == 2 and not direct:
            names = self._between(*names)
        return self._built(f"{names[0]} to {names[-1]}", names)

    def _require_sites(self, names: Sequence[str]) -> None:
        unknown = [name for name in names if name not in self.places]
        if unknown:
            known = sorted(self.places)
            more = f" and {len(known) - LISTED_MAX} more" if len(known) > LISTED_MAX else ""
            raise ScenarioError(
                f"{self.where} has no signal {', '.join(unknown)}: it has "
                f"{', '.join(known[:LISTED_MAX])}{more}"
            )
        twice = [name for k, name in enumerate(names) if name in names[:k]]
        if twice:
            raise ScenarioError(
                f"{twice[0]} comes twice on the arterial: an arterial passes a signal once"
            )

    def _built(self, name: str, sites: Sequence[str]) -> Chain:
        outbound = self._way(sites)
        backwards = list(reversed(sites))
        inbound = self._way(backwards) if self._gap(backwards) is None else None
        if outbound is None:
            raise ScenarioError(self._why_not(sites))
        return Chain(
            name=name,
            sites=tuple(sites),
            outbound=outbound,
            inbound=None if inbound is None else _turned_round(inbound),
        )

    def _gap(self, sites: Sequence[str]) -> tuple[str, str] | None:
        """The first pair without a street from the one to the other."""
        for one, other in pairwise(sites):
            if all(street.downstream != other for street in self._out_of[one]):
                return one, other
        return None

    def _why_not(self, sites: Sequence[str]) -> str:
        gap = self._gap(sites)
        if gap is None:
            at = self._missing_turn(sites)
            return (
                f"the arterial cannot be driven through {at}: no lane there leads from the street "
                "before it to the street after it"
            )
        one, other = gap
        back = any(street.downstream == one for street in self._out_of[other])
        hint = (
            f"there is only one from {other} to {one}: give the signals in driving order"
            if back
            else "name the signals in between, or the two ends of a connected arterial"
        )
        return f"no street leads from {one} to {other} in {self.where}; {hint}"

    def _missing_turn(self, sites: Sequence[str]) -> str:
        for end in range(3, len(sites) + 1):
            if self._best(sites[:end]) is None:
                return sites[end - 2]
        return sites[0]

    def _way(self, sites: Sequence[str]) -> Way | None:
        streets = self._best(sites)
        return None if streets is None else self._way_of(sites, streets)

    def _best(self, sites: Sequence[str]) -> list[Street] | None:
        """The streets from site to site with the least length and turning."""
        ends: list[tuple[float, list[Street]]] = [(0.0, [])]
        for one, other in pairwise(sites):
            arriving = []
            for street in self._out_of[one]:
                if street.downstream != other:
                    continue
                options = [
                    (cost + street.length_m + extra, [*way, street])
                    for cost, way in ends
                    if (extra := self._turning_m(way, street)) is not None
                ]
                if options:
                    arriving.append(min(options, key=lambda option: option[0]))
            ends = arriving
        return min(ends, key=lambda end: end[0])[1] if ends else None

    def _turning_m(self, way: Sequence[Street], street: Street) -> float | None:
        """What the turn into *street* counts as; None where nobody may make it."""
        if not way:
            return 0.0
        passage = self.passages.get((street.upstream, way[-1].approach, street.exit))
        return None if passage is None else TURN_M[passage.turn]

    def _between(self, first: str, last: str) -> list[str]:
        """The sites on the shortest and straightest way from *first* to *last*."""
        queue = [(street.length_m, k, [street]) for k, street in enumerate(self._out_of[first])]
        heapq.heapify(queue)
        number, done = len(queue), set()
        while queue:
            cost, _, way = heapq.heappop(queue)
            at = way[-1]
            if at.downstream == last:
                return [first, *(street.downstream for street in way)]
            if (at.downstream, at.approach) in done:
                continue
            done.add((at.downstream, at.approach))
            passed = {first, *(street.downstream for street in way)}
            for street in self._out_of[at.downstream]:
                extra = self._turning_m(way, street)
                if extra is None or street.downstream in passed:
                    continue
                number += 1
                heapq.heappush(queue, (cost + street.length_m + extra, number, [*way, street]))
        raise ScenarioError(
            f"no way leads from {first} to {last} in {self.where} along streets between signals: "
            "name signals that are connected"
        )

    def _along(self, name: str) -> list[str]:
        """The signals of the street called *name*, west to east or south to north."""
        own = [street for street in self.streets if name.casefold() in street.names]
        if not own:
            known = sorted({word for street in self.streets for word in street.names})
            has = f"streets called {', '.join(known[:LISTED_MAX])}" if known else "no street names"
            raise ScenarioError(
                f"{self.where} has neither a signal nor a street between two signals called "
                f"{name!r} (it has {has}): give signals in driving order, or the two ends"
            )
        runs = sorted((self._run(street, own) for street in own), key=len, reverse=True)
        sites = runs[0]
        left_out = [run for run in runs if not set(run) & set(sites)]
        if left_out:
            raise ScenarioError(
                f"{name!r} is not one arterial in {self.where}: nothing joins "
                f"{', '.join(sites)} and {', '.join(left_out[0])}; name the signals of one part"
            )
        (x0, y0), (x1, y1) = self.places[sites[0]], self.places[sites[-1]]
        return sites if x1 - x0 + y1 - y0 >= 0.0 or self._gap(sites[::-1]) else sites[::-1]

    def _run(self, first: Street, own: Sequence[Street]) -> list[str]:
        """As far as the street goes from *first* on."""
        way = [first]
        while True:
            passed = {first.upstream, *(street.downstream for street in way)}
            onward = [
                (extra, k)
                for k, street in enumerate(own)
                if street.upstream == way[-1].downstream and street.downstream not in passed
                if (extra := self._turning_m(way, street)) is not None
            ]
            if not onward:
                return [first.upstream, *(street.downstream for street in way)]
            way.append(own[min(onward)[1]])

    def _way_of(self, sites: Sequence[str], streets: Sequence[Street]) -> Way:
        passages = [self._entry(streets[0])]
        passages += [
            (
                before.approach,
                after.exit,
                self.passages[after.upstream, before.approach, after.exit],
            )
            for before, after in pairwise(streets)
        ]
        passages.append(self._end(streets[-1]))
        across = [passage for _, _, passage in passages]
        return Way(
            approaches=tuple(approach for approach, _, _ in passages),
            exits=tuple(exit_ for _, exit_, _ in passages),
            groups=tuple(passage.groups for passage in across),
            turns=tuple(passage.turn for passage in across),
            length_m=tuple(
                round(p.length_m + s.length_m, 2) for p, s in zip(across[:-1], streets, strict=True)
            ),
            free_s=tuple(
                round(p.free_s + s.free_s, 3) for p, s in zip(across[:-1], streets, strict=True)
            ),
            edges=_edges(passages, streets),
        )

    def _entry(self, street: Street) -> tuple[str, str, Passage]:
        """Where traffic for the first street comes from: straight on if there is such a lane."""
        options = [
            (approach, exit_, passage)
            for (site, approach, exit_), passage in self.passages.items()
            if site == street.upstream and exit_ == street.exit
        ]
        return self._straightest(options, street)

    def _end(self, street: Street) -> tuple[str, str, Passage]:
        """Where traffic of the last street goes to."""
        options = [
            (approach, exit_, passage)
            for (site, approach, exit_), passage in self.passages.items()
            if site == street.downstream and approach == street.approach
        ]
        return self._straightest(options, street)

    def _straightest(
        self, options: Sequence[tuple[str, str, Passage]], street: Street
    ) -> tuple[str, str, Passage]:
        if not options:
            raise ScenarioError(
                f"nothing says which signal groups serve the street from {street.upstream} to "
                f"{street.downstream} in {self.where}: leave that end out, or fill in where its "
                "lanes lead"
            )
        return min(options, key=lambda option: PREFERRED.index(option[2].turn))


def _edges(
    passages: Sequence[tuple[str, str, Passage]], streets: Sequence[Street]
) -> tuple[WayEdge, ...]:
    """From the first approach to the last exit, metres from the first stop line."""
    if not all(street.edges for street in streets):
        return ()
    approach, _, first = passages[0]
    found = [WayEdge(id=approach, begins_m=-first.approach_m, length_m=first.approach_m)]
    at_m = 0.0
    for (_, _, passage), street in zip(passages, streets, strict=False):
        at_m += passage.length_m
        found += [
            WayEdge(id=each.id, begins_m=at_m + each.begins_m, length_m=each.length_m)
            for each in street.edges
        ]
        at_m += street.length_m
    _, exit_, last = passages[-1]
    found.append(WayEdge(id=exit_, begins_m=at_m + last.length_m, length_m=last.exit_m))
    return tuple(found)


def _turned_round(way: Way) -> Way:
    """A way as its chain counts it: from the other end."""
    return Way(
        approaches=way.approaches[::-1],
        exits=way.exits[::-1],
        groups=way.groups[::-1],
        turns=way.turns[::-1],
        length_m=way.length_m[::-1],
        free_s=way.free_s[::-1],
        edges=way.edges,
    )
