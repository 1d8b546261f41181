"""Green bands: from where to when one may drive at a steady speed without meeting a red.

What the lamps really show is moved back along the street by the travel times; what is green at
every signal then is a band. That needs no cycle and no plan, so it holds for adaptive control too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from sim.pictures.lamps import Span, shared

BAND_MIN_S = 3.0
"""A narrower gap is no band that anybody would coordinate for."""


@dataclass(frozen=True, slots=True)
class Band:
    """A band over the signals ``first`` to ``last`` (positions, in driving order).

    ``fronts_s``: when its front passes each of them; ``width_s``: for how long it goes on.
    """

    first: int
    last: int
    fronts_s: tuple[float, ...]
    width_s: float


@dataclass(frozen=True, slots=True)
class Bands:
    """All bands of one direction in a window; ``through``: they pass every signal."""

    bands: tuple[Band, ...]
    through: bool


def bands_of(greens: Sequence[Sequence[Span]], travel_s: Sequence[float]) -> Bands:
    """Bands through signals that are green when *greens* says, in driving order.

    *travel_s*: from each signal to the next. Without a band through all signals, those from each
    signal to the next.
    """
    through = _bands(greens, travel_s, 0, len(greens) - 1)
    if through:
        return Bands(through, through=True)
    links = tuple(
        band for k in range(len(greens) - 1) for band in _bands(greens, travel_s, k, k + 1)
    )
    return Bands(links, through=False)


def _bands(
    greens: Sequence[Sequence[Span]], travel_s: Sequence[float], first: int, last: int
) -> tuple[Band, ...]:
    delays = list(accumulate(travel_s[first:last], initial=0.0))
    common = tuple(greens[first])
    for k, delay in enumerate(delays[1:], start=first + 1):
        common = shared(common, [(a - delay, b - delay) for a, b in greens[k]])
    return tuple(
        Band(first, last, tuple(begin + delay for delay in delays), end - begin)
        for begin, end in common
        if end - begin >= BAND_MIN_S
    )


def shown_bands(bands: Bands, window: Span) -> tuple[Band, ...]:
    """Those through all signals whose front passes the first one in *window*."""
    begin_s, end_s = window
    if not bands.through:
        return ()
    return tuple(band for band in bands.bands if begin_s <= band.fronts_s[0] < end_s)
