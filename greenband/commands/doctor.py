"""``greenband doctor``: whether this machine can do the work, and what to do where it cannot."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from greenband.bench import cores
from greenband.extras import REPORT_MODULES, SUMO_MODULES, WEB_MODULES, missing
from greenband.failures import UnsafeError, guarded
from greenband.options import AS_JSON
from greenband.terminal import print_json, results
from greenband.version import greenband_version

Status = Literal["ok", "absent", "broken"]
PYTHON_MIN = (3, 11)
_PROBE_TIMEOUT_S = 60
_EDGE_PACKAGES = (
    *("numpy", "pydantic", "structlog", "aiomqtt", "pymodbus", "pyserial"),
    "prometheus-client",
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``absent`` is something that not everybody needs."""

    name: str
    status: Status
    detail: str
    advice: str = ""


@guarded
def doctor_command(as_json: AS_JSON = False) -> None:
    """Say whether Greenband works on this machine, and what to do if not."""
    checks = tuple(_checks())
    broken = any(check.status == "broken" for check in checks)
    if as_json:
        entries = [asdict(check) for check in checks]
        print_json(
            {"schema": 1, "version": greenband_version(), "ok": not broken, "checks": entries}
        )
    else:
        _print_checks(checks)
    if broken:
        raise UnsafeError


def _print_checks(checks: tuple[Check, ...]) -> None:
    console = results()
    colour = {"ok": "green", "absent": "yellow", "broken": "red"}
    for check in checks:
        console.print(f"{check.status:8}", style=colour[check.status], end="")
        console.print(f"{check.name:12} {check.detail}", soft_wrap=True, markup=False)
        if check.advice:
            console.print(f"{'':8}{'':12} -> {check.advice}", soft_wrap=True, markup=False)


def _checks() -> Iterator[Check]:
    yield _python()
    yield Check("greenband", "ok", greenband_version())
    yield _edge_packages()
    yield _kernels()
    yield from _sumo()
    yield _report()
    yield _console()
    yield _cache()
    yield _folder()
    yield Check("cores", "ok", f"{cores()} for parallel runs")


def _python() -> Check:
    found = f"{sys.version.split()[0]} ({sys.executable})"
    if sys.version_info < PYTHON_MIN:
        return Check("Python", "broken", found, "install Python 3.11 or later")
    return Check("Python", "ok", found)


def _edge_packages() -> Check:
    versions, absent = [], []
    for name in _EDGE_PACKAGES:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            absent.append(name)
    if absent:
        return Check("packages", "broken", f"{', '.join(absent)} missing", "pip install greenband")
    return Check("packages", "ok", ", ".join(versions))


def _kernels() -> Check:
    try:
        from optimizer.splits import IMPLEMENTATION
    except ImportError as error:
        return Check("kernels", "broken", str(error), "pip install greenband")
    if IMPLEMENTATION == "kernel":
        return Check("kernels", "ok", "compiled")
    advice = "install a C compiler, then pip install --force-reinstall greenband"
    return Check("kernels", "absent", "the slower NumPy references are used", advice)


def _sumo() -> Iterator[Check]:
    if missing(SUMO_MODULES):
        yield Check("SUMO", "absent", "not needed on an edge device", _install("demo"))
        return
    home = Path(importlib.import_module("sumo").SUMO_HOME)
    probes = (
        ("SUMO", [str(home / "bin" / "sumo"), "--version"]),
        ("libsumo", [sys.executable, "-c", "import libsumo; print(libsumo.getVersion()[1])"]),
        ("traci", [sys.executable, "-c", "import sumolib, traci; print(traci.__file__)"]),
    )
    for name, command in probes:
        yield _probe(name, command)


def _probe(name: str, command: list[str]) -> Check:
    """Run *command* apart from us: a damaged library can take its process down."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=_PROBE_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return Check(name, "broken", str(error), _install("demo"))
    if done.returncode:
        said = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return Check(name, "broken", said, _install("demo"))
    return Check(name, "ok", (done.stdout.strip().splitlines() or [""])[0])


def _report() -> Check:
    absent = missing(REPORT_MODULES)
    if absent:
        return Check("reports", "absent", f"{', '.join(absent)} missing", _install("demo"))
    return Check("reports", "ok", ", ".join(f"{name} {version(name)}" for name in REPORT_MODULES))


def _console() -> Check:
    absent = missing(WEB_MODULES)
    if absent:
        return Check("console", "absent", f"{', '.join(absent)} missing", _install("web"))
    return Check("console", "ok", ", ".join(f"{name} {version(name)}" for name in WEB_MODULES))


def _cache() -> Check:
    from sim.catalogue import cache_folder

    return _writable("cache", cache_folder(), "set GREENBAND_CACHE to a folder of yours")


def _folder() -> Check:
    return _writable("this folder", Path.cwd(), "reports go to out/ here: go to a folder of yours")


def _writable(name: str, folder: Path, advice: str) -> Check:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            pass
    except OSError as error:
        return Check(name, "broken", f"{folder} cannot be written ({error.strerror})", advice)
    return Check(name, "ok", str(folder))


def _install(extra: str) -> str:
    return f"pip install 'greenband[{extra}]'"
