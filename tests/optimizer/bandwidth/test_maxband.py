"""Waves of both implementations: against HiGHS, brute force, each other, and the checker."""

import itertools
from dataclasses import replace

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from benchmarks.arterials import Kind, random_arterial
from benchmarks.maxband_milp import solve_by_milp
from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.maxband import IMPLEMENTATIONS, Status, widest_wave
from tests.optimizer.bandwidth.streets import measured, street, value

SAME = 2e-6
"""Ours is exact to 1e-7; HiGHS may overstep each of its constraints by 1e-6."""


@pytest.fixture(params=IMPLEMENTATIONS)
def solve(request):
    return lambda arterial: widest_wave(arterial, implementation=request.param)


def test_the_kernel_is_built():
    assert list(IMPLEMENTATIONS) == ["kernel", "reference"]


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("signals", [2, 3, 6, 9])
def test_the_optimum_of_a_mixed_integer_program(solve, signals, kind):
    for seed in range(2):
        arterial = random_arterial(signals, kind, 100 + seed)
        wave, proved = solve(arterial), solve_by_milp(arterial)
        assert proved.optimal
        assert value(arterial, wave) == pytest.approx(proved.objective, abs=SAME)
        assert wave.status is Status.OPTIMAL
        assert proved.objective - 1e-8 <= wave.bound <= proved.objective + SAME


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("signals", [12, 30, 60])
def test_long_arterials_are_proved_and_keep_what_they_say(signals, kind):
    arterial = random_arterial(signals, kind, 7)
    wave = widest_wave(arterial, implementation="kernel")
    out, into, broken = measured(arterial, wave)
    assert wave.status is Status.OPTIMAL
    assert wave.gap <= SAME
    assert not broken
    assert out >= wave.band_outbound - 1e-8
    assert into >= wave.band_inbound - 1e-8


@pytest.mark.parametrize("kind", Kind)
def test_both_implementations_find_the_same(kind):
    for seed in range(3):
        arterial = random_arterial(12, kind, seed)
        waves = [widest_wave(arterial, implementation=name) for name in IMPLEMENTATIONS]
        one, other = (value(arterial, wave) for wave in waves)
        assert one == pytest.approx(other, abs=SAME)


def test_no_offsets_on_a_grid_are_better(solve):
    arterial = street(
        distance_m=(330.0, 450.0),
        red_outbound=(0.45, 0.5, 0.42),
        red_inbound=(0.45, 0.4, 0.52),
        speed_range_kmh=((50.0, 50.0),) * 2,
        cycle_range_s=(72.0, 72.0),
        k=0.6,
    )
    wave = solve(arterial)
    steps, best = 48, 0.0
    for offsets in itertools.product(range(steps), repeat=2):
        starts = [0.0, *(72.0 * each / steps for each in offsets)]
        out, _ = band_of(arterial, 72.0, (50.0, 50.0), starts)
        # Without left turns the centres of both reds coincide.
        inbound = [
            start + 36.0 * (into - red)
            for start, red, into in zip(
                starts, arterial.red_outbound, arterial.red_inbound, strict=True
            )
        ]
        into, _ = band_of(arterial, 72.0, (50.0, 50.0), inbound, inbound=True)
        if into >= 0.6 * out:
            best = max(best, out + 0.6 * into)
    assert best <= value(arterial, wave) + 1e-9
    assert value(arterial, wave) <= best + 4.0 / steps


FRACTION = st.floats(0.0, 0.12)


@st.composite
def arterials(draw):
    signals = draw(st.integers(2, 7))

    def some(values):
        return tuple(draw(st.lists(values, min_size=signals, max_size=signals)))

    left_out, left_in = some(FRACTION), some(FRACTION)
    red = some(st.floats(0.2, 0.5))
    speeds = draw(st.floats(20.0, 70.0))
    shortest = draw(st.floats(40.0, 100.0))
    return street(
        distance_m=some(st.floats(20.0, 900.0))[1:],
        red_outbound=tuple(r + turn for r, turn in zip(red, left_in, strict=True)),
        red_inbound=tuple(r + turn for r, turn in zip(red, left_out, strict=True)),
        left_turn_outbound=left_out,
        left_turn_inbound=left_in,
        patterns=some(st.sets(st.integers(1, 4)).map(tuple)),
        red_centre_shift=some(st.floats(-0.3, 0.3)),
        queue_clearance_outbound=some(FRACTION),
        queue_clearance_inbound=some(FRACTION),
        cycle_range_s=(shortest, shortest * draw(st.sampled_from([1.0, 1.2, 3.0]))),
        speed_range_kmh=((speeds, speeds * draw(st.sampled_from([1.0, 1.3, 2.0]))),)
        * (signals - 1),
        max_slowness_change_s_per_m=(draw(st.sampled_from([0.0, 0.002, 0.01, 1.0])),)
        * max(0, signals - 2),
        k=draw(st.sampled_from([0.0, 0.3, 1.0, 1.7])),
    )


