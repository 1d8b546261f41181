"""What a plan for an arterial promises: bands, by the greens that the lamps will show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optimizer.bandwidth.problem import greens_min
from optimizer.planning.arterial_wave import Group
from optimizer.planning.chain import Chain
from optimizer.planning.maker import MadePlan


@dataclass(frozen=True, slots=True, kw_only=True)
class Band:
    """A green wave from site *first* to site *last* of the chain (positions).

    ``outbound_front_s``: when its front leaves the first site, on the clock of the offsets;
    ``inbound_front_s``: when it leaves the last one. Inbound values are None on a one-way street.
    """

    first: int
    last: int
    cycle_s: float
    outbound_s: float
    outbound_front_s: float
    inbound_s: float | None
    inbound_front_s: float | None
    speed_kmh: tuple[float, ...]
    """(last - first) of the wave, link by link."""
    clearance_outbound_s: tuple[float, ...]
    """(last - first + 1) by how much the band leaves a site before it arrives there."""
    clearance_inbound_s: tuple[float, ...]
    attainability: float
    """Both bands, of the shortest greens: more can never pass."""
    value: float
    """Mean band of the directions, weighted, as a share of the cycle: what was made widest."""
    bound: float
    """Proved: no offsets, speeds and orders of stages give these splits a greater value."""

    @property
    def efficiency(self) -> float:
        """Mean band of the directions as a share of the cycle."""
        if self.inbound_s is None:
            return self.outbound_s / self.cycle_s
        return 0.5 * (self.outbound_s + self.inbound_s) / self.cycle_s

    @property
    def gap(self) -> float:
        """The bound less the value; whole seconds cost a little."""
        return max(0.0, self.bound - self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArterialSite:
    """A site in the plan; greens of the arterial as (start, length) on the clock of the offsets.

    ``pattern``: when its protected left turns come, in words; empty without such turns.
    """

    name: str
    at_m: float
    outbound_green_s: tuple[float, float]
    inbound_green_s: tuple[float, float] | None
    pattern: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArterialPlan:
    """A plan for the sites of *chain*, its bands, and what is to be known about it.

    ``made``: the plan, and what is expected of the streams. ``ratio``: of the inbound to the
    outbound band, as aimed at. ``bound_by_cycle``: by cycle, the bound of the wave through all.
    """

    chain: Chain
    made: MadePlan
    cycle_s: float
    sites: tuple[ArterialSite, ...]
    bands: tuple[Band, ...]
    ratio: float
    bound_by_cycle: dict[float, float]


def mean_of(group: Group, value: float) -> float:
    """*value*, outbound plus ratio times inbound, as the weighted mean of the directions."""
    arterial = group.arterial
    return value if arterial is None or arterial.one_way else value / (1.0 + arterial.k)


def band_of_group(group: Group, offset_s: Sequence[float]) -> Band:
    """The bands of *group*, which has two sites or more, with these offsets of its sites."""
    arterial, cycle_s = group.arterial, group.cycle_s
    if arterial is None:
        raise ValueError("a single site has no band")
    outbound, *others = group.bands(offset_s)
    inbound = others[0] if others else None
    most = sum(greens_min(arterial)[: 1 + len(others)])
    widths = outbound.width + sum(each.width for each in others)
    return Band(
        first=group.first,
        last=group.last,
        cycle_s=cycle_s,
        outbound_s=outbound.width * cycle_s,
        outbound_front_s=outbound.front_s,
        inbound_s=None if inbound is None else inbound.width * cycle_s,
        inbound_front_s=None if inbound is None else inbound.front_s,
        speed_kmh=group.speed_kmh,
        clearance_outbound_s=tuple(c * cycle_s for c in arterial.queue_clearance_outbound),
        clearance_inbound_s=tuple(c * cycle_s for c in arterial.queue_clearance_inbound),
        attainability=widths / most if most > 0.0 else 0.0,
        value=mean_of(group, group.value(offset_s)),
        bound=mean_of(group, group.bound),
    )
