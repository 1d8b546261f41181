import re
from xml.etree import ElementTree

import pytest

from sim import sumo_home
from sim.arterial import build_arterial
from sim.errors import SumoError
from sim.network import derive_network


@pytest.fixture(scope="module")
def arterial(tmp_path_factory):
    return build_arterial(tmp_path_factory.mktemp("one"))


def test_the_arterial_has_six_signals_a_t_junction_and_crossings(arterial):
    network = derive_network(arterial.with_name("arterial.net.xml"))
    assert len(network.junctions) == 6
    assert not [f for f in network.all_findings() if f.severity == "unsafe"]
    crossings = {j.id for j in network.junctions if j.buttons}
    assert crossings == {"station", "market", "school"}
    mill = network.junction("mill").intersection
    assert not any(group.name.startswith("S ") for group in mill.groups)


def test_the_same_text_gives_the_same_scenario(arterial, tmp_path):
    again = build_arterial(tmp_path)
    for name in ("arterial.net.xml", "arterial.rou.xml", "arterial.sumocfg"):
        one, other = (
            re.sub(r"<!--.*?-->", "", config.with_name(name).read_text(), flags=re.DOTALL)
            for config in (arterial, again)
        )
        assert one == other


def test_demand_has_vehicles_and_pedestrians_in_order(arterial):
    root = ElementTree.parse(arterial.with_name("arterial.rou.xml")).getroot()
    begins = [float(e.get("begin")) for e in root if e.tag in {"flow", "personFlow"}]
    assert begins == sorted(begins)
    assert root.findall("personFlow")
    assert (
        2_500
        < sum(
            float(e.get("vehsPerHour")) * (float(e.get("end")) - float(e.get("begin"))) / 3600
            for e in root.findall("flow")
        )
        < 4_500
    )


def test_without_sumo_the_error_says_how_to_get_it(monkeypatch, tmp_path):
    monkeypatch.setitem(__import__("sys").modules, "sumo", None)
    monkeypatch.delenv("SUMO_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SumoError, match="SUMO is not installed: pip install"):
        sumo_home.sumo_home()


def test_a_complaint_of_netconvert_is_passed_on(tmp_path):
    with pytest.raises(SumoError, match=r"netconvert failed in .*absent.nod.xml"):
        sumo_home.run_sumo_binary("netconvert", ["-n", "absent.nod.xml"], tmp_path)
    with pytest.raises(SumoError, match="no-such-program is missing"):
        sumo_home.sumo_binary("no-such-program")
