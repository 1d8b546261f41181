"""The fault campaign: a real run is clean, and what is planted in one is found and reported."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from itertools import pairwise

import pytest

from benchmarks.fault_campaign import ROOT, Shelf, code_version, jobs_for, main, make
from benchmarks.fault_events import compare_with_cabinet, compare_with_centre, read_store
from benchmarks.fault_job import Job, job_text
from benchmarks.fault_record import Recovery, RunRecord, read_record, report, write_record
from benchmarks.fault_run import Moments, Run, judge, recoveries_of
from controller.signals import Event, Outputs
from edge import messages
from edge.alarms import Alarms
from edge.receiver import LogReceiver
from edge.records import Confirmed, Events
from edge.store import Retention, Store
from sim.arterial import build_arterial
from sim.convention import FIELD
from sim.hil.faults import EVERYWHERE, Fault, FaultKind
from sim.hil.trace_check import Rule, Sample
from sim.hil.watch import Seen
from sim.network import derive_network
from sim.scenario import load_scenario

NAMES = ("J1", "J2", "J3")
CLEAN = RunRecord(
    kind="cut",
    number=0,
    link="tcp",
    speed="real time",
    scenario="arterial",
    times=4,
    looks=1_000,
    unseen_share=0.01,
    violations=(),
    stored=500,
    lost=(),
    twice=(),
    repeated=2,
    recoveries=(Recovery(fault="cut@1:5", junction="J1", left=True, back_s=2.5),),
)


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    return build_arterial(tmp_path_factory.mktemp("arterial"))


@pytest.mark.parametrize("kind", list(FaultKind))
def test_faults_leave_each_other_time_and_come_again_as_they_were(kind):
    job = Job(kind=kind.value, number=0, scenario="arterial")
    faults = job.faults(NAMES)
    assert faults == job.faults(NAMES) != replace(job, number=2).faults(NAMES)
    assert {fault.kind for fault in faults} == {kind}
    places = {None} if kind in EVERYWHERE else set(NAMES)
    assert {fault.junction for fault in faults} == places
    for place in places:
        here = [fault for fault in faults if fault.junction == place]
        assert all(b.at_s - a.end_s >= 9 for a, b in pairwise(here))
        assert here[-1].end_s < job.seconds


def test_each_kind_comes_often_enough(arterial, tmp_path):
    chosen = _chosen(arterial, times=30)
    shelf = Shelf(tmp_path, code_version())
    jobs = list(jobs_for(chosen, shelf))
    names = _names(arterial)
    for kind in FaultKind:
        own = [job for job in jobs if job.fault_kind is kind]
        assert sum(len(job.faults(names)) for job in own) >= 30
        assert sum(len(job.faults(names)) for job in own[:-1]) < 30
    write_record(shelf.path(jobs[0]), replace(CLEAN, times=0))
    again = list(jobs_for(chosen, shelf))
    assert again[0] == jobs[0] and len(again) > len(jobs)  # what was left out is made up for


PLANTED = [
    ({"violations": ("J1 at 5: green at once",)}, "broken rule: J1 at 5"),
    ({"lost": ("J1, the centre: 1/2 at 7",)}, "lost: J1, the centre"),
    ({"twice": ("J1, the store: 1/2 at 7",)}, "came twice: J1"),
    (
        {"recoveries": (Recovery(fault="cut@1:5", junction="J1", left=True, back_s=5.3),)},
        "cut@1:5 at J1: back after 5.3 s",
    ),
    (
        {"recoveries": (Recovery(fault="cut@1:5", junction="J1", left=True, back_s=None),)},
        "cut@1:5 at J1: not back",
    ),
]


@pytest.mark.parametrize(("planted", "said"), PLANTED)
def test_what_is_wrong_is_said_and_fails(arterial, tmp_path, capsys, planted, said):
    """The table of records in the store, with and without something planted in the last one."""
    words = ["--scenario", str(arterial), "--store", str(tmp_path), "--kinds", "cut"]
    words += ["--times", "5", "--report"]
    shelf = Shelf(tmp_path, code_version())
    jobs = list(jobs_for(_chosen(arterial, times=5, kinds=(FaultKind.CUT,)), shelf))
    for job in jobs:
        write_record(shelf.path(job), CLEAN)
    assert main(words) == 0
    assert "Nothing went wrong." in capsys.readouterr().out
    write_record(shelf.path(jobs[-1]), replace(CLEAN, **planted))
    assert main(words) == 1
    assert said in capsys.readouterr().out


def test_the_time_that_a_cabinet_needs_by_itself_is_allowed_for():
    started = Recovery(fault="kill@1:5", junction="J1", left=True, back_s=12.9, start_s=8.0)
    assert started.within_target(FaultKind.KILL)
    assert not replace(started, back_s=13.1).within_target(FaultKind.KILL)
    believed = Recovery(fault="missing@1:5", junction="J1", left=True, back_s=34.0)
    assert believed.within_target(FaultKind.MISSING)
    assert not believed.within_target(FaultKind.CUT)


def test_records_come_back_as_they_were_and_damaged_ones_are_none(tmp_path):
    path = tmp_path / "run.json"
    write_record(path, CLEAN)
    assert read_record(path) == CLEAN
    path.write_text(path.read_text()[:100])
    assert read_record(path) is None
    assert "| cut | tcp | real time | 8 |" in report([CLEAN, CLEAN])
    much = report([replace(CLEAN, lost=tuple(f"event {k}" for k in range(50)))])
    assert "lost: event 7\n" in much and "event 8" not in much and "lost: 42 more" in much
    assert "| 50 |" in much


@pytest.fixture
def stored(tmp_path):
    """A store with six messages of events, and what a centre has taken of it."""
    store = Store(tmp_path / "edge.db", Retention(), Alarms())
    for second in range(6):
        found = [Event(second * 1_000 + k, 82, k) for k in range(3)]
        store.add(Events(second * 1_000, {"J1": found}, {"J1": 1 << 32 | 3 * (second + 1)}))
    store.flush()
    receiver, taken = LogReceiver(), []
    for each in store.messages_after(0, 100):
        message, _ = receiver.take(messages.log_message("bench", each, None, {}))
        taken.append(message)
    return store, taken


def confirmed(store, upto):
    store.add(Confirmed(upto.boot, upto.seq))
    store.close()


def test_what_waits_in_the_outbox_is_not_lost_and_what_was_forgotten_is(stored, tmp_path):
    store, taken = stored
    confirmed(store, taken[3])
    kept = read_store(tmp_path / "edge.db")
    assert len(kept.events) == 18 and len(kept.waiting) == 2
    assert compare_with_centre(kept, taken) == ([], [])
    assert compare_with_centre(kept, taken[:4]) == ([], [])
    lost, twice = compare_with_centre(kept, [taken[0], *taken[2:]])
    assert lost == [f"J1, the centre: 82/{k} at {1_000 + k}" for k in range(3)] and not twice
    again = replace(taken[5], seq=99)
    lost, twice = compare_with_centre(kept, [*taken, again])
    assert not lost and len(twice) == 3


class Logbook:
    """A cabinet's log as a client reads it."""

    def __init__(self, events):
        self.own = events

    async def identify(self):
        pass

    async def poll(self):
        return self

    boot_no = 1

    @property
    def event_no(self):
        return len(self.own)

    async def events(self, since, until):
        return tuple(self.own[since:until])


