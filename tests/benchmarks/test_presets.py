"""The presets: what they run, what their tables say of fewer detectors, waits and throughput."""

from __future__ import annotations

import pytest

from benchmarks.matrix import main, matrix_of, parsed
from benchmarks.presets import PRESETS
from benchmarks.record.plan import Detection, Matrix
from benchmarks.record.store import Store
from benchmarks.record.tables import report
from sim.arterial import build_arterial
from sim.controls import CONTROLS, SEE_LOOPS_OR_NOTHING
from sim.convention import FIELD
from sim.detector_faults import DetectorFaults, FaultKind
from sim.results import RunResult
from sim.scenario import load_scenario


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    """The first minute of the arterial, under the name of a scenario with more seeds."""
    config = build_arterial(tmp_path_factory.mktemp("arterial"))
    path = config.with_name("cologne1.sumocfg")
    path.write_text(config.read_text().replace('<end value="3600"/>', '<end value="60"/>'))
    return path


def of_preset(config, name, *more):
    return matrix_of(parsed(["--preset", name, "--scenarios", str(config), *more], "about"))


def test_main_has_every_control_both_conventions_and_more_seeds_where_they_differ(config):
    matrix = of_preset(config, "main")
    assert set(CONTROLS) <= set(matrix.controls)
    assert [each.name for each in matrix.conventions] == ["field", "resco"]
    assert matrix.seeds_of(matrix.scenarios[0]) == tuple(range(1, 21))
    other = load_scenario(str(config.with_name("arterial.sumocfg")))
    assert matrix.seeds_of(other) == tuple(range(1, 11))
    assert len(list(matrix.cells())) == 20 * 2 * len(matrix.controls)


def test_options_change_a_preset(config):
    matrix = of_preset(config, "main", "--seeds", "1-2", "--controls", "fixed")
    assert matrix.seeds_of(matrix.scenarios[0]) == (1, 2)
    assert list(matrix.controls) == ["fixed"]
    matrix = of_preset(config, "failures", "--faults-seed", "7", "--controls", "adaptive_failed_10")
    assert matrix.detection["adaptive_failed_10"].faults == DetectorFaults(share=0.1, seed=7)
    assert list(matrix.detection) == ["adaptive_failed_10"]


def test_layouts_are_run_beside_every_peer_that_sees_loops(config):
    matrix = of_preset(config, "layouts")
    assert set(matrix.controls) >= SEE_LOOPS_OR_NOTHING
    layouts = {cell.label: cell.spec.layout for cell in matrix.cells()}
    assert layouts["adaptive"] == layouts["actuated"] == "all"
    assert layouts["adaptive_stop"] == "stop"
    assert {cell.spec.control for cell in matrix.cells() if "adaptive" in cell.label} == {
        "adaptive"
    }


def test_failures_hit_a_tenth_a_junction_and_everything(config):
    matrix = of_preset(config, "failures")
    faults = {cell.label: cell.spec.faults for cell in matrix.cells()}
    assert faults["fixed"] is faults["adaptive"] is None
    assert faults["adaptive_failed_10"].share == 0.1
    assert faults["adaptive_failed_10"].kinds == tuple(FaultKind)
    assert faults["adaptive_blind_junction"].junctions == 1
    assert faults["adaptive_blind"].share == 1


def test_demand_is_halved_and_doubled(config):
    assert of_preset(config, "demand").scales == (0.5, 1.3, 2.0)


