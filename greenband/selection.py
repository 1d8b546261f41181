"""What the user selects on the command line: seeds, controls, and the scenario."""

from __future__ import annotations

import difflib
import errno
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.failures import UsageError
from greenband.terminal import say

if TYPE_CHECKING:
    from sim.convention import Convention
    from sim.network import Network
    from sim.scenario import Scenario

SEEDS_MAX = 1_000


def parse_seeds(text: str) -> tuple[int, ...]:
    """Seeds of ``"3"`` (as many: 1, 2, 3), of a list ``"1,2,5-9"`` or of a range ``"4-4"``.

    Raises :class:`UsageError` unless it gives 1 to 1000 different seeds above 0.
    """
    text = text.strip()
    if re.fullmatch(r"\d{1,4}", text):
        seeds = list(range(1, int(text) + 1))
    else:
        seeds = [seed for part in text.split(",") for seed in _seed_range(part.strip(), text)]
    if not 0 < len(seeds) <= SEEDS_MAX:
        raise UsageError(f"--seeds {text}: give 1 to {SEEDS_MAX} seeds")
    if len(set(seeds)) != len(seeds):
        raise UsageError(f"--seeds {text}: a seed is named twice")
    return tuple(seeds)


def _seed_range(part: str, text: str) -> range:
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", part)
    first, last = (int(found[1]), int(found[2] or found[1])) if found else (0, 0)
    if not 0 < first <= last:
        raise UsageError(
            f"--seeds {text}: give a number (3 means 1, 2, 3) or a list of seeds above 0 "
            "such as 1,2,5-9"
        )
    return range(first, min(last, first + SEEDS_MAX) + 1)


def parse_controls(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Controls of ``"a,b"`` or ``"all"``; raises :class:`UsageError` for an unknown one.

    A name that ends in ``.json`` is the file of a network plan, which must be there.
    """
    if text.strip() == "all":
        return tuple(known)
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    if not names:
        raise UsageError(f"--control names nothing: choose from {', '.join(known)}, or all")
    for name in names:
        if name.endswith(".json"):
            if not Path(name).is_file():
                raise UsageError(f"{name}: there is no such plan, greenband plan makes one")
        elif name not in known:
            raise UsageError(f"unknown control {name!r}{_nearest(name, known)}")
    return names


def require_scenario_name(name: str) -> str:
    """*name*, if it is in the catalogue; raises :class:`UsageError` with the nearest names."""
    from sim.catalogue import is_catalogued, scenario_names

    if not is_catalogued(name):
        raise UsageError(f"unknown scenario {name!r}{_nearest(name, scenario_names())}")
    return name


def get_scenario(
    spec: str,
    *,
    begin_s: float | None = None,
    end_s: float | None = None,
    routes: Sequence[Path] = (),
) -> Scenario:
    """The scenario that *spec* names; one of the catalogue is fetched on first use."""
    from sim.catalogue import fetch_scenario, is_catalogued, list_scenarios, scenario_names
    from sim.scenario import load_scenario

    if is_catalogued(spec):
        if not all(entry.fetched for entry in list_scenarios() if entry.name == spec):
            fetch_scenario(spec, say)
    elif not Path(spec).suffix:
        near = _nearest(spec, scenario_names())
        raise UsageError(f"unknown scenario {spec!r}{near}, or give the path of a .sumocfg")
    scenario = load_scenario(spec, begin_s=begin_s, end_s=end_s, routes=routes)
    if scenario.note:
        say(f"{scenario.name}: {scenario.note}")
    return scenario


def get_network(spec: str, convention_name: str = "field") -> Network:
    """What is derived from the network file or the scenario that *spec* names."""
    from sim.convention import convention
    from sim.network import derive_network

    rules = convention(convention_name)
    if spec.endswith((".net.xml", ".net.xml.gz")):
        net = Path(spec)
        if not net.is_file():
            raise FileNotFoundError(errno.ENOENT, "there is no such network", spec)
        return derive_network(net, (), rules)
    return derive_scenario_network(get_scenario(spec), rules)


def derive_scenario_network(scenario: Scenario, rules: Convention) -> Network:
    """What is derived from the network of *scenario*; raises NetworkError without lights."""
    from sim.network import derive_network

    return derive_network(scenario.net_file, scenario.additional_files, rules, scenario.begin_s)


def _nearest(name: str, known: Iterable[str]) -> str:
    known = tuple(known)
    near = difflib.get_close_matches(name, known, n=2)
    if near:
        return f": did you mean {' or '.join(near)}?"
    return f": choose from {', '.join(known)}"
