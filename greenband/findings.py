"""Findings about a network or a plan: what is wrong, how bad it is, and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from sim.network import Network

UNSAFE = "unsafe"
_COLOURS = {UNSAFE: "bold red", "warning": "yellow", "note": "dim"}
_SEVERITIES = tuple(_COLOURS)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that was found: how bad it is, the rule, where, and a sentence."""

    severity: str
    rule: str
    where: str
    message: str


def network_findings(network: Network) -> list[Found]:
    """All findings about *network* and its junctions."""
    every = [*network.findings, *(each for one in network.junctions for each in one.findings)]
    return [
        Found(each.severity, each.rule, each.where, each.message) for each in dict.fromkeys(every)
    ]


def print_findings(found: Sequence[Found]) -> None:
    """One line for each finding, the worst first."""
    console = results()
    for each in sorted(found, key=lambda each: _SEVERITIES.index(each.severity)):
        console.print(f"{each.severity:8}", style=_COLOURS[each.severity], end="")
        console.print(f"{each.where}: {each.message} [{each.rule}]", soft_wrap=True, markup=False)