@pytest.mark.parametrize(
    ("edit", "lost", "twice"),
    [
        (lambda own: own, 0, 0),
        (lambda own: [*own[:5], Event(1, 2, 3), *own[5:17]], 1, 1),
        (lambda own: own[:17], 1, 0),
    ],
)
def test_the_store_is_held_against_the_cabinets_own_log(stored, tmp_path, edit, lost, twice):
    store, taken = stored
    confirmed(store, taken[-1])
    kept = read_store(tmp_path / "edge.db")
    events = [event for _, event in kept.events]
    own = edit(list(events))
    have = replace(kept, events=tuple(("J1", event) for event in own))
    found = asyncio.run(
        compare_with_cabinet(have, "J1", Logbook(events), restarted=False)  # type: ignore[arg-type]
    )
    assert [bool(found[0]), bool(found[1])] == [bool(lost), bool(twice)]


def test_a_planted_conflict_is_a_broken_rule(arterial):
    network = _network(arterial)
    site = network.junctions[0].intersection
    rivals = next(1 << i | mask & -mask for i, mask in enumerate(site.conflicts) if mask)
    red, both = Outputs(green=0, ending=0), Outputs(green=rivals, ending=0)
    calm = [[Sample(1_000, red), Sample(1_100, red)] for _ in network.junctions]
    job = Job(kind="cut", number=0, scenario="arterial")
    assert judge(job, network, Run(Moments(), samples=calm)).violations == ()
    calm[0].append(Sample(1_200, both))
    broken = judge(job, network, Run(Moments(), samples=calm)).violations
    assert len(broken) == 1 and Rule.CONFLICT.value in broken[0] and site.name in broken[0]


