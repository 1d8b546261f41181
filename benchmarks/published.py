"""Delays that others have published for the RESCO scenarios: quoted, not measured here.

Source: J. Ault and G. Sharon, "Reinforcement Learning Benchmarks for Traffic Signal Control",
NeurIPS 2021 Datasets and Benchmarks, from the tables in its repository. A learner's figure is
that of its best training episode with its spread over the repetitions, so it is an optimistic
minimum; MPLight on ingolstadt1 is its variant with the full state. They were measured with SUMO
1.9 and correspond to the convention ``resco``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SOURCE = (
    "Ault & Sharon, NeurIPS 2021 Datasets and Benchmarks, tables of its repository: "
    "best training episode ± its spread, an optimistic minimum"
)


@dataclass(frozen=True, slots=True)
class Quoted:
    """A published mean delay per trip, with its spread where one was published."""

    delay_s: float
    spread_s: float | None = None

    def __str__(self) -> str:
        return f"{self.delay_s:g}" + ("" if self.spread_s is None else f" ± {self.spread_s:g}")


def _row(*values: tuple[float, float | None]) -> Mapping[str, Quoted]:
    return {name: Quoted(*value) for name, value in zip(SCENARIOS, values, strict=True)}


SCENARIOS = (
    *("cologne1", "cologne3", "cologne8", "ingolstadt1", "ingolstadt7", "ingolstadt21"),
    *("grid4x4", "arterial4x4"),
)
LEARNERS: Mapping[str, Mapping[str, Quoted]] = {
    "IDQN": _row(
        (26.1, 0.6), (24.0, 1.1), (22.1, 0.4), (21.5, 0.6), (31.2, 1.0), (59.6, 2.1),
        (32.9, 0.3), (1168, 194),
    ),
    "IPPO": _row(
        (43.2, 11.8), (24.0, 0.4), (21.6, 0.1), (20.9, 0.2), (31.7, 1.0), (93.1, 19.5),
        (44.0, None), (687, None),
    ),
    "MPLight": _row(
        (28.7, 1.7), (83.6, 28), (60.4, 20), (28.3, 0.8), (48.2, 4.2), (78.2, 2.1),
        (46.9, 0.9), (838, 96),
    ),
    "FMA2C": _row(
        (30.8, 0.3), (26.9, 0.2), (33.9, 0.5), (27.0, 1.5), (51.4, 0.5), (90.3, 1.7),
        (99.8, None), (654, None),
    ),
}  # fmt: skip
"""Delay in s by learner and scenario."""
