"""Controls beside each other: the same scenario, seeds and convention for each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

from controller.violations import InvalidError
from sim.controls import choose_controls
from sim.convention import FIELD, Convention
from sim.errors import BenchError
from sim.results import Comparison, ControlResult, FailedControl, RunResult
from sim.run import Runs, RunSpec, run_once
from sim.scenario import Scenario
from sim.simulation import sumo_version
from sim.street_record import Watch

Outcome = RunResult | BenchError | InvalidError


@dataclass(frozen=True, slots=True)
class Progress:
    """One more run has ended: how many of how many have, whose it was, and what came out."""

    done: int
    total: int
    control: str
    seed: int
    outcome: Outcome


def _silent(progress: Progress) -> None:
    """Tell nobody."""


def compare(  # noqa: PLR0913 - the parameters of a comparison, most of them by name
    scenario: Scenario,
    controls: Sequence[str],
    seeds: Sequence[int],
    convention: Convention = FIELD,
    *,
    scale: float = 1.0,
    workers: int = 2,
    detail: bool = False,
    watch: Watch | None = None,
    on_progress: Callable[[Progress], None] = _silent,
) -> Comparison:
    """Run every control with every seed, *workers* at a time.

    Runs are independent of each other and of *workers*: the same arguments give the same figures.
    With *detail*, every run carries what the report draws, and those of the first seed the street
    *watch*. A peer whose run fails (one
    of SUMO's own tools crashes on some networks) is left out and named in ``failed``; if one of
    ours fails, or nothing is left, the first failure is raised. Raises :class:`BenchError` for
    unknown controls or no seeds.
    """
    chosen = choose_controls(controls)
    if not chosen or not seeds:
        raise BenchError("nothing to compare: name at least one control and one seed")
    ordered_seeds = tuple(dict.fromkeys(seeds))
    specs = [
        RunSpec(
            scenario=scenario,
            control=control.name,
            seed=seed,
            convention=convention,
            scale=scale,
            detail=detail,
            watch=watch if seed == ordered_seeds[0] else None,
        )
        for seed in ordered_seeds
        for control in chosen
    ]
    outcomes = run_all(specs, workers, on_progress)
    results, failed = [], []
    for control in chosen:
        runs = [outcomes.get((control.name, seed)) for seed in ordered_seeds]
        failure = next((run for run in runs if isinstance(run, Exception)), None)
        if failure is None:
            measured = tuple(run for run in runs if isinstance(run, RunResult))
            results.append(ControlResult(name=control.name, sees=control.sees, runs=measured))
        elif control.ours:
            raise failure
        else:
            failed.append(FailedControl(control.name, control.sees, str(failure)))
            first_failure = failure
    if not results:
        raise first_failure
    return Comparison(
        scenario=scenario.name,
        convention=convention.name,
        sumo=sumo_version(),
        scale=scale,
        controls=tuple(results),
        failed=tuple(failed),
    )


def run_all(
    specs: Sequence[RunSpec], workers: int, on_progress: Callable[[Progress], None]
) -> dict[tuple[str, int], Outcome]:
    """Outcomes by control and seed; once a control has failed, its other runs are left out."""
    outcomes: dict[tuple[str, int], Outcome] = {}
    hopeless: set[str] = set()
    runs = Runs()

    def run(spec: RunSpec) -> Outcome | None:
        if spec.control in hopeless:
            return None
        try:
            return run_once(spec, runs)
        except (BenchError, InvalidError) as error:
            hopeless.add(spec.control)
            return error

    with ThreadPoolExecutor(max(1, workers)) as pool:
        pending: dict[Future[Outcome | None], RunSpec] = {}
        try:
            pending = {pool.submit(run, spec): spec for spec in specs}
            while pending:
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    spec, outcome = pending.pop(future), future.result()
                    done = len(specs) - len(pending)
                    if outcome is not None:
                        outcomes[spec.control, spec.seed] = outcome
                        on_progress(Progress(done, len(specs), spec.control, spec.seed, outcome))
        except BaseException:
            # Ctrl-C, or the caller's progress display failed: leave no SUMO behind.
            pool.shutdown(wait=False, cancel_futures=True)
            runs.stop()
            raise
    return outcomes
