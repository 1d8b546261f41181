"""``greenband plan SCENARIO --arterial``: signals in a row, a plan, its bands and their proof."""

import json

import pytest

from sim.arterial import build_arterial
from sim.plans.plan_json import from_json


@pytest.fixture(scope="module")
def street(tmp_path_factory):
    return build_arterial(tmp_path_factory.mktemp("street"))


def test_from_two_ends_to_a_plan_with_its_bands(inline, street, tmp_path):
    done = inline(
        *("plan", street, "--arterial", "oak,ring", "--cycle", "70:80"),
        *("-o", "wave.json", "--json", "told.json"),
    )
    assert done.returncode == 0, done.stderr
    assert "oak to ring: oak - station - mill - market - school - ring" in done.stderr
    assert "band oak to ring" in done.stdout
    assert "proved: with these splits no offsets" in done.stdout
    assert "off the arterial" not in done.stdout
    plan = from_json((tmp_path / "wave.json").read_text())
    assert (plan.name, plan.network) == ("arterial", str(street))
    told = json.loads((tmp_path / "told.json").read_text())
    arterial, (band,) = told["arterial"], told["arterial"]["bands"]
    assert arterial["cycle_s"] in {70.0 + 2 * k for k in range(6)}
    assert (band["first"], band["last"]) == ("oak", "ring")
    assert 0.0 <= band["gap"] < 0.02
    assert len(arterial["links"]) == 5
    assert all(link["speed_kmh"] < 50.0 for link in arterial["links"])
    checked = inline("plan", "check", "wave.json")
    assert "nothing unsafe found" in checked.stderr


def test_a_part_of_a_network_alone_and_with_the_others(inline, street, tmp_path):
    words = ("plan", street, "--arterial", "mill,market,school", "--cycle", "80")
    done = inline(*words, "-o", "part.json")
    assert done.returncode == 0, done.stderr
    assert "3 signals off the arterial not in the plan" in done.stdout
    part = from_json((tmp_path / "part.json").read_text())
    assert [plan.site for plan in part.plans] == ["mill", "market", "school"]
    done = inline(*words, "-o", "all.json", "--network", "--balance", "1")
    assert "beside the arterial, each zone on its own:" in done.stdout
    whole = from_json((tmp_path / "all.json").read_text())
    assert len(whole.plans) == 6
    assert whole.zones[0].sites == ("mill", "market", "school")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--arterial", "oak,mill,ring"), 1, "no street leads from oak to mill"),
        (("--arterial", "oak,here"), 1, "has no signal here: it has market, mill, oak"),
        (("--arterial", "oak,ring", "--cycle", "20:30"), 1, "needs a cycle of at least 46 s"),
        (("--arterial", ","), 2, "give signals in driving order"),
        (("--arterial", "oak,ring", "--balance", "-1"), 2, "give a ratio from 0 to 100"),
        (("--balance", "1"), 2, "give --arterial"),
    ],
)
def test_what_it_cannot_do_is_one_line(inline, street, words, code, said):
    done = inline("plan", street, *words)
    assert done.returncode == code
    assert said in done.stderr
    assert done.stderr.strip().splitlines()[-1].startswith("greenband: error: ")
