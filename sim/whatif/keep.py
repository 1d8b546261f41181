"""When and where the state of a run is to be saved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Keep:
    """Save the state at *time_s* into the file *path*."""

    time_s: float
    path: Path
