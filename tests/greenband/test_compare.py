import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter, with_config
from typing_extensions import TypedDict

from tests.greenband.conftest import ROOT
from tests.greenband.crossing import build_crossing

STRICT = {"extra": "allow", "strict": True}


@with_config(STRICT)
class Run(TypedDict):
    """The keys that were promised first; keys may be added, but documented."""

    seed: int
    scheduled: int
    finished: int
    undeparted: int
    delay_s: float | None
    time_loss_s: float | None
    depart_delay_s: float | None
    waiting_s: float | None
    stops: float | None
    p95_time_loss_s: float | None
    max_waiting_s: float | None
    co2_g_per_trip: float | None
    jammed: bool
    control_ms_per_step: float | None
    wall_s: float | None


@with_config(STRICT)
class Control(TypedDict):
    name: str
    sees: str
    runs: list[Run]


@with_config(STRICT)
class Document(TypedDict):
    schema: int
    scenario: str
    convention: str
    sumo: str
    controls: list[Control]


def every_key(value):
    if isinstance(value, dict):
        return set(value).union(*map(every_key, value.values()))
    return set().union(*map(every_key, value)) if isinstance(value, list) else set()


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    return build_crossing(tmp_path_factory.mktemp("crossing"))


def test_json_is_the_documented_schema_and_nothing_else_on_standard_output(greenband, crossing):
    result = greenband("compare", crossing, "--seeds", "2,5", "--scale", "0.5", "--json", "-")
    assert result.returncode == 0, result.stderr
    document = TypeAdapter(Document).validate_json(result.stdout)
    documented = (ROOT / "docs" / "compare-json.md").read_text()
    for key in every_key(json.loads(result.stdout)):
        assert f"`{key}`" in documented or f'"{key}"' in documented, f"{key} is not documented"
    assert document["schema"] == 1
    assert (document["scenario"], document["convention"]) == ("crossing", "field")
    assert document["scale"] == 0.5
    assert [control["name"] for control in document["controls"]] == [
        "fixed",
        "actuated",
        "adaptive",
    ]
    for control in document["controls"]:
        assert [run["seed"] for run in control["runs"]] == [2, 5]
        assert all(run["finished"] <= run["scheduled"] > 0 for run in control["runs"])


def test_the_table_the_report_and_how_to_repeat_it(greenband, crossing, tmp_path):
    result = greenband("compare", crossing, "--seeds", "2", "--json", "c.json")
    assert result.returncode == 0, result.stderr
    for word in ("adaptive", "vs fixed", "±", "finished", "6/6"):
        assert word in result.stdout + result.stderr
    report = tmp_path / "out" / "crossing-report.html"
    assert str(report.relative_to(tmp_path)) in result.stderr
    assert "greenband compare" in report.read_text()
    assert sorted(each.name for each in (tmp_path / "out").iterdir()) == [report.name]
    document = json.loads((tmp_path / "c.json").read_text())
    shown = [c["runs"][0]["delay_s"] for c in document["controls"]]
    assert all(isinstance(each, float) for each in shown)


def test_a_narrow_terminal_gets_the_main_columns(greenband, crossing):
    words = ("run", crossing, "--control", "fixed")
    narrow = greenband(*words, env={"COLUMNS": "60"})
    assert narrow.returncode == 0, narrow.stderr
    assert max(map(len, narrow.stdout.splitlines()[2:6])) <= 60
    assert "delay s" in narrow.stdout


def test_one_run_is_one_seed_of_one_control(greenband, crossing):
    result = greenband("run", crossing, "--control", "actuated", "--seed", "7", "--json", "-")
    document = json.loads(result.stdout)
    assert [control["name"] for control in document["controls"]] == ["actuated"]
    assert [run["seed"] for run in document["controls"][0]["runs"]] == [7]
    assert greenband("run", crossing, "--control", "fixed,actuated").returncode == 2


def test_a_window_without_traffic_has_missing_figures_and_not_zeros(greenband, crossing):
    words = ("compare", crossing, "--control", "fixed", "--seeds", "1", "--begin", "290")
    result = greenband(*words, "--end", "291", "--json", "-")
    assert "Traceback" not in result.stderr
    assert "NaN" not in result.stdout


def test_ctrl_c_leaves_nothing_behind(tmp_path):
    config = build_crossing(tmp_path / "s", end_s=50_000)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    process = subprocess.Popen(
        [sys.executable, "-m", "greenband", "compare", config, "--json", "c.json"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while not list(scratch.glob("greenband-*/trips.xml")):
        assert time.monotonic() < deadline, "no run has begun"
        assert process.poll() is None, process.communicate()
        time.sleep(0.1)
    workers = children(process.pid)
    assert workers
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert out == ""
    assert err.splitlines()[-1] == "greenband: stopped"
    assert "Traceback" not in err
    assert not list(scratch.iterdir())
    assert not (tmp_path / "c.json").exists()
    assert not list((tmp_path / "out").iterdir())
    assert not any(Path(f"/proc/{pid}/cmdline").exists() for pid in workers)


def children(pid):
    """Process ids of the workers that *pid* has started."""
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [child for each in found for child in each.read_text().split()]
