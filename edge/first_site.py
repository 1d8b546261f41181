"""The first ``site.toml``: the example with every key explained, or one for cabinets at hand."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path

from controller import site_json

FIRST_PORT = 1502
_SUFFIX = ".site.json"
_HEAD = "[[cabinet]]\n"


def example() -> str:
    """The example, which names files that are not there."""
    return files("edge").joinpath("deploy", "site.toml").read_text(encoding="utf-8")


def for_sites(sites: Sequence[Path], folder: Path) -> str:
    """The example for the cabinets of the site files *sites*, to be written into *folder*.

    Each has its plan and its key beside its site file, under the same name, and answers on this
    computer, on ports from :data:`FIRST_PORT` on. No broker is needed. Raises :class:`OSError` and
    :class:`~controller.violations.InvalidError`.
    """
    head, _, cabinet = _without_broker(example()).partition(_HEAD)
    tables = (_filled(cabinet, _values(path, k, folder)) for k, path in enumerate(sites))
    return head + "\n".join(_HEAD + table for table in tables)


def _without_broker(text: str) -> str:
    return re.sub(r"^(\[broker\]|url = )", r"# \1", text, flags=re.MULTILINE)


def _values(path: Path, number: int, folder: Path) -> Mapping[str, object]:
    stem = path.name.removesuffix(_SUFFIX)
    beside = {"site_file": path.name, "plan_file": f"{stem}.plan.json", "key_file": f"{stem}.key"}
    place = Path(os.path.relpath(path.parent, folder))
    return {
        "name": site_json.from_json(path.read_text(encoding="utf-8")).name,
        **{key: (place / name).as_posix() for key, name in beside.items()},
        "link": f"tcp://127.0.0.1:{FIRST_PORT + number}",
    }


def _filled(table: str, values: Mapping[str, object]) -> str:
    for key, value in values.items():
        line = f"{key} = {json.dumps(value, ensure_ascii=False)}"
        escaped = line.replace("\\", r"\\")
        table = re.sub(rf'^{key} = "[^"]*"', escaped, table, flags=re.MULTILINE)
    return table
