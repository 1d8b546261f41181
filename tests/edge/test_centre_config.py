"""The file of a centre and its map: read whole, and every fault named with its line."""

import dataclasses
import json

import pytest

from controller import site_json
from controller.intersection import Detector, DetectorRole
from controller.violations import InvalidError
from edge.centre import config, first_centre, streets_json
from edge.centre.values import SiteFacts, Vehicle
from edge.corridors.streets import Streets
from edge.errors import ConfigError
from tests.controller.crossroads import crossroads
from tests.edge.sites import KEY
from tests.edge.test_city_centre import SITES, city_streets

LOOPS = (Detector(name="loop", role=DetectorRole.STOP_LINE, groups=("NS",), lane="in_0"),)
VEHICLE = Vehicle(name="a-1", label="Ambulance", role="ambulance", level=12, street="in")


@pytest.fixture
def folder(tmp_path):
    """What `greenband centre init` writes, for two crossroads."""
    facts = [
        SiteFacts(
            name=name,
            label=f'{name} "north"',
            position=(100.0 * k, 0.25),
            intersection=crossroads(name=name, detectors=LOOPS),
            stage_labels={"A": "N + S"},
        )
        for k, name in enumerate(SITES)
    ]
    (tmp_path / "sites").mkdir()
    files = {}
    for each in facts:
        files[each.name] = f"sites/{each.name}.site.json"
        (tmp_path / files[each.name]).write_text(site_json.to_json(each.intersection))
    (tmp_path / "streets.json").write_text(streets_json.to_json(city_streets()))
    first_centre.write_keys(tmp_path / "keys")
    (tmp_path / "centre.toml").write_text(first_centre.toml("city", facts, files, [VEHICLE]))
    return tmp_path


def test_what_is_written_first_is_read_whole(folder):
    found = config.load(folder / "centre.toml")
    plan = found.plan
    assert plan.name == "city"
    assert plan.streets == city_streets()
    assert plan.edge_of == dict.fromkeys(SITES, first_centre.EDGE)
    assert plan.vehicles == {"a-1": VEHICLE}
    assert plan.folder == folder / "state"
    assert plan.orders_key.hex() == (folder / "keys/orders.key").read_text().strip()
    assert found.remarks == ()
    site = plan.sites["J1"]
    assert site.label == 'J1 "north"'
    assert site.stage_labels == {"A": "N + S"}
    assert set(site.lane_streets.values()) == {"in"}
    (agency,) = found.agencies
    assert agency.name == first_centre.AGENCY
    assert "cancel" in agency.verbs
    assert plan.orders_key not in agency.keys
    assert agency.keys[0].hex() not in repr(found)


def test_keys_are_for_their_owner_only_and_are_never_made_anew(folder):
    before = (folder / "keys/orders.key").read_text()
    first_centre.write_keys(folder / "keys")
    assert (folder / "keys/orders.key").read_text() == before
    assert (folder / "keys/orders.key").stat().st_mode & 0o077 == 0


CHANGES = {
    'name = "city"': ('name = "a city"', "use letters, digits"),
    'streets_file = "streets.json"': ('streets_file = "none.json"', "there is no file"),
    'path = "state"': ('path = "no/such/state"', "create it"),
    'url = "mqtt://127.0.0.1:1883"': ('url = "127.0.0.1"', "is no broker"),
    "orders_key_file": ("# orders_key_file", "name the file with the key that the edges know"),
    'key_file = "keys/dispatch.key"': ('key_file = "keys/orders.key"', "the key of the orders"),
    '# allow = ["preview"': ('allow = ["fly"', "is not one of"),
    "level = 12": ("level = 15", "at most 14"),
    'street = "in"': ('street = "nowhere"', "there is no street 'nowhere'"),
    "position_m = [0.0, 0.2]": ("position_m = [0.0]", "in metres, such as"),
    'name = "J1"': ('name = "J/1"', "the name is a part of addresses"),
    'edge = "edge-1"': ('edge = "corridors"', "its topics are taken"),
    'stage_labels = { "A"': ('stage_labels = { "Z"', "there is no stage 'Z'"),
    'site_file = "sites/J1.site.json"': ('site_file = "sites/J2.site.json"', 'not "J1"'),
    "[broker]": ("[brokers]", 'did you mean "broker"'),
    'name = "J2"': ('name = "J1"', "is that of line"),
}


