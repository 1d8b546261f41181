"""The tables of a corridor bench in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from sim.corridors.bench import CorridorBench, Figures, JunctionFigures

_NAME_MAX = 28


def print_bench(bench: CorridorBench) -> None:
    """Print *bench*: vehicles and others, then junction by junction, then what else there is."""
    from sim.corridors.bench import figures_of, junction_figures

    console = results()
    figures = figures_of(bench)
    console.print()
    console.print(_headline(bench, figures), soft_wrap=True)
    console.print(_main_table(figures))
    console.print(_junction_table(junction_figures(bench)))
    for sentence in (*sentences(figures), *jams(bench)):
        console.print(sentence, soft_wrap=True, markup=False)


def _headline(bench: CorridorBench, figures: Figures) -> str:
    parts = [
        f"[bold]{bench.scenario}[/]",
        f"{figures.vehicles} emergency trips over {len(bench.seeds)} seeds",
        f"{figures.junctions} junctions passed",
        f"SUMO {bench.sumo}",
    ]
    parts += ["GPS lost half-way"] if bench.gps_lost else []
    parts += ["crossing pairs"] if bench.crossing else []
    return " · ".join(parts)


def _main_table(figures: Figures) -> Table:
    from rich import box
    from rich.table import Table

    without, with_ = figures.without, figures.with_
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in ("mean", "without", "with", "change"):
        table.add_column(name, justify="left" if name == "mean" else "right")
    for name, before, after, digits in (
        ("travel time, s", without.travel_s, with_.travel_s, 1),
        ("signal delay, s", without.signal_delay_s, with_.signal_delay_s, 1),
        ("stops per junction", without.stops_per_junction, with_.stops_per_junction, 2),
        ("delay of all others, s", without.others_delay_s, with_.others_delay_s, 2),
    ):
        change = f"{after / before - 1.0:+.1%}" if before > 0 else "–"
        table.add_row(name, f"{before:.{digits}f}", f"{after:.{digits}f}", change)
    return table


def _junction_table(rows: tuple[JunctionFigures, ...]) -> Table:
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = ("junction", "passed", "delay s", "with", "stops", "with", "back after, cycles")
    for k, name in enumerate(names):
        table.add_column(name, justify="left" if k == 0 else "right", no_wrap=True)
    for row in rows:
        cycles = "–" if row.mean_cycles is None else f"{row.mean_cycles:.2f}"
        table.add_row(
            _short(row.site),
            str(row.vehicles),
            f"{row.without_delay_s:.1f}",
            f"{row.with_delay_s:.1f}",
            f"{row.without_stops:.2f}",
            f"{row.with_stops:.2f}",
            cycles,
        )
    return table


def _short(name: str) -> str:
    return name if len(name) <= _NAME_MAX else f"{name[: _NAME_MAX - 1]}…"


def sentences(figures: Figures) -> list[str]:
    """What the tables don't say."""
    said = [
        f"Alone, with every signal green, the vehicles take {figures.free_s:.1f} s; "
        "what is above that is signal delay.",
        f"Junctions were held {figures.recoveries} times, {figures.held_s:.0f} s on average; "
        f"{figures.within_3_cycles:.0%} were back in step within 3 cycles of their plan"
        f" ({figures.mean_cycles:.2f} on average, {_most(figures.most_cycles)}); "
        f"nobody waited for longer than {figures.longest_wait_cycles:.1f} cycles.",
        f"Conflict monitors cut off {figures.violations} junctions; "
        f"{figures.closed} of {figures.vehicles} corridors were closed in order.",
    ]
    if figures.arrived < figures.vehicles:
        left_out = figures.vehicles - figures.arrived
        said.append(f"{left_out} vehicles did not arrive in all runs, and are left out of means.")
    return said


def jams(bench: CorridorBench) -> list[str]:
    """Runs whose figures mean little."""
    return [
        f"Seed {seed.seed}, {name}: vehicles locked each other for good; "
        "its figures, and what is compared with them, say little."
        for seed in bench.seeds
        for name in seed.jammed
    ]


def _most(cycles: float | None) -> str:
    return "one was not" if cycles is None else f"{cycles:.1f} at most"
