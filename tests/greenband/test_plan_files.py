"""greenband plan check, diff, export and schema, as an engineer uses them."""

import csv
import json
from dataclasses import replace

import pytest

from firmware_bridge.upload import envelope_of_bytes, open_envelope
from sim.network import derive_network
from sim.plans.plan_json import from_json, schema, to_json
from tests.sim.networks import crossroads
from tests.sim.plans.plans_of import uneven_network_plan
from tests.sim.plans.utdf_town import TOWN


@pytest.fixture
def network(tmp_path):
    return derive_network(crossroads(tmp_path))


@pytest.fixture
def plan(network, tmp_path):
    """The plan that lies in plan.json; it names its network."""
    plan = replace(uneven_network_plan(network, 63_400), network=str(network.path), zones=())
    (tmp_path / "plan.json").write_text(to_json(plan))
    return plan


def test_a_plan_goes_everywhere_and_comes_back(inline, plan, network, tmp_path):
    done = inline(
        *("plan", "export", "plan.json", "--sumo", "plan.add.xml", "--utdf", "plan.csv"),
        *("--json", "again.json", "--device", "cabinets"),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    for name in ("plan.add.xml", "plan.csv", "again.json", "cabinets"):
        same = inline("plan", "diff", "plan.json", name, "--net", network.path, "--json")
        assert same.returncode == 0, same.stderr
        assert json.loads(same.stdout)["same"] is True, name
        back = inline("plan", "export", name, "--net", network.path, "--json", "back.json")
        assert back.returncode == 0, back.stderr
        assert from_json((tmp_path / "back.json").read_text()) == plan, name


def test_uploads_are_signed_for_their_cabinet(inline, plan, network, tmp_path):
    (tmp_path / "site.key").write_text("ab" * 32)
    words = ("plan", "export", "plan.json", "--device", "out", "--key-file", "site.key")
    without = inline(*words, "--net", network.path)
    assert without.returncode in {0, 2}
    done = inline(*words, "--number", "12")
    assert done.returncode == 0, done.stderr
    site = network.junctions[0].intersection
    envelope = envelope_of_bytes((tmp_path / "out" / f"{site.name}.upload").read_bytes())
    opened = open_envelope(envelope, site, bytes.fromhex("ab" * 32))
    assert opened.plan == replace(plan.plans[0], sequence_no=12)


def test_check_says_nothing_of_a_good_plan(inline, plan):
    done = inline("plan", "check", "plan.json")
    assert done.returncode == 0, done.stderr
    assert "nothing unsafe found" in done.stderr


def test_check_fails_for_an_unsafe_plan(inline, plan, tmp_path):
    bent = replace(plan, plans=(replace(plan.plans[0], offset_ms=70_000),))
    (tmp_path / "bent.json").write_text(to_json(bent))
    done = inline("plan", "check", "bent.json", "--json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert document["safe"] is False
    assert [each["rule"] for each in document["findings"]] == ["offset"]


def test_diff_shows_what_moved(inline, plan, tmp_path):
    moved = replace(plan, plans=(replace(plan.plans[0], offset_ms=21_500),))
    (tmp_path / "moved.json").write_text(to_json(moved))
    done = inline("plan", "diff", "plan.json", "moved.json")
    assert done.returncode == 0, done.stderr
    assert "→ 21.5" in done.stdout
    assert "offset" in done.stdout
    assert "1 of 1 sites differ" in done.stderr


def test_a_network_is_the_plan_that_it_runs_today(inline, plan, network):
    done = inline("plan", "diff", network.path, "plan.json", "--json")
    assert done.returncode == 0, done.stderr
    (site,) = json.loads(done.stdout)["sites"]
    assert site["before"]["cycle_ms"] == network.junctions[0].shipped_plan.cycle_ms
    assert site["after"]["cycle_ms"] == 63_400
    assert inline("plan", "check", network.path).returncode == 0
    missing = inline("plan", "check", "no-such-town")
    assert missing.returncode == 2
    assert "unknown scenario" in missing.stderr


def test_schema_is_printed(inline):
    done = inline("plan", "schema")
    assert json.loads(done.stdout) == schema()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("check", "none.json", "--net", "x.net.xml"), 1, "none.json"),
        (("check", "plan.txt"), 1, "the kind of file is not known by its name"),
        (("check", "plan.xml"), 2, "give --net, the network"),
        (("export", "plan.json"), 2, "say what to write"),
        (("export", "plan.json", "--sumo", "a.xml", "--volumes"), 2, "--volumes goes with --utdf"),
        (("export", "plan.json", "--sumo", "a.xml", "--number", "0"), 2, "a number above 0"),
        (("diff", "plan.json", "broken.json"), 1, r"broken.json is not valid: plans[0]"),
    ],
)
def test_bad_input_is_one_line(inline, plan, tmp_path, words, code, said):
    (tmp_path / "plan.txt").write_text("?")
    (tmp_path / "plan.xml").write_text("<additional/>")
    (tmp_path / "broken.json").write_text(
        json.dumps({"schema": 1, "name": "b", "zones": [], "plans": [{}]})
    )
    done = inline("plan", *words)
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_utdf_volumes_are_those_of_the_routes(inline, network, tmp_path):
    trips = "".join(f'<trip id="{k}" depart="{k * 10}" from="wc" to="ce"/>' for k in range(36))
    (tmp_path / "made.rou.xml").write_text(f"<routes>{trips}</routes>")
    (tmp_path / "made.sumocfg").write_text(
        '<configuration><input><net-file value="made.net.xml"/>'
        '<route-files value="made.rou.xml"/></input>'
        '<time><begin value="0"/><end value="360"/></time></configuration>'
    )
    plan = replace(uneven_network_plan(network, 63_400), network="made.sumocfg", zones=())
    (tmp_path / "plan.json").write_text(to_json(plan))
    done = inline("plan", "export", "plan.json", "--utdf", "plan.csv", "--volumes")
    assert done.returncode == 0, done.stderr
    rows = list(csv.reader((tmp_path / "plan.csv").read_text().splitlines()))
    header = next(row for row in rows if "EBT" in row)
    volumes = next(row for row in rows if row[:1] == ["Volume"])
    assert int(volumes[header.index("EBT")]) == pytest.approx(360, abs=20)
    assert volumes[header.index("WBT")] == "0"


def test_a_utdf_file_is_a_network_of_its_own(inline, tmp_path):
    (tmp_path / "town.csv").write_text(TOWN)
    done = inline("plan", "export", "town.csv", "--json", "plan.json", "--device", "cabinets")
    assert done.returncode == 0, done.stderr
    plan = from_json((tmp_path / "plan.json").read_text())
    assert plan.network == "town.csv"
    assert [each.site for each in plan.plans] == ["Main and First", "Main and Second"]
    moved = replace(plan, plans=(replace(plan.plans[0], offset_ms=44_400), plan.plans[1]))
    (tmp_path / "plan.json").write_text(to_json(moved))
    assert inline("plan", "check", "plan.json").returncode == 0
    done = inline("plan", "export", "plan.json", "--utdf", "new.csv")
    assert done.returncode == 0, done.stderr
    same = inline("plan", "diff", "plan.json", "new.csv", "--json")
    assert json.loads(same.stdout)["same"] is True
    refused = inline("plan", "export", "plan.json", "--sumo", "plan.add.xml")
    assert refused.returncode == 2
    assert "--sumo needs a SUMO network" in refused.stderr
