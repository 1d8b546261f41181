"""Trials of settings: what may be tried, on which seeds, and what comes out of them."""

from __future__ import annotations

import math
import random

import pytest

from benchmarks.matrix import make_runs
from benchmarks.record.code_version import control_version
from benchmarks.record.plan import Matrix
from benchmarks.record.store import Store, run_key
from benchmarks.trials import cities, development_seeds, main
from benchmarks.tuning.cross_validation import chances, leave_one_out, verdict
from benchmarks.tuning.settings import candidates, defaults, settings_of, where
from benchmarks.tuning.tables import report, sentence
from optimizer.tactical import TacticalSettings
from sim.arterial import build_arterial
from sim.controls import find_control
from sim.convention import FIELD, RESCO
from sim.errors import BenchError
from sim.results import RunResult
from sim.run import RunSpec
from sim.scenario import load_scenario


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory):
    """The first two minutes of the arterial, and its first minute and a half."""
    config = build_arterial(tmp_path_factory.mktemp("arterial"))
    text = config.read_text()
    paths = []
    for name, end_s in (("longer", 120), ("shorter", 90)):
        path = config.with_name(f"{name}.sumocfg")
        path.write_text(text.replace('<end value="3600"/>', f'<end value="{end_s}"/>'))
        paths.append(str(path))
    return paths


def test_one_setting_at_a_time_and_the_grid():
    usual = TacticalSettings()
    tries = [f"horizon_s=41,{usual.horizon_s}", "search.beam=9,3", "max_wait_s=77.5"]
    assert candidates(tries) == (
        *("horizon_s=41", "search.beam=9", "search.beam=3", "max_wait_s=77.5"),
    )
    assert candidates(tries[:2], grid=True) == (
        *("horizon_s=41,search.beam=9", "horizon_s=41,search.beam=3"),
        *("search.beam=9", "search.beam=3"),
    )
    found = settings_of("horizon_s=41,search.beam=9,platoons=false")
    assert (found.horizon_s, found.search.beam, found.platoons) == (41, 9, False)
    assert found.max_green_s == usual.max_green_s


def test_equal_values_are_one_candidate():
    assert candidates(["max_wait_s=91", "max_wait_s=91.0,9.1e1"]) == ("max_wait_s=91",)


def test_every_setting_can_be_named():
    for name, value in defaults().items():
        assert candidates([f"{name}={str(value).lower()}"]) == (), f"{name} is its default"
        other = str(not value).lower() if isinstance(value, bool) else f"{value + 1:g}"
        (label,) = candidates([f"{name}={other}"])
        assert settings_of(label) != TacticalSettings()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("horizon=40", "unknown setting 'horizon'"),
        ("horizon_s", "cannot be ''"),
        ("horizon_s=4.5", "give a whole number"),
        ("max_wait_s=nan", "give a number"),
        ("max_wait_s=-1", "give a number"),
        ("platoons=1", "give a true or false"),
        ("search.beam=65", "65 is not in 1..64"),
    ],
)
def test_a_wrong_setting_is_one_sentence(text, said):
    with pytest.raises(BenchError, match=said):
        candidates([text])


def test_settings_are_part_of_the_key(scenarios):
    scenario = load_scenario(scenarios[0])
    keys = [
        run_key(RunSpec(scenario=scenario, control=where(label), seed=101))
        for label in ("adaptive", "horizon_s=40", "horizon_s=41")
    ]
    assert len({key["control"] for key in keys}) == 3
    assert keys[1]["code"] == keys[2]["code"] == control_version(find_control("adaptive"))


def test_settings_reach_the_run(scenarios, tmp_path):
    """A search that looks 3 s ahead gives other figures; how long its answers live does not."""
    scenario = load_scenario(scenarios[0])
    labels = ("adaptive", *candidates(["horizon_s=3", "ttl_ms=6001"]))
    matrix = Matrix(
        scenarios=[scenario],
        controls={label: where(label) for label in labels},
        seeds=[101],
        conventions=[FIELD],
    )
    store = Store(tmp_path)
    assert make_runs(matrix, store, say=print).failed == 0
    delays = {cell.label: store.find(cell.spec, cell.label).delay_s for cell in matrix.cells()}
    assert delays.keys() == {"adaptive", "horizon_s=3", "ttl_ms=6001"}
    assert delays["horizon_s=3"] != delays["adaptive"]
    assert delays["ttl_ms=6001"] == delays["adaptive"], "the search runs every second"


@pytest.mark.parametrize("seeds", ["1-3", "20", "101,7"])
def test_nobody_tunes_on_what_is_measured(scenarios, tmp_path, seeds, capsys):
    only = ["--scenarios", ",".join(scenarios), "--cities", "none", "--store", str(tmp_path)]
    assert main([*only, "--try", "horizon_s=41", "--seeds", seeds]) == 1
    error = capsys.readouterr().err
    assert "are for measuring" in error
    assert error.count("\n") == 1
    assert not list(tmp_path.iterdir())
    assert development_seeds("21,101-103") == (21, 101, 102, 103)


def test_it_runs_reports_and_goes_on(scenarios, tmp_path, capsys):
    call = [
        *("--scenarios", ",".join(scenarios), "--cities", "none", "--store", str(tmp_path)),
        *("--seeds", "101", "--try", "horizon_s=3"),
    ]
    assert main([*call, "--report"]) == 1, "nothing is on record yet"
    assert "no settings have a run on every scenario" in capsys.readouterr().err
    assert main(call) == 0
    first = capsys.readouterr()
    assert "[4/4]" in first.err
    assert "| longer |" in first.out
    assert first.out.splitlines()[-1].startswith(("No: ", "Yes: "))
    assert main(call) == 0
    again = capsys.readouterr()
    assert "4 of 4 runs are on record" in again.err
    assert again.out == first.out


