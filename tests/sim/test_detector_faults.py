"""Broken detectors and thinner layouts: who is hit, what is read, and that runs notice."""

from __future__ import annotations

import dataclasses

import pytest

from controller.detection import SiteReadings
from controller.intersection import DetectorRole
from sim.detector_faults import (
    DetectorFaults,
    FaultKind,
    FaultyDetectors,
    draw_faults,
    parse_faults,
)
from sim.detector_layout import LAYOUTS, with_layout
from sim.errors import BenchError, ScenarioError
from sim.network import derive_network, loop_additional
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario

SITES = (20, 0, 30, 50)


def hit(broken):
    return {(k, d) for k, site in enumerate(broken) for d in site}


def test_a_share_hits_so_many_and_the_same_ones_every_time():
    faults = DetectorFaults(share=0.1, seed=3)
    broken = draw_faults(SITES, faults)
    assert len(hit(broken)) == 10
    assert draw_faults(SITES, faults) == broken
    assert draw_faults(SITES, DetectorFaults(share=0.1, seed=4)) != broken
    assert all(0 <= d < SITES[k] for k, d in hit(broken))
    assert len(hit(draw_faults(SITES, DetectorFaults(share=1.0)))) == 100
    assert len(hit(draw_faults((3, 2), DetectorFaults(share=0.01)))) == 1


def test_every_kind_of_fault_occurs():
    kinds = {k for site in draw_faults(SITES, DetectorFaults(share=0.5)) for k in site.values()}
    assert kinds == set(FaultKind)
    only = DetectorFaults(share=0.5, kinds=(FaultKind.STUCK_ON,))
    assert {k for site in draw_faults(SITES, only) for k in site.values()} == {FaultKind.STUCK_ON}


def test_a_junction_fails_as_a_whole_and_no_other():
    chosen = set()
    for seed in range(20):
        broken = draw_faults(SITES, DetectorFaults(junctions=1, seed=seed))
        (site,) = [k for k, each in enumerate(broken) if each]
        assert len(broken[site]) == SITES[site]
        chosen.add(site)
    assert chosen == {0, 2, 3}, "a site without detectors cannot lose them"


@pytest.mark.parametrize(
    ("kind", "entered", "occupied"),
    [
        (FaultKind.MISSING, None, None),
        (FaultKind.STUCK_ON, 0, True),
        (FaultKind.STUCK_OFF, 0, False),
    ],
)
def test_what_a_broken_detector_reports(kind, entered, occupied):
    faulty = FaultyDetectors([2], DetectorFaults(share=0.5, kinds=(kind,)))
    (broken,) = faulty.broken
    (d,) = broken
    true = SiteReadings((1, 1), (1, 1), (True, False))
    (seen,) = faulty.report([true])
    assert (seen.entered[d], seen.left[d], seen.occupied[d]) == (entered, entered, occupied)
    other = 1 - d
    assert (seen.entered[other], seen.occupied[other]) == (1, true.occupied[other])
    if kind is FaultKind.MISSING:
        assert seen.masks()[2] == 1 << d


def test_a_chattering_detector_pulses_when_nobody_passes():
    faulty = FaultyDetectors([1], DetectorFaults(share=1.0, kinds=(FaultKind.CHATTERING,)))
    quiet = SiteReadings((0,), (0,), (False,))
    reports = [faulty.report([quiet])[0] for _ in range(60)]
    assert all(report.entered[0] >= 2 for report in reports)
    assert {report.occupied[0] for report in reports} == {True, False}
    again = FaultyDetectors([1], DetectorFaults(share=1.0, kinds=(FaultKind.CHATTERING,)))
    assert [again.report([quiet])[0] for _ in range(60)] == reports


def test_sites_that_work_are_passed_on_untouched():
    faulty = FaultyDetectors([1, 1], DetectorFaults(junctions=1, seed=1))
    readings = [SiteReadings((1,), (0,), (True,)), SiteReadings((1,), (0,), (True,))]
    seen = faulty.report(readings)
    assert sum(a is b for a, b in zip(seen, readings, strict=True)) == 1


def test_words_of_the_command_line():
    assert parse_faults("0.1", 7) == DetectorFaults(share=0.1, seed=7)
    missing = parse_faults("0.1:missing+stuck-off")
    assert missing.kinds == (FaultKind.MISSING, FaultKind.STUCK_OFF)
    junction = DetectorFaults(junctions=1, kinds=(FaultKind.MISSING,))
    assert parse_faults("junction") == junction
    texts = {str(f) for f in (missing, junction, DetectorFaults(share=0.1), parse_faults("0.2"))}
    assert len(texts) == 4
    for wrong in ("1.1", "-0.1", "nan", "some", ""):
        with pytest.raises(ScenarioError, match="give a share"):
            parse_faults(wrong)
    with pytest.raises(ScenarioError, match="unknown fault 'rusty'"):
        parse_faults("0.1:rusty")


@pytest.fixture(scope="module")
def network(cologne8):
    return derive_network(cologne8.net_file)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_layout_keeps_loops_and_detectors_aligned(network, layout):
    thinner = with_layout(network, layout)
    for junction, full in zip(thinner.junctions, network.junctions, strict=True):
        detectors = junction.intersection.detectors
        assert {detector.role for detector in detectors} <= LAYOUTS[layout]
        assert [loop.detector for loop in junction.loops] == list(range(len(junction.loops)))
        assert len(detectors) == len(junction.loops) + len(junction.buttons)
        names = {loop.id: full.intersection.detectors[loop.detector] for loop in full.loops}
        assert [names[loop.id] for loop in junction.loops] == list(detectors)
    assert (loop_additional(thinner) == loop_additional(network)) == (layout == "all")


def test_layouts_grow(network):
    def loops(layout):
        junctions = with_layout(network, layout).junctions
        return sum(len(junction.loops) for junction in junctions)

    assert 0 < loops("stop") < loops("stop+advance") < loops("all")
    roles = {d.role for d in network.junctions[0].intersection.detectors}
    assert DetectorRole.ENTRY in roles
    with pytest.raises(ScenarioError, match="unknown layout 'most'"):
        with_layout(network, "most")


def test_runs_with_faults_repeat_and_differ_from_those_without(crossroads):
    spec = RunSpec(scenario=load_scenario(str(crossroads)), control="adaptive")
    whole = run_once(spec)
    faulty = dataclasses.replace(spec, faults=DetectorFaults(share=0.5, seed=2))
    first, second = run_once(faulty), run_once(faulty)
    assert first.delay_s == second.delay_s
    assert first.delay_s != whole.delay_s
    dark = dataclasses.replace(spec, faults=parse_faults("junction"))
    assert run_once(dark).finished > 0.9 * whole.finished
    thin = dataclasses.replace(spec, layout="stop")
    assert run_once(thin).delay_s != whole.delay_s
    with pytest.raises(BenchError, match="unknown layout"):
        run_once(dataclasses.replace(spec, layout="none"))
    fixed = dataclasses.replace(spec, control="fixed")
    faulty_fixed = dataclasses.replace(fixed, faults=DetectorFaults(share=1.0))
    assert run_once(faulty_fixed).delay_s == run_once(fixed).delay_s, "a plan has no detectors"
