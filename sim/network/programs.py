"""The signal program that a scenario ships: phases, offset, and which program is in force.

A program may stand in the network or in an additional file (the one loaded last is in force), and
a WAUT may switch between programs by the time of day. NEMA programs, whose rings run side by
side, are laid out as the fixed sequence that they follow when every phase runs to its maximum.
"""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sim.errors import NetworkError
from sim.network.net_file import read_elements

GREEN = frozenset("GgOo")
"""Letters under which a vehicle may drive; ``o`` and ``O`` are signals switched off."""
MAJOR = frozenset("GO")
"""Green letters that need not give way."""
YELLOW = frozenset("yY")
_RAIL_TYPES = frozenset({"rail_signal", "rail_crossing"})


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase of a SUMO program, times in seconds."""

    duration_s: float
    state: str
    min_s: float
    max_s: float
    name: str = ""


@dataclass(frozen=True, slots=True)
class ShippedProgram:
    """The program in force at the beginning, as SUMO would run it.

    Phase 0 begins whenever the simulation second is ``offset_s`` modulo the cycle.
    """

    controller: str
    id: str
    type: str
    offset_s: float
    phases: tuple[Phase, ...]
    params: tuple[tuple[str, str], ...] = ()

    @property
    def cycle_s(self) -> float:
        """Sum of the phase durations."""
        return sum(phase.duration_s for phase in self.phases)

    @property
    def is_off(self) -> bool:
        """Whether every lamp is dark or blinks all the time."""
        return all(set(phase.state) <= set("oO") for phase in self.phases)


@dataclass
class _Switching:
    """What the files say about which program runs when."""

    programs: dict[str, dict[str, ShippedProgram]] = field(default_factory=dict)
    last: dict[str, str] = field(default_factory=dict)
    waut_program: dict[str, str] = field(default_factory=dict)
    waut_of: dict[str, str] = field(default_factory=dict)


def programs_in_force(
    logics: Iterable[ET.Element], additional_files: Sequence[Path], begin_s: float
) -> dict[str, ShippedProgram]:
    """The program of every controller that is in force at *begin_s*, by controller.

    Raises :class:`NetworkError` for a file that cannot be read or a phase without sense.
    """
    seen = _switching(logics, additional_files, begin_s)
    in_force = {}
    for controller, programs in seen.programs.items():
        wanted = seen.waut_program.get(seen.waut_of.get(controller, ""), "")
        in_force[controller] = programs.get(wanted) or programs[seen.last[controller]]
    return in_force


def every_program(
    logics: Iterable[ET.Element], additional_files: Sequence[Path]
) -> tuple[ShippedProgram, ...]:
    """All programs of all controllers, in force or not; errors as in :func:`programs_in_force`."""
    seen = _switching(logics, additional_files, 0.0)
    return tuple(
        program for _, programs in sorted(seen.programs.items()) for program in programs.values()
    )


def _switching(
    logics: Iterable[ET.Element], additional_files: Sequence[Path], begin_s: float
) -> _Switching:
    seen = _Switching()
    for element in logics:
        _take_logic(seen, element, begin_s)
    for path in additional_files:
        for _, element in read_elements(path):
            if element.tag == "tlLogic":
                _take_logic(seen, element, begin_s)
            elif element.tag == "WAUT":
                waut = element.get("id", "")
                seen.waut_program[waut] = _waut_program(element, begin_s)
            elif element.tag == "wautJunction":
                seen.waut_of[element.get("junctionID", "")] = element.get("wautID", "")
    return seen


def _waut_program(element: ET.Element, begin_s: float) -> str:
    reference = float(element.get("refTime", "0"))
    program = element.get("startProg", "")
    for switch in sorted(element.iter("wautSwitch"), key=lambda s: float(s.get("time", "0"))):
        if float(switch.get("time", "0")) + reference <= begin_s:
            program = switch.get("to", program)
    return program


def _take_logic(seen: _Switching, element: ET.Element, begin_s: float) -> None:
    controller, program_id = element.get("id", ""), element.get("programID", "0")
    kind = element.get("type", "static")
    if kind in _RAIL_TYPES:
        return
    known = seen.programs.setdefault(controller, {})
    phases = tuple(_phase(controller, phase) for phase in element.iter("phase"))
    phases = tuple(phase for phase in phases if phase.duration_s > 0)
    if not phases:
        # without phases of its own it changes the offset of a program loaded before
        if program_id in known and element.get("offset") is not None:
            offset_s = _offset(controller, element, begin_s)
            known[program_id] = replace(known[program_id], offset_s=offset_s)
        if not known:
            del seen.programs[controller]
        return
    lengths = {len(phase.state) for phase in phases}
    if len(lengths) > 1:
        raise NetworkError(
            f"traffic light {controller!r}, program {program_id!r}: its phases have states of "
            f"{min(lengths)} and {max(lengths)} letters, give every phase one letter per link"
        )
    params = tuple((p.get("key", ""), p.get("value", "")) for p in element.iter("param"))
    program = ShippedProgram(
        controller, program_id, kind, _offset(controller, element, begin_s), phases, params
    )
    if kind.upper() == "NEMA":
        program = _unrolled_rings(program, tuple(element.iter("phase")))
    known[program_id] = program
    seen.last[controller] = program_id


def _offset(controller: str, element: ET.Element, begin_s: float) -> float:
    text = element.get("offset", "0")
    return begin_s if text == "begin" else _seconds(controller, "offset", text)


def _phase(controller: str, element: ET.Element) -> Phase:
    least = element.get("minDur")
    most = element.get("maxDur")
    text = element.get("duration") or least or most or "0"
    duration_s = _seconds(controller, "phase duration", text)
    return Phase(
        duration_s,
        element.get("state", ""),
        duration_s if least is None else _seconds(controller, "minDur", least),
        duration_s if most is None else _seconds(controller, "maxDur", most),
        element.get("name", ""),
    )


def _seconds(controller: str, what: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise NetworkError(
            f"traffic light {controller!r}: {what} {text!r} is not a number of seconds"
        )
    return value


def _unrolled_rings(program: ShippedProgram, elements: Sequence[ET.Element]) -> ShippedProgram:
    """The fixed sequence of a NEMA program whose phases all run to their maximum.

    The rings meet at the barriers: between two barriers the shorter ring stretches its last phase.
    """
    params = dict(program.params)
    by_name = {
        element.get("name", ""): (_phase(program.controller, element), element)
        for element in elements
    }
    rings = [
        [name for name in params.get(key, "").replace(" ", "").split(",") if name in by_name]
        for key in ("ring1", "ring2")
    ]
    if not any(rings):
        return program
    barriers = [
        set(params.get(key, "").replace(" ", "").split(","))
        for key in ("barrierPhases", "barrier2Phases")
    ]
    steps: list[Phase] = []
    sides = [_ring_sides(ring, barriers) for ring in rings]
    for side in range(max(len(ring) for ring in sides)):
        tracks = [
            [by_name[name] for name in ring[side]] if side < len(ring) else [] for ring in sides
        ]
        steps += _overlay([_track(track) for track in tracks if track])
    return replace(program, phases=tuple(steps))


def _ring_sides(ring: Sequence[str], barriers: Sequence[set[str]]) -> list[list[str]]:
    sides: list[list[str]] = [[]]
    for name in ring:
        sides[-1].append(name)
        if any(name in barrier for barrier in barriers):
            sides.append([])
    return [side for side in sides if side]


def _track(track: Sequence[tuple[Phase, ET.Element]]) -> list[tuple[float, str]]:
    """(duration, state) of one ring between two barriers, with yellow and red clearance."""
    steps = []
    for phase, element in track:
        yellow_s = float(element.get("yellow", "3"))
        red_s = float(element.get("red", "0"))
        steps.append((phase.max_s, phase.state))
        steps.append((yellow_s, "".join("y" if c in GREEN else c for c in phase.state)))
        steps.append((red_s, "r" * len(phase.state)))
    return steps


def _overlay(tracks: Sequence[list[tuple[float, str]]]) -> list[Phase]:
    """Run the rings' tracks side by side; the last green of a shorter one is stretched."""
    longest_s = max(sum(duration for duration, _ in track) for track in tracks)
    stretched = []
    for track in tracks:
        missing_s = longest_s - sum(duration for duration, _ in track)
        last_green = len(track) - 3
        stretched.append(
            [(d + missing_s if i == last_green else d, s) for i, (d, s) in enumerate(track)]
        )
    cuts = sorted(
        {
            round(sum(duration for duration, _ in track[: i + 1]), 3)
            for track in stretched
            for i in range(len(track))
        }
    )
    phases, start_s = [], 0.0
    for cut_s in cuts:
        if cut_s - start_s > 1e-6:
            states = [_state_at(track, (start_s + cut_s) / 2) for track in stretched]
            state = "".join(_strongest(column) for column in zip(*states, strict=True))
            phases.append(Phase(cut_s - start_s, state, cut_s - start_s, cut_s - start_s))
        start_s = cut_s
    return phases


def _state_at(track: Sequence[tuple[float, str]], second: float) -> str:
    for duration, state in track:
        if second < duration:
            return state
        second -= duration
    return track[-1][1]


def _strongest(letters: Sequence[str]) -> str:
    return max(letters, key="rsuyYoOgG".index)
