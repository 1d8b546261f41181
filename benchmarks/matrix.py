"""Every control on every scenario with every seed: the runs behind ``benchmarks/RESULTS.md``.

Run from the top of the repository: ``python -m benchmarks.matrix``. It takes hours, so every
finished run is kept on disk, and the same command goes on where it was stopped, by Ctrl-C or by
its budget of time; runs whose code, scenario or SUMO has changed since are made again.
``--report`` makes the tables of what there is. ``--preset`` names one of the matrices that
``benchmarks/RESULTS.md`` is made of; other options change it.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import NoReturn

from benchmarks.bound import BOUND_CONTROLS
from benchmarks.its_peer import ITS_CONTROLS, is_installed
from benchmarks.presets import OURS, PRESETS, describe, with_faults_seed
from benchmarks.published import SCENARIOS
from benchmarks.record.plan import Cell, Matrix
from benchmarks.record.store import Failure, Record, Store
from benchmarks.record.tables import report
from controller.violations import InvalidError
from sim import run as runner
from sim.catalogue import fetch_scenario, is_catalogued
from sim.controls import CONTROLS, find_control
from sim.convention import convention
from sim.detector_faults import parse_faults
from sim.detector_layout import LAYOUTS, check_layout
from sim.errors import BenchError
from sim.results import RunResult
from sim.scenario import Scenario, load_scenario

Say = Callable[[str], None]
INTERRUPTED = 130
"""The exit code after Ctrl-C."""


@dataclass
class Progress:
    """What has been done, and how long the rest will take at the pace of runs like it."""

    total: int
    workers: int
    ahead: list[Cell] = field(default_factory=list)
    took_s: list[tuple[Cell, float]] = field(default_factory=list)
    failed: int = 0

    def line(self, cell: Cell, outcome: str) -> str:
        """One line about *cell*, which has just ended."""
        done = self.total - len(self.ahead)
        left_min = self.left_s() / 60
        return f"[{done}/{self.total}] {cell}: {outcome}; about {left_min:.0f} min left"

    def left_s(self) -> float:
        """An estimate from runs of the same scenario and control, else of the same scenario."""
        return sum(self._expected_s(cell) for cell in self.ahead) / self.workers

    def _expected_s(self, cell: Cell) -> float:
        for alike in (_same_run, _same_scenario, _any_run):
            times = [took_s for other, took_s in self.took_s if alike(cell, other)]
            if times:
                return fmean(times)
        return 0.0


def _same_run(one: Cell, other: Cell) -> bool:
    alike = one.label == other.label and one.spec.scale == other.spec.scale
    return alike and _same_scenario(one, other)


def _same_scenario(one: Cell, other: Cell) -> bool:
    return one.spec.scenario.name == other.spec.scenario.name


def _any_run(_one: Cell, _other: Cell) -> bool:
    return True


def make_runs(
    matrix: Matrix,
    store: Store,
    *,
    say: Say,
    workers: int = 2,
    budget_s: float | None = None,
    retry: bool = False,
) -> Progress:
    """Make the runs of *matrix* that *store* does not have yet, and keep them there.

    With *retry*, runs that could not be made are tried again. No run starts once *budget_s* is used
    up; those under way are finished. On Ctrl-C they are ended at once, and the KeyboardInterrupt is
    passed on.
    """
    progress = _begin(matrix, store, max(1, workers), retry=retry)
    until_s = time.monotonic() + budget_s if budget_s is not None else float("inf")
    say(f"{progress.total - len(progress.ahead)} of {progress.total} runs are on record")
    runs = runner.Runs()
    waiting = list(reversed(progress.ahead))
    pending: dict[Future[Record | BenchError], Cell] = {}
    with ThreadPoolExecutor(progress.workers) as pool:
        try:
            while pending or (waiting and time.monotonic() < until_s):
                while waiting and len(pending) < progress.workers and time.monotonic() < until_s:
                    cell = waiting.pop()
                    pending[pool.submit(_run, cell, runs)] = cell
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    _take(pending.pop(future), future.result(), progress, store, say)
        except BaseException:
            runs.stop()
            raise
    return progress


def _begin(matrix: Matrix, store: Store, workers: int, *, retry: bool) -> Progress:
    cells = list(matrix.cells())
    progress = Progress(len(cells), workers)
    for cell in cells:
        record = store.find(cell.spec, cell.label)
        if record is None or (retry and isinstance(record, Failure)):
            progress.ahead.append(cell)
        elif isinstance(record, RunResult):
            progress.took_s.append((cell, record.wall_s))
    return progress


def _run(cell: Cell, runs: runner.Runs) -> Record | BenchError:
    """A peer that cannot run is on record as that; a failure of ours is not, it wants mending."""
    try:
        return runner.run_once(cell.spec, runs)
    except (BenchError, InvalidError) as error:
        ours = find_control(cell.spec.control).ours
        return BenchError(str(error)) if ours else Failure(str(error))


def _take(
    cell: Cell, outcome: Record | BenchError, progress: Progress, store: Store, say: Say
) -> None:
    progress.ahead.remove(cell)
    if isinstance(outcome, RunResult):
        progress.took_s.append((cell, outcome.wall_s))
        store.keep(cell.spec, cell.label, outcome)
        jam = ", jammed" if outcome.jammed else ""
        say(progress.line(cell, f"{outcome.delay_s:.1f} s delay{jam} in {outcome.wall_s:.1f} s"))
        return
    progress.failed += 1
    if isinstance(outcome, Failure):
        store.keep(cell.spec, cell.label, outcome)
        say(progress.line(cell, f"cannot run ({outcome.reason})"))
    else:
        say(progress.line(cell, f"FAILED, nothing kept ({outcome})"))


def chosen_controls(names: Iterable[str], say: Say, variants: Iterable[str] = ()) -> dict[str, str]:
    """Label to name of the controls called *names*; ``all`` includes the installed extra peers.

    *variants* are labels that our control has in this matrix besides its name.
    """
    known = {**{name: name for name in CONTROLS}, **ITS_CONTROLS, **BOUND_CONTROLS}
    known |= dict.fromkeys(variants, OURS)
    chosen: dict[str, str] = {}
    for name in names:
        if name == "all":
            chosen |= {name: name for name in CONTROLS}
            if is_installed():
                chosen |= ITS_CONTROLS
            else:
                say(f"without {', '.join(ITS_CONTROLS)}: pip install 'greenband[bench]' adds them")
        elif name in known:
            chosen[name] = known[name]
        else:
            raise BenchError(f"unknown control {name!r}: choose from all, {', '.join(known)}")
    return chosen


def chosen_scenarios(names: Iterable[str]) -> list[Scenario]:
    """The scenarios called *names*, fetched if need be; ``all`` is the eight of RESCO."""
    specs = [each for name in names for each in (SCENARIOS if name == "all" else (name,))]
    for spec in dict.fromkeys(specs):
        if is_catalogued(spec):
            fetch_scenario(spec)
    return [load_scenario(spec) for spec in dict.fromkeys(specs)]


def seeds_of(text: str) -> tuple[int, ...]:
    """``1-10`` or ``1,2,5-7``; raises :class:`BenchError` for anything else."""
    seeds: list[int] = []
    try:
        for part in text.split(","):
            first, dash, last = part.partition("-")
            seeds += range(int(first), int(last if dash else first) + 1)
    except ValueError:
        seeds = []
    if not seeds:
        raise BenchError(f"seeds {text!r}: give them as 1-10 or 1,2,5")
    return tuple(dict.fromkeys(seeds))


def scales_of(text: str) -> tuple[float, ...]:
    """``0.5,1,2``; raises :class:`BenchError` for what is no positive number."""
    try:
        scales = tuple(dict.fromkeys(float(part) for part in text.split(",")))
    except ValueError:
        scales = ()
    if not scales or not all(0 < scale < float("inf") for scale in scales):
        raise BenchError(f"scales {text!r}: give factors of the demand such as 0.5,1,2")
    return scales


def _parser(description: str, preset: str | None = None) -> argparse.ArgumentParser:
    """The command line; what *preset* says are its defaults."""
    parser = argparse.ArgumentParser(
        description=description,
        epilog=describe(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--preset", choices=PRESETS, help="see below; other options change it")
    add("--scenarios", default="all", help="names or paths with commas between, or all")
    add("--controls", default="all", help="names with commas between, or all")
    add("--seeds", default="1-10", help="such as 1-10 or 1,2,5")
    add("--conventions", default="field,resco")
    add("--scales", default="1", help="factors of the demand, such as 0.5,1,2")
    add("--layout", default="all", help=f"loops that ours has: one of {', '.join(LAYOUTS)}")
    add("--failed-detectors", help="of ours: a share such as 0.1, 0.1:missing, or junction")
    add("--faults-seed", type=int, default=1, help="which detectors fail")
    add("--workers", type=int, default=2)
    add("--store", type=Path, default=Path("out/matrix"), help="where finished runs are kept")
    add("--budget", type=float, metavar="MINUTES", help="start no run after this long")
    add("--retry", action="store_true", help="try runs again that could not be made")
    add("--report", nargs="?", const="-", metavar="FILE", help="tables instead of runs")
    if preset is not None:
        parser.set_defaults(**PRESETS[preset].options)
    return parser


def parsed(arguments: Sequence[str] | None, description: str) -> argparse.Namespace:
    """The options, those that are not given being the preset's, and only then the usual ones."""
    preset = _parser(description).parse_args(arguments).preset
    return _parser(description, preset).parse_args(arguments)


