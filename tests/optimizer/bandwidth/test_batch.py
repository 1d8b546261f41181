"""Many arterials at fixed cycles and speeds: both implementations, and the exact solver."""

import numpy as np
import pytest

from optimizer.bandwidth.arterial import Arterial
from optimizer.bandwidth.batch import IMPLEMENTATIONS, fixed_waves
from optimizer.bandwidth.check import band_of
from optimizer.bandwidth.maxband import widest_wave

ROWS, SIGNALS = 60, 9


def family(seed=5):
    rng = np.random.default_rng(seed)
    return {
        "distance_m": rng.uniform(100.0, 700.0, (ROWS, SIGNALS - 1)),
        "speed_kmh": rng.uniform(35.0, 60.0, (ROWS, SIGNALS - 1)),
        "cycle_s": rng.uniform(50.0, 120.0, ROWS),
        "red_outbound": rng.uniform(0.2, 0.5, (ROWS, SIGNALS)),
        "red_inbound": rng.uniform(0.2, 0.5, (ROWS, SIGNALS)),
        "red_centre_shift": rng.uniform(-0.3, 0.3, (ROWS, SIGNALS)),
        "queue_clearance_outbound": rng.uniform(0.0, 0.1, (ROWS, SIGNALS)),
        "queue_clearance_inbound": rng.uniform(0.0, 0.1, (ROWS, SIGNALS)),
    }


def one(arrays, row, k):
    values = {key: tuple(each[row]) for key, each in arrays.items() if np.ndim(each) == 2}
    speeds = values.pop("speed_kmh")
    cycle = float(arrays["cycle_s"][row])
    return Arterial(
        **values,
        cycle_range_s=(cycle, cycle),
        speed_range_kmh=tuple((each, each) for each in speeds),
        k=k,
    )


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
@pytest.mark.parametrize("k", [0.0, 0.5, 1.0, 1.6])
def test_the_waves_of_the_exact_solver(implementation, k):
    arrays = family()
    waves = fixed_waves(**arrays, k=k, implementation=implementation)
    for row in range(0, ROWS, 3):
        arterial = one(arrays, row, k)
        wave = widest_wave(arterial)
        assert waves.band_outbound[row] == pytest.approx(wave.band_outbound, abs=1e-6)
        assert waves.band_inbound[row] == pytest.approx(wave.band_inbound, abs=1e-6)


@pytest.mark.parametrize("implementation", IMPLEMENTATIONS)
def test_the_offsets_give_the_bands(implementation):
    arrays = family(6)
    waves = fixed_waves(**arrays, implementation=implementation)
    for row in range(ROWS):
        arterial, cycle = one(arrays, row, 1.0), float(arrays["cycle_s"][row])
        offsets = waves.offset_s[row]
        inbound = offsets + cycle * (
            0.5 * (arrays["red_inbound"][row] - arrays["red_outbound"][row])
            - arrays["red_centre_shift"][row]
        )
        speeds = arrays["speed_kmh"][row]
        out, _ = band_of(arterial, cycle, speeds, offsets)
        into, _ = band_of(arterial, cycle, speeds, inbound, inbound=True)
        assert out >= waves.band_outbound[row] - 1e-9
        assert into >= waves.band_inbound[row] - 1e-9


def test_both_implementations_agree():
    arrays = family(7)
    one, other = (fixed_waves(**arrays, implementation=name) for name in ("kernel", "numpy"))
    assert np.allclose(one.total, other.total, atol=1e-12)
    off = (one.offset_s - other.offset_s) / arrays["cycle_s"][:, None]
    assert np.abs(off - np.round(off)).max() < 1e-9


def test_what_holds_for_all_rows_is_given_once():
    arrays = family() | {"speed_kmh": 50.0, "cycle_s": 80.0, "queue_clearance_inbound": 0.0}
    waves = fixed_waves(**arrays)
    again = fixed_waves(**arrays | {"cycle_s": [80.0] * ROWS})
    assert np.array_equal(waves.band_outbound, again.band_outbound)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"red_inbound": np.full((ROWS, 3), 0.4)}, "red_inbound: shape"),
        ({"cycle_s": 0.0}, "cycle_s: 0 is not a number in 1..1000"),
        ({"speed_kmh": float("nan")}, "speed_kmh: nan is not a number"),
        ({"k": -1.0}, "k: -1"),
        ({"red_outbound": np.full((ROWS, 1), 0.4)}, "1 signals"),
    ],
)
def test_what_is_wrong_is_told(changes, said):
    with pytest.raises(ValueError, match=said):
        fixed_waves(**family() | changes)
