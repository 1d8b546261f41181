from xml.etree import ElementTree

import pytest

from sim.network import derive_network
from sim.network.drawing import junction_svg, network_svg
from tests.sim.networks import KINDS, crossroads, generate, two_nodes_one_controller

SVG = "{http://www.w3.org/2000/svg}"


def texts(svg):
    return [element.text for element in ElementTree.fromstring(svg).iter(f"{SVG}text")]


@pytest.mark.parametrize("kind", ["crossings", "no inner lanes", "seven arms", "random"])
def test_every_junction_can_be_drawn_with_its_groups_and_stages(tmp_path, kind):
    network = derive_network(generate(tmp_path, KINDS[kind]))
    for junction in network.junctions:
        words = texts(junction_svg(junction, network))
        assert {group.name for group in junction.intersection.groups} <= set(words)
        assert {stage.name for stage in junction.intersection.stages} <= set(words)


def test_the_drawing_marks_every_loop_and_every_intergreen(tmp_path):
    network = derive_network(crossroads(tmp_path))
    (junction,) = network.junctions
    root = ElementTree.fromstring(junction_svg(junction, network))
    assert any("stop line, 4 m upstream" in (e.text or "") for e in root.iter(f"{SVG}text"))
    intergreens = [ms for row in junction.intersection.intergreen_ms for ms in row if ms]
    seconds = [e.text for e in root.iter(f"{SVG}text") if e.get("font-size") == "10"]
    assert len(seconds) >= len(intergreens)


def test_ids_with_markup_do_not_break_the_drawing(tmp_path):
    net = crossroads(tmp_path)
    net.write_text(net.read_text().replace('"c"', '"c&lt;&amp;&gt;"'))
    network = derive_network(net)
    assert "c<&>" in texts(junction_svg(network.junctions[0], network))


def test_the_map_of_the_network_lists_its_lights(tmp_path):
    network = derive_network(two_nodes_one_controller(tmp_path))
    words = texts(network_svg(network))
    assert "1  both" in words
    assert any("several nodes" in word for word in words)