def test_recoveries_end_where_the_next_fault_begins():
    first, second = Fault(FaultKind.CUT, 2, 3, "J1"), Fault(FaultKind.CUT, 20, 3, "J1")
    moments = Moments(
        begun_s={(first, "J1"): 2.0, (second, "J1"): 20.0}, over_s={(first, "J1"): 5.0}
    )
    notes = [Seen(float(s), scheduled=not 4 <= s < 8, number=s, boot_no=1) for s in range(20)]
    notes += [Seen(float(s), scheduled=False) for s in range(20, 30)]
    (one,) = recoveries_of(moments, {"J1": notes}, {"J1": 8.0})  # the second is not over
    assert (one.left, one.back_s) == (True, 3.0)
    moments.over_s[second, "J1"] = 23.0
    (one,) = recoveries_of(moments, {"J1": notes}, {"J1": 8.0})  # and might yet come back
    moments.over_s[second, "J1"] = 21.0
    one, two = recoveries_of(moments, {"J1": notes}, {"J1": 8.0})
    assert (two.left, two.back_s) == (True, None)


def _job(arterial, broker):
    return Job(kind="stuck-on", number=0, scenario=str(arterial), seconds=40, broker=broker)


def test_a_real_run_is_clean(arterial, tmp_path):
    record = make(_job(arterial, "mosquitto"), Shelf(tmp_path, "now"))
    assert isinstance(record, RunRecord), record
    assert record.times >= 3 and record.stored > 300 and record.looks >= 200
    assert record.is_clean and len(record.recoveries) == record.times


SABOTAGE = """
import sys
from benchmarks import fault_run
from edge.receiver import LogReceiver
take = LogReceiver.take
def forgetful(self, payload):
    message, answer = take(self, payload)
    return (None if message is not None and message.seq % 5 == 0 else message), answer
LogReceiver.take = forgetful
fault_run.main()
"""


def test_a_centre_that_confirms_what_it_forgets_is_found_out(arterial, tmp_path):
    asked, answer = tmp_path / "job.json", tmp_path / "record.json"
    asked.write_text(job_text(_job(arterial, "embedded")))
    words = [sys.executable, "-c", SABOTAGE, str(asked), str(answer)]
    subprocess.run(words, cwd=ROOT, check=True, timeout=200)
    record = read_record(answer)
    assert record is not None and record.lost and not record.twice
    assert "the centre" in record.lost[0]
    assert json.loads(asked.read_text())["kind"] == record.kind


def _chosen(arterial, *, times, kinds=tuple(FaultKind)):
    from benchmarks.fault_campaign import _parser

    chosen = _parser().parse_args(["--scenario", str(arterial), "--times", str(times)])
    chosen.kinds = kinds
    return chosen


def _network(arterial):
    scenario = load_scenario(str(arterial))
    return derive_network(scenario.net_file, scenario.additional_files, FIELD, scenario.begin_s)


def _names(arterial):
    return [junction.id for junction in _network(arterial).junctions]
