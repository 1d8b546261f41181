"""Figures from trip output, against values worked out by hand."""

from __future__ import annotations

import pytest

from sim.errors import SumoError
from sim.metrics import delay_by_departure, figures, mean, percentile, read_trips

TRIPS = """<tripinfos>
<tripinfo id="a" depart="10" departDelay="2" arrival="50" timeLoss="20" waitingTime="8"
  waitingCount="2" vaporized=""><emissions CO2_abs="3000"/></tripinfo>
<tripinfo id="b" depart="400" departDelay="0" arrival="-1" timeLoss="40" waitingTime="30"
  waitingCount="1" vaporized="end"><emissions CO2_abs="1000"/></tripinfo>
<tripinfo id="c" depart="-1" departDelay="100" arrival="-1" timeLoss="0" waitingTime="0"
  waitingCount="0" vaporized="end"/>
<tripinfo id="late" depart="-1" departDelay="0" arrival="-1" timeLoss="0" waitingTime="0"
  waitingCount="0" vaporized="end"/>
<personinfo id="p"><walk timeLoss="5"/><walk timeLoss="7"/></personinfo>
</tripinfos>"""


@pytest.fixture
def trips(tmp_path):
    path = tmp_path / "trips.xml"
    path.write_text(TRIPS)
    return read_trips(path, end_s=600)


def test_unfinished_and_undeparted_trips_count(trips):
    found = figures(trips)
    assert (found.scheduled, found.finished, found.undeparted) == (3, 1, 1)
    assert found.delay_s == pytest.approx((22 + 40 + 100) / 3)
    assert found.depart_delay_s == pytest.approx(102 / 3)


def test_other_means_are_over_inserted_trips(trips):
    found = figures(trips)
    assert found.time_loss_s == 30
    assert found.waiting_s == 19
    assert found.stops == 1.5
    assert found.max_waiting_s == 30
    assert found.p95_time_loss_s == pytest.approx(39)
    assert found.co2_g_per_trip == 2


def test_pedestrian_delay_is_that_of_all_walks_of_a_person(trips):
    found = figures(trips)
    assert (found.pedestrians, found.pedestrian_delay_s) == (1, 12)


def test_delay_by_scheduled_departure(trips):
    assert delay_by_departure(trips, 300) == ((0, 22, 1), (300, 70, 2))


def test_truncated_output_is_an_error(tmp_path):
    path = tmp_path / "trips.xml"
    path.write_text(TRIPS[:300])
    with pytest.raises(SumoError, match="incomplete"):
        read_trips(path, end_s=600)


def test_no_trips_at_all(tmp_path):
    path = tmp_path / "trips.xml"
    path.write_text("<tripinfos/>")
    with pytest.raises(SumoError, match="no vehicle was scheduled"):
        figures(read_trips(path, end_s=600))


def test_percentile_interpolates():
    assert percentile([1, 2, 3, 4], 50) == 2.5
    assert percentile([], 95) == 0
    assert mean([]) == 0