def test_the_help_says_how_long_each_preset_takes(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    said = capsys.readouterr().out
    for name, preset in PRESETS.items():
        assert f"{name:<10} about {preset.hours:g} h" in said


def test_a_preset_runs_and_its_tables_name_every_row(config, tmp_path, capsys):
    only = [
        *("--preset", "failures", "--scenarios", str(config), "--seeds", "1"),
        *("--store", str(tmp_path)),
    ]
    assert main(only) == 0
    assert "[5/5]" in capsys.readouterr().err
    assert main([*only, "--report"]) == 0
    text = capsys.readouterr().out
    assert "5 of 5 runs are on record, of 1 seeds each" in text
    assert "`adaptive_blind` has all loops, failed detectors: 1:missing seed 1." in text
    assert "| adaptive_failed_10 against adaptive |" in text
    assert "| adaptive_blind against fixed |" in text


def kept(config, tmp_path, figures, **more):
    """The tables of runs with *figures* by label: (delay, p95 wait, longest wait, finished)."""
    scenario = load_scenario(str(config))
    matrix = Matrix(
        scenarios=[scenario],
        controls={label: label.split("_stop")[0] for label in figures},
        seeds=[1, 2],
        conventions=[FIELD],
        **more,
    )
    store = Store(tmp_path)
    for cell in matrix.cells():
        delay_s, p95_s, longest_s, finished = figures[cell.label]
        values = dict.fromkeys(RunResult.__dataclass_fields__, 0) | {
            "seed": cell.spec.seed,
            "delay_s": delay_s,
            "p95_waiting_s": p95_s,
            "max_waiting_s": longest_s,
            "finished": finished,
            "jammed": cell.label == "adaptive" and cell.spec.seed == 2,
            "detail": None,
            "pedestrian_delay_s": None,
        }
        store.keep(cell.spec, cell.label, RunResult(**values))
    return matrix, store


def test_waits_and_throughput_stand_beside_the_right_peer(config, tmp_path):
    figures = {
        "fixed": (50.0, 10, 40, 980),
        "actuated": (40.0, 30, 90, 960),
        "max_wave_5": (20.0, 40, 200, 990),
        "adaptive": (18.0, 20, 100, 1000),
    }
    text = report(*kept(config, tmp_path, figures))
    assert "| best peer that sees loops or nothing | 40.0 actuated |" in text
    assert "| best peer that sees more | 20.0 max_wave_5 |" in text
    assert "| adaptive against the best peer of all | -10 % | -10 % | -10 % |" in text
    assert "| peer of least delay: p95 of wait, s | 40 max_wave_5 |" in text
    assert "| adaptive against it: p95 of wait, s | -50 % |" in text
    assert "| adaptive against it: longest wait, s | -50 % |" in text
    assert "| most of any peer | 990 max_wave_5 |" in text
    assert "| adaptive against it | +1.0 % | +1.0 % | +1.0 % |" in text


def test_fewer_detectors_are_held_against_all_and_the_plan(config, tmp_path):
    figures = {"fixed": (50.0, 1, 1, 1), "adaptive": (20.0, 1, 1, 1), "adaptive_stop": (21.0,) * 4}
    detection = {"adaptive_stop": Detection(layout="stop")}
    text = report(*kept(config, tmp_path, figures, detection=detection))
    assert "| adaptive_stop against adaptive | +5.0 % | +5.0 % | +5.0 % |" in text
    assert "| adaptive_stop against fixed | -58.0 % |" in text
    assert "`adaptive_stop` has loops of `stop` only." in text


def test_jammed_runs_are_counted_and_ours_explained(config, tmp_path):
    figures = {"fixed": (50.0, 1, 1, 1), "adaptive": (20.0, 1, 1, 1)}
    matrix, store = kept(config, tmp_path, figures)
    text = report(matrix, store)
    assert "| adaptive | 1/2 | 1/2 |" in text
    assert "| fixed | 0/2 | 0/2 |" in text
    assert "- cologne1 field adaptive seed 2: not looked into yet" in text
    jammed = next(c for c in matrix.cells() if c.label == "adaptive" and c.spec.seed == 2)
    store.keep_note(jammed.spec, jammed.label, "two vehicles block each other\nmore")
    text = report(matrix, store)
    assert "- cologne1 field adaptive seed 2: two vehicles block each other\n" in text


def test_nothing_gets_below_the_bound(config, tmp_path, capsys):
    call = [
        *("--scenarios", str(config), "--controls", "bound,adaptive,fixed", "--seeds", "1"),
        *("--conventions", "field", "--store", str(tmp_path)),
    ]
    assert main(call) == 0
    capsys.readouterr()
    matrix = matrix_of(parsed(call, "about"))
    store = Store(tmp_path)
    delays = {cell.label: store.find(cell.spec, cell.label).delay_s for cell in matrix.cells()}
    assert 0 < delays["bound"] < min(delays["adaptive"], delays["fixed"])
    assert "bound" not in of_preset(config, "main").controls
