"""Runs in processes of their own: what they measure, and every way in which one may end early."""

from __future__ import annotations

import dataclasses
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

from sim.convention import FIELD, RESCO
from sim.errors import SumoError
from sim.run import Runs, RunSpec, run_once
from sim.scenario import load_scenario
from sim.sumo_home import sumo_binary


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where runs put their scratch folders; every test here must leave it empty."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def spec(crossroads, scratch):
    return RunSpec(scenario=load_scenario(str(crossroads)), control="fixed")


def test_same_seed_same_figures(spec):
    first, second = run_once(spec), run_once(spec)
    assert first.scheduled > 100
    assert first.finished + first.undeparted <= first.scheduled
    assert first.delay_s >= first.depart_delay_s >= 0
    assert first.co2_g_per_trip > 0
    assert not first.jammed
    timeless = {"wall_s": 0.0, "control_ms_per_step": 0.0}
    assert dataclasses.replace(first, **timeless) == dataclasses.replace(second, **timeless)


def test_seed_scale_and_convention_matter(spec):
    base = run_once(spec)
    assert run_once(dataclasses.replace(spec, seed=2)).delay_s != base.delay_s
    half = run_once(dataclasses.replace(spec, scale=0.5))
    assert base.scheduled * 0.4 < half.scheduled < base.scheduled * 0.6
    assert run_once(dataclasses.replace(spec, convention=RESCO)).delay_s != base.delay_s
    assert spec.convention is FIELD


def test_half_second_steps_give_nearly_the_same_delay(spec):
    coarse = run_once(spec)
    scenario = dataclasses.replace(spec.scenario, step_s=0.5)
    fine = run_once(dataclasses.replace(spec, scenario=scenario))
    assert fine.scheduled == coarse.scheduled
    assert fine.delay_s == pytest.approx(coarse.delay_s, rel=0.25)


def test_traci_gives_what_libsumo_gives(spec):
    assert run_once(dataclasses.replace(spec, link="traci")).delay_s == run_once(spec).delay_s


def test_a_sumo_that_waits_elsewhere_is_taken_over(spec):
    """The waiting SUMO is started on another window; ours replaces it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    waiting = subprocess.Popen(
        [
            *(str(sumo_binary("sumo")), "-c", str(spec.scenario.config_file), "--end", "9"),
            *("--remote-port", str(port), "--no-step-log"),
        ],
        stdout=subprocess.DEVNULL,
    )
    try:
        remote = run_once(dataclasses.replace(spec, link=f"127.0.0.1:{port}"))
    finally:
        waiting.kill()
        waiting.wait()
    assert remote.delay_s == run_once(spec).delay_s


@pytest.mark.parametrize("link", ["carrier-pigeon", "127.0.0.1:1"])
def test_links_that_lead_nowhere(spec, link):
    with pytest.raises(SumoError, match=r"unknown link|no SUMO answers"):
        run_once(dataclasses.replace(spec, link=link))


def test_the_configurations_own_outputs_stay_unwritten(crossroads, tmp_path, scratch):
    for path in crossroads.parent.iterdir():
        shutil.copy(path, tmp_path)
    config = tmp_path / "chatty.sumocfg"
    text = crossroads.read_text().replace(
        "</configuration>",
        '<output><tripinfo-output value="mine.xml"/><fcd-output value="fcd.xml"/></output>'
        "</configuration>",
    )
    config.write_text(text)
    assert run_once(RunSpec(scenario=load_scenario(str(config)), control="fixed")).scheduled
    assert not list(tmp_path.glob("mine.xml")) + list(tmp_path.glob("fcd.xml"))


def test_a_route_that_breaks_mid_run_is_one_sentence(spec, tmp_path):
    routes = tmp_path / "broken.rou.xml"
    routes.write_text(
        '<routes><trip id="good" depart="0" from="A1B1" to="B1C1"/>'
        '<trip id="bad" depart="300" from="A1B1" to="nowhere"/></routes>'
    )
    scenario = dataclasses.replace(spec.scenario, route_files=(routes,))
    with pytest.raises(SumoError, match=r"crossroads, fixed, seed 1: .*nowhere") as caught:
        run_once(dataclasses.replace(spec, scenario=scenario))
    assert "\n" not in str(caught.value)


def test_a_killed_run_names_itself(spec):
    runs = Runs()
    caught = []

    def run():
        try:
            run_once(spec, runs)
        except SumoError as error:
            caught.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    time.sleep(0.3)
    runs.stop()
    thread.join(10)
    assert len(caught) == 1
    assert caught[0].startswith("crossroads, fixed, seed 1: ")
    assert "SIGKILL" in caught[0]


def test_a_full_disk_is_said_to_be_one(spec):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
    try:
        with pytest.raises(SumoError, match=r"disk .*full"):
            run_once(spec)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_comparison_leaves_nothing_running(crossroads, scratch, ending):
    program = (
        "from sim.compare import compare; from sim.scenario import load_scenario\n"
        f"compare(load_scenario({str(crossroads)!r}, end_s=10_000_000), ['fixed'], [1, 2])"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.DEVNULL,
    )
    _wait_for(lambda: len(_workers(scratch)) == 2)
    parent.send_signal(ending)
    parent.wait(10)
    _wait_for(lambda: not _workers(scratch) and not list(scratch.iterdir()))


def _workers(scratch):
    """Processes that work in *scratch*, found by their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"sim.worker" in path.read_bytes() and str(scratch).encode() in path.read_bytes():
                found.append(path)
        except OSError:
            continue
    return found


def _wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.1)
