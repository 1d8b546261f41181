import json

import pytest

from controller import plan_json, site_json
from controller.intersection import Intersection, SignalGroup, Stage
from controller.plan import PlanStage, TimingPlan
from tests.greenband.crossing import build_crossing

SITE = Intersection(
    name="J1",
    groups=(SignalGroup(name="A"), SignalGroup(name="B")),
    conflicts=(0b10, 0b01),
    intergreen_ms=((0, 5_000), (5_000, 0)),
    stages=(Stage(name="1", groups=("A",)), Stage(name="2", groups=("B",))),
)
PLAN = TimingPlan(
    site="J1",
    name="morning",
    cycle_ms=60_000,
    stages=(PlanStage(stage="1", split_ms=30_000), PlanStage(stage="2", split_ms=30_000)),
)


@pytest.fixture
def plan_file(tmp_path):
    """Write a plan, changed by a function on its data, beside the file of its site."""
    (tmp_path / "J1.site.json").write_text(site_json.to_json(SITE))

    def write(change=lambda data: None):
        data = plan_json.document(PLAN)
        change(data)
        path = tmp_path / "morning.plan.json"
        path.write_text(json.dumps(data))
        return path

    return write


def test_a_safe_plan(greenband, plan_file, without_sumo):
    result = greenband("check", plan_file(), env=without_sumo)
    assert (result.returncode, result.stdout) == (0, "")
    assert "nothing unsafe" in result.stderr


def split(data, k, value):
    data["stages"][k]["split_ms"] = value


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: split(data, 0, 4_000), "below"),
        (lambda data: split(data, 0, 31_000), "add up to 61000 ms"),
        (lambda data: split(data, 0, float("nan")), "NaN"),
        (lambda data: split(data, 0, float("inf")), "Infinity"),
        (lambda data: split(data, 0, "30000"), "stages[0].split_ms"),
        (lambda data: split(data, 0, True), "stages[0].split_ms"),
        (lambda data: data.update(site="J2"), "J2"),
        (lambda data: data.update(cycle=60), "unknown key 'cycle'"),
        (lambda data: data.pop("cycle_ms"), "'cycle_ms' is missing"),
        (lambda data: data.update(schema=2), "schema is 2"),
        (lambda data: data.update(transition="jump"), "shortway"),
        (lambda data: data["stages"].append({"stage": "9", "split_ms": 5_000}), "'9'"),
        (lambda data: data.update(stages={}), "not a list"),
    ],
)
def test_an_unfit_plan_is_refused_by_name(inline, plan_file, change, said):
    path = plan_file(change)
    result = inline("check", path, "--site", path.with_name("J1.site.json"))
    assert result.returncode == 1
    assert said in result.stdout
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("text", ["", "[]", "null", "{", "{} {}", '{"a": 1, "a": 2}', "[" * 99_999])
def test_what_is_no_plan_is_refused(inline, tmp_path, text):
    path = tmp_path / "x.json"
    path.write_text(text)
    result = inline("check", path)
    assert result.returncode == 1
    assert str(path) in result.stdout
    assert "Traceback" not in result.stderr


def test_a_plan_without_its_site_says_how_to_give_it(inline, plan_file):
    path = plan_file()
    path.with_name("J1.site.json").unlink()
    result = inline("check", path)
    assert result.returncode == 2
    assert "--net" in result.stderr
    assert "--site" in result.stderr


def test_every_fault_is_named_in_json(inline, plan_file):
    def change(data):
        split(data, 0, 1_000)
        split(data, 1, 2_000)

    result = inline("check", plan_file(change), "--json")
    document = json.loads(result.stdout)
    assert result.returncode == 1
    assert document["safe"] is False
    assert {each["rule"] for each in document["findings"]} == {"split", "pattern sum"}
    assert sum(each["rule"] == "split" for each in document["findings"]) == 2


def test_sites_and_plans_survive_their_files():
    assert site_json.from_json(site_json.to_json(SITE)) == SITE
    assert site_json.from_json(site_json.to_json(SITE)).digest == SITE.digest
    assert plan_json.from_json(plan_json.to_json(PLAN)) == PLAN


def test_a_network_and_the_plans_that_inspect_writes(inline, tmp_path):
    config = build_crossing(tmp_path / "crossing")
    net = config.with_name("crossing.net.xml")
    out = tmp_path / "junctions"
    inspected = inline("inspect", net, "--out", out)
    assert inspected.returncode == 0, inspected.stderr
    assert (out / "index.html").read_text().count("<svg") == 1
    assert inline("check", net).returncode == 0
    plan = next(out.glob("*.plan.json"))
    assert inline("check", plan).returncode == 0
    assert inline("check", plan, "--net", net).returncode == 0
    document = json.loads(inline("inspect", net, "--json").stdout)
    junction = document["junctions"][0]
    assert site_json.from_json(json.dumps(junction["site"])).name == junction["site"]["name"]
    assert {link["group"] for link in junction["links"]} <= {
        group["name"] for group in junction["site"]["groups"]
    }
    other = json.loads(plan.read_text()) | {"site": "elsewhere"}
    plan.write_text(json.dumps(other))
    wrong = inline("check", plan, "--net", net)
    assert wrong.returncode == 1
    assert "elsewhere" in wrong.stdout


def test_a_short_yellow_is_unsafe(inline, tmp_path):
    net = build_crossing(tmp_path / "crossing").with_name("crossing.net.xml")
    text = net.read_text()
    assert 'duration="3" state="y' in text or "y" in text
    shortened = "\n".join(
        line.replace('duration="3"', 'duration="1"') if "<phase" in line else line
        for line in text.splitlines()
    )
    assert shortened != text
    net.write_text(shortened)
    result = inline("check", net)
    assert result.returncode == 1
    assert "yellow" in result.stdout
