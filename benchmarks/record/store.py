"""Finished runs, one JSON file each, found again by everything that their figures depend on."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from benchmarks.record.code_version import control_version
from sim.controls import find_control
from sim.results import RunResult
from sim.run import RunSpec
from sim.scenario import Scenario
from sim.simulation import Outputs, sumo_options, sumo_version

SCHEMA = 1
_NOT_KEPT = "detail"
_FOLDERS = re.compile(r"[^,\s]*/")
_FIELDS = frozenset(field.name for field in fields(RunResult)) - {_NOT_KEPT}


@dataclass(frozen=True, slots=True)
class Failure:
    """A run that cannot be made: some of SUMO's own tools crash on some networks."""

    reason: str


Record = RunResult | Failure


class Store:
    """A folder of finished runs. Files that cannot be read count as not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.unreadable: list[Path] = []

    def find(self, spec: RunSpec, label: str) -> Record | None:
        """What *spec* gave when it was run; None when it has not been."""
        key = run_key(spec)
        path = self._path(spec, label, key)
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            return _record(document, key)
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, OSError):
            if path not in self.unreadable:
                self.unreadable.append(path)
            return None

    def keep(self, spec: RunSpec, label: str, record: Record) -> None:
        """Write *record* so that it is there as a whole or not at all."""
        key = run_key(spec)
        document: dict[str, Any] = {"schema": SCHEMA, "key": key}
        if isinstance(record, Failure):
            document["failure"] = record.reason
        else:
            document["result"] = {name: getattr(record, name) for name in sorted(_FIELDS)}
        path = self._path(spec, label, key)
        path.parent.mkdir(parents=True, exist_ok=True)
        scratch = path.with_suffix(f".{os.getpid()}.part")
        scratch.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        scratch.replace(path)

    def find_note(self, spec: RunSpec, label: str) -> str | None:
        """What was written down about the run *spec*; None if nothing was."""
        try:
            return self._note_path(spec, label).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None

    def keep_note(self, spec: RunSpec, label: str, text: str) -> None:
        """Write *text* down about the run *spec*, which is on record."""
        path = self._note_path(spec, label)
        scratch = path.with_suffix(f".{os.getpid()}.part")
        scratch.write_text(text, encoding="utf-8")
        scratch.replace(path)

    def _note_path(self, spec: RunSpec, label: str) -> Path:
        return self._path(spec, label, run_key(spec)).with_suffix(".txt")

    def _path(self, spec: RunSpec, label: str, key: dict[str, Any]) -> Path:
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:16]
        group = f"{spec.convention.name}-x{spec.scale:g}"
        return self._folder / spec.scenario.name / group / f"{label}-{spec.seed}-{digest}.json"


def _record(document: dict[str, Any], key: dict[str, Any]) -> Record:
    """The record in *document*; raises ValueError, KeyError or TypeError if it is none."""
    if document["schema"] != SCHEMA or document["key"] != key:
        raise ValueError("another run's file")
    if "failure" in document:
        return Failure(str(document["failure"]))
    result = document["result"]
    if set(result) != _FIELDS:
        raise ValueError("a result of another version")
    return RunResult(**result)


def run_key(spec: RunSpec) -> dict[str, Any]:
    """Everything that the figures of *spec* depend on, as values of JSON."""
    convention = spec.convention
    return {
        "code": control_version(find_control(spec.control)),
        "sumo": _sumo_version(),
        "scenario": _scenario_version(spec.scenario),
        "options": _options(spec),
        "control": spec.control,
        "seed": spec.seed,
        "convention": [convention.name, convention.yellow_s, convention.all_red_s],
        "scale": spec.scale,
        "layout": spec.layout,
        "faults": str(spec.faults) if spec.faults else None,
    }


def _options(spec: RunSpec) -> str:
    """SUMO's command line, without the folders that its files lie in."""
    outputs = Outputs.into(Path("run"), detail=False)
    options = sumo_options(spec.scenario, spec.convention, spec.seed, outputs, scale=spec.scale)
    return " ".join(_FOLDERS.sub("", option) for option in options)


@lru_cache(maxsize=1)
def _sumo_version() -> str:
    return sumo_version()


@cache
def _scenario_version(scenario: Scenario) -> str:
    digest = hashlib.sha256()
    config = (scenario.config_file,) if scenario.config_file else ()
    files = (scenario.net_file, *scenario.route_files, *scenario.additional_files, *config)
    for path in files:
        digest.update(path.read_bytes())
    digest.update(f"{scenario.begin_s} {scenario.end_s} {scenario.step_s}".encode())
    return digest.hexdigest()[:16]
