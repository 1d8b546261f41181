"""When the lamps of a site are lit: from a plan as the controller runs it, or from a run's record.

All times are seconds of the clock (of the simulation); the clock's zero is a multiple of every
cycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from controller.intersection import Intersection
from controller.plan import TimingPlan
from sim.network.model import Junction
from sim.network.programs import GREEN, YELLOW
from sim.plans.shown import ShownCycle, shown_cycle

Span = tuple[float, float]
"""From and to, in seconds."""
_JOIN_S = 0.05


@dataclass(frozen=True, slots=True)
class GroupLamps:
    """One signal group: when it is green (walk) and when it ends (yellow, clearance)."""

    name: str
    is_pedestrian: bool
    greens: tuple[Span, ...]
    endings: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class SiteLamps:
    """All groups of one site between ``begin_s`` and ``end_s``."""

    site: str
    begin_s: float
    end_s: float
    groups: tuple[GroupLamps, ...]

    def group(self, name: str) -> GroupLamps:
        """The group called *name*."""
        return next(group for group in self.groups if group.name == name)

    def greens_of(self, names: Sequence[str]) -> tuple[Span, ...]:
        """When all of the groups *names* are green; always without any."""
        common: tuple[Span, ...] = ((self.begin_s, self.end_s),)
        for name in names:
            common = shared(common, self.group(name).greens)
        return common

    def endings_of(self, names: Sequence[str]) -> tuple[Span, ...]:
        """When one of the groups *names* ends, and not all of them are green."""
        endings = united(span for name in names for span in self.group(name).endings)
        return without(endings, self.greens_of(names))


def plan_lamps(
    site: Intersection,
    plan: TimingPlan,
    begin_s: float,
    end_s: float,
    cycle: ShownCycle | None = None,
) -> SiteLamps:
    """What *site* shows under *plan*: the controller's own lamps of one cycle, again and again.

    *cycle* spares running the controller. Raises as :func:`~sim.plans.shown.shown_cycle` does.
    """
    shown = cycle or shown_cycle(site, plan)
    cycle_s = shown.cycle_ms / 1000
    first = int((begin_s - shown.start_ms / 1000) // cycle_s) - 1
    starts = []
    at_s = shown.start_ms / 1000 + first * cycle_s
    while at_s < end_s:
        starts.append(at_s)
        at_s = shown.start_ms / 1000 + (first + len(starts)) * cycle_s
    greens: list[list[Span]] = [[] for _ in site.groups]
    endings: list[list[Span]] = [[] for _ in site.groups]
    for start_s in starts:
        at_s = start_s
        for lit in shown.lit:
            span = (at_s, at_s + lit.duration_ms / 1000)
            for g in range(len(site.groups)):
                if lit.green >> g & 1:
                    greens[g].append(span)
                elif lit.ending >> g & 1:
                    endings[g].append(span)
            at_s = span[1]
    return SiteLamps(
        site.name,
        begin_s,
        end_s,
        tuple(
            GroupLamps(
                group.name,
                group.is_pedestrian,
                within(united(greens[g]), begin_s, end_s),
                within(united(endings[g]), begin_s, end_s),
            )
            for g, group in enumerate(site.groups)
        ),
    )


def run_lamps(
    junction: Junction, changes: Sequence[tuple[float, str]], begin_s: float, end_s: float
) -> SiteLamps:
    """What *junction* showed in a run, from the (time, SUMO state) at which its lamps changed.

    SUMO shows no clearance of people on foot; it is what the site gives them after their walk.
    """
    ends = [*(at_s for at_s, _ in changes[1:]), max(end_s, changes[-1][0])] if changes else []
    spans = [(at_s, to_s, state) for (at_s, state), to_s in zip(changes, ends, strict=True)]
    groups = []
    for g, group in enumerate(junction.intersection.groups):
        indices = [link.index for link in junction.links if link.group == g]
        greens = _lit(spans, indices, GREEN)
        if group.is_pedestrian:
            endings = tuple((end, end + group.ending_ms / 1000) for _, end in greens if end < end_s)
        else:
            endings = without(_lit(spans, indices, YELLOW), greens)
        groups.append(
            GroupLamps(
                group.name,
                group.is_pedestrian,
                within(greens, begin_s, end_s),
                within(endings, begin_s, end_s),
            )
        )
    return SiteLamps(junction.id, begin_s, end_s, tuple(groups))


def _lit(
    spans: Sequence[tuple[float, float, str]], indices: Sequence[int], letters: frozenset[str]
) -> tuple[Span, ...]:
    return united(
        (since_s, until_s)
        for since_s, until_s, state in spans
        if any(index < len(state) and state[index] in letters for index in indices)
    )


def united(spans: Iterable[Span]) -> tuple[Span, ...]:
    """*spans* in order, those that touch as one."""
    found: list[Span] = []
    for begin, end in sorted(spans):
        if found and begin <= found[-1][1] + _JOIN_S:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((begin, end))
    return tuple(found)


def within(spans: Sequence[Span], begin_s: float, end_s: float) -> tuple[Span, ...]:
    """The parts of *spans* between *begin_s* and *end_s*."""
    cut = ((max(a, begin_s), min(b, end_s)) for a, b in spans)
    return tuple((a, b) for a, b in cut if b - a > 1e-6)


def without(spans: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """The parts of *spans* that none of *others* covers."""
    left = list(spans)
    for begin, end in others:
        pieces = []
        for a, b in left:
            pieces += [(a, min(b, begin)), (max(a, end), b)]
        left = [(a, b) for a, b in pieces if b - a > 1e-6]
    return tuple(sorted(left))


def shared(some: Sequence[Span], others: Sequence[Span]) -> tuple[Span, ...]:
    """When both are."""
    found = (
        (max(a, c), min(b, d)) for a, b in some for c, d in others if min(b, d) - max(a, c) > 1e-6
    )
    return tuple(sorted(found))


def red_spans(
    greens: Sequence[Span], endings: Sequence[Span], begin_s: float, end_s: float
) -> tuple[Span, ...]:
    """What is left of the time: red."""
    return without(((begin_s, end_s),), united((*greens, *endings)))
