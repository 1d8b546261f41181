"""Where a console keeps its file unless told otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def default_folder() -> Path:
    """``$GREENBAND_STATE``, or the user's folder for state."""
    configured = os.environ.get("GREENBAND_STATE")
    return Path(configured) if configured else Path(platformdirs.user_state_dir("greenband"))