@pytest.mark.parametrize("old", CHANGES, ids=lambda old: old.split(" = ")[0])
def test_every_fault_is_named_with_its_line(folder, old):
    new, words = CHANGES[old]
    path = folder / "centre.toml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        config.load(path)
    found = [each for each in caught.value.problems if words in each.message]
    assert found, caught.value
    if not new.startswith("#"):
        line = path.read_text().splitlines()[found[0].line - 1]
        assert new.partition(" = ")[0] in line


def test_a_file_without_anything_names_all_that_is_missing(tmp_path):
    (tmp_path / "centre.toml").write_text("")
    with pytest.raises(ConfigError) as caught:
        config.load(tmp_path / "centre.toml")
    text = str(caught.value)
    for word in ('"name" is missing', "[state]", "[broker]", "[[site]]"):
        assert word in text
    (tmp_path / "centre.toml").write_text("name = \n")
    with pytest.raises(ConfigError, match=r"centre\.toml:1: error: file: it is not TOML"):
        config.load(tmp_path / "centre.toml")


def test_a_map_that_does_not_fit_its_sites_is_refused(folder):
    path = folder / "streets.json"
    text = path.read_text()
    for old, new, words in (
        ('"stages": ["A"]', '"stages": ["Q"]', "there is no stage 'Q' at J1"),
        ('"groups": ["NS"]', '"groups": ["Q"]', "there is no group 'Q' at J1"),
        ('"lanes": [0]', '"lanes": [77]', "J1 has lanes 0 to"),
        ('"site": "J1"', '"site": "J9"', "no [[site]]"),
    ):
        path.write_text(text.replace(old, new, 1))
        with pytest.raises(ConfigError) as caught:
            config.load(folder / "centre.toml")
        assert words in str(caught.value)


def test_a_map_survives_its_file_and_faults_are_named():
    streets = city_streets()
    text = streets_json.to_json(streets)
    assert streets_json.from_json(text) == streets
    closed = dataclasses.replace(streets.streets["in"], open_to_emergency=False, label="Ö\n")
    changed = Streets(name="", streets={**streets.streets, "in": closed}, turns=streets.turns)
    assert streets_json.from_json(streets_json.to_json(changed)) == changed
    broken = json.loads(text)
    broken["streets"][0]["length_m"] = 0
    broken["streets"][1]["shape"] = [[0.0, 1.0]]
    broken["turns"][0]["to_street"] = "none"
    broken["turns"].append(broken["turns"][1])
    with pytest.raises(InvalidError) as caught:
        streets_json.from_json(json.dumps(broken))
    rules = [each.rule for each in caught.value.violations]
    assert rules == ["range", "shape", "street", "twice"]
    for wrong in ("", "[]", '{"schema": 2}', text.replace('"length_m": 200.0', '"length_m": NaN')):
        with pytest.raises(InvalidError):
            streets_json.from_json(wrong)


def test_agencies_do_not_share_a_key(folder):
    path = folder / "centre.toml"
    more = '[[agency]]\nname = "fire"\nkey_file = "keys/dispatch.key"\nallow = ["open"]\n'
    path.write_text(path.read_text() + more)
    with pytest.raises(ConfigError, match="it is the key of dispatch too"):
        config.load(path)
    (folder / "keys/fire.key").write_text(KEY)
    path.write_text(path.read_text().replace(more, more.replace("keys/dispatch", "keys/fire")))
    remarks = config.load(path).remarks
    assert any("not cancel" in each for each in remarks)
    assert any("chmod 600" in each for each in remarks)
