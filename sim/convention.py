"""Conventions of a comparison: whose intergreens, and which insertion rule.

Results are only comparable within one convention: the length of the yellow decides over 40 % of
the gain on some junctions, and SUMO's rule for inserting vehicles, changed in SUMO 1.27, moves
the delay of the same program by up to a quarter.
"""

from __future__ import annotations

from dataclasses import dataclass

from sim.errors import ScenarioError


@dataclass(frozen=True, slots=True)
class Convention:
    """Intergreens and SUMO options of a comparison; None keeps what the network ships."""

    name: str
    yellow_s: float | None
    all_red_s: float | None
    sumo_options: tuple[str, ...] = ()


FIELD = Convention("field", None, None)
"""The network's own yellow and all-red, SUMO's present insertion rule."""

RESCO = Convention(
    "resco",
    3.0,
    0.0,
    ("--default.departspeed", "0", "--default.departlane", "first"),
)
"""3 s yellow, no all-red, the insertion rule before SUMO 1.27 (Ault & Sharon 2021)."""

CONVENTIONS = {each.name: each for each in (FIELD, RESCO)}


def convention(name: str) -> Convention:
    """The convention called *name*; raises :class:`ScenarioError` with the known names."""
    try:
        return CONVENTIONS[name]
    except KeyError:
        known = ", ".join(CONVENTIONS)
        raise ScenarioError(f"unknown convention {name!r}: choose one of {known}") from None
