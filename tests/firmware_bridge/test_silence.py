"""Who is looked for on a line where some are silent, second by second, without a line."""

import pytest

from firmware_bridge.silence import SILENT_AFTER, SilentUnits

COST_S = 0.15


def silent(*units):
    found = SilentUnits()
    for unit in units:
        for _ in range(SILENT_AFTER):
            assert not found.is_silent(unit)
            found.missed(unit)
    return found


def second(there, units, now_s, room, back=()):
    """Every one of *units* is wanted once; who was probed, and who was found."""
    probed = []
    for unit in units:
        if there.is_silent(unit) and there.may_probe(unit, now_s, COST_S, room):
            probed.append(unit)
            now_s += COST_S
            if unit in back:
                there.answered(unit)
            else:
                there.probed(unit, COST_S)
    return probed


@pytest.mark.parametrize("count", [1, 2, 5, 12])
def test_on_a_full_line_one_a_second_in_turn(count):
    there, units = silent(*range(count)), tuple(range(count))
    second(there, units, 100.0, 0.0)
    rounds = [second(there, units, 101.0 + s, 0.0) for s in range(3 * count)]
    assert [len(probed) for probed in rounds] == [1] * (3 * count)
    for begin in range(2 * count):
        assert {probed[0] for probed in rounds[begin : begin + count]} == set(units)


def test_on_a_line_with_room_as_many_as_fit_into_it():
    units = tuple(range(6))
    there = silent(*units)
    rounds = [second(there, units, 100.0 + s, 0.5) for s in range(40)]
    assert all(rounds)
    assert 0.4 < sum(map(len, rounds)) * COST_S / 40 < 0.55
    often = [sum(unit in probed for probed in rounds) for unit in units]
    assert max(often) - min(often) <= 1


def test_when_nobody_answers_everybody_is_looked_for_each_second():
    there = silent(1, 2, 3, 4)
    for s in range(5):
        assert second(there, (1, 2, 3, 4), 100.0 + s, 1.0) == [1, 2, 3, 4]


def test_when_one_is_found_the_others_are_looked_for_at_once():
    there = silent(1, 2, 3, 4)
    assert second(there, (1, 2, 3, 4), 100.0, 0.0) == [1]
    assert second(there, (1, 2, 3, 4), 101.0, 0.0, back=(2, 3, 4)) == [2, 3, 4]
    assert list(there.units) == [1]


def test_nobody_waits_behind_one_that_is_not_wanted_any_more():
    there = silent(1, 2)
    assert second(there, (1, 2), 100.0, 0.0) == [1]
    for s in range(1, 8):  # only 1 is asked for; 2 has never been probed
        probed = second(there, (1,), 100.0 + s, 0.0)
    assert probed == [1]


def test_a_unit_that_became_slow_is_waited_for_now_and_then():
    there = silent(1)
    patient = []
    for _ in range(12):
        patient.append(there.is_patient(1))
        there.probed(1, COST_S)
    assert sum(patient) == 3


def test_an_answer_in_between_is_no_silence():
    there = SilentUnits()
    for _ in range(10):
        there.missed(1)
        there.missed(1)
        there.answered(1)
    assert not there.is_silent(1)
