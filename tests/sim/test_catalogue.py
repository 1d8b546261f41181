"""The catalogue: what it lists, how it fetches, and what it says when it cannot."""

from __future__ import annotations

import pytest

from sim.catalogue import catalogue_config, fetch_scenario, list_scenarios
from sim.errors import ScenarioError
from sim.scenario import load_scenario

RESCO = [
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"),
    *("grid4x4", "arterial4x4"),
]


@pytest.fixture
def empty_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("GREENBAND_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_lists_the_resco_eight_and_our_arterial(empty_cache):
    entries = {entry.name: entry for entry in list_scenarios()}
    assert list(entries) == [*RESCO, "arterial"]
    assert not any(entry.fetched for entry in entries.values())
    assert entries["cologne8"].window_s == (25_200, 28_800)
    assert entries["ingolstadt7"].window_s == (57_600, 61_200)
    assert entries["grid4x4"].window_s == (0, 3_600)


def test_fetches_only_what_was_asked_for(empty_cache):
    said = []
    config = fetch_scenario("cologne1", said.append)
    assert config == empty_cache / "scenarios" / "cologne1" / "cologne1.sumocfg"
    assert {path.name for path in config.parent.iterdir()} == {
        *("cologne1.sumocfg", "cologne1.net.xml", "cologne1.rou.xml", "LICENCE-NOTICE.txt"),
    }
    assert [path.name for path in empty_cache.iterdir()] == ["scenarios"], "scratch left behind"
    assert "check these before you redistribute" in (
        config.with_name("LICENCE-NOTICE.txt").read_text()
    )
    assert any("downloading" in line for line in said)
    scenario = load_scenario("cologne1")
    assert (scenario.begin_s, scenario.end_s) == (25_200, 28_800)
    assert [entry.name for entry in list_scenarios() if entry.fetched] == ["cologne1"]
    assert fetch_scenario("cologne1") == config


def test_offline_says_what_to_do_and_leaves_nothing(empty_cache, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ScenarioError, match="could not be fetched") as caught:
        fetch_scenario("cologne1")
    assert "\n" not in str(caught.value)
    assert list(empty_cache.iterdir()) == []


def test_a_scenario_that_was_not_fetched_says_how(empty_cache):
    with pytest.raises(ScenarioError, match="greenband scenarios fetch grid4x4"):
        load_scenario("grid4x4")


def test_unknown_name(empty_cache):
    with pytest.raises(ScenarioError, match="unknown scenario 'berlin'"):
        fetch_scenario("berlin")


def test_cache_that_cannot_be_written(tmp_path, monkeypatch):
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("GREENBAND_CACHE", str(blocked / "cache"))
    with pytest.raises(ScenarioError, match="set GREENBAND_CACHE"):
        fetch_scenario("cologne1")


def test_our_arterial_needs_no_download(empty_cache, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    config = catalogue_config("arterial")
    assert config.name == "arterial.sumocfg"
    assert load_scenario("arterial").net_file.is_file()
