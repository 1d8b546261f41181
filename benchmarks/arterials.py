"""Random arterials: every option of MAXBAND, each with its share of the instances."""

from __future__ import annotations

from enum import Enum

import numpy as np

from optimizer.bandwidth.arterial import Arterial

PATTERN_SETS = ((1, 2), (3, 4), (1, 2, 3, 4), (1,), (4,), ())


class Kind(Enum):
    """Which options an arterial has, from few to all."""

    RANGES = "cycle and speed ranges"
    PATTERNS = "and left-turn patterns"
    LIMIT = "and a limit of the change of speed"
    ALL = "and queue clearance, ratio k, ranges by link"


def random_arterial(signals: int, kind: Kind, seed: int) -> Arterial:
    """150 to 600 m apart, 40 to 60 km/h, 60 to 120 s; the same for the same arguments."""
    rng = np.random.default_rng((signals, list(Kind).index(kind), seed))
    red = rng.uniform(0.30, 0.45, signals)
    left_out = np.zeros(signals)
    left_in = np.zeros(signals)
    patterns: tuple[tuple[int, ...], ...] = ()
    if kind is not Kind.RANGES:
        left_out = rng.uniform(0.06, 0.14, signals)
        left_in = rng.uniform(0.06, 0.14, signals)
        patterns = ((1, 2, 3, 4),) * signals
    speeds = [(40.0, 60.0)] * (signals - 1)
    change: tuple[float, ...] = ()
    if kind in {Kind.LIMIT, Kind.ALL}:
        change = (float(rng.choice([0.003, 0.006, 0.012])),) * max(0, signals - 2)
    clear_out = clear_in = np.zeros(signals)
    k = 1.0
    if kind is Kind.ALL:
        clear_out, clear_in = rng.uniform(0.0, 0.06, (2, signals))
        k = float(rng.choice([0.5, 0.8, 1.0, 1.25, 2.0]))
        patterns = tuple(PATTERN_SETS[i] for i in rng.integers(0, len(PATTERN_SETS), signals))
        if rng.random() < 0.5:
            speeds = [(float(v), float(v) + 15.0) for v in rng.integers(38, 50, signals - 1)]
    return Arterial(
        distance_m=tuple(rng.uniform(150.0, 600.0, signals - 1).tolist()),
        red_outbound=tuple((red + left_in).tolist()),
        red_inbound=tuple((red + left_out).tolist()),
        left_turn_outbound=tuple(left_out.tolist()),
        left_turn_inbound=tuple(left_in.tolist()),
        patterns=patterns,
        queue_clearance_outbound=tuple(clear_out.tolist()),
        queue_clearance_inbound=tuple(clear_in.tolist()),
        cycle_range_s=(60.0, 120.0),
        speed_range_kmh=tuple(speeds),
        max_slowness_change_s_per_m=change,
        k=k,
        name=f"{signals} signals, {kind.name.lower()}, {seed}",
    )
