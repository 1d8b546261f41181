"""Whether what a control did could be shown on a street."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from sim.network import Network
from sim.report.aggregate import Detail
from sim.report.formatting import number

_ROUNDING_S = 0.05


@dataclass(frozen=True, slots=True)
class Legality:
    """``legal`` is None where no run kept its detail; ``why`` is a short reason."""

    legal: bool | None
    why: str


def legality(detail: Detail | None, network: Network) -> Legality:
    """Judge the greens that were measured by the minimum greens of the derived intersections."""
    if detail is None:
        return Legality(None, "not checked: no run kept its detail")
    minimums = dict(_minimum_greens_s(network))
    measured = [
        (green.shortest_green_s, minimums[key])
        for key, green in detail.greens.items()
        if green.shortest_green_s is not None and key in minimums
    ]
    if not measured:
        return Legality(None, "not checked: shortest greens were not measured")
    short = [(green, minimum) for green, minimum in measured if green < minimum - _ROUNDING_S]
    if not short:
        return Legality(True, "every minimum green was kept")
    green, minimum = min(short, key=lambda each: each[0] - each[1])
    return Legality(
        False,
        f"{len(short)} of {len(measured)} signal groups cut below their minimum green "
        f"(down to {number(green, 0)} s where {number(minimum, 0)} s are needed)",
    )


def _minimum_greens_s(network: Network) -> Iterable[tuple[tuple[str, str], float]]:
    for junction in network.junctions:
        for group in junction.intersection.groups:
            yield (junction.id, group.name), group.min_green_ms / 1000
