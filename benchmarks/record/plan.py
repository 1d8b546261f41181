"""Which runs a matrix is made of, and what has come out of them so far."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

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
        demand = "" if spec.scale == 1 else f" x{spec.scale:g}"
        return f"{spec.scenario.name} {spec.convention.name}{demand} {self.label} seed {spec.seed}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detection:
    """Which detectors a control of ours has, and which of them have failed."""

    layout: str = "all"
    faults: DetectorFaults | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matrix:
    """Everything against everything. ``controls``: label to the name that the bench knows.

    ``layout`` and ``faults`` concern the controls of ours only, so that a table shows them with
    failed detectors beside peers that are as always; ``detection`` says for single labels what
    they have instead. ``more_seeds``: by the name of a scenario, seeds besides ``seeds``.
    """

    scenarios: Sequence[Scenario]
    controls: Mapping[str, str]
    seeds: Sequence[int]
    conventions: Sequence[Convention]
    scales: Sequence[float] = (1.0,)
    layout: str = "all"
    faults: DetectorFaults | None = None
    detection: Mapping[str, Detection] = field(default_factory=dict)
    more_seeds: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def cells(self) -> Iterator[Cell]:
        """Every run, seed by seed, so that an unfinished matrix already compares every control."""
        more = (seed for scenario in self.scenarios for seed in self.seeds_of(scenario))
        for seed in dict.fromkeys((*self.seeds, *more)):
            scenarios = [each for each in self.scenarios if seed in self.seeds_of(each)]
            for convention in self.conventions:
                for scale in self.scales:
                    for scenario in scenarios:
                        for label in self.controls:
                            yield self.cell(scenario, label, seed, convention, scale)

    def cell(
        self, scenario: Scenario, label: str, seed: int, convention: Convention, scale: float
    ) -> Cell:
        """The run of one control with one seed."""
        detection = self.detection_of(label)
        return Cell(
            label,
            RunSpec(
                scenario=scenario,
                control=self.controls[label],
                seed=seed,
                convention=convention,
                scale=scale,
                layout=detection.layout,
                faults=detection.faults,
            ),
        )

    def seeds_of(self, scenario: Scenario) -> tuple[int, ...]:
        """The seeds that *scenario* is run with."""
        return tuple(dict.fromkeys((*self.seeds, *self.more_seeds.get(scenario.name, ()))))

    def detection_of(self, label: str) -> Detection:
        """The detectors of the control called *label*: of a peer, all of them."""
        if not self.is_ours(label):
            return Detection()
        return self.detection.get(label, Detection(layout=self.layout, faults=self.faults))

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
                    for seed in matrix.seeds_of(scenario)
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
