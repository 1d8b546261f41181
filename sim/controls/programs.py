"""The shipped signal programs as peers need them, and programs written for SUMO to load."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

from sim.errors import ScenarioError
from sim.network.net_file import read_net
from sim.network.programs import YELLOW, Phase, ShippedProgram, programs_in_force
from sim.scenario import Scenario

GREEN = frozenset("Gg")
_NO_PARAMS: Mapping[str, str] = MappingProxyType({})


def shipped_programs(scenario: Scenario) -> tuple[ShippedProgram, ...]:
    """The program in force at every signal when *scenario* begins."""
    logics = read_net(scenario.net_file).logics
    programs = programs_in_force(logics, scenario.additional_files, scenario.begin_s)
    if not programs:
        raise ScenarioError(f"{scenario.net_file}: the network has no traffic lights to control")
    return tuple(programs.values())


def is_green(phase: Phase) -> bool:
    """Whether something is green in *phase* and nothing is about to end."""
    letters = set(phase.state)
    return bool(letters & GREEN) and not letters & YELLOW


def write_programs(
    programs: Iterable[ShippedProgram],
    kind: str,
    program_id: str,
    path: Path,
    params: Mapping[str, str] = _NO_PARAMS,
) -> None:
    """Write *programs* as an additional file of SUMO programs of type *kind* with *params*.

    SUMO runs the program that it loads last, so these replace those of the network. A program that
    is of this type already keeps the parameters that *params* says nothing about.
    """
    root = ET.Element("additional")
    for program in programs:
        attributes = {
            "id": program.controller,
            "type": kind,
            "programID": program_id,
            "offset": f"{program.offset_s:g}",
        }
        logic = ET.SubElement(root, "tlLogic", attributes)
        own = dict(program.params) if kind == program.type else {}
        for key, value in {**own, **params}.items():
            ET.SubElement(logic, "param", {"key": key, "value": value})
        for phase in program.phases:
            ET.SubElement(logic, "phase", _attributes(phase))
    ET.ElementTree(root).write(path, encoding="utf-8", xml_declaration=True)


def _attributes(phase: Phase) -> dict[str, str]:
    return {
        "duration": f"{phase.duration_s:g}",
        "minDur": f"{phase.min_s:g}",
        "maxDur": f"{phase.max_s:g}",
        "state": phase.state,
    }
