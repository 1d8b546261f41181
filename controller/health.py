"""Detector health: which detectors must not be believed, and what is done about it.

A detector that is stuck on, chatters or is missing counts as permanently occupied: its groups are
called and extended until it is healthy again. Never is it "no vehicle".

Long silence is no fault here: at night an empty approach and a dead loop look the same. A loop
that is really dead is reported as missing by its amplifier.
"""

from __future__ import annotations

from typing import NamedTuple

from controller.intersection import Intersection, bits
from controller.lamps import NEVER_MS

WINDOW_MS = 60_000
"""Detectors are judged once a minute."""
STUCK_WINDOWS = 5
"""Stuck on: occupied without a break through this many windows in which its group was green."""
CHATTER_PULSES = 50
"""Chatter: more pulses than this in one window.

A saturated lane has about 35 a minute, and no lane keeps up a headway of 1.2 s. A step shows one
pulse at most, so at one step a second a loop that never rests has 60; at steps above 1.2 s chatter
can't be told from traffic here.
"""

_LANE_BITS = 16
_LANE = (1 << _LANE_BITS) - 1


class Health(NamedTuple):
    """What is known about the detectors; masks follow ``site.detectors``.

    The counters hold 16 bits per detector in one integer.
    """

    window_end_ms: int = NEVER_MS
    always_on: int = 0
    """Occupied without a break since the window began."""
    greened: int = 0
    """Groups that were green in this window."""
    pulses: int = 0
    on_windows: int = 0
    stuck: int = 0
    chattering: int = 0


def observe(health: Health, steady: int, pulsed: int, green: int) -> Health:
    """*health* after one step: *steady* detectors were occupied and saw nobody new arrive."""
    pulses = health.pulses
    for d in bits(pulsed):
        pulses += 1 << (d * _LANE_BITS)
    on_windows = health.on_windows
    if on_windows:
        for d in bits(health.always_on & ~steady):
            on_windows &= ~(_LANE << (d * _LANE_BITS))
    return Health(
        health.window_end_ms,
        health.always_on & steady,
        health.greened | green,
        pulses,
        on_windows,
        health.stuck & steady,
        health.chattering,
    )


def judge(site: Intersection, health: Health, steady: int, green: int, clock_ms: int) -> Health:
    """Close the window at *clock_ms*: who is stuck or chatters, and start the next one."""
    stuck, chattering, on_windows = health.stuck, 0, 0
    for d, detector in enumerate(site.detectors):
        shift, bit = d * _LANE_BITS, 1 << d
        if health.pulses >> shift & _LANE > CHATTER_PULSES:
            chattering |= bit
        if not health.always_on & bit:
            continue
        windows = health.on_windows >> shift & _LANE
        if site.mask(detector.groups) & health.greened:
            windows = min(windows + 1, STUCK_WINDOWS)
        if windows >= STUCK_WINDOWS:
            stuck |= bit
        on_windows |= windows << shift
    return Health(clock_ms + WINDOW_MS, steady, green, 0, on_windows, stuck, chattering)