def matrix_of(options: argparse.Namespace) -> Matrix:
    """The matrix that *options* of :func:`parsed` ask for; raises :class:`BenchError`."""
    faults = options.failed_detectors
    preset = PRESETS[options.preset] if options.preset else None
    detection = with_faults_seed(preset.detection, options.faults_seed) if preset else {}
    usual_seeds = preset is not None and options.seeds == preset.options["seeds"]
    controls = chosen_controls(options.controls.split(","), to_stderr, detection)
    return Matrix(
        scenarios=chosen_scenarios(options.scenarios.split(",")),
        controls=controls,
        seeds=seeds_of(options.seeds),
        conventions=[convention(name) for name in options.conventions.split(",")],
        scales=scales_of(options.scales),
        layout=check_layout(options.layout),
        faults=parse_faults(faults, options.faults_seed) if faults else None,
        detection={label: each for label, each in detection.items() if label in controls},
        more_seeds=preset.more_seeds if preset and usual_seeds else {},
    )


def to_stderr(text: str) -> None:
    """Say *text* beside the tables."""
    print(text, file=sys.stderr, flush=True)


def interrupt(_number: int, _frame: object) -> NoReturn:
    """End as after Ctrl-C: for SIGTERM."""
    raise KeyboardInterrupt


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the runs or the tables; returns the exit code."""
    options = parsed(arguments, description=(__doc__ or "").splitlines()[0])
    signal.signal(signal.SIGTERM, interrupt)
    store = Store(options.store)
    try:
        matrix = matrix_of(options)
        if options.report is not None:
            write(report(matrix, store), options.report)
            code = 0
        else:
            code = make(matrix, store, options)
    except BenchError as error:
        to_stderr(f"matrix: {error}")
        return 1
    except KeyboardInterrupt:
        to_stderr("stopped: finished runs are kept, the same command goes on")
        return INTERRUPTED
    for path in store.unreadable:
        to_stderr(f"{path} could not be read and was not used")
    return code


def make(matrix: Matrix, store: Store, options: argparse.Namespace) -> int:
    """Make the runs of *matrix* with the ``budget``, ``workers`` and ``retry`` of *options*."""
    budget_s = None if options.budget is None else 60 * options.budget
    progress = make_runs(
        matrix,
        store,
        say=to_stderr,
        workers=options.workers,
        budget_s=budget_s,
        retry=options.retry,
    )
    if progress.ahead:
        left_min = progress.left_s() / 60
        to_stderr(
            f"the budget is used up, {len(progress.ahead)} runs are left "
            f"(about {left_min:.0f} min): the same command goes on"
        )
    return 1 if progress.failed else 0


def write(text: str, target: str) -> None:
    """Write *text* to the file *target*, or print it for ``-``; raises :class:`BenchError`."""
    if target == "-":
        print(text, end="")
        return
    try:
        Path(target).write_text(text, encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{target} could not be written: {error.strerror}") from None


if __name__ == "__main__":
    sys.exit(main())
