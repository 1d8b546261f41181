"""States as files: what is read from them, what a candidate loads, and what is refused."""

from __future__ import annotations

import gzip

import pytest

from sim.errors import ScenarioError
from sim.network import derive_network
from sim.scenario import load_scenario
from sim.whatif.present import check_fits, read_present, write_state

STATE = """<?xml version="1.0" encoding="UTF-8"?>
<snapshot type="micro" version="1.28.0" time="{time}">
    <rngState default="1 2 3">
        <rngLane index="0" state="4"/>
    </rngState>
    <vehicle id="v" depart="10">
        <device id="tripinfo_v" state="a_0 0 12 80 9000 1 3 0 -1"/>
    </vehicle>
    <person id="p"><walk edges="a" waitingTime="4.5"/><walk edges="b" waitingTime="2"/></person>
    <lane id="{lane}"><vehicles value="v"/></lane>
    <tlLogic id="B1" programID="0" phase="{phase}" duration="2000" until="900000" active="1"/>
    <tlLogic id="B1" programID="other" phase="0" duration="0" active="0"/>
</snapshot>
"""


@pytest.fixture(scope="module")
def scenario(crossroads):
    return load_scenario(str(crossroads))


@pytest.fixture(scope="module")
def network(scenario):
    return derive_network(scenario.net_file)


def saved(folder, *, time="100.00", lane="A1B1_0", phase=0, name="state.xml"):
    path = folder / name
    path.write_text(STATE.format(time=time, lane=lane, phase=phase))
    return path


def test_a_state_of_sumo_alone_is_walked_back_through_its_program(tmp_path, scenario, network):
    program = network.junctions[0].shipped
    present = read_present(saved(tmp_path, phase=1), scenario)
    shown = present.lamps["B1"]
    assert present.time_s == 100
    assert shown.letters == program.phases[1].state
    ended = [i for i, letter in enumerate(shown.letters) if letter == "y"]
    assert ended
    assert all(shown.since_s[i] == shown.ended_s[i] == 2.0 for i in ended)
    red = [i for i, letter in enumerate(shown.letters) if letter == "r"]
    assert all(shown.since_s[i] >= 2.0 + program.phases[0].duration_s for i in red)
    check_fits(present, network)


def test_what_greenband_adds_survives_in_both_kinds_of_file(tmp_path, scenario):
    document = {
        "control": "adaptive",
        "lamps": {"B1": ("Gr", [1.0, 2.0], [3600.0, 4.5])},
        "heard": {
            "B1": {"detectors": 3, "readings": [[], [(1, 2, 1, True)]], "lamps": [(0, "Gr")]}
        },
    }
    plain = STATE.format(time="100.00", lane="A1B1_0", phase=0)
    for name in ("kept.xml", "kept.xml.gz"):
        write_state(tmp_path / name, plain, document)
        present = read_present(tmp_path / name, scenario)
        assert present.control == "adaptive"
        assert present.lamps["B1"].ended_s == (3600.0, 4.5)
        assert present.heard["B1"].readings == ((), ((1, 2, 1, True),))
    assert gzip.decompress((tmp_path / "kept.xml.gz").read_bytes()).startswith(b"<?xml")


def test_chance_and_strange_programs_are_not_loaded(tmp_path, scenario):
    present = read_present(saved(tmp_path), scenario)
    text = present.loadable({"B1": "0"})
    assert "rngState" not in text and "rngLane" not in text
    assert 'programID="0"' in text and 'programID="other"' not in text
    assert "tlLogic" not in present.loadable({})
    assert '<vehicle id="v"' in text


def test_what_was_before_the_present_is_known(tmp_path, scenario):
    present = read_present(saved(tmp_path), scenario)
    assert present.stops_until_now() == {"v": 3}
    assert present.waits_until_now_s() == {"p": 6.5}


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "no such state"),
        ("<net/>", "no state of SUMO"),
        ("\x00\x01", "no state of SUMO"),
        (STATE.format(time="99999", lane="A1B1_0", phase=0), "its time, 99999 s, is outside of"),
        (STATE.format(time="1.0", lane="a", phase=0) + "<!-- greenband: AAAA -->", "is damaged"),
    ],
)
def test_what_is_refused(tmp_path, scenario, content, says):
    path = tmp_path / "state.xml"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ScenarioError, match=says) as caught:
        read_present(path, scenario)
    assert "state.xml" in str(caught.value)


def test_half_a_compressed_file_is_refused(tmp_path, scenario):
    path = tmp_path / "state.xml.gz"
    path.write_bytes(gzip.compress(STATE.encode())[:60])
    with pytest.raises(ScenarioError, match="can't be read"):
        read_present(path, scenario)


def test_a_state_of_another_network_is_refused(tmp_path, scenario, network):
    present = read_present(saved(tmp_path, lane="elsewhere_0"), scenario)
    with pytest.raises(ScenarioError, match="another network: vehicles are on lane 'elsewhere_0'"):
        check_fits(present, network)
