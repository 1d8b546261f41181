"""The tables of a matrix, in Markdown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, median

from benchmarks.published import LEARNERS, SOURCE
from benchmarks.record.markdown import NOTHING, table
from benchmarks.record.plan import Detection, Group, Matrix, Runs, group
from benchmarks.record.store import Store
from benchmarks.record.verdicts import against, detection_loss
from sim.controls import find_control
from sim.convention import RESCO, Convention
from sim.results import RunResult
from sim.statistics import locked_runs

Figure = Callable[[Sequence[RunResult]], float]


def report(matrix: Matrix, store: Store) -> str:
    """All tables of *matrix*, as far as its runs are on record."""
    parts: list[str] = []
    for convention in matrix.conventions:
        for scale in matrix.scales:
            found = group(matrix, store, convention, scale)
            why = _why_jammed(matrix, store, convention, scale)
            parts += _section(matrix, found, convention, scale, why)
    return "\n\n".join(parts) + "\n"


def _section(
    matrix: Matrix, found: Group, convention: Convention, scale: float, why_jammed: str
) -> Iterator[str]:
    names = [scenario.name for scenario in matrix.scenarios]
    quoted = convention.name == RESCO.name and scale == 1.0
    yield f"## Convention `{convention.name}`, demand × {scale:g}"
    yield _preface(matrix, found)
    yield "### Delay, s per scheduled trip, median over seeds"
    rows = {
        label: [_delay(runs[each.name], len(matrix.seeds_of(each))) for each in matrix.scenarios]
        for label, runs in found.items()
    }
    if quoted:
        rows |= {
            f"*{learner}* (quoted)": [str(values.get(n, NOTHING)) for n in names]
            for learner, values in LEARNERS.items()
        }
    yield table(["control", *names], rows)
    if quoted:
        yield f"*Quoted, not measured here: {SOURCE}.*"
    for title, figure, decimals in _FIGURES:
        yield f"### {title}"
        yield table(
            ["control", *names],
            {
                label: [_number(runs[n], figure, decimals) for n in names]
                for label, runs in found.items()
            },
        )
    yield "### Runs that end with a vehicle locked (still for a quarter of an hour)"
    yield _jammed(matrix, found)
    yield why_jammed
    yield from detection_loss(matrix, found, names)
    for label in found:
        if matrix.is_ours(label):
            yield from against(label, matrix, found, names, quoted=quoted)


_FIGURES: tuple[tuple[str, Figure, int], ...] = (
    ("Delay, s per scheduled trip, mean over seeds", lambda r: fmean(x.delay_s for x in r), 1),
    (
        "p95 of time loss, s, median over seeds",
        lambda r: median(x.p95_time_loss_s for x in r),
        0,
    ),
    ("p95 of wait, s, median over seeds", lambda r: median(x.p95_waiting_s for x in r), 0),
    ("Longest wait, s, median over seeds", lambda r: median(x.max_waiting_s for x in r), 0),
    ("Finished trips, median over seeds", lambda r: median(x.finished for x in r), 0),
)


def _preface(matrix: Matrix, found: Group) -> str:
    wanted = {scenario.name: len(matrix.seeds_of(scenario)) for scenario in matrix.scenarios}
    done = sum(len(runs.by_seed) for row in found.values() for runs in row.values())
    total = len(matrix.controls) * sum(wanted.values())
    usual = len(matrix.seeds)
    others = [f"{count} on {name}" for name, count in wanted.items() if count != usual]
    lines = [
        f"{done} of {total} runs are on record, of {', '.join([f'{usual} seeds each', *others])}.",
        "`(k/n)`: in k of n runs the control finished fewer than 96 % of the trips of its best "
        "run; shown where k > 0 or runs are missing.",
        *(_detection(label, matrix.detection_of(label)) for label in found),
    ]
    seen = [f"`{label}` {find_control(matrix.controls[label]).sees}" for label in found]
    return " ".join(filter(None, lines)) + "\n\nWhat each control sees: " + "; ".join(seen) + "."


def _detection(label: str, detection: Detection) -> str:
    if detection == Detection():
        return ""
    loops = "all loops" if detection.layout == "all" else f"loops of `{detection.layout}` only"
    failed = f", failed detectors: {detection.faults}" if detection.faults else ""
    return f"`{label}` has {loops}{failed}."


def _delay(runs: Runs, wanted: int) -> str:
    results = list(runs.by_seed.values())
    if not results:
        return "cannot run" if runs.failure else NOTHING
    locked = locked_runs([result.finished for result in results])
    remark = f" ({locked}/{len(results)})" if locked or len(results) < wanted else ""
    return f"{median(result.delay_s for result in results):.1f}{remark}"


def _number(runs: Runs, figure: Figure, decimals: int) -> str:
    results = list(runs.by_seed.values())
    return f"{figure(results):.{decimals}f}" if results else NOTHING


def _jammed(matrix: Matrix, found: Group) -> str:
    """Locked runs of those on record, by scenario and in all."""
    rows = {}
    for label, by_name in found.items():
        results = [list(by_name[each.name].by_seed.values()) for each in matrix.scenarios]
        results.append([result for each in results for result in each])
        rows[label] = [_locked(each) for each in results]
    return table(["control", *(each.name for each in matrix.scenarios), "all"], rows)


def _locked(results: Sequence[RunResult]) -> str:
    return f"{sum(each.jammed for each in results)}/{len(results)}" if results else NOTHING


def _why_jammed(matrix: Matrix, store: Store, convention: Convention, scale: float) -> str:
    """For each locked run of ours what is known of it, and how more can be known."""
    lines = [
        "`python -m benchmarks.jams` with the same options looks into them. Locked runs of ours, "
        "with the largest group of vehicles each:"
    ]
    cells = (
        matrix.cell(scenario, label, seed, convention, scale)
        for label in matrix.controls
        if matrix.is_ours(label)
        for scenario in matrix.scenarios
        for seed in matrix.seeds_of(scenario)
    )
    for cell in cells:
        run = store.find(cell.spec, cell.label)
        if isinstance(run, RunResult) and run.jammed:
            note = store.find_note(cell.spec, cell.label) or "not looked into yet"
            lines.append(f"- {cell}: {note.splitlines()[0]}")
    return "\n".join(lines) if len(lines) > 1 else "None of the runs of ours on record is locked."
