"""The independent checker, against vehicles that are driven along the street one by one."""

import math

from hypothesis import given
from hypothesis import strategies as st

from optimizer.bandwidth.check import band_of, broken_limits, widest_gap
from tests.optimizer.bandwidth.streets import street

FRACTION = st.floats(0.0, 0.999)


def is_red(moment, green_start, red, cycle):
    """Whether a signal is red: it turns green at green_start and stays so for 1 - red."""
    since = (moment - green_start) / cycle % 1.0
    return 1.0 - red + 1e-9 < since < 1.0 - 1e-9


def drives_through(arterial, cycle, speeds, starts, leaves_at, inbound):
    order = range(arterial.signals)
    moment = leaves_at
    reds = arterial.red_inbound if inbound else arterial.red_outbound
    clear = arterial.queue_clearance_inbound if inbound else arterial.queue_clearance_outbound
    for n, i in enumerate(reversed(order) if inbound else order):
        if n > 0:
            link = i if inbound else i - 1
            moment += arterial.distance_m[link] / (speeds[link] / 3.6) - clear[i] * cycle
        if is_red(moment, starts[i], reds[i], cycle):
            return False
    return True


@given(
    st.lists(FRACTION, min_size=4, max_size=4),
    st.lists(st.floats(0.1, 0.6), min_size=4, max_size=4),
    st.floats(0.0, 0.1),
    st.floats(40.0, 120.0),
    st.booleans(),
)
def test_who_leaves_in_the_band_meets_no_red_and_who_leaves_beside_it_does(
    starts, reds, clearance, cycle, inbound
):
    arterial = street(
        red_outbound=tuple(reds),
        red_inbound=tuple(reversed(reds)),
        queue_clearance_outbound=(clearance,) * 4,
        queue_clearance_inbound=(clearance, 0.0, clearance, clearance),
    )
    speeds, starts_s = (45.0, 50.0, 41.0), [each * cycle for each in starts]
    width, begin = band_of(arterial, cycle, speeds, starts_s, inbound=inbound)

    def through(leaves_at):
        return drives_through(arterial, cycle, speeds, starts_s, leaves_at, inbound)

    for share in (0.001, 0.3, 0.5, 0.9, 0.999):
        assert width < 1e-6 or through(begin + share * width * cycle)
    # No window wider than the band is free of reds.
    steps = 400
    free = [through(begin + k / steps * cycle) for k in range(2 * steps)]
    longest = run = 0
    for each in free:
        run = run + 1 if each else 0
        longest = max(longest, min(run, steps))
    assert longest / steps <= width + 2.0 / steps


def test_a_circle_without_red_is_free_and_one_full_of_red_is_not():
    assert widest_gap([]) == (0.0, 1.0)
    assert widest_gap([(0.0, 0.6), (0.5, 0.6)])[1] == 0.0
    assert widest_gap([(0.9, 0.2), (0.4, 0.1)])[0] == 0.5
    assert math.isclose(widest_gap([(0.9, 0.2), (0.4, 0.1)])[1], 0.4)


def test_limits_are_named():
    arterial = street(max_slowness_change_s_per_m=(0.005,) * 2, k=0.5)
    assert not broken_limits(arterial, 80.0, (45.0, 45.0, 45.0), (0.4, 0.2))
    broken = broken_limits(arterial, 50.0, (70.0, 41.0, 42.0), (0.4, 0.1))
    assert [each.split(":")[0] for each in broken[1:3]] == ["link 0", "link 1"]
    assert "cycle of 50 s" in broken[0] and "k = 0.5" in broken[3]
