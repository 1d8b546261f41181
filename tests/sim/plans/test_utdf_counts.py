from __future__ import annotations

import pytest

from sim.errors import PlanFileError
from sim.plans.utdf_counts import parse_turning_counts, volumes_veh_per_h

COUNTS = """\
Turning Movement Count
15 Minute Counts
DATE,TIME,INTID,NBL,NBT,NBR,EBT,
10/11/2025,="0715",6,0,11,5,*,
10/11/2025,730,6,2,21,,40,
10/11/2025,0745,6,4,31,9,44,
"""


def test_times_come_in_three_forms_and_stars_are_not_counted():
    first, second, third = parse_turning_counts(COUNTS)
    assert [each.minute for each in (first, second, third)] == [435, 450, 465]
    assert first.vehicles == {"NBL": 0.0, "NBT": 11.0, "NBR": 5.0}
    assert second.vehicles == {"NBL": 2.0, "NBT": 21.0, "EBT": 40.0}
    assert first.interval_min == 15


def test_flows_are_means_of_what_was_counted():
    flows = volumes_veh_per_h(parse_turning_counts(COUNTS), 435, 465)
    assert flows == {(6, "NBL"): 4.0, (6, "NBT"): 64.0, (6, "NBR"): 20.0, (6, "EBT"): 160.0}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('="0715"', "0775", "line 4: TIME '0775' is no time of day"),
        ("0745,6", "0745,six", "line 6: INTID 'six' is not a whole number"),
        ("21,,40", "21,,-4", "line 5: EBT of node 6 is '-4': give a number of vehicles"),
        ("15 Minute Counts", "Counts", "needs a line such as '15 Minute Counts'"),
        ("DATE,TIME", "DAY,HOUR", "not a UTDF volume file"),
    ],
)
def test_a_fault_names_its_line(old, new, said):
    with pytest.raises(PlanFileError, match=said):
        parse_turning_counts(COUNTS.replace(old, new))
