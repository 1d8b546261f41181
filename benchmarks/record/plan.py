"""Which runs a matrix is made of, and what has come out of them so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.record.store import Record, Store
from sim.controls import find_control
from sim.convention import Convention
from sim.detector_faults import DetectorFaults
from sim.results import RunResult
from sim.run import RunSpec
from sim.scenario import Scenario


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the matrix, under the *label* that its control has in the tables."""

    label: str
    spec: RunSpec

    def __str__(self) -> str:
        spec = self.spec
        return f"{spec.scenario.name} {spec.convention.name} {self.label} seed {spec.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Everything against everything. ``controls``: label to the name that the bench knows.

    ``layout`` and ``faults`` concern the controls of ours only, so that a table shows them with
    failed detectors beside peers that are as always.
    """

    scenarios: Sequence[Scenario]
    controls: Mapping[str, str]
    seeds: Sequence[int]
    conventions: Sequence[Convention]
    scales: Sequence[float] = (1.0,)
    layout: str = "all"
    faults: DetectorFaults | None = None

    def cells(self) -> Iterator[Cell]:
        """Every run, seed by seed, so that an unfinished matrix already compares every control."""
        for seed in self.seeds:
            for convention in self.conventions:
                for scale in self.scales:
                    for scenario in self.scenarios:
                        for label in self.controls:
                            yield self.cell(scenario, label, seed, convention, scale)

    def cell(
        self, scenario: Scenario, label: str, seed: int, convention: Convention, scale: float
    ) -> Cell:
        """The run of one control with one seed."""
        ours = self.is_ours(label)
        return Cell(
            label,
            RunSpec(
                scenario=scenario,
                control=self.controls[label],
                seed=seed,
                convention=convention,
                scale=scale,
                layout=self.layout if ours else "all",
                faults=self.faults if ours else None,
            ),
        )

    def is_ours(self, label: str) -> bool:
        """Whether the control called *label* is one of ours."""
        return find_control(self.controls[label]).ours


@dataclass(frozen=True, slots=True)
class Runs:
    """What one control did on one scenario: results by seed, or why it could not run."""

    by_seed: Mapping[int, RunResult]
    failure: str = ""


Group = Mapping[str, Mapping[str, Runs]]
"""Runs by the label of the control, then by the name of the scenario."""


def group(matrix: Matrix, store: Store, convention: Convention, scale: float) -> Group:
    """All runs on record under one convention and one scale of demand."""
    return {
        label: {
            scenario.name: _runs(
                {
                    seed: store.find(cell.spec, label)
                    for seed in matrix.seeds
                    for cell in [matrix.cell(scenario, label, seed, convention, scale)]
                }
            )
            for scenario in matrix.scenarios
        }
        for label in matrix.controls
    }


def _runs(records: Mapping[int, Record | None]) -> Runs:
    results = {seed: each for seed, each in records.items() if isinstance(each, RunResult)}
    failures = [
        each.reason
        for each in records.values()
        if each is not None and not isinstance(each, RunResult)
    ]
    return Runs(results, failures[0] if failures else "")
