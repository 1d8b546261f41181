"""The present: a state that SUMO saved, with what the lamps showed and the loops saw until then.

SUMO's own file knows neither how long a lamp has been green nor what a state set from outside was.
``greenband run --save-state`` adds that, in a comment which SUMO passes over, so that a state is
one file and any SUMO loads it. A state saved by SUMO alone does too: then programs of fixed time
are walked back, and of other signals nothing is known.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sim.errors import ScenarioError
from sim.network.model import Network
from sim.network.net_file import read_net
from sim.network.programs import GREEN, YELLOW, ShippedProgram, every_program
from sim.scenario import Scenario, time_s

ENDINGS = (".xml", ".xml.gz")
SCHEMA = 1
_GZIP = b"\x1f\x8b"
_SNAPSHOT = re.compile(r"<snapshot\b[^>]*>")
_TIME = re.compile(r'\btime="([^"]+)"')
_ADDED = re.compile(r"<!-- greenband: (\S+) -->")
_LOGIC = re.compile(r"[ \t]*<tlLogic\b[^>]*/>\n?")
_RANDOM = re.compile(r"<rngState\b[^>]*/>|<rngState\b[^>]*[^/]>.*?</rngState>", re.DOTALL)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
_LANE = re.compile(r'<lane id="([^":][^"]*)">')
_TRIP_DEVICE = re.compile(r'<device id="tripinfo_([^"]+)" state="([^"]+)"')
_PERSON = re.compile(r'<person id="([^"]+)".*?</person>', re.DOTALL)
_WALKED = re.compile(r'<walk\b[^>]*waitingTime="([^"]+)"')

Reading = tuple[int, int, int, bool]
"""(detector, vehicles that came onto it, that left it, whether one stands on it)."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a signal shows: SUMO's letters, and per link for how long, and since its last green.

    The ages (s) are empty where nobody knows.
    """

    letters: str
    since_s: tuple[float, ...] = ()
    ended_s: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """The last minutes of one junction: per step what its detectors reported, and its lamps.

    ``readings`` only has detectors that reported something; ``lamps`` are (step, letters), where
    they changed.
    """

    detectors: int
    readings: tuple[tuple[Reading, ...], ...]
    lamps: tuple[tuple[int, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """A state to go on from; ``control`` is what ran until then, empty if nobody knows."""

    path: Path
    time_s: float
    control: str = ""
    lamps: Mapping[str, Shown] = field(default_factory=dict)
    heard: Mapping[str, Heard] = field(default_factory=dict)
    text: str = field(repr=False, default="")
    """The file."""

    def stops_until_now(self) -> dict[str, int]:
        """By vehicle, how often it had stopped before."""
        found = {}
        for vehicle, state in _TRIP_DEVICE.findall(self.text):
            words = state.split()
            found[vehicle] = int(words[6]) if len(words) > 6 else 0
        return found

    def waits_until_now_s(self) -> dict[str, float]:
        """By person, how long it had waited on foot before."""
        return {
            each[1]: sum(float(wait) for wait in _WALKED.findall(each[0]))
            for each in _PERSON.finditer(self.text)
        }

    def loadable(self, programs: Mapping[str, str]) -> str:
        """The state as a candidate loads it.

        Chance is left out, so that the seed decides it. Of the signals only those stay whose
        program the candidate goes on with: *programs*, by signal, are those that it runs.
        """

        def kept(logic: re.Match[str]) -> str:
            has = dict(_ATTRIBUTE.findall(logic[0]))
            goes_on = has.get("programID") == programs.get(has.get("id", ""))
            return logic[0] if goes_on and has.get("active", "1") == "1" else ""

        return _LOGIC.sub(kept, _RANDOM.sub("", self.text))


def colour(letter: str) -> str:
    """``g``, ``y`` or ``r``: what SUMO's *letter* shows."""
    return "g" if letter in GREEN else "y" if letter in YELLOW else "r"


def read_present(path: Path, scenario: Scenario) -> Present:
    """The present in the file *path*, a state of *scenario*.

    Raises :class:`ScenarioError` for a file that is none, or one outside of the scenario's window.
    """
    text = _text(path)
    snapshot = _SNAPSHOT.search(text)
    found = _TIME.search(snapshot[0]) if snapshot else None
    if found is None:
        raise ScenarioError(
            f"{path}: this is no state of SUMO (it has no snapshot with a time), "
            "greenband run --save-state writes one"
        )
    now_s = time_s(found[1])
    if not scenario.begin_s <= now_s < scenario.end_s:
        raise ScenarioError(
            f"{path}: its time, {now_s:g} s, is outside of {scenario.name}, which runs from "
            f"{scenario.begin_s:g} to {scenario.end_s:g} s"
        )
    added = _ADDED.search(text)
    if added is None:
        return Present(path=path, time_s=now_s, lamps=_by_programs(text, scenario), text=text)
    known = _unpacked(path, added[1])
    return Present(
        path=path,
        time_s=now_s,
        control=known["control"],
        lamps={name: Shown(s, tuple(a), tuple(b)) for name, (s, a, b) in known["lamps"].items()},
        heard={name: _heard(each) for name, each in known["heard"].items()},
        text=text,
    )


