"""Cutting an arterial into groups."""

import itertools
from dataclasses import replace

import pytest

from benchmarks.arterials import Kind, random_arterial
from optimizer.bandwidth.cutting import advice, best_cut, part
from optimizer.bandwidth.maxband import widest_wave
from tests.optimizer.bandwidth.streets import street, value


def fixed(signals, seed):
    arterial = random_arterial(signals, Kind.PATTERNS, seed)
    return replace(
        arterial, cycle_range_s=(90.0, 90.0), speed_range_kmh=((50.0, 50.0),) * (signals - 1)
    )


def mean_band(arterial, after):
    ends = [0, *(each + 1 for each in after), arterial.signals]
    total = 0.0
    for first, end in itertools.pairwise(ends):
        if end - first > 1:
            wave = widest_wave(part(arterial, first, end - 1))
            total += (end - first - 1) * value(arterial, wave)
    return total / (arterial.signals - 1)


def test_no_other_groups_are_better():
    arterial = fixed(7, 4)
    cut = best_cut(arterial)
    choices = itertools.chain.from_iterable(
        itertools.combinations(range(6), count) for count in range(7)
    )
    best = max(choices, key=lambda after: mean_band(arterial, after))
    assert cut.value == pytest.approx(mean_band(arterial, best), abs=1e-6)
    assert mean_band(arterial, cut.after) == pytest.approx(cut.value, abs=1e-6)


def test_a_long_arterial_is_cut_and_told_so():
    arterial = fixed(24, 1)
    cut = best_cut(arterial)
    assert cut.pays
    assert cut.value > cut.uncut_value
    assert all(wave.cycle_s == pytest.approx(90.0) for wave in cut.waves)
    assert "one long wave is a poor goal here" in advice(arterial, cut)


def test_an_easy_arterial_stays_whole():
    arterial = street(distance_m=(60.0,) * 3)
    cut = best_cut(arterial)
    assert (cut.after, cut.pays, len(cut.waves)) == ((), False, 1)
    assert advice(arterial, cut) == "one wave through all signals is best"


def test_heavy_links_are_kept_together():
    arterial = fixed(8, 2)
    heavy = tuple(5_000.0 if i == 3 else 10.0 for i in range(7))
    cut = best_cut(
        replace(arterial, volume_outbound_veh_per_h=heavy, volume_inbound_veh_per_h=heavy)
    )
    assert 3 not in cut.after


def test_a_part_has_what_belongs_to_it():
    arterial = random_arterial(8, Kind.ALL, 3)
    group = part(arterial, 2, 5)
    assert group.signals == 4
    assert group.distance_m == arterial.distance_m[2:5]
    assert group.red_inbound == arterial.red_inbound[2:6]
    assert len(group.max_slowness_change_s_per_m) == 2
