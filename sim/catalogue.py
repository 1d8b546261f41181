"""Scenarios by name: real networks with real demand, fetched on request, and a small one of ours.

The RESCO networks (Ault & Sharon, *Reinforcement Learning Benchmarks for Traffic Signal Control*,
NeurIPS 2021 Datasets and Benchmarks) lie inside the wheel of ``sumo-rl`` 1.4.5. They are fetched
into the user's cache by pip, against a pinned hash, and are never part of this project.

In the wheel one stage of one signal of ingolstadt7 and ingolstadt21 is commented out, and an
all-red of ingolstadt21: their shipped programs are weaker than those that RESCO published
(ingolstadt7: about 124 s of delay instead of 88 s), so they are no yardstick for published figures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from sim.arterial import build_arterial
from sim.errors import ScenarioError

_WHEEL = "sumo-rl==1.4.5"
_WHEEL_SHA256 = "322d090e6a66d97cc9b265c0b6fa092687bc6b35965fe5f53f678878d1987660"
_WHEEL_FOLDER = "sumo_rl/nets/RESCO"
_FETCH_TIMEOUT_S = 300
LICENCE_NOTICE = """\
These files come from the PyPI package sumo-rl 1.4.5 (MIT licence, Lucas N. Alegre), which took the
networks and the demand from RESCO (Ault and Sharon, 2021).
Cologne:    derived from the TAPAS Cologne scenario (CC BY-NC-SA) and OpenStreetMap (ODbL).
Ingolstadt: derived from the InTAS scenario (EPL-2.0) and OpenStreetMap (ODbL).
Grids:      synthetic, published with RESCO.
The terms of the original data apply to them: check these before you redistribute the files or use
them commercially.
"""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One scenario of the catalogue: what it is, its window, and whether it is in the cache."""

    name: str
    title: str
    place: str
    window_s: tuple[int, int]
    licence: str
    fetched: bool


_COLOGNE = ("Cologne, Germany", (25_200, 28_800), "TAPAS Cologne, OpenStreetMap (see notice)")
_INGOLSTADT = ("Ingolstadt, Germany", (57_600, 61_200), "InTAS, OpenStreetMap (see notice)")
_GRID = ("synthetic", (0, 3_600), "RESCO (see notice)")
_RESCO = {
    "cologne1": ("one junction, morning peak", *_COLOGNE),
    "cologne3": ("three junctions, morning peak", *_COLOGNE),
    "cologne8": ("eight junctions of a district, morning peak", *_COLOGNE),
    "ingolstadt1": ("one junction, afternoon peak", *_INGOLSTADT),
    "ingolstadt7": ("a corridor of seven junctions, afternoon peak", *_INGOLSTADT),
    "ingolstadt21": ("21 junctions of the inner city, afternoon peak", *_INGOLSTADT),
    "grid4x4": ("4 by 4 grid", *_GRID),
    "arterial4x4": ("4 by 4 grid with arterials, overloaded", *_GRID),
}
_OWN = "arterial"
_OWN_ENTRY = ("an arterial with side streets and crossings", "synthetic", (0, 3_600), "Greenband's")


def scenario_names() -> tuple[str, ...]:
    """The names of the catalogue, in its order."""
    return (*_RESCO, _OWN)


def is_catalogued(name: str) -> bool:
    """Whether *name* is a scenario of the catalogue."""
    return name in _RESCO or name == _OWN


def cache_folder() -> Path:
    """Where fetched scenarios live: ``$GREENBAND_CACHE``, or the user's cache folder."""
    configured = os.environ.get("GREENBAND_CACHE")
    return Path(configured) if configured else Path(platformdirs.user_cache_dir("greenband"))


def list_scenarios() -> tuple[CatalogueEntry, ...]:
    """Every scenario of the catalogue, fetched or not."""
    return tuple(
        CatalogueEntry(name, *facts, fetched=_config_path(name).is_file())
        for name, facts in {**_RESCO, _OWN: _OWN_ENTRY}.items()
    )


def catalogue_config(name: str) -> Path:
    """The ``.sumocfg`` of a catalogued scenario.

    The arterial is generated on first use; a scenario that has not been fetched raises
    :class:`ScenarioError`.
    """
    config = _config_path(name)
    if not config.is_file():
        if name != _OWN:
            raise ScenarioError(
                f"scenario {name!r} is not in the cache, "
                f"fetch it first: greenband scenarios fetch {name}"
            )
        _into_cache(name, build_arterial)
    return config


