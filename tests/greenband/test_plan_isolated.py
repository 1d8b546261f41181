"""``greenband plan NET --isolated``: tables, files, and one-line errors."""

import json

import pytest

from sim.arterial import build_arterial
from sim.plans.plan_json import from_json
from tests.sim.plans.utdf_town import TOWN


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return build_arterial(tmp_path_factory.mktemp("street"))


@pytest.fixture
def town(tmp_path):
    path = tmp_path / "town.csv"
    path.write_text(TOWN)
    return path


def test_every_signal_of_a_scenario_gets_a_cycle_of_its_own(inline, street, tmp_path):
    done = inline(
        *("plan", street, "--isolated", "--cycle", "60:90:15"),
        *("-o", "alone.json", "--json", "told.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "6 signals, each alone" in done.stdout
    plan = from_json((tmp_path / "alone.json").read_text())
    assert (plan.name, plan.zones) == ("isolated", ())
    assert {each.offset_ms for each in plan.plans} == {None}
    assert len({each.cycle_ms for each in plan.plans}) > 1
    told = json.loads((tmp_path / "told.json").read_text())
    for signal in told["signals"]:
        assert signal["delay_s"] < signal["present_delay_s"]
        assert sum(phase["split_s"] for phase in signal["phases"]) == signal["cycle_s"]
        assert all(0 < group["saturation"] < 1 for group in signal["lane_groups"])
    checked = inline("plan", "check", "alone.json")
    assert checked.returncode == 0, checked.stdout
    assert checked.stdout == "", "nothing to object to"


def test_a_utdf_file_gets_its_splits_in_rings(inline, town, tmp_path):
    done = inline("plan", town, "--isolated", "-o", "new.json", "--json", "told.json")
    assert done.returncode == 0, done.stderr
    assert "6: " in done.stdout
    assert "UTDF: new.csv" in done.stderr
    told = json.loads((tmp_path / "told.json").read_text())
    first = told["signals"][0]
    rings = {
        ring: sum(phase["split_s"] for phase in first["phases"] if phase["ring"] == ring)
        for ring in (1, 2)
    }
    behind = [phase["split_s"] for phase in first["phases"] if phase["barrier"] == 2]
    assert rings[1] == first["cycle_s"]
    assert rings[2] + sum(behind) == first["cycle_s"], "ring 2 has nothing behind the barrier"
    checked = inline("plan", "check", "new.json")
    assert checked.returncode == 0, checked.stdout
    same = inline("plan", "diff", "new.json", "new.csv", "--net", "new.csv")
    assert same.returncode == 0, same.stderr


def test_more_demand_than_capacity_is_said(inline, town):
    done = inline("plan", town, "--isolated", "--scale", "5", "-o", "full.csv")
    assert done.returncode == 0, done.stderr
    assert "is over capacity" in done.stdout
    assert "vehicles wait after 15 min" in done.stdout
    assert "make the least delay" in done.stdout
    assert "plan:" not in done.stderr


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--isolated", "--network"), 2, "leave out --network and --arterial"),
        (("--lead-lag",), 2, "add --isolated"),
        (("--isolated", "--cycle", "20:30"), 1, "node 1: Main and First needs a cycle of at least"),
        (("--isolated", "--objective", "speed"), 2, "choose from delay, stops, index"),
        (("--isolated", "-o", "town.csv"), 2, "give -o another name"),
    ],
)
def test_what_it_cannot_do_is_one_line(inline, town, words, code, said):
    done = inline("plan", town, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("greenband: error: ")
