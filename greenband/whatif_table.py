"""The ranking of a what-if in the terminal, and what it does not decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from sim.statistics import Estimate
    from sim.whatif.asking import Answer
    from sim.whatif.ranking import Ranked

_NARROW = ("", "candidate", "delay s", "behind s")
_MAIN = (*_NARROW, "veh-h", "stops")
_ALL = (*_MAIN, "queue", "full lanes", "longest wait", "on foot s")
WORST = "worst at"
_SETS = ((*_ALL, WORST), _ALL, _MAIN, _NARROW)
_UNBOUNDED = 1_000


def print_answer(answer: Answer) -> None:
    """Print *answer*: the ranking, then what can't be told apart."""
    console = results()
    console.print()
    console.print(_headline(answer), soft_wrap=True)
    table = ranking_table(answer.candidates, console.width)
    console.print(table)
    if all(column.header != WORST for column in table.columns):
        for row in answer.candidates:
            if row.worst_group is not None:
                console.print(f"{row.name} is worst at {_worst(row)}", style="dim", markup=False)
    for failure in answer.failed:
        console.print(
            f"{failure.name} could not run: {failure.reason}", soft_wrap=True, markup=False
        )
    for sentence in verdict(answer):
        console.print(sentence, soft_wrap=True, markup=False)


def _headline(answer: Answer) -> str:
    present = answer.present
    until = f" under {present.control}" if present.control else ""
    parts = [
        f"[bold]{answer.scenario}[/] from {present.time_s:g} s{until}",
        f"{answer.minutes:g} min ahead",
        f"{answer.vehicles:.0f} vehicles",
        f"{len(answer.seeds)} seed{'' if len(answer.seeds) == 1 else 's'}",
        f"SUMO {answer.sumo}",
    ]
    if not answer.complete:
        parts.append("[bold]stopped early[/]")
    return " · ".join(parts)


def ranking_table(rows: tuple[Ranked, ...], width: int) -> Table:
    """The ranking with as many columns as fit into *width* uncut."""
    from rich.console import Console

    unbounded = Console(width=_UNBOUNDED)
    tables = [_table(rows, columns) for columns in _SETS]
    fits = (table for table in tables if unbounded.measure(table).maximum <= width)
    return next(fits, tables[-1])


def _table(rows: tuple[Ranked, ...], columns: tuple[str, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        text = name in {"candidate", WORST}
        table.add_column(name or " ", justify="left" if text else "right", no_wrap=True)
    for place, row in enumerate(rows, start=1):
        cells = _cells(place, row)
        table.add_row(*(cells[name] for name in columns), style="bold" if place == 1 else "")
    return table


def _cells(place: int, row: Ranked) -> dict[str, str]:
    behind = _estimate(row.behind_s, signed=True) if row.behind_s else "best"
    return {
        "": str(place),
        "candidate": row.name,
        "delay s": _estimate(row.delay_s),
        "behind s": f"{behind} ≈" if row.like_best else behind,
        "veh-h": f"{row.delay_veh_h.mean:.2f}",
        "stops": f"{row.stops.mean:.2f}",
        "queue": f"{row.longest_queue_veh.value:.0f}",
        "full lanes": f"{row.full_lane_min:.1f} min",
        "longest wait": f"{row.longest_wait_s.value:.0f} s",
        WORST: _worst(row),
        "on foot s": "" if row.walker_wait_s is None else f"{row.walker_wait_s:.1f}",
    }


def _worst(row: Ranked) -> str:
    """Before which signal groups a vehicle stood longest on average."""
    worst = row.worst_group
    return "" if worst is None else f"{worst.where}, {worst.value:.0f} s a vehicle"


def verdict(answer: Answer) -> Iterator[str]:
    """What the ranking decides and what it does not, a sentence each."""
    best, *others = answer.candidates
    alike = [row for row in others if row.like_best is not None]
    if others and not alike:
        yield f"{best.name} is best: no other comes within the scatter of the seeds."
    for row in alike:
        yield _alike(best, row, len(answer.seeds))
    for row in answer.candidates:
        if row.unsafe:
            yield f"{row.name} took over wrongly at {row.unsafe[0]}"


def _alike(best: Ranked, row: Ranked, seeds: int) -> str:
    likeness = row.like_best
    assert likeness is not None
    pair = f"{row.name} and {best.name}"
    if likeness.identical:
        return f"{pair} did exactly the same."
    if seeds < 2:
        return f"{pair}: one seed can't tell them apart, give --seeds 5."
    if likeness.more_seeds is None:
        return f"{pair} are as good as each other: not even 200 seeds would tell them apart."
    return (
        f"{pair} can't be told apart by {seeds} seeds; about {likeness.more_seeds} more would, "
        "if the difference stays."
    )


def _estimate(estimate: Estimate, *, signed: bool = False) -> str:
    mean = f"{estimate.mean:+.1f}" if signed else f"{estimate.mean:.1f}"
    mean = mean.replace("-", "\N{MINUS SIGN}")
    return mean if estimate.half_width is None else f"{mean} ± {estimate.half_width:.1f}"
