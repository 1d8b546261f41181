"""The outcome of a run of the hardware-in-the-loop bench in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.console import Console, JustifyMethod
    from rich.table import Table

    from sim.hil.results import HilResult


WIDEST = 10_000


def print_hil(result: HilResult) -> None:
    """Print *result*: what came out, the latencies, and the faults if there were any."""
    from sim.hil.wording import caution, headline, under_schedules, unwatched

    console = results()
    console.print()
    console.print(headline(result)[0], style="bold", soft_wrap=True, markup=False)
    if words := caution(result):
        console.print(words, soft_wrap=True, markup=False)
    seconds = result.end_s - result.begin_s
    facts = (
        f"{seconds:g} s in {result.wall_s:.1f} s",
        f"link {result.link}",
        f"broker {result.broker}",
        under_schedules(result),
        f"{result.trace.looks} looks at the lamps, {len(result.trace.violations)} broken rules",
    )
    console.print(" · ".join(facts), soft_wrap=True, markup=False)
    _print_whole(console, _latencies(result))
    if result.recoveries:
        _print_whole(console, _recoveries(result))
    if words := unwatched(result):
        console.print(words, soft_wrap=True, markup=False)


def _print_whole(console: Console, table: Table) -> None:
    """In a file every row is one line, however long: names are there to be looked for."""
    if not console.is_terminal:
        room = console.options.update(max_width=WIDEST)
        console.width = max(console.width, console.measure(table, options=room).maximum)
    console.print(table)


def _latencies(result: HilResult) -> Table:
    table = _table("ms", "number", "median", "99 %", "longest")
    for each in result.latencies:
        figures = (each.p50_ms, each.p99_ms, each.max_ms)
        table.add_row(each.name, str(each.count), *(f"{value:.2f}" for value in figures))
    return table


def _recoveries(result: HilResult) -> Table:
    from sim.hil.wording import recovery_words

    columns = ("junction", "without edge s", "what became of it", "standing", "without fault")
    table = _table("fault", *columns)
    for each in result.recoveries:
        table.add_row(
            f"{each.fault.kind.value}@{each.fault.at_s} for {each.fault.for_s} s",
            each.junction,
            f"{each.left_s:.0f}",
            recovery_words(each),
            f"{each.standing:.1f}",
            f"{each.reference_standing:.1f}",
        )
    return table


def _table(*columns: str) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for k, name in enumerate(columns):
        justify: JustifyMethod = "left" if k == 0 else "right"
        table.add_column(name, justify=justify, overflow="fold")
    return table
