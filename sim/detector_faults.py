"""Detectors that fail: what a control reads when some of its loops and buttons are broken.

Which detectors fail, and how, depends on the faults and their seed alone, so the same detectors
are broken in every run and a run with faults can be paired with the same run without.
"""

from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from controller.detection import SiteReadings
from sim.errors import ScenarioError

_CHATTER_PULSES = (2, 6)
"""Fewest and most pulses of a chattering detector between two readings."""


class FaultKind(Enum):
    """How a detector fails."""

    MISSING = "missing"
    """No valid reading: the amplifier reports that the loop is broken."""
    STUCK_ON = "stuck on"
    """Always occupied, and nobody ever arrives."""
    STUCK_OFF = "stuck off"
    """Never occupied: dead, and nothing says so."""
    CHATTERING = "chattering"
    """Pulses all the time, whatever passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectorFaults:
    """A *share* of all detectors fails, each in one of *kinds*; or all of *junctions* junctions."""

    share: float = 0.0
    junctions: int = 0
    kinds: tuple[FaultKind, ...] = tuple(FaultKind)
    seed: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 1 or self.junctions < 0 or not self.kinds:
            raise ScenarioError(
                f"failed detectors: a share of {self.share:g}, {self.junctions} junctions and "
                f"{len(self.kinds)} kinds make no sense, give a share from 0 to 1"
            )

    def __str__(self) -> str:
        kinds = "" if self.kinds == tuple(FaultKind) else _kind_names(self.kinds)
        what = f"{self.junctions} junction" if self.junctions else f"{self.share:g}"
        return f"{what}{kinds} seed {self.seed}"


def parse_faults(text: str, seed: int = 1) -> DetectorFaults:
    """Faults from the words of a command line.

    ``0.1`` is a tenth of all detectors, failing in every way; ``0.1:missing+chattering`` names the
    ways; ``junction`` is every detector of one junction, reported as missing. Raises
    :class:`ScenarioError` for anything else.
    """
    what, colon, ways = text.partition(":")
    kinds = _kinds(ways) if colon else None
    if what == "junction":
        return DetectorFaults(junctions=1, kinds=kinds or (FaultKind.MISSING,), seed=seed)
    try:
        share = float(what)
    except ValueError:
        share = math.nan
    if not 0 <= share <= 1:
        raise ScenarioError(
            f"failed detectors {text!r}: give a share of all detectors such as 0.1, or 'junction'"
        )
    return DetectorFaults(share=share, kinds=kinds or tuple(FaultKind), seed=seed)


def _kinds(text: str) -> tuple[FaultKind, ...]:
    known = {kind.value.replace(" ", "-"): kind for kind in FaultKind}
    try:
        return tuple(known[name] for name in text.split("+"))
    except KeyError as error:
        raise ScenarioError(
            f"unknown fault {error.args[0]!r}: choose from {', '.join(known)}"
        ) from None


def _kind_names(kinds: Sequence[FaultKind]) -> str:
    return ":" + "+".join(kind.value.replace(" ", "-") for kind in kinds)


def draw_faults(
    detectors: Sequence[int], faults: DetectorFaults
) -> tuple[Mapping[int, FaultKind], ...]:
    """Which detectors fail: per site, position to kind. *detectors* is their number at each site.

    A share is rounded to whole detectors, and up to one: a fault that hits nothing tests nothing.
    """
    rng = random.Random(faults.seed)
    broken: list[dict[int, FaultKind]] = [{} for _ in detectors]
    equipped = [k for k, count in enumerate(detectors) if count]
    for k in rng.sample(equipped, min(faults.junctions, len(equipped))):
        broken[k] = {d: rng.choice(faults.kinds) for d in range(detectors[k])}
    if faults.share:
        places = [(k, d) for k, count in enumerate(detectors) for d in range(count)]
        hit = min(len(places), max(1, round(faults.share * len(places))))
        for k, d in sorted(rng.sample(places, hit)):
            broken[k][d] = rng.choice(faults.kinds)
    return tuple(broken)


class FaultyDetectors:
    """Turns what working detectors would report into what comes in with some of them broken."""

    def __init__(self, detectors: Sequence[int], faults: DetectorFaults) -> None:
        self.broken = draw_faults(detectors, faults)
        self._rng = random.Random(faults.seed)

    def report(self, readings: Sequence[SiteReadings]) -> tuple[SiteReadings, ...]:
        """*readings* of all sites as the control gets them."""
        return tuple(
            self._spoilt(seen, broken) if broken else seen
            for seen, broken in zip(readings, self.broken, strict=True)
        )

    def _spoilt(self, seen: SiteReadings, broken: Mapping[int, FaultKind]) -> SiteReadings:
        entered, left, occupied = list(seen.entered), list(seen.left), list(seen.occupied)
        for d, kind in broken.items():
            entered[d], left[d], occupied[d] = self._false_reading(kind)
        return SiteReadings(tuple(entered), tuple(left), tuple(occupied))

    def _false_reading(self, kind: FaultKind) -> tuple[int | None, int | None, bool | None]:
        if kind is FaultKind.MISSING:
            return None, None, None
        if kind is FaultKind.CHATTERING:
            pulses = self._rng.randint(*_CHATTER_PULSES)
            return pulses, pulses, self._rng.random() < 0.5
        return 0, 0, kind is FaultKind.STUCK_ON
