"""The best bands by link over given candidates, in NumPy: a dynamic program along the arterial.

A progression line runs along each direction; the band of a link lies evenly about it and fits in
the greens at both ends (Gartner, Assmann, Lasaga and Hou, "A multi-band approach to arterial
traffic signal optimization", Transportation Research B 25, 1991). A state at a signal is the phase
q between the two lines, counted as in :mod:`optimizer.bandwidth.problem` but from centre lines,
and the lead w of the outbound line behind the start of its green; the inbound lead follows.
The room for a band at a signal is twice the distance from the line to the nearer end of the green.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from optimizer.delay import Floats


def best_path(  # noqa: PLR0913, PLR0917 - arrays, as in the kernel
    phase: Floats,
    lead: Floats,
    centre: Floats,
    centres: np.ndarray[Any, np.dtype[np.int32]],
    green: Floats,
    time: Floats,
    weight: Floats,
    slack: float,
    chosen: np.ndarray[Any, np.dtype[np.int32]],
) -> float:
    """The greatest sum of weighted bands; minus infinity where no candidates fit together.

    ``phase`` (n, p) and ``lead`` (n, w) candidates; ``green`` (n, 2) outbound and inbound;
    ``time`` (n - 1, 2) least and greatest T; ``weight`` (n - 1, 3) outbound, inbound, target ratio.
    With *slack* every candidate stands for all within half of it, so that the sum is an upper
    bound for anything between the candidates. Writes (n, 2) indices of the choice.
    """
    rooms = [
        _rooms(phase[i], lead[i], centre[i, : centres[i]], green[i], slack)
        for i in range(len(phase))
    ]
    allowed = slack + 1e-9
    value, origins = rooms[0][0], []
    for i in range(1, len(phase)):
        fits, out, into = rooms[i]
        step = (phase[i][:, None] - phase[i - 1][None, :] - time[i - 1, 0] + allowed) % 1.0
        reachable = step <= time[i - 1, 1] - time[i - 1, 0] + 2.0 * allowed
        gained = _bands(
            np.minimum(rooms[i - 1][1][None, None], out[:, :, None, None]),
            np.minimum(rooms[i - 1][2][None, None], into[:, :, None, None]),
            weight[i - 1],
        )
        total = np.where(reachable[:, None, :, None], value[None, None] + gained, -np.inf)
        flat = total.reshape(*total.shape[:2], -1)
        origins.append(flat.argmax(axis=2))
        value = np.where(np.isfinite(fits), flat.max(axis=2), -np.inf)
    best = float(value.max())
    if np.isfinite(best):
        at = int(value.argmax())
        for i in range(len(phase) - 1, -1, -1):
            chosen[i] = divmod(at, lead.shape[1])
            if i > 0:
                at = int(origins[i - 1].flat[at])
    return best


def _rooms(
    phase: Floats, lead: Floats, centres: Floats, green: Floats, slack: float
) -> tuple[Floats, Floats, Floats]:
    """(p, w) 0 where the lines fit, else minus infinity; half widths outbound and inbound."""
    out = np.broadcast_to(0.5 * green[0] - np.abs(lead - 0.5 * green[0]), (len(phase), len(lead)))
    off = phase[:, None, None] - centres - 1.0 + 0.5 * green[0] - lead[None, :, None]
    into = (0.5 * green[1] - np.abs(off - np.floor(off + 0.5))).max(axis=2)
    fits = np.where((out >= -slack) & (into >= -slack), 0.0, -np.inf)
    return fits, out + 0.5 * slack, into + slack


def _bands(out: Floats, into: Floats, weight: Floats) -> Floats:
    """Weighted bands for half widths."""
    b, bb = 2.0 * np.maximum(out, 0.0), 2.0 * np.maximum(into, 0.0)
    ratio = weight[2]
    if ratio == 1.0:
        b = bb = np.minimum(b, bb)
    elif ratio < 1.0:
        b = np.minimum(b, bb / ratio) if ratio > 0.0 else b
    else:
        bb = np.minimum(bb, ratio * b)
    result: Floats = weight[0] * b + weight[1] * bb
    return result
