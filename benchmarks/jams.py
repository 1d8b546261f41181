"""Why runs on record ended with vehicles locked: each is run again and its end looked at.

Run from the top of the repository, with the options of ``benchmarks.matrix``:
``python -m benchmarks.jams --preset main --controls adaptive``. What was found is kept beside the
run and stands in the tables of ``benchmarks.matrix --report``; the same command goes on where it
was stopped.
"""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace

from benchmarks.jam_watch import where
from benchmarks.matrix import INTERRUPTED, interrupt, matrix_of, parsed, to_stderr
from benchmarks.record.plan import Cell, Matrix
from benchmarks.record.store import Store
from controller.violations import InvalidError
from sim import run as runner
from sim.decisions import EVERY_JUNCTION, DecisionNote
from sim.errors import BenchError
from sim.results import RunResult

NOTES_MAX = 5
"""Groups of vehicles that are told of one run, the largest."""


def explain(cell: Cell, measured: RunResult, runs: runner.Runs) -> str:
    """Why the run *cell*, which gave *measured*, ended locked; runs it again."""
    found: list[DecisionNote] = []
    spec = replace(cell.spec, control=where(cell.spec.control), explain=EVERY_JUNCTION)
    again = runner.run_once(spec, runs, on_decision=found.append)
    lines = [note.why for note in found[:NOTES_MAX]] or ["nobody was locked a second before"]
    if len(found) > NOTES_MAX:
        lines.append(f"{len(found) - NOTES_MAX} more groups")
    if again.delay_s != measured.delay_s:
        lines.append(
            f"run again, its delay was {again.delay_s:.1f} s and not {measured.delay_s:.1f} s"
        )
    return "\n".join(lines)


def explain_all(matrix: Matrix, store: Store, *, workers: int, say: Callable[[str], None]) -> int:
    """Explain every jammed run of *matrix* on record that is not yet; how many could not be."""
    ahead = []
    for cell in matrix.cells():
        result = store.find(cell.spec, cell.label)
        if isinstance(result, RunResult) and result.jammed:
            text = store.find_note(cell.spec, cell.label)
            if text is None:
                ahead.append((cell, result))
            else:
                say(_block(cell, text))
    to_stderr(f"{len(ahead)} jammed runs have to be run again")
    began_s = time.monotonic()
    runs = runner.Runs()
    failed = 0
    with ThreadPoolExecutor(max(1, workers)) as pool:
        pending = {pool.submit(explain, cell, result, runs): cell for cell, result in ahead}
        try:
            for done, future in enumerate(as_completed(pending), start=1):
                cell = pending[future]
                try:
                    text = future.result()
                except (BenchError, InvalidError) as error:
                    failed += 1
                    to_stderr(f"{cell}: FAILED ({error})")
                else:
                    store.keep_note(cell.spec, cell.label, text)
                    say(_block(cell, text))
                left_min = (time.monotonic() - began_s) / done * (len(ahead) - done) / 60
                to_stderr(f"[{done}/{len(ahead)}] about {left_min:.0f} min left")
        except BaseException:
            runs.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def _block(cell: Cell, text: str) -> str:
    return "\n".join([f"{cell}:", *(f"  {line}" for line in text.splitlines())])


def _say(text: str) -> None:
    print(text, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Explain the jammed runs; returns the exit code."""
    options = parsed(arguments, description=(__doc__ or "").splitlines()[0])
    signal.signal(signal.SIGTERM, interrupt)
    try:
        matrix = matrix_of(options)
        failed = explain_all(matrix, Store(options.store), workers=options.workers, say=_say)
    except BenchError as error:
        to_stderr(f"jams: {error}")
        return 1
    except KeyboardInterrupt:
        to_stderr("stopped: what was found is kept, the same command goes on")
        return INTERRUPTED
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
