"""Green waves for thousands of arterials at fixed cycles and speeds: the front door.

For scans over cycles, cities, or controllers that look at their wave every few seconds. The method
stands in :mod:`optimizer.bandwidth._batch_reference`; :data:`IMPLEMENTATION` says what runs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from optimizer.bandwidth import _batch_reference
from optimizer.delay import Floats
from optimizer.kernels import implementations

Solve = Callable[..., None]


IMPLEMENTATIONS: dict[str, Solve] = implementations(
    "waves at fixed cycles",
    "optimizer.bandwidth._batch_kernel",
    lambda kernel: kernel.solve,
    numpy=_batch_reference.solve,
)
IMPLEMENTATION = next(iter(IMPLEMENTATIONS))


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedWaves:
    """Waves of *m* arterials of *n* signals."""

    band_outbound: Floats
    """(m,) share of the cycle; 0 where the greens never meet."""
    band_inbound: Floats
    total: Floats
    """(m,) the greatest sum of both bands, were no green too short; negative where none meet."""
    offset_s: Floats
    """(m, n) start of the outbound green, from that of the first signal."""


def fixed_waves(  # noqa: PLR0913 - a value for each key of an arterial
    *,
    distance_m: ArrayLike,
    speed_kmh: ArrayLike,
    cycle_s: ArrayLike,
    red_outbound: ArrayLike,
    red_inbound: ArrayLike,
    red_centre_shift: ArrayLike = 0.0,
    queue_clearance_outbound: ArrayLike = 0.0,
    queue_clearance_inbound: ArrayLike = 0.0,
    k: float = 1.0,
    implementation: str | None = None,
) -> FixedWaves:
    """The widest waves; arrays as in :class:`~optimizer.bandwidth.arterial.Arterial`, by rows.

    (m, n - 1) ``distance_m`` and ``speed_kmh``, (m,) ``cycle_s``, else (m, n); what has fewer
    dimensions holds for all rows. Raises :class:`ValueError` with the array and the fault.
    """
    reds = np.atleast_2d(np.asarray(red_outbound, dtype=np.float64))
    rows, signals = reds.shape
    if signals < 2:
        raise ValueError(f"red_outbound: {signals} signals; a wave needs two or more")
    links = (rows, signals - 1)
    arrays = (
        _shaped("distance_m", distance_m, links, (1.0, 1e5)),
        _shaped("speed_kmh", speed_kmh, links, (1.0, 300.0)),
        _shaped("cycle_s", cycle_s, (rows,), (1.0, 1e3)),
        _shaped("red_outbound", reds, reds.shape, (0.0, 0.999)),
        _shaped("red_inbound", red_inbound, reds.shape, (0.0, 0.999)),
        _shaped("red_centre_shift", red_centre_shift, reds.shape, (-1.0, 1.0)),
        _shaped("queue_clearance_outbound", queue_clearance_outbound, reds.shape, (0.0, 0.999)),
        _shaped("queue_clearance_inbound", queue_clearance_inbound, reds.shape, (0.0, 0.999)),
    )
    if not 0.0 <= k <= 1e3:
        raise ValueError(f"k: {k:g} is not a number in 0..1000")
    bands, offset = np.empty((rows, 3)), np.empty(reds.shape)
    IMPLEMENTATIONS[implementation or IMPLEMENTATION](*arrays, float(k), bands, offset)
    return FixedWaves(
        band_outbound=bands[:, 0], band_inbound=bands[:, 1], total=bands[:, 2], offset_s=offset
    )


def _shaped(
    name: str, values: ArrayLike, shape: tuple[int, ...], limits: tuple[float, float]
) -> Floats:
    given = np.asarray(values, dtype=np.float64)
    try:
        array: Floats = np.broadcast_to(given, shape)
    except ValueError:
        raise ValueError(f"{name}: shape {given.shape}, but {shape} is needed") from None
    # Checked before it is repeated: two passes without a mask, and NaN fails both.
    if given.size and not (given.min() >= limits[0] and given.max() <= limits[1]):
        wrong = float(given[~((given >= limits[0]) & (given <= limits[1]))].flat[0])
        raise ValueError(f"{name}: {wrong:g} is not a number in {limits[0]:g}..{limits[1]:g}")
    return array
