"""Every mistake of a user ends in one line that says what and where, and in an exit code."""

from pathlib import Path

import pytest

from tests.greenband.crossing import build_crossing


def assert_one_line(result, code, *said):
    assert result.returncode == code, result.stderr
    errors = [line for line in result.stderr.splitlines() if line.startswith("greenband: error: ")]
    assert len(errors) == 1, result.stderr
    assert "Traceback" not in result.stderr
    for each in said:
        assert each in errors[0]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("compare", "cologne9"), 2, ("cologne9", "did you mean cologne", "cologne8")),
        (("compare", "nowhere"), 2, ("nowhere", "arterial")),
        (("compare", "missing.sumocfg"), 1, ("missing.sumocfg",)),
        (("compare", "missing.net.xml", "--routes", "r.xml"), 1, ("missing.net.xml",)),
        (("compare", "arterial", "--control", "adaptve"), 2, ("adaptve", "did you mean adaptive")),
        (("compare", "arterial", "--seeds", "0"), 2, ("--seeds 0",)),
        (("compare", "arterial", "--seeds", "3-1"), 2, ("--seeds 3-1",)),
        (("compare", "arterial", "--scale", "nan"), 2, ("--scale",)),
        (("compare", "arterial", "--scale", "0"), 2, ("--scale 0",)),
        (("compare", "arterial", "--begin", "nan"), 2, ("--begin",)),
        (("compare", "arterial", "--end", "inf"), 2, ("--end",)),
        (("compare", "arterial", "--convention", "filed"), 1, ("filed", "field")),
        (("inspect", "missing.net.xml"), 1, ("missing.net.xml",)),
        (("inspect", "nowhere"), 2, ("nowhere",)),
        (("check", "missing.json"), 1, ("missing.json",)),
        (("check", "missing.net.xml"), 1, ("missing.net.xml",)),
        (("scenarios", "fetch", "colonge8"), 2, ("colonge8", "did you mean cologne8")),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_mistakes(inline, tmp_path, words, code, said):
    assert_one_line(inline(*words, env={"GREENBAND_CACHE": str(tmp_path / "cache")}), code, *said)
    assert not (tmp_path / "out").exists()


def test_a_network_without_lights(inline, tmp_path):
    config = build_crossing(tmp_path / "s", lights=False)
    for words in (("compare", config), ("inspect", config), ("check", config)):
        assert_one_line(inline(*words), 1, "light")


def test_files_that_are_something_else(inline, tmp_path):
    for name in ("a.net.xml", "a.sumocfg"):
        path = tmp_path / name
        for content in (b"", b"<a/>", b"\x00\x01", b"<net"):
            path.write_bytes(content)
            assert_one_line(inline("inspect", path), 1, name)


def test_a_detector_on_no_lane(greenband, tmp_path):
    config = build_crossing(tmp_path / "s")
    loops = config.with_name("loops.add.xml")
    loops.write_text('<additional><e1Detector id="d" lane="no_0" pos="5" file="x"/></additional>')
    text = config.read_text().replace(
        "</input>", '<additional-files value="loops.add.xml"/></input>'
    )
    config.write_text(text)
    result = greenband("compare", config, "--control", "fixed", "--seeds", "1", "--json", "-")
    assert_one_line(result, 1, "no_0")


def test_a_report_that_cannot_be_written_is_known_before_the_runs(greenband, tmp_path):
    config = build_crossing(tmp_path / "s")
    (tmp_path / "file").touch()
    result = greenband("compare", config, "--report", "file/report.html")
    assert_one_line(result, 1, "file/report.html")
    assert "1/9" not in result.stderr
    result = greenband("compare", config, "--json", "file/x.json")
    assert_one_line(result, 1, "file/x.json")
    assert "1/9" not in result.stderr


def test_a_full_disk(greenband, tmp_path):
    config = build_crossing(tmp_path / "s")
    words = ("compare", config, "--control", "fixed", "--seeds", "1", "--json", "/dev/full")
    result = greenband(*words)
    assert_one_line(result, 1, "/dev/full", "No space left")
    assert Path("/dev/full").is_char_device()


def test_without_sumo(greenband, tmp_path, without_sumo):
    result = greenband("compare", "arterial", env=without_sumo)
    assert_one_line(result, 1, "SUMO is not installed: pip install 'greenband[demo]'")
    for words in (("--help",), ("scenarios", "list"), ("compare", "--help"), ("--version",)):
        assert greenband(*words, env=without_sumo).returncode == 0
    doctor = greenband("doctor", env=without_sumo)
    assert "pip install 'greenband[demo]'" in doctor.stdout
    net = build_crossing(tmp_path / "s").with_name("crossing.net.xml")
    assert greenband("check", net, env=without_sumo).returncode == 0


def test_debugging_shows_where_an_error_comes_from(greenband):
    result = greenband("check", "missing.json", env={"GREENBAND_DEBUG": "1"})
    assert "Traceback" in result.stderr
    assert result.returncode == 1