def check_fits(present: Present, network: Network) -> None:
    """Raise :class:`ScenarioError` unless *present* is a state of *network*."""
    on = _LANE.findall(present.text)
    strange = next((lane for lane in on if lane.rpartition("_")[0] not in network.edges), None)
    if strange is not None:
        raise ScenarioError(
            f"{present.path}: this is a state of another network: vehicles are on lane "
            f"{strange!r}, which {network.path.name} does not have"
        )
    signals = {junction.id: junction for junction in network.junctions}
    for name, shown in present.lamps.items():
        there = signals.get(name)
        if there is None or len(there.constant_letters) != len(shown.letters):
            raise ScenarioError(
                f"{present.path}: this is a state of another network: its signal {name!r} is not "
                f"one of {network.path.name}"
            )


def packed(document: Mapping[str, Any]) -> str:
    """The comment that carries *document* in a state."""
    text = json.dumps({"schema": SCHEMA, **document}, separators=(",", ":"))
    code = base64.b64encode(zlib.compress(text.encode())).decode("ascii")
    return f"<!-- greenband: {code} -->\n"


def write_state(path: Path, state: str, document: Mapping[str, Any]) -> None:
    """Write SUMO's *state* with what we add to *path*, compressed if it ends in ``.gz``."""
    data = (state + packed(document)).encode()
    scratch = path.with_name(f".{path.name}.part")
    scratch.write_bytes(gzip.compress(data, 6) if path.name.endswith(".gz") else data)
    scratch.replace(path)


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if data.startswith(_GZIP) else data).decode("utf-8")
    except FileNotFoundError:
        raise ScenarioError(f"{path}: there is no such state, check the path") from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ScenarioError(f"{path}: the state can't be read ({reason})") from None


def _unpacked(path: Path, code: str) -> dict[str, Any]:
    try:
        known = json.loads(zlib.decompress(base64.b64decode(code)))
        schema = known["schema"]
    except (ValueError, KeyError, TypeError, zlib.error):
        raise ScenarioError(f"{path}: what greenband added to the state is damaged") from None
    if schema != SCHEMA:
        raise ScenarioError(f"{path}: it was saved by a newer greenband, save it again with this")
    return dict(known)


def _heard(each: Mapping[str, Any]) -> Heard:
    return Heard(
        detectors=each["detectors"],
        readings=tuple(
            tuple((d, came, left, bool(there)) for d, came, left, there in step)
            for step in each["readings"]
        ),
        lamps=tuple((step, letters) for step, letters in each["lamps"]),
    )


def _by_programs(text: str, scenario: Scenario) -> dict[str, Shown]:
    """What the signals show by the programs and phases that SUMO saved."""
    logics = read_net(scenario.net_file).logics
    programs = {
        (program.controller, program.id): program
        for program in every_program(logics, scenario.additional_files)
    }
    found = {}
    for logic in _LOGIC.findall(text):
        has = dict(_ATTRIBUTE.findall(logic))
        program = programs.get((has.get("id", ""), has.get("programID", "")))
        if program is None or has.get("active", "1") != "1":
            continue
        phase = int(has.get("phase", "0"))
        if phase < len(program.phases):
            found[program.controller] = _walked_back(program, phase, float(has["duration"]) / 1000)
    return found


def _walked_back(program: ShippedProgram, phase: int, spent_s: float) -> Shown:
    """What *program* shows in *phase*; the ages only where it is of fixed time."""
    letters = program.phases[phase].state
    if program.type != "static":
        return Shown(letters)
    since = [_age_s(program, phase, spent_s, i, colour(letters[i])) for i in range(len(letters))]
    ended = [
        0.0 if letters[i] in GREEN else _age_s(program, phase, spent_s, i, "ry")
        for i in range(len(letters))
    ]
    return Shown(letters, tuple(since), tuple(ended))


def _age_s(program: ShippedProgram, phase: int, spent_s: float, link: int, same: str) -> float:
    age_s = spent_s
    for back in range(1, len(program.phases)):
        before = program.phases[(phase - back) % len(program.phases)]
        if colour(before.state[link]) not in same:
            return age_s
        age_s += before.duration_s
    return age_s
