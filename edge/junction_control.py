"""The adaptive control of one junction, as the roadside and a bench alike run it.

Beside :class:`~optimizer.tactical.TacticalControl` itself this is what a site needs around it: an
order of stages that has to be kept, greens that always hold, and what becomes of them while the
strategic tier asks for narrower ones.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from controller.clock import Instant
from controller.detection import SiteReadings
from controller.intersection import Intersection
from controller.plan import TimingPlan
from controller.signals import Outputs
from optimizer.bounds import CYCLE_MAX_S, StrategicBounds, check_bounds
from optimizer.links import Link
from optimizer.tactical import Decision, Running, TacticalControl, TacticalSettings

FOREVER_MS = 10**15
DEFAULTS = TacticalSettings()

Greens = Mapping[str, tuple[float, float]]
"""By stage, the shortest and the longest green in seconds; infinite where there is no longest."""


class JunctionControl:
    """Decides for *site*, once a second: :meth:`observe`, then :meth:`decide`.

    *plan* is the one that the site is shipped with. With *keep_order* its stages follow each other
    as they do there. *greens_s* always hold; bounds of the centre can only narrow them. Raises
    :class:`~controller.violations.InvalidError` for greens that the site can't have.
    """

    def __init__(
        self,
        site: Intersection,
        plan: TimingPlan,
        links: Sequence[Link] = (),
        settings: TacticalSettings = DEFAULTS,
        *,
        keep_order: bool = False,
        greens_s: Greens | None = None,
    ) -> None:
        order = None
        if keep_order:
            order = tuple(site.stage_index(entry.stage) for entry in plan.stages)
        self.tactical = TacticalControl(
            site, order=order, plan=plan, links=links, settings=settings
        )
        self._order = order
        self._standing = standing_bounds(site, greens_s or {})
        self._ordered: StrategicBounds | None = None
        self.tactical.bound(self._standing)

    def observe(self, now: Instant, readings: SiteReadings, outputs: Outputs) -> None:
        """Readings since the last call, and what the lamps showed meanwhile."""
        self.tactical.observe(now, readings, outputs)

    def decide(self, now: Instant, running: Running) -> Decision:
        """The schedule from now on, given what is *running*."""
        ordered = self._ordered
        if ordered is not None and now.utc_ms >= ordered.valid_to_utc_ms:
            self.bound(None)
        return self.tactical.decide(now, running)

    def bound(self, bounds: StrategicBounds | None) -> None:
        """Move within *bounds* of the centre while they are valid; None: only within our own.

        Raises :class:`~controller.violations.InvalidError` if they leave nothing of our own; those
        in force then stay.
        """
        if bounds is None:
            self.tactical.bound(None)
            self.tactical.bound(self._standing)
        else:
            self.tactical.bound(_narrowed(bounds, self._standing))
        self._ordered = bounds

    def check(self, bounds: StrategicBounds) -> None:
        """Raise :class:`~controller.violations.InvalidError` if *bounds* can't be had at all."""
        check_bounds(_narrowed(bounds, self._standing), self.tactical.site, self._order)


def possible_greens(site: Intersection, greens_s: Greens) -> dict[str, tuple[float, float]]:
    """*greens_s* as *site* can have them, the longest in whole seconds.

    Walks may need more than the longest green of a signal program says: then that is as long as
    they are. A longest one that is no shorter than any cycle is none.
    """
    found = {}
    for name, (shortest_s, most_s) in greens_s.items():
        least_s = min(shortest_s, CYCLE_MAX_S)
        if most_s < CYCLE_MAX_S:
            needed_s = math.ceil(max(least_s, _minimum_s(site, name)))
            found[name] = (least_s, float(max(math.floor(most_s), needed_s)))
        else:
            found[name] = (least_s, math.inf)
    return found


def green_faults(site: Intersection, greens_s: Greens) -> Iterator[str]:
    """What an engineer may have got wrong in *greens_s* for *site*, a sentence each."""
    for name, (least_s, most_s) in greens_s.items():
        if name not in site.mask_of_stage:
            known = ", ".join(site.mask_of_stage)
            yield f"there is no stage {name} at {site.name} (known: {known})"
            continue
        minimum_s = _minimum_s(site, name)
        if most_s < minimum_s:
            yield (
                f"stage {name}: the longest green, {most_s:g} s, is below the {minimum_s:g} s that "
                "the stage needs for its minimum greens and walks"
            )
        elif math.isfinite(most_s) and math.floor(most_s) < math.ceil(max(least_s, minimum_s)):
            yield f"stage {name}: there is no whole second from {least_s:g} to {most_s:g} s"


def _minimum_s(site: Intersection, stage: str) -> float:
    return site.stage_minimum_ms(site.mask_of_stage.get(stage, 0)) / 1_000.0


def standing_bounds(site: Intersection, greens_s: Greens) -> StrategicBounds | None:
    """Bounds without an end from *greens_s*, as far as they are possible; None if they ask nothing.

    Raises :class:`~controller.violations.InvalidError` for a stage that the site does not have.
    """
    possible = possible_greens(site, greens_s)
    least = {name: least_s for name, (least_s, _) in possible.items()}
    most = {name: most_s for name, (_, most_s) in possible.items() if math.isfinite(most_s)}
    if not most and not any(least.values()):
        return None
    bounds = StrategicBounds(
        site=site.name,
        sequence_no=0,
        valid_from_utc_ms=0,
        valid_to_utc_ms=FOREVER_MS,
        min_green_s=least,
        max_green_s=most,
    )
    check_bounds(bounds, site)
    return bounds


def running(stage: int | None, green_ms: int, called: int) -> Running:
    """What the signal controller is doing, as the tactical control wants to know it."""
    if stage is None:
        return Running(stage=None)
    return Running(stage=stage, green_s=green_ms // 1_000, called=called)


def _narrowed(bounds: StrategicBounds, standing: StrategicBounds | None) -> StrategicBounds:
    if standing is None:
        return bounds
    least, most = dict(standing.min_green_s), dict(standing.max_green_s)
    for name, green_s in bounds.min_green_s.items():
        least[name] = max(green_s, least.get(name, green_s))
    for name, green_s in bounds.max_green_s.items():
        most[name] = min(green_s, most.get(name, green_s))
    return replace(bounds, min_green_s=least, max_green_s=most)
