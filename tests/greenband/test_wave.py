"""``greenband wave``: files in, tables, JSON and pictures out."""

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from optimizer.bandwidth.arterial_json import arterial_from, schema
from optimizer.bandwidth.check import band_of

STREET = {
    "id": "Main Street",
    "distance_m": [310, 420, 280],
    "red_outbound": [0.5, 0.55, 0.48, 0.52],
    "red_inbound": [0.52, 0.5, 0.55, 0.5],
    "left_turn_outbound": 0.1,
    "left_turn_inbound": 0.12,
    "patterns": [[1, 2], [3], [], [1, 2, 3, 4]],
    "queue_clearance_outbound": [0, 0.03, 0.02, 0.03],
    "cycle_range_s": [60, 100],
    "speed_range_kmh": [38, 55],
    "max_slowness_change_s_per_m": 0.012,
}
KEYS = {
    "id",
    "band_outbound",
    "band_inbound",
    "cycle_s",
    "offset_s",
    "offset_inbound_s",
    "speed_km_h",
    "pattern",
    "bound",
    "gap",
    "status",
    "seconds",
}


@pytest.fixture
def street_file(tmp_path):
    def write(content=STREET, name="street.json", **changes):
        path = tmp_path / name
        path.write_text(json.dumps({**content, **changes} if changes else content))
        return path

    return write


def test_one_arterial_as_json(greenband, street_file, without_sumo):
    run = greenband("wave", street_file(), "--json", "-", env=without_sumo)
    assert (run.returncode, run.stderr) == (0, "")
    wave = json.loads(run.stdout)
    assert set(wave) == KEYS
    assert (wave["id"], wave["status"], wave["pattern"][2]) == ("Main Street", "optimal", None)
    assert wave["pattern"][0] in {1, 2}
    assert 0.0 <= wave["gap"] <= 1e-6
    assert wave["bound"] == pytest.approx(wave["band_outbound"] + wave["band_inbound"], abs=1e-6)
    arterial = arterial_from(STREET)
    for way, inbound in (("offset_s", False), ("offset_inbound_s", True)):
        band = wave["band_inbound" if inbound else "band_outbound"]
        real, _ = band_of(arterial, wave["cycle_s"], wave["speed_km_h"], wave[way], inbound=inbound)
        assert real >= band - 1e-8


def test_a_list_is_answered_as_a_list(greenband, street_file, tmp_path):
    streets = [STREET, {**STREET, "id": "Second", "k": 0.5}]
    run = greenband("wave", street_file(streets), "--json", tmp_path / "out.json")
    assert run.returncode == 0
    assert "Main Street · 4 signals" in run.stdout
    first, second = json.loads((tmp_path / "out.json").read_text())
    assert first["band_outbound"] < second["band_outbound"]
    assert second["id"] == "Second"


def test_many_arterials_get_a_line_each(greenband, street_file):
    run = greenband("wave", street_file([STREET] * 8))
    assert run.stdout.count("Main Street") == 8
    assert "offset s" not in run.stdout


def test_the_table_shows_offsets_speeds_and_patterns(greenband, street_file):
    run = greenband("wave", street_file(), "--cut")
    assert run.returncode == 0
    for part in ("offset in s", "km/h", "proved", "% (", "3 both lead"):
        assert part in run.stdout
    assert "wave" in run.stdout.splitlines()[-1]


def test_cut_is_part_of_the_json(greenband, street_file):
    run = greenband("wave", street_file(), "--cut", "--json", "-")
    cut = json.loads(run.stdout)["cut"]
    assert cut["value"] >= cut["uncut_value"] - 1e-6
    assert set(cut) == {"after_signal", "value", "uncut_value", "pays", "cycle_s"}


def test_bands_by_link(greenband, street_file):
    path = street_file(volume_outbound_veh_h=[800, 700, 300])
    run = greenband("wave", path, "--multiband", "--json", "-")
    wave = json.loads(run.stdout)
    assert len(wave["band_outbound"]) == len(wave["band_inbound"]) == 3
    assert wave["bound"] >= wave["value"] > 0.0


