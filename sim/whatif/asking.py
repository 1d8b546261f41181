"""Asks what would be: every candidate from the same present, with the same seeds, side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from sim.compare import Progress, run_all
from sim.controls import find_control
from sim.controls.planned import PLAN_SUFFIX, planned_plan, plans_by_site, read_plan
from sim.convention import FIELD, Convention
from sim.errors import BenchError, ScenarioError
from sim.network import Network
from sim.plans import plan_json
from sim.results import FailedControl, RunResult
from sim.run import RunSpec, run_once
from sim.scenario import Scenario
from sim.simulation import sumo_version
from sim.whatif.keep import Keep
from sim.whatif.present import Present, check_fits, read_present
from sim.whatif.ranking import Ranked, ranked

PLANNED = "planned"


@dataclass(frozen=True, slots=True)
class Start:
    """Where the runs of one seed begin: a saved state, and the scenario that goes on from it."""

    scenario: Scenario
    state: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked: ``starts`` by seed, ``candidates`` as :func:`find_control` knows them."""

    starts: Mapping[int, Start]
    candidates: tuple[str, ...]
    minutes: float
    convention: Convention = FIELD
    scale: float = 1.0
    workers: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The candidates, best first; ``present`` is that of the first seed."""

    scenario: str
    convention: str
    sumo: str
    scale: float
    present: Present
    vehicles: float
    """Mean over the runs of those present, waiting to get in, and coming."""
    minutes: float
    seeds: tuple[int, ...]
    candidates: tuple[Ranked, ...]
    failed: tuple[FailedControl, ...]
    complete: bool
    """False if it was interrupted: then it is what was known until then."""


def saved_at(scenario: Scenario, keep: Keep, spec: RunSpec) -> Start:
    """*scenario* run from its begin to the time of *keep*, as *spec* says, and saved there.

    Raises :class:`ScenarioError` for a time outside of its window.
    """
    if not scenario.begin_s < keep.time_s < scenario.end_s:
        raise ScenarioError(
            f"{scenario.name} runs from {scenario.begin_s:g} to {scenario.end_s:g} s: "
            f"{keep.time_s:g} s is no time between"
        )
    run_once(replace(spec, scenario=replace(scenario, end_s=keep.time_s), keep=keep))
    return Start(scenario, keep.path)


def check_candidates(candidates: Sequence[str], network: Network) -> None:
    """Raise :class:`BenchError` unless there are two that differ, and every plan file fits.

    :class:`InvalidError` names a plan that breaks a rule of its site.
    """
    if len(candidates) < 2:
        raise BenchError(
            f"only one candidate ({', '.join(candidates)}): name two or more to choose from"
        )
    seen: dict[object, str] = {}
    for name in candidates:
        if name.endswith(PLAN_SUFFIX):
            timings = _fitting_plan(name, network)
            if timings in seen:
                raise BenchError(f"{seen[timings]} and {name} are the same plan: leave one out")
            seen[timings] = name


def _fitting_plan(name: str, network: Network) -> tuple[TimingPlan, ...]:
    """The plans of the sites of *network* in the file *name*, whatever they are called there."""
    try:
        by_site = plans_by_site(read_plan(name), network)
        for junction in network.junctions:
            check_plan(by_site[junction.id], junction.intersection)
    except ScenarioError as error:
        raise ScenarioError(f"{name}: {error}") from None
    except InvalidError as error:
        raise InvalidError(f"{name}: {error.what}", error.violations) from None
    return tuple(replace(by_site[junction.id], name="") for junction in network.junctions)


def ask(
    question: Question,
    network: Network,
    folder: Path,
    on_progress: Callable[[Progress], None],
) -> Answer:
    """Run every candidate from every start and rank them; *folder* is for what has to be made.

    Stopped by Ctrl-C it answers with what is known by then, if that is anything. Raises
    :class:`BenchError` for a state that does not fit, and if no candidate could be run.
    """
    first = next(iter(question.starts.values()))
    present = read_present(first.state, first.scenario)
    check_fits(present, network)
    controls = _controls(question, network, present, folder)
    names = {control: name for name, control in controls.items()}
    outcomes: dict[str, dict[int, RunResult]] = {name: {} for name in question.candidates}
    failures: dict[str, Exception] = {}

    def took(progress: Progress) -> None:
        name = names[progress.control]
        if isinstance(progress.outcome, RunResult):
            outcomes[name][progress.seed] = progress.outcome
        else:
            failures[name] = progress.outcome
        on_progress(replace(progress, control=name))

    def good() -> dict[str, dict[int, RunResult]]:
        return {name: runs for name, runs in outcomes.items() if runs and name not in failures}

    complete = True
    try:
        run_all(_specs(question, controls), question.workers, took)
    except KeyboardInterrupt:
        if not good():
            raise
        complete = False
    if not good():
        raise next(iter(failures.values()))
    return _answer(question, present, good(), failures, complete=complete)


def _answer(
    question: Question,
    present: Present,
    outcomes: Mapping[str, Mapping[int, RunResult]],
    failures: Mapping[str, Exception],
    *,
    complete: bool,
) -> Answer:
    scenario = next(iter(question.starts.values())).scenario
    sees = {name: find_control(name).sees for name in question.candidates}
    rows = ranked(outcomes, sees)
    counts = [run.ahead.vehicles for row in rows for run in row.runs.values() if run.ahead]
    return Answer(
        scenario=scenario.name,
        convention=question.convention.name,
        sumo=sumo_version(),
        scale=question.scale,
        present=present,
        vehicles=sum(counts) / len(counts),
        minutes=(_end_s(scenario, present.time_s, question.minutes) - present.time_s) / 60,
        seeds=tuple(rows[0].runs),
        candidates=rows,
        failed=tuple(
            FailedControl(name, sees[name], str(failure)) for name, failure in failures.items()
        ),
        complete=complete,
    )


def _controls(
    question: Question, network: Network, present: Present, folder: Path
) -> dict[str, str]:
    """By candidate, the control to run: what would be planned anew in every run is planned once."""
    controls = {name: name for name in question.candidates}
    if PLANNED in controls:
        scenario = next(iter(question.starts.values())).scenario
        window = _ahead(scenario, present.time_s, question.minutes)
        plan = planned_plan(window, network, question.scale)
        path = folder / f"{PLANNED}{PLAN_SUFFIX}"
        path.write_text(plan_json.to_json(plan), encoding="utf-8")
        controls[PLANNED] = str(path)
    return controls


def _specs(question: Question, controls: Mapping[str, str]) -> list[RunSpec]:
    specs = []
    for seed, start in question.starts.items():
        time_s = read_present(start.state, start.scenario).time_s
        scenario = _ahead(start.scenario, time_s, question.minutes)
        specs += [
            RunSpec(
                scenario=scenario,
                control=control,
                seed=seed,
                convention=question.convention,
                scale=question.scale,
                present=start.state,
            )
            for control in controls.values()
        ]
    return specs


def _ahead(scenario: Scenario, time_s: float, minutes: float) -> Scenario:
    return replace(scenario, begin_s=time_s, end_s=_end_s(scenario, time_s, minutes))


def _end_s(scenario: Scenario, time_s: float, minutes: float) -> float:
    """The horizon in whole steps, at most the end of the scenario: nobody departs after that."""
    steps = max(1, round(minutes * 60 / scenario.step_s))
    return min(scenario.end_s, time_s + steps * scenario.step_s)


def in_parallel(starts: Mapping[int, Callable[[], Start]], workers: int) -> dict[int, Start]:
    """The presents of several seeds, made *workers* at a time."""
    with ThreadPoolExecutor(max(1, workers)) as pool:
        made = {seed: pool.submit(make) for seed, make in starts.items()}
        return {seed: future.result() for seed, future in made.items()}
