"""Bands by link: both implementations, a mixed-integer program, and the checker."""

from dataclasses import replace

import numpy as np
import pytest

from benchmarks.arterials import Kind, random_arterial
from benchmarks.multiband_milp import solve_links_by_milp
from optimizer.bandwidth.check import band_of, broken_limits
from optimizer.bandwidth.cutting import part
from optimizer.bandwidth.maxband import Status, widest_wave
from optimizer.bandwidth.multiband import IMPLEMENTATIONS, link_waves
from tests.optimizer.bandwidth.streets import street

FINE = 0.02
"""How far below the optimum a small arterial may be."""


def with_volumes(arterial, seed=1):
    rng = np.random.default_rng(seed)
    volumes = rng.uniform(300.0, 1200.0, (2, arterial.signals - 1)).tolist()
    return replace(
        arterial,
        volume_outbound_veh_per_h=tuple(volumes[0]),
        volume_inbound_veh_per_h=tuple(volumes[1]),
    )


@pytest.mark.parametrize("kind", [Kind.RANGES, Kind.PATTERNS, Kind.LIMIT])
@pytest.mark.parametrize("seed", [0, 1])
def test_near_the_optimum_and_below_the_bound(kind, seed):
    arterial = with_volumes(random_arterial(5, kind, seed))
    waves, proved = link_waves(arterial), solve_links_by_milp(arterial)
    assert proved.optimal
    assert proved.objective - FINE <= waves.value <= proved.objective + 1e-6
    assert waves.bound >= proved.objective - 1e-9
    assert waves.gap == pytest.approx(waves.bound - waves.value)


@pytest.mark.parametrize("kind", Kind)
def test_every_link_has_its_band(kind):
    arterial = with_volumes(random_arterial(6, kind, 4))
    waves = link_waves(arterial)
    bands = zip(waves.band_outbound, waves.band_inbound, strict=True)
    for i, (out, into) in enumerate(bands):
        link, speed = part(arterial, i, i + 1), waves.speed_kmh[i : i + 1]
        real_out, _ = band_of(link, waves.cycle_s, speed, waves.offset_s[i : i + 2])
        real_in, _ = band_of(
            link, waves.cycle_s, speed, waves.offset_inbound_s[i : i + 2], inbound=True
        )
        assert real_out >= out - 1e-6
        assert real_in >= into - 1e-6
    broken = broken_limits(arterial, waves.cycle_s, waves.speed_kmh, (1.0, arterial.k))
    assert not broken
    weights = arterial.volume_outbound_veh_per_h, arterial.volume_inbound_veh_per_h
    total = np.dot(weights[0], waves.band_outbound) + np.dot(weights[1], waves.band_inbound)
    assert total / np.sum(weights) == pytest.approx(waves.value, abs=1e-6)


def test_both_implementations_find_the_same():
    arterial = with_volumes(random_arterial(3, Kind.PATTERNS, 2))
    arterial = replace(arterial, cycle_range_s=(80.0, 80.0))
    one, other = (link_waves(arterial, implementation=name) for name in IMPLEMENTATIONS)
    assert one.value == pytest.approx(other.value, abs=1e-9)
    assert one.bound == pytest.approx(other.bound, abs=1e-9)


def test_links_have_more_than_one_band_for_all():
    arterial = replace(random_arterial(7, Kind.RANGES, 3), cycle_range_s=(80.0, 80.0))
    waves, through = link_waves(arterial), widest_wave(arterial)
    assert waves.value > 0.5 * (through.band_outbound + through.band_inbound)


def test_a_one_way_street_has_no_inbound_bands():
    waves = link_waves(street(one_way=True, red_inbound=(0.0,) * 4))
    assert set(waves.band_inbound) == {0.0}
    assert min(waves.band_outbound) == pytest.approx(0.5, abs=1e-3)


def test_where_no_lines_fit_it_is_told():
    arterial = street(
        red_outbound=(0.95,) * 4,
        red_inbound=(0.95,) * 4,
        speed_range_kmh=((50.0, 50.0),) * 3,
        cycle_range_s=(83.0, 83.0),
    )
    waves = link_waves(arterial)
    assert waves.value == 0.0
    assert set(waves.band_outbound) == {0.0}
    assert waves.status in {Status.NO_WAVE, Status.FEASIBLE}
