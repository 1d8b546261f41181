"""The JSON of ``greenband wave``: arterials in, waves out (``docs/wave.md``)."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from controller.violations import InvalidError, Violation
from greenband.files import read_text
from greenband.terminal import STANDARD_OUTPUT, say

if TYPE_CHECKING:
    from pathlib import Path

    from optimizer.bandwidth.arterial import Arterial
    from optimizer.bandwidth.cutting import Cut
    from optimizer.bandwidth.maxband import Wave
    from optimizer.bandwidth.multiband import LinkWaves

DECIMALS = 12


@dataclass(frozen=True, slots=True)
class Solved:
    """An arterial of a file, and what was found for it."""

    arterial: Arterial
    name: str
    wave: Wave | LinkWaves
    seconds: float
    cut: Cut | None = None


def read_arterials(path: Path) -> tuple[list[tuple[str, Arterial]], bool]:
    """The named arterials of *path* (``-`` is standard input), and whether it holds a list."""
    from optimizer.bandwidth.arterial_json import arterial_from, unknown_keys

    text = sys.stdin.read() if str(path) == STANDARD_OUTPUT else read_text(path)
    try:
        data = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        place = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else "file"
        raise InvalidError(
            str(path), (Violation("form", place, "this is not JSON; mend it or export it anew"),)
        ) from None
    entries = data if isinstance(data, list) else [data]
    if not entries:
        raise InvalidError(
            str(path), (Violation("form", "file", "the list holds no arterial; add one"),)
        )
    arterials = []
    for i, entry in enumerate(entries):
        where = f"{path}, arterial {i + 1}" if isinstance(data, list) else str(path)
        arterial = arterial_from(entry, where)
        arterials.append((str(entry.get("id") or entry.get("name") or ""), arterial))
        for key in unknown_keys(entry):
            say(f"{where}: the key {key!r} is not known and not used")
    return arterials, isinstance(data, list)


def wave_document(solved: Solved) -> dict[str, Any]:
    """What ``wave --json`` writes for one arterial."""
    wave = solved.wave
    document: dict[str, Any] = {"id": solved.name} if solved.name else {}
    document |= {
        "band_outbound": _plain(wave.band_outbound),
        "band_inbound": _plain(wave.band_inbound),
        "cycle_s": _plain(wave.cycle_s),
        "offset_s": _plain(wave.offset_s),
        "offset_inbound_s": _plain(wave.offset_inbound_s),
        "speed_km_h": _plain(wave.speed_kmh),
        "pattern": list(wave.pattern),
        "bound": _plain(wave.bound),
        "gap": wave.gap,
        "status": wave.status.value,
        "seconds": solved.seconds,
    }
    if not isinstance(wave.band_outbound, float):
        document["value"] = _plain(wave.value)
    if solved.cut is not None:
        document["cut"] = {
            "after_signal": [last + 1 for last in solved.cut.after],
            "value": _plain(solved.cut.value),
            "uncut_value": _plain(solved.cut.uncut_value),
            "pays": solved.cut.pays,
            "cycle_s": _plain(solved.cut.cycle_s),
        }
    return document


def _plain(value: float | tuple[float, ...]) -> Any:  # noqa: ANN401 - the shape of its argument
    """Without digits that are only rounding."""
    if isinstance(value, tuple):
        return [round(each, DECIMALS) for each in value]
    return round(value, DECIMALS)
