"""The open peer: what it is told about a network, and that it runs where it is installed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from benchmarks.its_peer import ITS_CONTROLS, REACH_M, is_installed, its_sites
from sim.catalogue import fetch_scenario
from sim.controls import find_control
from sim.convention import RESCO
from sim.errors import BenchError
from sim.network.net_file import read_net
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario

ROOT = Path(__file__).parents[2]
REFERENCE_DELAY_S = {"its_flex": 25.9, "its_fix": 61.2, "its_scoot": 61.6}
"""Medians over seeds on cologne8, RESCO's convention, measured independently of this bench."""


@pytest.fixture(scope="module")
def cologne8():
    fetch_scenario("cologne8")
    return load_scenario("cologne8")


def test_stages_of_a_real_network(cologne8):
    net = read_net(cologne8.net_file)
    sites = its_sites(net, cologne8)
    assert len(sites) == 7, "eight signals, one of them with nothing to choose"
    for site in sites:
        assert len(site.greens) == len(site.yellows) == len(site.lanes) > 1
        assert site.phases == [2 * k for k in range(len(site.greens))]
        for green, yellow, lanes in zip(site.greens, site.yellows, site.lanes, strict=True):
            assert lanes
            assert {a for a, b in zip(green, yellow, strict=True) if b == "y"} <= {"G", "g"}
    near = {lane for site in sites for stage in site.lanes for lane in stage}
    assert any(net.lanes[lane].length_m < REACH_M for lane in near), "views reach past stubs"


@pytest.mark.parametrize("name", ITS_CONTROLS)
def test_its_delay_is_near_that_of_the_reference(cologne8, name):
    spec = RunSpec(scenario=cologne8, control=ITS_CONTROLS[name], convention=RESCO)
    if not is_installed():
        with pytest.raises(BenchError, match="not installed"):
            run_once(spec)
        return
    run = run_once(spec)
    assert run.scheduled == 2046
    assert run.delay_s == pytest.approx(REFERENCE_DELAY_S[name], rel=0.2)


def test_nothing_but_the_bench_script_names_it():
    for room in ("controller", "optimizer", "firmware_bridge", "edge", "sim", "greenband"):
        for source in (ROOT / room).rglob("*.py"):
            tree = ast.parse(source.read_text())
            names = {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
            names |= {n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)}
            assert not {name for name in names if name.startswith(("sumoITS", "benchmarks"))}


def test_a_control_from_elsewhere_is_found_or_named():
    assert find_control(ITS_CONTROLS["its_flex"]).name == "its_flex"
    assert find_control("fixed").name == "fixed"
    for wrong in ("benchmarks.its_peer:NOTHING", "no.such.module:X", "benchmarks.its_peer:REACH_M"):
        with pytest.raises(BenchError, match=wrong.replace(".", r"\.")):
            find_control(wrong)
