"""Finds SUMO: the wheel's own folder first, then ``SUMO_HOME``, then the search path."""

from __future__ import annotations

import importlib
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from sim.errors import SumoError

_TIMEOUT_S = 300


def sumo_home() -> Path:
    """The folder with SUMO's ``bin`` and ``tools``; raises :class:`SumoError` without one."""
    candidates = [_of_the_wheel(), os.environ.get("SUMO_HOME"), _of_the_path()]
    for candidate in candidates:
        if candidate and (Path(candidate) / "bin").is_dir():
            return Path(candidate)
    raise SumoError('SUMO is not installed: pip install "greenband[sim]"')


def _of_the_wheel() -> str | None:
    try:
        return str(importlib.import_module("sumo").SUMO_HOME)
    except (ImportError, AttributeError):
        return None


def _of_the_path() -> str | None:
    found = shutil.which("sumo")
    return str(Path(found).resolve().parent.parent) if found else None


def sumo_binary(name: str) -> Path:
    """The SUMO program called *name*, for example ``netconvert``; raises :class:`SumoError`."""
    path = sumo_home() / "bin" / name
    if not path.exists():
        path = path.with_suffix(".exe")
    if not path.exists():
        raise SumoError(f'{name} is missing in {path.parent}: pip install "greenband[sim]"')
    return path


def run_sumo_binary(name: str, options: Sequence[str], folder: Path) -> None:
    """Run a SUMO program in *folder*; raises :class:`SumoError` with what it complained about."""
    command = [str(sumo_binary(name)), *options]
    environment = {**os.environ, "SUMO_HOME": str(sumo_home())}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SumoError(f"{name} could not be run in {folder}: {error}") from None
    if done.returncode:
        complaint = " ".join(line.strip() for line in done.stderr.splitlines() if "rror" in line)
        raise SumoError(f"{name} failed in {folder}: {complaint or done.stderr.strip()[:300]}")
