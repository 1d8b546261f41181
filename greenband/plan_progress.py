"""Progress of a plan in the making on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from greenband.terminal import notes

if TYPE_CHECKING:
    from optimizer.planning.maker import PlanProgress


@contextmanager
def watching_plan() -> Iterator[Callable[[PlanProgress], None]]:
    """A moving bar on a terminal, one line for each step of the work elsewhere."""
    with _bar() if notes().is_terminal else _lines() as on_progress:
        yield on_progress


@contextmanager
def _lines() -> Iterator[Callable[[PlanProgress], None]]:
    console = notes()
    told: set[str] = set()

    def on_progress(progress: PlanProgress) -> None:
        if progress.phase not in told:
            told.add(progress.phase)
            console.print(_in_words(progress), soft_wrap=True, markup=False)

    yield on_progress


@contextmanager
def _bar() -> Iterator[Callable[[PlanProgress], None]]:
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (MofNCompleteColumn(), BarColumn(20), TextColumn("{task.description}"))
    with Bar(*columns, console=notes(), transient=True) as bar:
        task = bar.add_task("reading", total=None)

        def on_progress(progress: PlanProgress) -> None:
            bar.update(
                task,
                completed=progress.done,
                total=progress.of,
                description=_in_words(progress),
            )

        yield on_progress


def _in_words(progress: PlanProgress) -> str:
    if progress.index is None:
        return progress.phase
    return f"{progress.phase}, index {progress.index:.1f}"
