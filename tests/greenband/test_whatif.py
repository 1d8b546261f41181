"""``greenband whatif`` and the states that ``greenband run --save-state`` makes for it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from tests.greenband.conftest import ROOT
from tests.greenband.crossing import build_crossing
from tests.greenband.test_bad_input import assert_one_line

NUMBER = re.compile(r"\d+\.\d")


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    return build_crossing(tmp_path_factory.mktemp("crossing"), end_s=240)


@pytest.fixture(scope="module")
def state(crossing):
    """A state of the crossing under adaptive, saved by the command."""
    path = crossing.with_name("state.xml.gz")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "greenband", "run", str(crossing), "--control", "adaptive"),
            *("--end", "120", "--save-state", f"100:{path}"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"state: {path}" in done.stderr
    return path


def test_a_ranking_with_its_page_and_its_json(greenband, crossing, state, tmp_path):
    done = greenband(
        *("whatif", crossing, "--state", state, "--controls", "fixed,adaptive"),
        *("--minutes", "1", "--seeds", "2", "--json", "out.json", "--report", "page.html"),
    )
    assert done.returncode == 0, done.stderr
    assert "from 100 s under adaptive" in done.stdout
    assert "1 min ahead" in done.stdout
    assert "4/4" in done.stderr
    answer = json.loads((tmp_path / "out.json").read_text())
    assert answer["schema"] == 1 and answer["complete"]
    assert answer["time_s"] == 100 and answer["present_control"] == "adaptive"
    best, second = answer["ranking"]
    assert best["behind_s"] is None and second["behind_s"]["n"] == 2
    assert best["delay_s"]["mean"] <= second["delay_s"]["mean"]
    assert [run["seed"] for run in best["runs"]] == [1, 2]
    assert all(row["unsafe"] == [] for row in answer["ranking"])
    page = (tmp_path / "page.html").read_text()
    assert page.count("<svg") >= 4
    assert "http" not in page.replace("http://www.w3.org", "")
    assert f"--state {state}" in page


def test_json_alone_on_standard_output(greenband, crossing):
    done = greenband(
        *("whatif", crossing, "--at", "60", "--controls", "fixed,actuated"),
        *("--minutes", "10", "--seeds", "7-7", "--json", "-"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert answer["seeds"] == [7]
    assert answer["minutes"] == 3.0, "the scenario ends before ten minutes are over"
    assert "only 3 minutes ahead" in done.stderr


def test_from_counts(greenband, crossing):
    counted = greenband("counts", crossing, "--interval", "60", "-o", "counts.csv")
    assert counted.returncode == 0, counted.stderr
    done = greenband(
        *("whatif", crossing.with_name("crossing.net.xml"), "--counts", "counts.csv"),
        *("--controls", "fixed,actuated", "--minutes", "1", "--seeds", "2", "--json", "-"),
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    vehicles = [run["vehicles"] for run in answer["ranking"][0]["runs"]]
    assert vehicles[0] != vehicles[1], "every seed draws its own vehicles"
    assert 10 < answer["vehicles"] < 70


def test_ctrl_c_shows_what_is_known(crossing, state, tmp_path):
    child = subprocess.Popen(
        [
            *(sys.executable, "-m", "greenband", "whatif", str(crossing), "--state", str(state)),
            *("--controls", "fixed,actuated", "--minutes", "1", "--seeds", "100"),
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    for line in child.stderr:
        if line.startswith("2/200"):
            break
    time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 130
    assert "stopped early" in out
    assert "fixed" in out and NUMBER.search(out)


def test_mistakes_with_a_state(inline, crossing, state, tmp_path):
    other = build_crossing(tmp_path / "other", end_s=90)
    say = ("whatif", crossing, "--controls", "fixed,adaptive")
    assert_one_line(inline(*say), 2, "which present?")
    assert_one_line(inline(*say, "--state", "no.xml"), 1, "no.xml", "no such state")
    assert_one_line(inline(*say, "--state", crossing), 1, "no state of SUMO")
    assert_one_line(inline(*say, "--state", state, "--at", "50"), 2, "--state says when it is")
    assert_one_line(inline(*say, "--at", "240"), 1, "240 s is no time between")
    assert_one_line(inline(*say, "--at", "50", "--minutes", "0"), 2, "--minutes 0")
    assert_one_line(
        inline("whatif", other, "--state", state, "--controls", "fixed,adaptive"),
        1,
        "its time, 100 s, is outside of crossing, which runs from 0 to 90 s",
    )
    assert_one_line(
        inline("whatif", "arterial", "--state", state, "--controls", "fixed,adaptive"),
        1,
        "another network",
    )


def test_mistakes_with_candidates(inline, crossing, state, tmp_path):
    base = ("whatif", crossing, "--state", state, "--controls")
    assert_one_line(inline(*base, "fixed"), 1, "only one candidate (fixed)")
    assert_one_line(inline(*base, "fixed,adaptve"), 2, "did you mean adaptive")
    assert_one_line(inline(*base, "fixed,no.json"), 2, "no.json")
    plan = {"schema": 1, "name": "p", "network": "n", "objective": "o", "zones": [], "plans": []}
    stages = [{"stage": "1", "split_ms": 20_000}, {"stage": "2", "split_ms": 20_000}]
    site = {"site": "c", "name": "p", "cycle_ms": 40_000, "offset_ms": 0, "stages": stages}
    strange = {**plan, "plans": [{**site, "site": "elsewhere"}]}
    (tmp_path / "none.json").write_text(json.dumps(strange))
    assert_one_line(inline(*base, "fixed,none.json"), 1, "none.json", "is for elsewhere")
    (tmp_path / "odd.json").write_text("{}")
    assert_one_line(inline(*base, "fixed,odd.json"), 1, "odd.json", "not valid")
    for name in ("a.json", "b.json"):
        (tmp_path / name).write_text(json.dumps({**plan, "name": name, "plans": [site]}))
    assert_one_line(inline(*base, "a.json,b.json"), 1, "a.json and b.json are the same plan")
    site["stages"][0]["split_ms"] = 1_000
    (tmp_path / "short.json").write_text(json.dumps({**plan, "plans": [site]}))
    assert_one_line(inline(*base, "fixed,short.json"), 1, "short.json")


def test_mistakes_in_saving(inline, crossing):
    for text in ("100", "100:state.txt", "x:state.xml", "-5:state.xml"):
        done = inline("run", crossing, "--save-state", text)
        assert_one_line(done, 2, "--save-state", "such as 1800:state.xml.gz")
    assert_one_line(
        inline("run", crossing, "--save-state", "999:state.xml"), 2, "runs from 0 to 240 s"
    )