@settings(max_examples=150, deadline=None)
@given(arterials())
def test_every_wave_keeps_what_it_says(arterial):
    wave = widest_wave(arterial)
    assert wave.status in {Status.OPTIMAL, Status.NO_WAVE}
    assume(wave.status is Status.OPTIMAL)
    out, into, broken = measured(arterial, wave)
    assert not broken
    assert out >= wave.band_outbound - 1e-8
    assert into >= wave.band_inbound - 1e-8
    assert 0.0 <= wave.gap <= SAME * (1.0 + arterial.k)
    for i, pattern in enumerate(wave.pattern):
        shift = arterial.red_centre_shifts(i)[pattern]
        centre_out = wave.offset_s[i] / wave.cycle_s - arterial.red_outbound[i] / 2.0
        centre_in = wave.offset_inbound_s[i] / wave.cycle_s - arterial.red_inbound[i] / 2.0
        off = centre_out - centre_in - shift
        assert abs(off - round(off)) < 1e-9


@settings(max_examples=25, deadline=None)
@given(arterials())
def test_any_arterial_has_the_optimum_of_the_program(arterial):
    assume(arterial.k > 0.0)
    wave, proved = widest_wave(arterial), solve_by_milp(arterial)
    if not proved.feasible:
        assert value(arterial, wave) <= SAME
        return
    assert value(arterial, wave) == pytest.approx(proved.objective, abs=SAME)


def test_the_wave_turned_round_is_as_wide(solve):
    arterial = random_arterial(6, Kind.LIMIT, 3)
    turned = replace(
        arterial,
        distance_m=arterial.distance_m[::-1],
        red_outbound=arterial.red_inbound[::-1],
        red_inbound=arterial.red_outbound[::-1],
        left_turn_outbound=arterial.left_turn_inbound[::-1],
        left_turn_inbound=arterial.left_turn_outbound[::-1],
        speed_range_kmh=arterial.speed_range_kmh[::-1],
    )
    there, back = solve(arterial), solve(turned)
    assert there.band_outbound == pytest.approx(back.band_outbound, abs=SAME)


def test_each_freedom_can_only_widen_the_wave(solve):
    arterial = random_arterial(7, Kind.ALL, 11)
    best = value(arterial, solve(arterial))
    for held in (
        {"cycle_range_s": (70.0, 70.0)},
        {"patterns": tuple(each[:1] for each in arterial.patterns)},
        {"max_slowness_change_s_per_m": (0.001,) * 5},
        {"speed_range_kmh": tuple((low + 2, high - 2) for low, high in arterial.speed_range_kmh)},
    ):
        assert value(arterial, solve(replace(arterial, **held))) <= best + SAME


def test_the_shortest_green_limits_both_bands():
    wave = widest_wave(street(distance_m=(50.0,) * 3, cycle_range_s=(60.0, 300.0)))
    assert wave.band_outbound == pytest.approx(1.0 - 0.52, abs=SAME)
    assert wave.band_inbound == wave.band_outbound


def test_a_ratio_below_one_favours_outbound():
    even, favoured = (widest_wave(street(k=k)) for k in (1.0, 0.4))
    assert favoured.band_outbound > even.band_outbound
    assert favoured.band_inbound >= 0.4 * favoured.band_outbound - 1e-9


def test_a_one_way_street_has_the_whole_of_the_shortest_green(solve):
    arterial = street(
        one_way=True, red_inbound=(0.0,) * 4, max_slowness_change_s_per_m=(0.001,) * 2
    )
    wave = solve(arterial)
    out, _, broken = measured(arterial, wave)
    assert (wave.band_outbound, wave.band_inbound) == (0.5, 0.0)
    assert out == pytest.approx(0.5)
    assert not broken


def test_where_only_outbound_counts_it_is_whole_even_if_both_ways_do_not_fit(solve):
    arterial = street(
        red_outbound=(0.7,) * 4,
        red_inbound=(0.7,) * 4,
        speed_range_kmh=((50.0, 50.0),) * 3,
        cycle_range_s=(83.0, 83.0),
    )
    assert solve(arterial).status is Status.NO_WAVE
    assert solve(arterial).band_outbound == 0.0
    wave = solve(replace(arterial, k=0.0))
    out, _, _ = measured(arterial, wave)
    assert wave.band_outbound == pytest.approx(0.3)
    assert out == pytest.approx(0.3)


def test_a_stopped_search_says_what_it_has_proved():
    arterial = random_arterial(20, Kind.ALL, 1)
    stopped = widest_wave(arterial, implementation="kernel", tests_max=1)
    proved = widest_wave(arterial, implementation="kernel")
    out, _, broken = measured(arterial, stopped)
    assert not broken
    assert out >= stopped.band_outbound - 1e-8
    assert value(arterial, stopped) <= value(arterial, proved) + SAME <= stopped.bound + 2 * SAME


@pytest.mark.parametrize("signals", [20, 60])
def test_one_speed_for_all_links_is_proved_too(signals):
    arterial = random_arterial(signals, Kind.LIMIT, 0)
    arterial = replace(arterial, max_slowness_change_s_per_m=(0.0,) * (signals - 2))
    wave = widest_wave(arterial, implementation="kernel")
    out, _, broken = measured(arterial, wave)
    assert wave.status is Status.OPTIMAL
    assert max(wave.speed_kmh) == pytest.approx(min(wave.speed_kmh))
    assert out >= wave.band_outbound - 1e-8
    assert not broken
