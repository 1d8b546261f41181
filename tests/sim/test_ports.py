"""The ports of our controls: loops count right, and nothing but loops and buttons is read."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
from dataclasses import replace
from pathlib import Path

import libsumo
import pytest

from controller.signals import Outputs
from sim.controls.loop_driven import LoopDriver
from sim.controls.splits import SplitsControl
from sim.convention import FIELD
from sim.network import derive_network, loop_additional
from sim.ports import LoopPort
from sim.scenario import load_scenario
from sim.simulation import Outputs as Files
from sim.simulation import Simulation, start, sumo_options
from sim.sumo_home import sumo_binary

BUTTONS = {"edge.getLastStepPersonIDs", "person.getNextEdge", "person.getSpeed"}
LOOPS = {"inductionloop.getTimeSinceDetection", "inductionloop.getVehicleData"}
LAMPS = {"trafficlight.setRedYellowGreenState"}


class Recording:
    """A stand-in for libsumo that passes everything on and notes the name of every function."""

    def __init__(self, target, prefix="", called=None):
        self._target, self._prefix = target, prefix
        self.called = set() if called is None else called

    def __getattr__(self, name):
        value = getattr(self._target, name)
        path = f"{self._prefix}{name}"
        if isinstance(value, type) or not callable(value):  # a domain, such as inductionloop
            return Recording(value, f"{path}.", self.called)

        def call(*arguments, **named):
            self.called.add(path)
            return value(*arguments, **named)

        return call


@pytest.fixture
def running(crossroads, tmp_path):
    """Starts the crossroads with its loops: (network, simulation)."""

    def begin(step_s=1.0):
        scenario = replace(load_scenario(str(crossroads)), step_s=step_s)
        network = derive_network(scenario.net_file)
        loops = tmp_path / "loops.add.xml"
        loops.write_text(loop_additional(network))
        files = Files.into(tmp_path, detail=False)
        options = sumo_options(scenario, FIELD, 1, files, additional=(loops,))
        return network, start(options, scenario)

    yield begin
    libsumo.close()


@pytest.mark.parametrize("step_s", [1.0, 0.5, 0.2])
def test_every_vehicle_enters_and_leaves_a_loop_once(running, step_s):
    network, simulation = running(step_s)
    port = LoopPort(simulation, network.junctions)
    ids = [loop.id for loop in network.junctions[0].loops]
    entered, left, passed = [0] * len(ids), [0] * len(ids), [set() for _ in ids]
    for _ in range(round(400 / step_s)):
        simulation.step()
        readings = port.read()[0]
        for k, loop in enumerate(ids):
            entered[k] += readings.entered[k]
            left[k] += readings.left[k]
            # A vehicle that changes lanes and comes back is on the loop twice.
            passed[k] |= {
                (record[0], record[2]) for record in libsumo.inductionloop.getVehicleData(loop)
            }
            assert readings.occupied[k] == (entered[k] > left[k])
    assert sum(entered) > 100
    assert entered == [len(visits) for visits in passed]


def test_adaptive_touches_nothing_but_loops_and_lamps(running):
    network, _ = running()
    recording = Recording(libsumo)
    watched = Simulation(recording, 0, 1.0)
    driver = LoopDriver(watched, network, SplitsControl)
    shown = set()
    for _ in range(400):
        recording.called.discard("simulationStep")
        driver.step()
        assert recording.called <= LOOPS | LAMPS | BUTTONS
        watched.step()
        shown.add(libsumo.trafficlight.getRedYellowGreenState(network.junctions[0].id))
    assert recording.called >= LOOPS | LAMPS
    assert len(shown) > 2, "the signal never changed"


def test_what_decides_cannot_import_sumo():
    """Follow every import from the adaptive control: the ports and SUMO are out of its reach."""
    reached, ahead = set(), ["optimizer.adaptive_plan", "optimizer.tactical", "controller.core"]
    while ahead:
        name = ahead.pop()
        if name not in reached:
            reached.add(name)
            if name.split(".")[0] in {"controller", "optimizer"}:
                source = importlib.util.find_spec(name).origin
                ahead += _imported(Path(source)) if source.endswith(".py") else []
    assert "controller.detection" in reached
    assert not {name for name in reached if name.split(".")[0] in {"sim", "libsumo", "traci"}}
    own = _imported(Path(importlib.util.find_spec("sim.controls.tactical").origin))
    assert not {"sim.ports", "sim.simulation", "libsumo", "traci"} & set(own)


def _imported(path):
    names = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names


def test_a_button_is_pressed_by_those_who_wait_to_cross(crossing, tmp_path):
    network = derive_network(crossing.net_file)
    loops = tmp_path / "loops.add.xml"
    loops.write_text(loop_additional(network))
    files = Files.into(tmp_path, detail=False)
    options = sumo_options(crossing, FIELD, 1, files, additional=(loops,))
    simulation = start(options, crossing)
    port = LoopPort(simulation, network.junctions)
    (junction,) = network.junctions
    first = len(junction.loops)
    presses, held = 0, 0
    try:
        for _ in range(300):
            simulation.step()
            readings = port.read()[0]
            presses += sum(readings.entered[first:])
            held += any(readings.occupied[first:])
    finally:
        simulation.close()
    assert len(junction.buttons) == len(readings.entered) - first > 0
    assert 1 <= presses <= 2 * 10, "ten persons cross one street or two"
    assert 1 <= held < 300


@pytest.fixture
def crossing(tmp_path):
    """The signal with crossings; ten persons walk past it, one every 10 s."""
    net = tmp_path / "crossing.net.xml"
    subprocess.run(
        [
            *(str(sumo_binary("netgenerate")), "--grid", "--grid.number", "3"),
            *("--grid.length", "100", "--tls.set", "B1", "--no-turnarounds"),
            *("--default-junction-type", "priority"),
            *("--sidewalks.guess", "--crossings.guess", "--output-file", str(net)),
        ],
        check=True,
        capture_output=True,
    )
    routes = tmp_path / "walks.rou.xml"
    persons = [
        f'<person id="p{k}" depart="{k * 10}"><walk from="A1B1" to="B1B2"/></person>'
        for k in range(10)
    ]
    routes.write_text(f"<routes>{''.join(persons)}</routes>")
    return load_scenario(str(net), routes=[routes], end_s=300)


def test_lamps_are_set_only_when_they_change(running):
    network, simulation = running()
    recording = Recording(libsumo)
    driver = LoopDriver(Simulation(recording, 0, 1.0), network, SplitsControl)
    red = [Outputs(0, 0) for _ in network.junctions]
    driver.show(red)
    recording.called.clear()
    driver.show(red)
    assert recording.called == set()
    assert simulation.time_ms == 0
