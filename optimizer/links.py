"""Streets between two signalised junctions, as both ends need to know them."""

from __future__ import annotations

from dataclasses import dataclass

WHOLE_SHARE = 0.5
"""From this share of an exit's vehicles on it is their street, and full when the street is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """A street from the *exit* of one junction to an *approach* of the next."""

    upstream: str
    exit: str
    downstream: str
    approach: str
    travel_s: float
    """From the beginning of the exit to the stop line."""
    length_m: float = 0.0
    """The shortest way; 0 where it is not known."""
    share: float = 1.0
    """Part of the exit's vehicles that come to the approach, before anything is learnt."""
    feeds: tuple[tuple[str, str], ...] = ()
    """Lanes at the upstream stop line, and those at the downstream one that they lead to."""
    entries: tuple[tuple[str, float], ...] = ()
    """First detectors of the approach that these vehicles pass, and how long after the exit."""
