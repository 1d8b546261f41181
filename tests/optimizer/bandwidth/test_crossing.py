"""Waves through arterials that cross."""

from dataclasses import replace

import pytest

from benchmarks.arterials import Kind, random_arterial
from controller.violations import InvalidError
from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.crossing import (
    Crossing,
    CrossingArterials,
    crossing_waves,
)
from optimizer.bandwidth.maxband import Status, widest_wave

STREETS = tuple(random_arterial(4, Kind.RANGES, seed) for seed in range(4))
GRID = tuple(
    Crossing(first=(a, b), second=(2 + b, a), lag=0.45 + 0.02 * a + 0.03 * b)
    for a in range(2)
    for b in range(2)
)


def offsets_agree(network, found):
    for crossing in network.crossings:
        (a, i), (b, j) = crossing.first, crossing.second
        off = (found.waves[b].offset_s[j] - found.waves[a].offset_s[i]) / found.cycle_s
        off -= crossing.lag
        if abs(off - round(off)) > 1e-9:
            return False
    return True


def bands_are_real(network, found):
    for arterial, wave in zip(network.arterials, found.waves, strict=True):
        out, _ = band_of(arterial, wave.cycle_s, wave.speed_kmh, wave.offset_s)
        into, _ = band_of(
            arterial, wave.cycle_s, wave.speed_kmh, wave.offset_inbound_s, inbound=True
        )
        if out < wave.band_outbound - 1e-8 or into < wave.band_inbound - 1e-8:
            return False
    return True


def test_without_loops_every_arterial_keeps_its_own_wave():
    network = CrossingArterials(arterials=STREETS, crossings=GRID[:3], weights=(2, 1, 1, 1))
    found = crossing_waves(network)
    assert found.closed_loops == 0
    assert found.status is Status.OPTIMAL
    assert offsets_agree(network, found)
    assert bands_are_real(network, found)
    cycle = (found.cycle_s, found.cycle_s)
    alone = [widest_wave(replace(each, cycle_range_s=cycle)) for each in STREETS]
    for wave, own in zip(found.waves, alone, strict=True):
        assert wave.band_outbound == pytest.approx(own.band_outbound, abs=1e-6)
    # No common cycle gives more.
    for cycle_s in range(60, 121, 5):
        others = [widest_wave(replace(each, cycle_range_s=(cycle_s, cycle_s))) for each in STREETS]
        total = sum(
            weight * (wave.band_outbound + wave.band_inbound)
            for weight, wave in zip(network.weights, others, strict=True)
        )
        assert total <= found.bound + 1e-6


def test_a_loop_is_closed_within_the_bound():
    tight = tuple(replace(each, speed_range_kmh=((50.0, 50.0),) * 3) for each in STREETS)
    network = CrossingArterials(arterials=tight, crossings=GRID)
    found = crossing_waves(network)
    assert found.closed_loops == 1
    assert offsets_agree(network, found)
    assert bands_are_real(network, found)
    assert 0.8 * found.bound < found.value <= found.bound + 1e-9
    assert found.gap == pytest.approx(found.bound - found.value)


def test_what_does_not_fit_together_is_told():
    slow = replace(STREETS[0], cycle_range_s=(130.0, 150.0))
    with pytest.raises(InvalidError) as caught:
        CrossingArterials(
            arterials=(slow, STREETS[1]),
            crossings=(Crossing(first=(0, 9), second=(1, 0), lag=0.5),),
            weights=(1.0,),
        )
    for part in ("130 s or more", "no signal 9 on an arterial 0", "one for each arterial"):
        assert part in str(caught.value)
