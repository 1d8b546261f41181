"""greenband plan report, as an engineer uses it."""

import json
import xml.etree.ElementTree as ET

import pytest

from tests.sim.plans.utdf_town import TOWN


@pytest.fixture
def plan(inline, tmp_path):
    """The plan that a UTDF file has today, as our own file."""
    (tmp_path / "town.csv").write_text(TOWN)
    done = inline("plan", "export", "town.csv", "--net", "town.csv", "--json", "plan.json")
    assert done.returncode == 0, done.stderr


def test_a_plan_for_a_utdf_file_is_drawn_without_sumo(inline, plan, tmp_path):
    done = inline(
        *("plan", "report", "plan.json", "--net", "town.csv"),
        *("-o", "plan.html", "--svg", "pictures", "--json", "-"),
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    tables = {section["id"]: section["tables"] for section in told["sections"]}
    assert len(tables["saturation"][0]["rows"]) == 7
    assert [figure["name"] for figure in told["figures"]] == ["Delay, expected", "Stops, expected"]
    page = (tmp_path / "plan.html").read_text()
    for words in ("Along the street", "Rings and barriers", "Saturation and level of service"):
        assert words in page
    assert "greenband plan report plan.json --net town.csv" in page
    files = {file.name: ET.parse(file).getroot() for file in (tmp_path / "pictures").iterdir()}
    kinds = {name.split("-")[0] for name in files}
    assert kinds == {"time", "timing", "rings"}
    assert all(page.count(f"{name.removesuffix('.svg')}-title") == 2 for name in files)


def test_what_cannot_be_drawn_is_said_in_a_line(inline, plan):
    done = inline("plan", "report", "plan.json", "--net", "town.csv", "--runs")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "SUMO scenario" in done.stderr
    done = inline("plan", "report", "plan.json", "--net", "town.csv", "--arterial", "Nowhere,Else")
    assert done.returncode == 1
    assert "Nowhere" in done.stderr
    done = inline("plan", "report", "plan.json")
    assert "--net" in done.stderr or done.returncode == 0
