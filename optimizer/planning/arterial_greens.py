"""When an arterial's through traffic has green at a site: in every order of its stages, by cycle.

Splits are those that ease the fullest stream most; minimum greens, walks and interstages hold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

from controller.intersection import Intersection, bits
from optimizer.planning.chain import Way
from optimizer.planning.network import PlanningNetwork
from optimizer.planning.sequences import Layout
from optimizer.planning.timing import SitePlan, signal_network
from optimizer.profiles.cycle import balanced_setting, shortest_cycle_s
from optimizer.profiles.network import GreenTimes, SignalNetwork

PERMUTED_MAX = 5
"""A site with more stages than these keeps their order: there are too many."""


@dataclass(frozen=True, slots=True)
class Window:
    """A green: when it begins, counted from the start of the site's first stage, and how long."""

    start_s: float
    length_s: float


@dataclass(frozen=True, slots=True)
class SiteTiming:
    """A site with one order of stages at one cycle. ``starts_s``: of its stages, in order."""

    plan: SitePlan
    cycle_s: float
    starts_s: tuple[float, ...]
    outbound: Window
    inbound: Window


def orders_in_full(stages: Sequence[int], *, keep_order: bool) -> tuple[tuple[int, ...], ...]:
    """Every cyclic order of all of *stages*, the given one first."""
    given = tuple(stages)
    if keep_order or len(given) > PERMUTED_MAX or len(set(given)) != len(given):
        return (given,)
    return tuple((given[0], *rest) for rest in permutations(given[1:]))


class OrderedSite:
    """One site in one order: its model alone, and the greens of the arterial in it."""

    def __init__(
        self,
        network: PlanningNetwork,
        at: int,
        order: tuple[int, ...],
        groups: tuple[tuple[str, ...], tuple[str, ...]],
        by_site: Mapping[int, Sequence[int]],
    ) -> None:
        """*groups*: those that release the arterial outbound and inbound."""
        self.plan = SitePlan(network.sites[at], (order,))
        model, _ = signal_network(network, {at: self.plan}, [at], by_site=by_site)
        self._model: SignalNetwork = model
        layout = self.plan.layouts()[0]
        self._greens = tuple(_greens(layout, names) for names in groups)

    @property
    def serves_both(self) -> bool:
        """Whether the arterial ever has green in both directions."""
        return all(self._greens)

    @property
    def shortest_cycle_s(self) -> float:
        """What its minimum greens, walks and interstages need."""
        return shortest_cycle_s(self._model)

    def timing(self, cycle_s: float) -> SiteTiming | None:
        """Its splits and greens at *cycle_s*; None where its minimums do not fit."""
        if cycle_s < self.shortest_cycle_s - 1e-9:
            return None
        starts = balanced_setting(self._model, cycle_s).stage_start_s[0]
        outbound, inbound = (_longest(greens, starts, cycle_s) for greens in self._greens)
        return SiteTiming(self.plan, cycle_s, starts, outbound, inbound)


def _greens(layout: Layout, names: Sequence[str]) -> tuple[GreenTimes, ...]:
    """The greens of the groups *names* together or, where they never are, of one of them."""
    site = layout.site
    mask = site.mask(names)
    alone = (layout.greens(1 << group) for group in bits(mask))
    return layout.greens(mask) or next((greens for greens in alone if greens), ())


def _longest(greens: Sequence[GreenTimes], starts_s: Sequence[float], cycle_s: float) -> Window:
    windows = []
    for green in greens:
        start_s = starts_s[green.start_stage] + green.start_lag_s
        end_s = starts_s[green.end_stage] + green.end_lag_s
        # From a moment to itself is green all the time.
        windows.append(Window(start_s % cycle_s, (end_s - start_s) % cycle_s or cycle_s))
    return max(windows, key=lambda window: window.length_s)


def left_turns(site: Intersection, way: Way, at: int) -> int:
    """The groups of the left turns from the arterial's approach to *site*, its position *at*."""
    found = 0
    for movement in site.movements:
        if movement.from_approach == way.approaches[at] and movement.turn == "left":
            found |= 1 << site.group_index(movement.group)
    return found & ~site.mask(way.groups[at])


def pattern_of(site: Intersection, order: Sequence[int], ways: Sequence[Way], at: int) -> str:
    """When the protected left turns of the arterial come: before or after the through traffic.

    In the words of :data:`optimizer.bandwidth.arterial.PATTERNS`; empty without such turns.
    """
    words = {}
    for k, way in enumerate(ways):
        against = ways[1 - k] if len(ways) == 2 else None
        lefts = left_turns(site, way, at)
        if against is not None and lefts:
            word = _leads(site, order, lefts, site.mask(against.groups[at]))
            if word:
                words["out" if k == 0 else "in"] = word
    if len(words) == 2 and len(set(words.values())) == 1:
        return f"both {words['out']}"
    return ", ".join(f"{who} {word}s" for who, word in words.items())


def _leads(site: Intersection, order: Sequence[int], lefts: int, through: int) -> str:
    """Whether a stage with *lefts* but not the opposing *through* comes before or after it."""
    masks = [site.stage_masks[stage] for stage in order]
    own = [k for k, mask in enumerate(masks) if mask & lefts and mask & through != through]
    opposing = {k for k, mask in enumerate(masks) if mask & through == through}
    if not own or not opposing:
        return ""
    after = min((k - last) % len(masks) for k in own for last in opposing)
    before = min((first - k) % len(masks) for k in own for first in opposing)
    return "lead" if before <= after else "lag"
