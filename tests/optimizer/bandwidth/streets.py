"""Arterials for tests."""

from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.check import band_of, broken_limits

STREET = {
    "distance_m": (300.0, 410.0, 260.0),
    "red_outbound": (0.45, 0.50, 0.42, 0.48),
    "red_inbound": (0.47, 0.44, 0.52, 0.45),
    "cycle_range_s": (60.0, 100.0),
    "speed_range_kmh": ((40.0, 55.0),) * 3,
}


def street(**changes):
    return Arterial(**{**STREET, **changes})


def measured(arterial, wave):
    """What the bands of a wave really are, and what the wave breaks."""
    out, _ = band_of(arterial, wave.cycle_s, wave.speed_kmh, wave.offset_s)
    into, _ = band_of(arterial, wave.cycle_s, wave.speed_kmh, wave.offset_inbound_s, inbound=True)
    bands = wave.band_outbound, wave.band_inbound
    return out, into, broken_limits(arterial, wave.cycle_s, wave.speed_kmh, bands)


def value(arterial, wave):
    return wave.band_outbound + arterial.k * wave.band_inbound
