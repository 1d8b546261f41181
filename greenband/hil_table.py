"""The outcome of a run of the hardware-in-the-loop bench in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from sim.hil.results import HilResult


def print_hil(result: HilResult) -> None:
    """Print *result*: what came out, the latencies, and the faults if there were any."""
    from sim.hil.wording import caution, headline

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
        f"{100 * result.adaptive_share:.1f} % of the time under the edge's schedules",
        f"{result.trace.looks} looks at the lamps, {len(result.trace.violations)} broken rules",
    )
    console.print(" · ".join(facts), soft_wrap=True, markup=False)
    console.print(_latencies(result))
    if result.recoveries:
        console.print(_recoveries(result))


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
        table.add_column(name, justify="left" if k == 0 else "right")
    return table