def fetch_scenario(name: str, on_progress: Callable[[str], None] = lambda _: None) -> Path:
    """Put scenario *name* into the cache and return its ``.sumocfg``; a no-op if it is there.

    *on_progress* is told in words what happens. Raises :class:`ScenarioError` when the name is
    unknown, the download fails, or its hash is not the pinned one.
    """
    if not is_catalogued(name):
        known = ", ".join(scenario_names())
        raise ScenarioError(f"unknown scenario {name!r}: choose one of {known}")
    config = _config_path(name)
    if config.is_file():
        on_progress(f"{name} is in {config.parent}")
        return config
    if name == _OWN:
        on_progress(f"generating {name}")
        return catalogue_config(name)
    cache = _writable_cache()
    with tempfile.TemporaryDirectory(prefix="fetch-", dir=cache) as scratch:
        on_progress(f"downloading {_WHEEL} from the package index")
        wheel = _download_wheel(Path(scratch))
        on_progress(f"unpacking {name}")
        _into_cache(name, lambda folder: _unpack(wheel, name, folder))
    on_progress(f"{name} is in {config.parent}; see LICENCE-NOTICE.txt there")
    return config


def _config_path(name: str) -> Path:
    return cache_folder() / "scenarios" / name / f"{name}.sumocfg"


def _writable_cache() -> Path:
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ScenarioError(
            f"the cache folder {cache} cannot be written ({error.strerror}): "
            "set GREENBAND_CACHE to a folder of yours"
        ) from None
    return cache


def _download_wheel(folder: Path) -> Path:
    """Let pip fetch the wheel, so that its index, proxy and certificate settings are honoured."""
    requirements = folder / "requirements.txt"
    requirements.write_text(f"{_WHEEL} --hash=sha256:{_WHEEL_SHA256}\n")
    command = [
        *(sys.executable, "-m", "pip", "download", "--no-deps", "--require-hashes"),
        *("--only-binary", ":all:", "--disable-pip-version-check", "--quiet"),
        *("--retries", "1", "--timeout", "20"),
        *("--dest", str(folder), "--requirement", str(requirements)),
    ]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_FETCH_TIMEOUT_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise ScenarioError(
            f"fetching {_WHEEL} took longer than {_FETCH_TIMEOUT_S} s: check the network, try again"
        ) from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or not wheels:
        raise ScenarioError(_download_fault(done.stderr))
    return wheels[0]


def _download_fault(stderr: str) -> str:
    if "HASHES" in stderr.upper() and "DO NOT MATCH" in stderr.upper():
        return (
            f"the package index served a {_WHEEL} that is not the one we know "
            "(its hash differs): nothing was unpacked, check the index that pip uses"
        )
    if "No module named pip" in stderr:
        return f"fetching {_WHEEL} needs pip: python -m ensurepip, then try again"
    lines = [line.strip() for line in stderr.splitlines() if line.strip()]
    reason = lines[-1].removeprefix("ERROR: ") if lines else "pip said nothing"
    return (
        f"{_WHEEL} could not be fetched ({reason}): check the network and pip's index, "
        "or use the scenario 'arterial', which needs none"
    )


def _unpack(wheel: Path, name: str, folder: Path) -> None:
    prefix = f"{_WHEEL_FOLDER}/{name}/"
    with zipfile.ZipFile(wheel) as archive:
        members = [m for m in archive.namelist() if m.startswith(prefix) and not m.endswith("/")]
        if not any(m.endswith(f"/{name}.sumocfg") for m in members):
            raise ScenarioError(f"{wheel.name} holds no scenario {name!r}")
        for member in members:
            (folder / Path(member).name).write_bytes(archive.read(member))
    (folder / "LICENCE-NOTICE.txt").write_text(LICENCE_NOTICE)


def _into_cache(name: str, fill: Callable[[Path], object]) -> None:
    """Fill a scratch folder, then move it into place in one step, so that none is half there."""
    target = _config_path(name).parent
    cache = _writable_cache()
    try:
        with tempfile.TemporaryDirectory(prefix=f"{name}-", dir=cache) as scratch:
            folder = Path(scratch) / name
            folder.mkdir()
            fill(folder)
            target.parent.mkdir(exist_ok=True)
            try:
                folder.rename(target)
            except OSError:
                # Somebody else was quicker; theirs is as good, unless it is no scenario.
                if not _config_path(name).is_file():
                    raise
    except OSError as error:
        raise ScenarioError(
            f"scenario {name!r} could not be written to {cache}: {error.strerror or error}"
        ) from None
