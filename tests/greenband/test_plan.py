"""``greenband plan SCENARIO``: from routes to a plan, a table, and one-line errors."""

import json
import re

import pytest

from controller.violations import InvalidError
from greenband.commands.plan_make import parse_cycles
from greenband.failures import UsageError
from sim.arterial import build_arterial
from sim.plans.plan_json import from_json
from tests.greenband.crossing import build_crossing


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return build_arterial(tmp_path_factory.mktemp("street"))


def test_from_a_scenario_to_a_plan_that_passes_the_check(greenband, street, tmp_path):
    done = greenband(
        *("plan", street, "--network", "--cycle", "70:80", "-o", "plan.json"),
        *("--json", "told.json", "--name", "morning"),
    )
    assert done.returncode == 0, done.stderr
    assert "6 signals, 1 zone" in done.stdout
    assert "ring W right+through" in done.stdout
    assert "66 turns with demand between 0 and 3600 s" in done.stderr
    assert "plan: plan.json" in done.stderr
    plan = from_json((tmp_path / "plan.json").read_text())
    assert (plan.name, plan.network, plan.zones[0].name) == ("morning", str(street), "1")
    told = json.loads((tmp_path / "told.json").read_text())
    assert told["plan"]["plans"][0]["site"] == "market"
    assert len(told["streams"]) == 44
    assert len(told["crossings"]) == 6
    assert f"{told['walking_wait_s']:.0f} s of wait on foot" in done.stdout
    assert "school ped W" in done.stdout
    assert "6 crossings with people on foot" in done.stderr
    assert all(0.0 < each["saturation"] < 1.0 for each in told["streams"])
    checked = greenband("plan", "check", "plan.json")
    assert checked.returncode == 0, checked.stdout
    assert "nothing unsafe found" in checked.stderr


def test_a_utdf_file_is_planned_for_and_gets_its_plan_back(inline, street, tmp_path):
    assert inline("plan", "export", street, "--utdf", "today.csv", "--volumes").returncode == 0
    done = inline("plan", "today.csv", "--cycle", "80", "-o", "new.json", "--scale", "0.9")
    assert done.returncode == 0, done.stderr
    assert "today.csv: 6 signals, 45 lane groups, 3 crossings with people" in done.stderr
    plan = from_json((tmp_path / "new.json").read_text())
    assert {zone.cycle_s for zone in plan.zones} <= {80.0, 40.0}
    assert inline("plan", "export", "new.json", "--utdf", "new.csv").returncode == 0
    back = inline("plan", "diff", "new.json", "new.csv", "--net", "today.csv")
    assert "0 of 6 sites differ" in back.stderr


def test_people_at_crossings_of_which_nothing_is_known(inline, street):
    assert inline("plan", "export", street, "--utdf", "people.csv", "--volumes").returncode == 0
    words = ("plan", "people.csv", "--cycle", "80", "-o", "walked.json", "--json", "-")
    told = json.loads(inline(*words, "--walkers", "120").stdout)
    counted = [each["persons_per_h"] for each in told["crossings"]]
    # The scenario's people come along as calls; nobody walks with the other phases.
    assert sum(160.0 <= persons <= 190.0 for persons in counted) == 3
    assert counted.count(120.0) == len(counted) - 3 > 0
    refused = inline(*words, "--occupancy", "bus=20")
    assert "--occupancy goes with routes" in refused.stderr


def test_a_plan_in_force_is_made_to_fit(inline, street, tmp_path):
    assert inline("plan", street, "--cycle", "72", "-o", "now.json").returncode == 0
    words = ("plan", street, "--scale", "1.2", "--from", "now.json")
    done = inline(*words, "--cycle", "70:74", "-o", "next.json", "--name", "busy")
    assert done.returncode == 0, done.stderr
    assert "zone 1: cycle 72 s" in done.stdout
    now, new = (from_json((tmp_path / name).read_text()) for name in ("now.json", "next.json"))
    assert new.name == "busy"
    for old, plan in zip(now.plans, new.plans, strict=True):
        assert [e.stage for e in plan.stages] == [e.stage for e in old.stages]
    refused = inline(*words, "--isolated")
    assert refused.returncode == 2
    assert "--from betters a plan that is there already; leave out --isolated" in refused.stderr
    (tmp_path / "other.xml").write_text("<x/>")
    refused = inline("plan", street, "--from", "other.xml")
    assert "give a plan file (.json)" in refused.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--cycle", "20:30"), 1, "market needs a cycle of at least 46 s"),
        (("--cycle", "120:60"), 2, "--cycle 120:60: give seconds such as 90"),
        (("--objective", "speed"), 2, "--objective speed: choose from delay, stops, index"),
        (("--scale", "0"), 2, "give a factor above 0"),
        (("--occupancy", "bus=0"), 2, "--occupancy bus=0: give pairs such as bus=20"),
        (("--walkers", "-1"), 2, "--walkers -1: give a number of 0 or more"),
        (("--trials", "0"), 2, "--trials 0: give a number of runs from 1 to 20"),
        (("--trials", "2", "--walkers", "9"), 2, "in that scenario; leave out --walkers"),
        (("--begin", "9000", "--end", "9100"), 1, "no vehicle of its routes passes a signal"),
    ],
)
def test_what_it_cannot_do_is_one_line(inline, street, words, code, said):
    done = inline("plan", street, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("greenband: error: ")


def test_an_unknown_network_is_not_taken_for_a_command(inline):
    done = inline("plan", "arterial4y4")
    assert done.returncode == 2
    assert "did you mean arterial4x4" in done.stderr


def test_a_plan_that_is_none_is_refused_as_a_control(inline, street, tmp_path):
    done = inline("compare", street, "--control", "none.json")
    assert done.returncode == 2
    assert "none.json: there is no such plan" in done.stderr
    with pytest.raises(InvalidError):
        from_json("{}")


def test_the_best_plans_are_tried_in_sumo(inline, tmp_path):
    corner = build_crossing(tmp_path / "corner")
    words = ("plan", corner, "--cycle", "36:60:24", "--trials", "1")
    done = inline(*words, "-o", "tried.json", "--json", "told.json")
    assert done.returncode == 0, done.stderr
    tried = int(re.search(r"of (\d) plans tried in SUMO, 1 run each", done.stdout)[1])
    assert done.stdout.count("← taken") == 1
    assert "plan 2, seed 9001: delay" in done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    assert [each["seeds"] for each in told["trials"]] == [[9001]] * tried
    taken = min(told["trials"], key=lambda each: each["delay_s"] + 20 * each["stops"])
    assert told["plan"]["zones"][0]["cycle_s"] in taken["cycles_s"]
    refused = inline("plan", "some.csv", "--trials", "2")
    assert "tries plans made from a scenario's routes" in refused.stderr


def test_over_capacity_it_says_how_to_be_surer(inline, tmp_path):
    corner = build_crossing(tmp_path / "corner")
    done = inline("plan", corner, "--cycle", "60", "--scale", "3")
    assert "over capacity" in done.stdout
    assert "--trials 2 takes the one that does best in SUMO" in done.stderr


def test_cycles():
    assert parse_cycles(None) is None
    assert parse_cycles("90") == (90.0,)
    assert parse_cycles("60:85") == (60.0, 70.0, 80.0, 85.0)
    assert parse_cycles("60:70:5") == (60.0, 65.0, 70.0)
    for wrong in ("", "0", "a", "60:", "60:70:0", "-60"):
        with pytest.raises(UsageError, match="--cycle"):
            parse_cycles(wrong)
