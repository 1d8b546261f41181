"""Faults on purpose: what is broken, when, where, and for how long."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from enum import Enum

from sim.errors import ScenarioError


class FaultKind(Enum):
    """What is done."""

    CUT = "cut"
    """The link between edge and cabinet is cut, and refuses to be made again."""
    STALL = "stall"
    """The link stays up, and nothing comes through."""
    SLOW = "slow"
    """Everything on the link takes 0.1 s each way."""
    CORRUPT = "corrupt"
    """One byte in fifty on the link is changed."""
    FREEZE = "freeze"
    """The cabinet's program stops (SIGSTOP), its lamps stay as they are."""
    KILL = "kill"
    """The cabinet's program is killed (kill -9), its lamps go dark, and it is started again."""
    DAEMON = "daemon"
    """The edge daemon is killed (kill -9) and started again."""
    BROKER = "broker"
    """Nobody reaches the broker."""
    MISSING = "missing"
    """The detectors are reported as broken."""
    STUCK_ON = "stuck-on"
    """The detectors are always occupied."""
    STUCK_OFF = "stuck-off"
    """The detectors are never occupied, and nothing says so."""
    CHATTER = "chatter"
    """The detectors pulse all the time."""
    CLOCK = "clock"
    """Time of day steps two minutes forward, and back at the end."""


LINK = frozenset({FaultKind.CUT, FaultKind.STALL, FaultKind.SLOW, FaultKind.CORRUPT})
"""What happens on the wires between edge and cabinet."""
DETECTORS = frozenset(
    {FaultKind.MISSING, FaultKind.STUCK_ON, FaultKind.STUCK_OFF, FaultKind.CHATTER}
)
PROGRAMS = frozenset({FaultKind.FREEZE, FaultKind.KILL})
EVERYWHERE = frozenset({FaultKind.DAEMON, FaultKind.BROKER})
"""What cannot happen to one junction alone."""
FOR_S = 20
"""How long a fault lasts if nobody says."""
_FORM = "KIND@SECOND[:JUNCTION][:FOR_S]"


@dataclass(frozen=True, slots=True)
class Fault:
    """*kind* from *at_s* on for *for_s*, in seconds since the window began.

    ``junction`` is None where all of them are hit.
    """

    kind: FaultKind
    at_s: int
    for_s: int = FOR_S
    junction: str | None = None

    @property
    def end_s(self) -> int:
        """When it is mended."""
        return self.at_s + self.for_s

    def __str__(self) -> str:
        where = "" if self.junction is None else f":{self.junction}"
        return f"{self.kind.value}@{self.at_s}{where}:{self.for_s}"


def parse_fault(text: str, junctions: Collection[str]) -> Fault:
    """A fault of the command line, ``KIND@SECOND[:JUNCTION][:FOR_S]``.

    Raises :class:`ScenarioError` if it is not of that form, or the junction is unknown.
    """
    kinds = {kind.value: kind for kind in FaultKind}
    name, _, rest = text.partition("@")
    if name not in kinds:
        raise ScenarioError(f"unknown fault {text!r}: choose from {', '.join(kinds)}")
    kind = kinds[name]
    second, *places = rest.split(":")
    if not second.isdigit() or len(places) > 2:
        raise ScenarioError(f"fault {text!r}: give it as {_FORM}, such as cut@120:J1:20")
    junction, duration = _places(places, junctions)
    if duration is not None and not re.fullmatch(r"[1-9]\d{0,5}", duration):
        raise ScenarioError(
            f"fault {text!r}: {duration!r} is no number of seconds and no junction "
            f"(there is {', '.join(junctions)})"
        )
    if junction is not None and junction not in junctions:
        raise ScenarioError(
            f"fault {text!r}: no junction {junction!r} (there is {', '.join(junctions)})"
        )
    if junction is not None and kind in EVERYWHERE:
        raise ScenarioError(f"fault {text!r}: {name} hits all junctions, leave the junction out")
    return Fault(kind, int(second), FOR_S if duration is None else int(duration), junction)


def _places(places: list[str], junctions: Collection[str]) -> tuple[str | None, str | None]:
    """(junction, duration); names of junctions may be numbers, and a name goes first."""
    if len(places) == 2:
        return places[0] or None, places[1]
    if len(places) == 1:
        return (places[0], None) if places[0] in junctions else (None, places[0])
    return None, None
