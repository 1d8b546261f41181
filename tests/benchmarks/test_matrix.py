"""The matrix of runs: kept, resumed, never made twice, and what its tables say."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.matrix import main, scales_of, seeds_of
from benchmarks.record.code_version import control_version
from benchmarks.record.plan import Matrix
from benchmarks.record.store import Failure, Store, run_key
from benchmarks.record.tables import report
from sim.arterial import build_arterial
from sim.controls import CONTROLS
from sim.convention import FIELD, RESCO
from sim.detector_faults import DetectorFaults
from sim.errors import BenchError
from sim.results import RunResult
from sim.scenario import load_scenario

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    """The first two minutes of the arterial of our own."""
    config = build_arterial(tmp_path_factory.mktemp("arterial"))
    config.write_text(config.read_text().replace('<end value="3600"/>', '<end value="120"/>'))
    return config


def arguments(arterial, store, *more):
    return [
        *("--scenarios", str(arterial), "--controls", "fixed,adaptive", "--seeds", "1-2"),
        *("--conventions", "field", "--store", str(store), *more),
    ]


@pytest.fixture(scope="module")
def finished(arterial, tmp_path_factory):
    """A store in which 2 controls x 2 seeds are done."""
    store = tmp_path_factory.mktemp("store")
    assert main(arguments(arterial, store)) == 0
    return store


def written(store):
    return {path: path.stat().st_mtime_ns for path in store.rglob("*.json")}


def test_a_finished_matrix_runs_nothing_again(arterial, finished, capsys):
    before = written(finished)
    assert len(before) == 4
    assert main(arguments(arterial, finished)) == 0
    assert written(finished) == before
    assert "4 of 4 runs are on record" in capsys.readouterr().err


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text[: len(text) // 2],
        lambda text: "[]",
        lambda text: text.replace('"delay_s"', '"delay_min"'),
        lambda text: text.replace('"seed": 1,\n  "convention"', '"seed": 9,\n  "convention"'),
    ],
)
def test_a_damaged_file_is_run_again_and_no_other(arterial, finished, damage, capsys):
    victim = sorted(finished.rglob("fixed-1-*.json"))[0]
    good = json.loads(victim.read_text())
    assert damage(victim.read_text()) != victim.read_text()
    victim.write_text(damage(victim.read_text()))
    before = written(finished)
    assert main(arguments(arterial, finished)) == 0
    after = written(finished)
    assert {path for path in after if after[path] != before[path]} == {victim}
    assert json.loads(victim.read_text())["result"]["delay_s"] == good["result"]["delay_s"]
    assert str(victim) in capsys.readouterr().err


def test_the_tables_say_who_won_and_by_how_much(arterial, finished, capsys):
    assert main(arguments(arterial, finished, "--seeds", "1-3", "--report")) == 0
    text = capsys.readouterr().out
    runs = [json.loads(path.read_text())["result"] for path in sorted(finished.rglob("*.json"))]
    ours = [run["delay_s"] for run in runs[:2]]
    fixed = [run["delay_s"] for run in runs[2:]]
    assert "4 of 6 runs are on record, of 3 seeds each" in text
    assert f"| fixed | {sum(fixed) / 2:.1f} (0/2) |" in text
    difference = (ours[0] - fixed[0] + ours[1] - fixed[1]) / 2
    assert f"| fixed | {difference:+.1f} ± " in text
    assert "(n 2)" in text
    assert "IDQN" not in text, "the field convention has nothing to do with published figures"


def test_published_learners_stand_beside_the_resco_convention(tmp_path, cologne1):
    matrix = Matrix(
        scenarios=[cologne1],
        controls={"fixed": "fixed", "max_wave_5": "max_wave_5", "adaptive": "adaptive"},
        seeds=range(1, 5),
        conventions=[RESCO],
    )
    store = Store(tmp_path)
    for cell in matrix.cells():
        delay_s = {"fixed": 50.0, "max_wave_5": 30.0, "adaptive": 20.0}[cell.label]
        locked = cell.label == "max_wave_5" and cell.spec.seed == 3
        store.keep(
            cell.spec, cell.label, a_result(cell.spec.seed, delay_s, 900 if locked else 1000)
        )
    text = report(matrix, store)
    assert "| max_wave_5 | 30.0 (1/4) |" in text
    assert "| *IDQN* (quoted) | 26.1 ± 0.6 |" in text
    assert "| best peer that sees loops or nothing | 50.0 fixed |" in text
    assert "| best of peers and learners | 26.1 IDQN |" in text
    assert "| adaptive against the best peer of all | -33 % | -33 % |" in text


def a_result(seed, delay_s, finished):
    figures = dict.fromkeys(RunResult.__dataclass_fields__, 0)
    figures |= {"seed": seed, "delay_s": delay_s, "finished": finished, "jammed": False}
    return RunResult(**figures | {"detail": None, "pedestrian_delay_s": None})


@pytest.fixture
def cologne1(arterial):
    """The arterial under a name for which figures have been published."""
    folder = arterial.parent
    config = folder / "cologne1.sumocfg"
    config.write_text(arterial.read_text())
    return load_scenario(str(config))


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM])
def test_stopped_in_the_middle_it_goes_on_from_there(arterial, tmp_path, ending):
    command = [sys.executable, "-m", "benchmarks.matrix"]
    command += arguments(arterial, tmp_path, "--seeds", "1-60", "--workers", "1")
    stopped = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while len(written(tmp_path)) < 2:
        assert stopped.poll() is None
        time.sleep(0.05)
    stopped.send_signal(ending)
    _, said = stopped.communicate(timeout=15)
    assert stopped.returncode == 130
    assert "the same command goes on" in said
    assert "Traceback" not in said
    before = written(tmp_path)
    assert not list(tmp_path.rglob("*.part"))
    assert main(arguments(arterial, tmp_path)) == 0
    assert before.items() <= written(tmp_path).items()


def test_killed_hard_it_goes_on_as_well(arterial, tmp_path):
    command = [sys.executable, "-m", "benchmarks.matrix", *arguments(arterial, tmp_path)]
    killed = subprocess.Popen(command, cwd=ROOT, stderr=subprocess.DEVNULL)
    while not written(tmp_path):
        assert killed.poll() is None
        time.sleep(0.05)
    killed.kill()
    killed.wait()
    before = written(tmp_path)
    assert main(arguments(arterial, tmp_path)) == 0
    assert len(written(tmp_path)) == 4
    assert before.items() <= written(tmp_path).items()


def test_the_budget_ends_it_between_runs(arterial, tmp_path, capsys):
    assert main(arguments(arterial, tmp_path, "--budget", "0.0001", "--workers", "1")) == 0
    assert len(written(tmp_path)) <= 1
    assert "the budget is used up" in capsys.readouterr().err


def test_a_peer_that_cannot_run_is_on_record_until_retried(arterial, tmp_path, capsys):
    matrix = Matrix(
        scenarios=[load_scenario(str(arterial))],
        controls={"fixed": "fixed"},
        seeds=[1],
        conventions=[FIELD],
    )
    store = Store(tmp_path)
    (cell,) = matrix.cells()
    store.keep(cell.spec, cell.label, Failure("its tool crashed"))
    only = [*arguments(arterial, tmp_path), "--controls", "fixed", "--seeds", "1"]
    assert main([*only, "--report"]) == 0
    assert "| fixed | cannot run |" in capsys.readouterr().out
    assert main(only) == 0
    assert store.find(cell.spec, cell.label) == Failure("its tool crashed")
    assert main([*only, "--retry"]) == 0
    assert store.find(cell.spec, cell.label).finished > 0


def test_faults_and_layout_concern_ours_only(arterial):
    matrix = Matrix(
        scenarios=[load_scenario(str(arterial))],
        controls={"fixed": "fixed", "adaptive": "adaptive"},
        seeds=[1],
        conventions=[FIELD],
        layout="stop",
        faults=DetectorFaults(share=0.1),
    )
    fixed, ours = matrix.cells()
    assert (fixed.spec.layout, fixed.spec.faults) == ("all", None)
    assert (ours.spec.layout, ours.spec.faults) == ("stop", matrix.faults)


def test_a_key_depends_on_what_the_figures_depend_on(arterial, tmp_path):
    matrix = Matrix(
        scenarios=[load_scenario(str(arterial)), load_scenario(str(arterial), end_s=100)],
        controls={"fixed": "fixed", "adaptive": "adaptive"},
        seeds=[1, 2],
        conventions=[FIELD, RESCO],
        scales=[1.0, 2.0],
    )
    keys = [json.dumps(run_key(cell.spec), sort_keys=True) for cell in matrix.cells()]
    assert len(set(keys)) == len(keys) == 32
    assert str(arterial.parent) not in keys[0]


def test_peers_keep_their_version_when_our_control_changes(tmp_path):
    """In a copy of the code: a comment changes nothing, our control only ours, metrics all."""
    for room in ("controller", "optimizer", "sim", "benchmarks"):
        for source in (ROOT / room).rglob("*"):
            if source.suffix in {".py", ".pyx", ".pxd", ".so"}:
                target = tmp_path / source.relative_to(ROOT)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(source.read_bytes())

    def versions():
        program = (
            "from benchmarks.record.code_version import control_version as v\n"
            "from sim.controls import CONTROLS\n"
            "print(v(CONTROLS['fixed']), v(CONTROLS['max_wave_5']), v(CONTROLS['adaptive']))"
        )
        environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
        command = [sys.executable, "-c", program]
        return subprocess.check_output(command, cwd=tmp_path, env=environment, text=True).split()

    def append(name, text):
        with (tmp_path / name).open("a") as file:
            file.write(text)

    base = versions()
    assert len(set(base)) == 3
    append("optimizer/adaptive_plan.py", "\n# a remark\n")
    assert versions() == base
    append("optimizer/adaptive_plan.py", "\nNOVELTY = 1\n")
    ours_changed = versions()
    assert ours_changed[:2] == base[:2]
    assert ours_changed[2] != base[2]
    append("sim/controls/__init__.py", "\nSETTING = 1\n")
    assert versions()[:2] == base[:2]
    assert versions()[2] != ours_changed[2]
    ours_changed = versions()
    append("optimizer/_splits_kernel.pyx", "\n# kernels count byte by byte\n")
    assert versions()[2] != ours_changed[2]
    append("sim/metrics.py", "\nNOVELTY = 1\n")
    assert not set(versions()) & {*base, *ours_changed}


def test_every_control_has_a_version():
    assert all(len(control_version(control)) == 16 for control in CONTROLS.values())


def test_words_of_the_command_line():
    assert seeds_of("1-3,7,2") == (1, 2, 3, 7)
    assert scales_of("0.5,1,2") == (0.5, 1.0, 2.0)
    for text in ("", "a", "3-1", "1-"):
        with pytest.raises(BenchError, match="give them as 1-10"):
            seeds_of(text)
    for text in ("0", "-1", "nan", "inf", "x"):
        with pytest.raises(BenchError, match="factors of the demand"):
            scales_of(text)


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--controls", "adaptiv", "unknown control 'adaptiv'"),
        ("--conventions", "fied", "unknown convention"),
        ("--layout", "stopp", "unknown layout 'stopp'"),
        ("--failed-detectors", "1.5", "give a share"),
        ("--scenarios", "cologne9", "unknown scenario"),
    ],
)
def test_a_wrong_word_is_one_sentence(arterial, tmp_path, option, value, said, capsys):
    assert main([*arguments(arterial, tmp_path), option, value]) == 1
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
