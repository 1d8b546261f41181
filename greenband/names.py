"""Names of files and scenarios, made from names that SUMO lets contain anything."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

_LENGTH_MAX = 100


def file_name(name: str) -> str:
    """*name* as part of a file name; one that has to be changed ends in a hash, to stay unique."""
    clean = re.sub(r"[^\w.-]", "_", name).lstrip(".")[:_LENGTH_MAX]
    if clean == name and clean:
        return name
    return f"{clean}-{hashlib.sha256(name.encode()).hexdigest()[:8]}".lstrip("-")


def scenario_name(spec: str) -> str:
    """The name of the scenario or network that *spec* (a name or a path) stands for."""
    name = Path(spec).name
    for ending in (".gz", ".sumocfg", ".net.xml"):
        name = name.removesuffix(ending)
    return name
