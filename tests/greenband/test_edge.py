import json

from tests.edge.sites import HEAD, cabinet_table, write_cabinet_files, write_site


def test_check_says_what_would_run(inline, tmp_path):
    text = HEAD + cabinet_table("J1") + cabinet_table("J2", "rtu:///dev/ttyUSB0", 7)
    path = write_site(tmp_path, text, "J1", "J2")
    result = inline("edge", "check", path)
    assert result.returncode == 0, result.stderr
    for part in ("J1", "tcp 127.0.0.1:1502", "serial /dev/ttyUSB0", "7", "60 s", "north-1"):
        assert part in result.stdout
    assert f"{path}: no error" in result.stderr
    assert "note: broker: without orders_key_file" in result.stderr


def test_check_prints_errors_like_a_compiler(inline, tmp_path):
    text = HEAD.replace("mqtt:", "ftp:") + cabinet_table("J1").replace("unit = 1", "unti = 1")
    path = write_site(tmp_path, text, "J1")
    result = inline("edge", "check", path)
    assert result.returncode == 1
    assert not result.stdout
    lines = result.stderr.splitlines()
    assert lines[0].startswith(f"{path}:5: error: broker.url: ")
    assert lines[1].startswith(f'{path}:11: error: cabinet "J1".unti: unknown key "unti"')
    assert lines[2:] == [f"{path}: 2 errors"]


def test_check_as_json(inline, tmp_path):
    path = write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    good = json.loads(inline("edge", "check", path, "--json").stdout)
    assert good["valid"] is True
    assert good["cabinets"] == [
        {
            "name": "J1",
            "link": "tcp 127.0.0.1:1502",
            "unit": 1,
            "groups": 4,
            "detectors": 4,
            "plan": "day",
            "cycle_ms": 60_000,
        }
    ]
    (tmp_path / "J1.key").unlink()
    result = inline("edge", "check", path, "--json")
    bad = json.loads(result.stdout)
    assert result.returncode == 1
    assert bad["valid"] is False
    assert [each["line"] for each in bad["errors"]] == [12]
    assert not result.stderr


def test_a_file_that_is_not_there(inline, tmp_path):
    result = inline("edge", "check", "none.toml")
    assert result.returncode == 1
    assert "none.toml:1: error: file: No such file" in result.stderr


def test_init_writes_a_file_that_only_lacks_what_it_names(inline, tmp_path):
    assert inline("edge", "init", "new.toml").returncode == 0
    result = inline("edge", "check", "new.toml")
    assert result.returncode == 1
    errors = result.stderr.splitlines()[:-1]
    assert len(errors) == 3
    assert all("there is no file" in each for each in errors)
    again = inline("edge", "init", "new.toml")
    assert again.returncode == 2
    assert "is there already" in again.stderr
    assert json.loads(inline("edge", "init", "two.toml", "--json").stdout)["file"] == "two.toml"


def test_init_for_cabinets_at_hand_writes_a_file_that_runs(inline, tmp_path):
    names = ("J1", 'the "old" bridge')
    (tmp_path / "sites").mkdir()
    for name, stem in zip(names, ("J1", "J2"), strict=True):
        write_cabinet_files(tmp_path / "sites", name)
        for suffix in ("site.json", "plan.json", "key"):
            wanted = tmp_path / "sites" / f"{stem}.{suffix}"
            (tmp_path / "sites" / f"{name}.{suffix}").rename(wanted)
    words = [word for stem in ("J1", "J2") for word in ("--site", f"sites/{stem}.site.json")]
    result = inline("edge", "init", "edge/site.toml", *words)
    assert result.returncode == 0, result.stderr
    found = json.loads(inline("edge", "check", "edge/site.toml", "--json").stdout)
    assert found["valid"], found
    assert [each["name"] for each in found["cabinets"]] == list(names)
    assert [each["link"] for each in found["cabinets"]] == [
        "tcp 127.0.0.1:1502",
        "tcp 127.0.0.1:1503",
    ]
    assert found["broker"] is None
    wrong = inline("edge", "init", "three.toml", "--site", "sites/J1.plan.json")
    assert wrong.returncode == 1
    assert not (tmp_path / "three.toml").exists()


def test_check_and_init_as_a_real_command(greenband, tmp_path):
    path = write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    result = greenband("edge", "check", path)
    assert result.returncode == 0, result.stderr
    assert "\x1b" not in result.stdout + result.stderr
