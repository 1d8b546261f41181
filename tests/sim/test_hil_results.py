"""What is said of a run of the bench."""

from dataclasses import fields, replace

import pytest

from greenband.hil_table import print_hil
from sim.hil.faults import Fault, FaultKind
from sim.hil.report import render
from sim.hil.results import BEHIND, HilResult, Latency, Recovery, TraceCheck
from sim.hil.street import StreetRecord
from sim.hil.trace_check import Rule, Violation
from sim.hil.wording import caution, headline, under_schedules, unwatched
from sim.results import RunResult

NOTHING = {field.name: 0 for field in fields(RunResult)}
RUN = StreetRecord(
    result=RunResult(**NOTHING), lamps=[], standing=[(0, 0)] * 60, delays=((0.0, 1.0, 2),)
)


def result(*, behind_ms=20.0, violations=(), unseen_share=0.0):
    return HilResult(
        scenario="arterial",
        convention="field",
        sumo="1",
        speed="real time",
        lockstep=False,
        link="tcp",
        broker="embedded",
        seed=1,
        scale=1.0,
        begin_s=0.0,
        end_s=60.0,
        junctions=("J1", "J2"),
        foreign=(),
        run=RUN,
        reference=RUN,
        wall_s=60.0,
        adaptive_share=1.0,
        trace=TraceCheck(
            looks=600, unseen_share=unseen_share, violations=violations, differs_at_s=None
        ),
        latencies=(Latency.of(BEHIND, [1.0, behind_ms]),),
    )


def test_nothing_to_say_of_a_street_in_time():
    assert caution(result()) == ""
    assert result().behind_ms == 20.0
    assert replace(result(), latencies=()).behind_ms == 0.0


def test_a_street_that_falls_behind_the_clock_measures_nothing():
    assert "up to 60.9 s behind the clock" in caution(result(behind_ms=60_873.5))


@pytest.mark.parametrize("count", [1, 2])
def test_a_broken_rule_is_the_headline(count):
    broken = (Violation(Rule.CONFLICT, "J1", 7, "both at once"),) * count
    text, verdict = headline(result(violations=broken))
    assert verdict == "worse" and f"{count} time" in text


def test_what_nobody_looked_at_is_said():
    assert "up to 12.50 % were not looked at" in caution(result(unseen_share=0.125))


CUT = Fault(FaultKind.CUT, 30, 10)


def recovery(junction):
    return Recovery(
        fault=CUT, junction=junction, left_s=8, back_s=2, standing=1.0, reference_standing=1.0
    )


def test_a_fault_at_a_cabinet_that_nobody_watched_is_no_fault_that_never_was():
    broken = replace(result(), faults=(CUT,), recoveries=(recovery("J1"),))
    assert broken.unwatched == ((CUT, "J2"),)
    assert "without figures: cut@30:10 at J2. On a serial line" in unwatched(broken)
    alone = replace(broken, recoveries=(), adaptive_share=None)
    for found in (broken, alone):
        page = render(found, "greenband hil")
        assert "Nothing was broken on purpose" not in page
        assert "cut@30:10 at J2" in page
    assert "nobody could watch" in under_schedules(alone)
    assert "not watched" in render(alone, "greenband hil")
    whole = render(result(), "greenband hil")
    assert unwatched(result()) == "" and "Nothing was broken on purpose" in whole


def test_the_first_second_is_a_difference_too():
    trace = replace(result().trace, differs_at_s=0, differs_where="J2")
    stepped = replace(result(), lockstep=True, trace=trace)
    assert "J2 differs from second 0 on." in caution(stepped)
    assert "start-up flash" not in caution(stepped)
    assert "start-up flash" in caution(replace(stepped, foreign=("J2",)))


def test_in_a_file_no_name_of_the_fault_table_is_cut(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    names = tuple(f"cluster_{'0123456789_' * 9}{i}" for i in range(2))
    recoveries = tuple(map(recovery, names))
    print_hil(replace(result(), junctions=names, faults=(CUT,), recoveries=recoveries))
    rows = capsys.readouterr().out.splitlines()
    for name in names:
        row = next(row for row in rows if name in row)
        assert "cut@30 for 10 s" in row and "adaptive again after 2 s" in row
