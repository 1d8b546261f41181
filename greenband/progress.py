"""Progress of a comparison on standard error: done of total, time to go, mean delay so far."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from statistics import fmean
from typing import TYPE_CHECKING

from greenband.terminal import notes

if TYPE_CHECKING:
    from sim.compare import Progress
    from sim.hil.drive import Progress as Seconds

TOLD_TIMES = 10
"""Away from a terminal a run of the hardware-in-the-loop bench says so often how far it is."""


@contextmanager
def watching(total: int) -> Iterator[Callable[[Progress], None]]:
    """A moving bar on a terminal, one line for each finished run elsewhere."""
    with _bar(total) if notes().is_terminal else _lines() as on_progress:
        yield on_progress


@contextmanager
def _lines() -> Iterator[Callable[[Progress], None]]:
    console = notes()

    def on_progress(progress: Progress) -> None:
        said = _outcome(progress)
        console.print(
            f"{progress.done}/{progress.total} {progress.control}, seed {progress.seed}: {said}",
            soft_wrap=True,
            markup=False,
        )

    yield on_progress


@contextmanager
def _bar(total: int) -> Iterator[Callable[[Progress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (MofNCompleteColumn(), BarColumn(20), TimeRemainingColumn())
    delays: dict[str, list[float]] = defaultdict(list)
    with Bar(*columns, TextColumn("{task.description}"), console=notes(), transient=True) as bar:
        task = bar.add_task("mean delay per control appears here", total=total)

        def on_progress(progress: Progress) -> None:
            if isinstance(progress.outcome, Exception):
                bar.console.print(f"{progress.control}: {_outcome(progress)}", markup=False)
            else:
                delays[progress.control].append(progress.outcome.delay_s)
            means = "  ".join(f"{name} {fmean(each):.1f} s" for name, each in delays.items())
            bar.update(task, completed=progress.done, description=means)

        yield on_progress


def _outcome(progress: Progress) -> str:
    outcome = progress.outcome
    if isinstance(outcome, Exception):
        return f"failed: {outcome}"
    return f"delay {outcome.delay_s:.1f} s/veh ({outcome.wall_s:.1f} s)"


@contextmanager
def watching_seconds() -> Iterator[Callable[[Seconds], None]]:
    """The seconds of one run: a moving bar on a terminal, a few lines elsewhere."""
    with _seconds_bar() if notes().is_terminal else _seconds_lines() as on_progress:
        yield on_progress


@contextmanager
def _seconds_lines() -> Iterator[Callable[[Seconds], None]]:
    console = notes()

    def on_progress(progress: Seconds) -> None:
        if progress.done % max(1, progress.total // TOLD_TIMES) == 0:
            console.print(f"{progress.done}/{progress.total} s", markup=False)

    yield on_progress


@contextmanager
def _seconds_bar() -> Iterator[Callable[[Seconds], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns = (MofNCompleteColumn(), TextColumn("s"), BarColumn(20), TimeRemainingColumn())
    with Bar(*columns, console=notes(), transient=True) as bar:
        task = bar.add_task("", total=None)

        def on_progress(progress: Seconds) -> None:
            bar.update(task, completed=progress.done, total=progress.total)

        yield on_progress
