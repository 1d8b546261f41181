"""``--save-state S:FILE``: when a run's state is saved, and where."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from greenband.failures import UsageError
from greenband.files import ensure_writable

if TYPE_CHECKING:
    from sim.scenario import Scenario
    from sim.whatif.keep import Keep


def parse_save_state(text: str | None, scenario: Scenario) -> Keep | None:
    """``"1800:state.xml.gz"`` as a time of *scenario* and a file that can be written.

    Raises :class:`UsageError` for anything else, :class:`OSError` for the file.
    """
    if text is None:
        return None
    from sim.whatif.keep import Keep
    from sim.whatif.present import ENDINGS

    time, colon, name = text.partition(":")
    try:
        time_s = float(time)
    except ValueError:
        time_s = -1.0
    if not (colon and name.endswith(ENDINGS) and time_s >= 0):
        raise UsageError(
            f"--save-state {text}: give a second and a file, such as 1800:state.xml.gz"
        )
    if not scenario.begin_s < time_s <= scenario.end_s:
        raise UsageError(
            f"--save-state {text}: {scenario.name} runs from {scenario.begin_s:g} to "
            f"{scenario.end_s:g} s, give a time after its begin"
        )
    path = Path(name)
    ensure_writable(path)
    return Keep(time_s, path.resolve())