def test_a_city_is_generated_once(tmp_path):
    (city,) = cities("old_town", [3], tmp_path)
    written = city.net_file.stat().st_mtime_ns
    assert city.name == "old_town-3"
    assert cities("old_town", [3], tmp_path)[0].net_file.stat().st_mtime_ns == written
    with pytest.raises(BenchError, match="unknown kind of city 'village'"):
        cities("village", [1], tmp_path)


def ratios(**of_settings):
    """Log ratios of settings on scenarios a, b, c ... with the same figure for two seeds."""
    return {
        label: {
            name: {101: value - 0.01, 102: value + 0.01}
            for name, value in zip("abcdefgh", values, strict=False)
        }
        for label, values in {"adaptive": [0.0] * 8, **of_settings}.items()
    }


def test_a_scenario_has_no_say_in_what_is_tried_on_it():
    """Settings that are good on one scenario alone are never judged there."""
    folds = leave_one_out(ratios(fluke=[-3.0, *[0.1] * 7], solid=[-0.1] * 8))
    assert [fold.settings for fold in folds] == ["solid", *["fluke"] * 7]
    assert folds[0].here.mean == pytest.approx(-0.1)
    assert folds[1].here.mean == pytest.approx(0.1)
    assert folds[1].others == pytest.approx((-3.0 + 6 * 0.1) / 7)


def test_better_beyond_the_noise_or_not():
    solid = ratios(solid=[-0.1, -0.12, -0.09, -0.1, -0.11, -0.1, -0.08, -0.1])
    found = verdict(solid, leave_one_out(solid))
    assert found.better == ("solid",)
    assert found.gain.mean == pytest.approx(-0.1)
    assert sentence(leave_one_out(solid), found).startswith("Yes: ")
    shaky = ratios(shaky=[-0.5, 0.3, -0.4, 0.2, -0.3, 0.4, -0.2, 0.2])
    found = verdict(shaky, leave_one_out(shaky))
    assert not found.better
    assert sentence(leave_one_out(shaky), found).startswith("No: ")
    worse = ratios(worse=[0.1] * 8)
    found = verdict(worse, leave_one_out(worse))
    assert "the default is best on the others" in sentence(leave_one_out(worse), found)


def test_pure_noise_is_rarely_called_better():
    """Twenty candidates that are no better: the best of them always looks better where chosen."""
    rng = random.Random(1)
    called = 0
    for _ in range(100):
        noise = ratios(**{f"n{k}": [rng.gauss(0, 0.1) for _ in range(8)] for k in range(20)})
        found = verdict(noise, leave_one_out(noise))
        assert found.settings != "adaptive"
        called += bool(found.better)
    assert called <= 10


def test_wild_candidates_do_not_hide_a_solid_one():
    """A gain on every scenario is seen beside settings that are far worse, or as wild as can be."""
    rng = random.Random(2)
    wild = {f"w{k}": [rng.gauss(0.5, 0.5) for _ in range(8)] for k in range(5)}
    among = ratios(solid=[-0.1, -0.12, -0.09, -0.1, -0.11, -0.1, -0.08, -0.1], **wild)
    found = verdict(among, leave_one_out(among))
    assert found.better == ("solid",)


def test_four_scenarios_are_too_few_to_be_sure():
    few = {label: dict(list(each.items())[:4]) for label, each in ratios(s=[-0.1] * 8).items()}
    assert chances(few)["s"] == 1 / 16
    assert not verdict(few, leave_one_out(few)).better
    assert 0 < chances({"s": {str(k): {1: -0.1} for k in range(20)}})["s"] < 0.01


def test_one_scenario_cannot_be_left_out():
    with pytest.raises(ValueError, match="at least two"):
        leave_one_out({"adaptive": {"a": {101: 0.0}}})


def test_the_ratio_pairs_seeds_and_averages_conventions(scenarios, tmp_path):
    matrix = Matrix(
        scenarios=[load_scenario(each) for each in scenarios],
        controls={label: where(label) for label in ("adaptive", "horizon_s=40", "horizon_s=41")},
        seeds=[101, 102],
        conventions=[FIELD, RESCO],
    )
    store = Store(tmp_path)
    for cell in matrix.cells():
        delay_s = 10.0 * cell.spec.seed * (2 if cell.spec.convention is RESCO else 1)
        if cell.label == "horizon_s=40":
            delay_s *= 0.64 if cell.spec.convention is RESCO else 1.0
        if (cell.label, cell.spec.seed) == ("horizon_s=40", 102):
            continue  # still to be run: seed 101 alone is compared
        if (cell.label, cell.spec.scenario.name) == ("horizon_s=41", "shorter"):
            continue
        store.keep(cell.spec, cell.label, a_result(cell.spec.seed, delay_s))
    text = report(matrix, store)
    share = 100 * (math.sqrt(0.64) - 1)
    assert f"| horizon_s=40 | {share:.1f} % | {share:.1f} % | {share:.1f} ± 0.0 % |" in text
    assert f"| longer | horizon_s=40 | {share:.1f} % | {share:.1f} % |" in text
    assert "runs are missing: `horizon_s=41`" in text


def a_result(seed, delay_s):
    figures = dict.fromkeys(RunResult.__dataclass_fields__, 0)
    figures |= {"seed": seed, "delay_s": delay_s, "jammed": False}
    return RunResult(**figures | {"detail": None, "pedestrian_delay_s": None})
