"""A scenario: a network, its demand, and a window of time, wherever it comes from.

:func:`load_scenario` takes a name of the catalogue, any ``.sumocfg``, or a network with routes.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sim.catalogue import catalogue_config, is_catalogued, scenario_names
from sim.errors import ScenarioError

CLEARING_S = 3_600.0
"""Time after the last departure for which a scenario without an end goes on."""
_OPEN_END_S = -1.0
"""How SUMO says that a simulation has no end."""
_DEPARTING = {"trip", "vehicle", "person", "flow", "personFlow"}
_SYNONYMS = {
    "n": "net-file",
    "net": "net-file",
    "r": "route-files",
    "route": "route-files",
    "a": "additional-files",
    "additional": "additional-files",
    "b": "begin",
    "e": "end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One network with its demand. Times in seconds of the simulation, paths absolute.

    ``config_file`` is passed on to SUMO so that options that the bench does not know are kept;
    ``muted_options`` are the configuration's own output files, which the bench sends to nowhere
    so that parallel runs cannot write over each other.
    """

    name: str
    net_file: Path
    route_files: tuple[Path, ...]
    additional_files: tuple[Path, ...] = ()
    begin_s: float
    end_s: float
    step_s: float = 1.0
    config_file: Path | None = None
    muted_options: tuple[str, ...] = ()
    note: str = ""
    """What the bench had to assume, for the user."""


def load_scenario(
    spec: str,
    *,
    begin_s: float | None = None,
    end_s: float | None = None,
    routes: Sequence[str | Path] = (),
) -> Scenario:
    """Load the scenario that *spec* names.

    *spec* is a name of the catalogue (it must have been fetched), the path of a ``.sumocfg``, or
    the path of a network, which needs *routes*. *begin_s* and *end_s* override the window.
    Raises :class:`ScenarioError` for an unknown name, a missing file, or an empty window.
    """
    if is_catalogued(spec):
        return _from_config(catalogue_config(spec), spec, begin_s, end_s)
    path = Path(spec)
    if path.name.endswith(".sumocfg"):
        return _from_config(path, path.name.removesuffix(".sumocfg"), begin_s, end_s)
    if path.name.endswith((".net.xml", ".net.xml.gz")):
        return _from_net(path, routes, begin_s, end_s)
    known = ", ".join(scenario_names())
    raise ScenarioError(
        f"unknown scenario {spec!r}: give the path of a .sumocfg, of a .net.xml with its routes, "
        f"or one of {known}"
    )


def _from_net(
    net: Path, routes: Sequence[str | Path], begin_s: float | None, end_s: float | None
) -> Scenario:
    if not routes and net.exists():
        raise ScenarioError(f"{net}: a network alone has no traffic, give its route files as well")
    files = tuple(Path(route).resolve() for route in routes)
    scenario = Scenario(
        name=net.name.removesuffix(".gz").removesuffix(".net.xml"),
        net_file=net.resolve(),
        route_files=files,
        begin_s=begin_s or 0.0,
        end_s=_OPEN_END_S if end_s is None else end_s,
    )
    return _checked(scenario, str(net))


def _from_config(config: Path, name: str, begin_s: float | None, end_s: float | None) -> Scenario:
    options = _read_options(config)
    folder = config.resolve().parent
    if "net-file" not in options:
        raise ScenarioError(f"{config}: it names no net-file, add one to its <input>")
    own_begin_s = _number(config, options, "begin", 0.0)
    own_end_s = _number(config, options, "end", _OPEN_END_S)
    scenario = Scenario(
        name=name,
        net_file=folder / options["net-file"],
        route_files=_paths(folder, options.get("route-files", "")),
        additional_files=_paths(folder, options.get("additional-files", "")),
        begin_s=own_begin_s if begin_s is None else begin_s,
        end_s=own_end_s if end_s is None else end_s,
        step_s=_number(config, options, "step-length", 1.0),
        config_file=config.resolve(),
        muted_options=tuple(sorted(option for option in options if _writes_a_file(option))),
    )
    return _checked(scenario, str(config))


def _read_options(config: Path) -> dict[str, str]:
    """Every option of a ``.sumocfg``, sections flattened, synonyms resolved."""
    try:
        root = ET.parse(config).getroot()
    except FileNotFoundError:
        raise ScenarioError(f"{config}: there is no such file, check the path") from None
    except (ET.ParseError, OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{config}: not a readable SUMO configuration ({error})") from None
    options = {}
    for element in root.iter():
        value = element.get("value", element.get("v"))
        if value is not None:
            options[_SYNONYMS.get(element.tag, element.tag)] = value
    return options


def _writes_a_file(option: str) -> bool:
    return option.endswith("-output") or option in {"log", "message-log", "error-log"}


def _number(config: Path, options: dict[str, str], name: str, default: float) -> float:
    text = options.get(name)
    if text is None:
        return default
    try:
        return time_s(text)
    except ValueError:
        raise ScenarioError(f"{config}: {name} {text!r} is not a time") from None


def time_s(text: str) -> float:
    """Seconds of a SUMO time, ``"25200"`` or ``"7:00:00"``; raises :class:`ValueError`."""
    seconds = 0.0
    for part in text.split(":"):
        seconds = seconds * 60 + float(part)
    return seconds


def _paths(folder: Path, value: str) -> tuple[Path, ...]:
    return tuple(folder / part.strip() for part in value.split(",") if part.strip())


def _checked(scenario: Scenario, source: str) -> Scenario:
    """*scenario* with an end, if all its files are there; *source* is what to call it."""
    files = (*scenario.route_files, *scenario.additional_files)
    for path in (scenario.net_file, *files):
        if not path.is_file():
            raise ScenarioError(f"{source}: file {path} is missing")
    if scenario.step_s <= 0:
        raise ScenarioError(f"{source}: step-length {scenario.step_s:g} s must be above 0")
    if scenario.end_s < 0:
        end_s = _last_departure_s(files, scenario.begin_s) + CLEARING_S
        note = f"it names no end: it runs until {end_s:g} s, an hour after the last departure"
        scenario = replace(scenario, end_s=end_s, note=note)
    if scenario.end_s <= scenario.begin_s:
        raise ScenarioError(
            f"{source}: the window {scenario.begin_s:g}..{scenario.end_s:g} s is empty, "
            "its end must be after its begin"
        )
    return scenario


def _last_departure_s(files: Iterable[Path], begin_s: float) -> float:
    last = begin_s
    for path in files:
        try:
            for _, element in ET.iterparse(path):
                if element.tag in _DEPARTING:
                    last = max(last, _departure_s(element, begin_s))
                element.clear()
        except ET.ParseError as error:
            raise ScenarioError(f"{path}: not well-formed XML ({error})") from None
    return last


def _departure_s(element: ET.Element, begin_s: float) -> float:
    text = element.get("end") or element.get("depart") or element.get("begin") or ""
    try:
        return time_s(text)
    except ValueError:
        return begin_s  # "triggered" and the like depart with something that has a time
