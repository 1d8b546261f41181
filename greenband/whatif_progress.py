"""Progress of a what-if on standard error: the ranking as far as it is known, run by run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from greenband.progress import watching
from greenband.terminal import notes
from greenband.whatif_table import ranking_table

if TYPE_CHECKING:
    from sim.compare import Progress
    from sim.results import RunResult


@contextmanager
def watching_ranking(sees: Mapping[str, str], total: int) -> Iterator[Callable[[Progress], None]]:
    """A ranking that changes as runs end, on a terminal; one line for each run elsewhere."""
    if not notes().is_terminal:
        with watching(total) as on_progress:
            yield on_progress
        return
    with _live(sees, total) as on_progress:
        yield on_progress


@contextmanager
def _live(sees: Mapping[str, str], total: int) -> Iterator[Callable[[Progress], None]]:
    from rich.console import Group
    from rich.live import Live
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    from sim.results import RunResult
    from sim.whatif.ranking import ranked

    console = notes()
    runs: dict[str, dict[int, RunResult]] = defaultdict(dict)
    columns = (MofNCompleteColumn(), BarColumn(20), TimeRemainingColumn())
    bar = Bar(*columns, TextColumn("runs; Ctrl-C shows what is known so far"), console=console)
    task = bar.add_task("", total=total)
    with Live(bar, console=console, transient=True, refresh_per_second=4) as live:

        def on_progress(progress: Progress) -> None:
            bar.update(task, completed=progress.done)
            if isinstance(progress.outcome, RunResult):
                runs[progress.control][progress.seed] = progress.outcome
                rows = ranked(runs, sees)
                live.update(Group(ranking_table(rows, console.width), bar))
            else:
                live.console.print(f"{progress.control} failed: {progress.outcome}", markup=False)

        yield on_progress
