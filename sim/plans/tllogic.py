"""A network plan as a SUMO additional file, which stock SUMO loads with ``-a``.

Every site becomes a static ``tlLogic`` whose phases are what the controller itself shows, to the
tenth of a second (:mod:`sim.plans.shown`). What a ``tlLogic`` has no place for (names of stages
and zones, who is actuated) goes into its parameters, which SUMO keeps and does not use.
"""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

from controller import plan_json
from controller.plan import TimingPlan
from controller.signals import Outputs
from controller.values_json import encode
from optimizer.planning.network import NetworkPlan
from sim.errors import NetworkError
from sim.network.lamps import signal_state
from sim.network.model import Junction, Network
from sim.plans.shown import shown_cycle

PLAN_KEY = "greenband.plan"
"""Parameter with the site's plan, as in its own JSON file."""
NETWORK_KEY = "greenband.network"
"""Parameter of the first ``tlLogic`` with the rest of the network plan."""

Timed = tuple[tuple[int, str], ...]
"""Phases: (duration in ms, state string)."""


def tllogic_xml(plan: NetworkPlan, network: Network) -> str:
    """The text of the additional file for *plan*.

    SUMO has to run in steps of 0.1 s, or of 1 s where every time of the plan is whole seconds.
    Raises :class:`NetworkError` if *network* lacks a site of the plan, and
    :class:`~controller.violations.InvalidError` for a plan that breaks a rule of its site.
    """
    root = ET.Element("additional")
    for number, each in enumerate(plan.plans):
        junction = junction_of(each, network)
        offset_ms, phases = shown_phases(junction, each)
        attributes = {
            "id": junction.id,
            "type": "static",
            "programID": program_id(each),
            "offset": f"{offset_ms / 1000:g}",
        }
        logic = ET.SubElement(root, "tlLogic", attributes)
        if number == 0:
            _param(logic, NETWORK_KEY, {**encode(plan), "plans": []})
        _param(logic, PLAN_KEY, plan_json.document(each))
        for duration_ms, state in phases:
            ET.SubElement(logic, "phase", {"duration": f"{duration_ms / 1000:g}", "state": state})
    ET.indent(root, "    ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, "unicode") + "\n"


def shown_phases(junction: Junction, plan: TimingPlan) -> tuple[int, Timed]:
    """When phase 0 begins (ms after multiples of the cycle), and the phases."""
    cycle = shown_cycle(junction.intersection, plan)
    phases = tuple(
        (lit.duration_ms, signal_state(junction, Outputs(lit.green, lit.ending)))
        for lit in cycle.lit
    )
    return cycle.start_ms, phases


def program_id(plan: TimingPlan) -> str:
    """The ``programID`` that *plan* gets: never one that a network already has."""
    return "greenband-" + re.sub(r"[^\w.-]+", "-", plan.name)


def junction_of(plan: TimingPlan, network: Network) -> Junction:
    """The junction that *plan* is made for; raises :class:`NetworkError` if there is none."""
    try:
        return network.junction(plan.site)
    except KeyError as error:
        raise NetworkError(
            f"plan {plan.name!r}: {error.args[0]}; give the network that it was made for"
        ) from None


def _param(logic: ET.Element, key: str, content: object) -> None:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"))
    ET.SubElement(logic, "param", {"key": key, "value": text})