def test_the_picture_is_svg_with_bands_inside(greenband, street_file, tmp_path):
    run = greenband("wave", street_file(), "--picture", "wave.svg", "--json", "-")
    assert run.returncode == 0
    svg = ElementTree.parse(tmp_path / "wave.svg").getroot()
    assert svg.tag.endswith("svg")
    bands = [each for each in svg.iter() if each.tag.endswith("polygon")]
    assert len(bands) >= 2 * 3 * 3
    words = {each.text for each in svg.iter() if each.tag.endswith("text")}
    assert {"Main Street", "time, s", "outbound band", "inbound red", "1010 m"} <= words


def test_pictures_of_a_list_are_numbered(greenband, street_file, tmp_path):
    path = street_file([STREET, {**STREET, "id": "A <b> & c", "one_way": True}])
    run = greenband("wave", path, "--picture", "wave.svg")
    assert run.returncode == 0
    second = ElementTree.parse(tmp_path / "wave-2.svg").getroot()
    words = {each.text for each in second.iter() if each.tag.endswith("text")}
    assert "A <b> & c" in words
    assert "inbound band" not in words
    assert (tmp_path / "wave-1.svg").exists()


def test_a_picture_of_bands_by_link(greenband, street_file, tmp_path):
    run = greenband("wave", street_file(), "--multiband", "--picture", "wave.svg")
    assert run.returncode == 0
    assert "polygon" in (tmp_path / "wave.svg").read_text()


def test_standard_input():
    run = subprocess.run(
        [sys.executable, "-m", "greenband", "wave", "-", "--json", "-"],
        input=json.dumps(STREET),
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert json.loads(run.stdout)["id"] == "Main Street"


def test_the_schema_is_printed(greenband):
    run = greenband("wave", "--schema")
    printed = json.loads(run.stdout)
    assert printed["$schema"].startswith("https://json-schema.org")
    assert set(STREET) <= set(printed["$defs"]["arterial"]["properties"])


def test_every_key_is_documented_and_the_example_is_solved(greenband, street_file):
    text = (Path(__file__).resolve().parents[2] / "docs" / "wave.md").read_text()
    keys = schema()["$defs"]["arterial"]["properties"]
    assert [key for key in keys if f"`{key}`" not in text] == []
    assert [key for key in KEYS - {"id"} if f"`{key}`" not in text] == []
    example = json.loads(text.split("```json\n")[1].split("```")[0])
    run = greenband("wave", street_file(example))
    shown = text.split("--picture wave.svg\n\n")[1].splitlines()[0]
    assert run.stdout.strip().splitlines()[0].split(" · proved")[0] == shown.split(" · proved")[0]


def test_what_makes_no_wave_is_said(greenband, street_file):
    path = street_file(
        {
            "distance_m": [300, 410],
            "red_outbound": [0.8, 0.8, 0.8],
            "cycle_range_s": 83,
            "speed_range_kmh": 50,
        }
    )
    run = greenband("wave", path)
    assert run.returncode == 0
    assert "No vehicle can pass all signals both ways" in run.stdout


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "line 1: this is not JSON"),
        ("[]", "the list holds no arterial"),
        ("[3]", "arterial 1 is not valid: file: an arterial is an object"),
        (json.dumps({**STREET, "distance_m": [1, 2]}), "2 values, but 4 signals"),
        (json.dumps([STREET, {**STREET, "k": "x"}]), "arterial 2 (Main Street) is not valid: k[0]"),
    ],
)
def test_a_bad_file_is_told_in_one_line(greenband, tmp_path, content, said):
    (tmp_path / "bad.json").write_text(content)
    run = greenband("wave", "bad.json", "--json", "-")
    assert (run.returncode, run.stdout) == (1, "")
    assert said in run.stderr
    assert len(run.stderr.strip().splitlines()) == 1


def test_wrong_use(greenband, street_file):
    assert greenband("wave").returncode == 2
    assert greenband("wave", street_file(), "--cut", "--multiband").returncode == 2
    missing = greenband("wave", "nowhere.json")
    assert missing.returncode == 1
    assert "nowhere.json: No such file" in missing.stderr


def test_an_unknown_key_is_remarked_on(greenband, street_file):
    run = greenband("wave", street_file(speed_rnge=3), "--json", "-")
    assert run.returncode == 0
    assert "the key 'speed_rnge' is not known and not used" in run.stderr
