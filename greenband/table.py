"""The table of a comparison in the terminal."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from greenband.terminal import results

if TYPE_CHECKING:
    from rich.table import Table

    from sim.results import Comparison, ControlResult
    from sim.statistics import Estimate

SHIPPED = "fixed"
_WIDE = 140
"""Columns of the terminal from which on the table says what each control sees, too."""
_FULL = 112
_MEDIUM = 76


def print_table(comparison: Comparison) -> None:
    """Print *comparison*: the full table where it fits, else its main columns."""
    console = results()
    console.print()
    console.print(_headline(comparison), soft_wrap=True)
    console.print(_table(comparison, console.width))
    for failure in comparison.failed:
        console.print(f"{failure.name} could not run: {failure.reason}", soft_wrap=True)
    if console.width < _WIDE:
        for control in comparison.controls:
            console.print(f"{control.name} sees {control.sees}", style="dim")


def _headline(comparison: Comparison) -> str:
    seeds = len(comparison.controls[0].runs)
    parts = [
        f"[bold]{comparison.scenario}[/]",
        f"{seeds} seed{'' if seeds == 1 else 's'}",
        f"{comparison.convention} convention",
        f"SUMO {comparison.sumo}",
    ]
    if comparison.scale != 1:
        parts.append(f"demand x {comparison.scale:g}")
    return " · ".join(parts)


def _table(comparison: Comparison, width: int) -> Table:
    from rich import box
    from rich.table import Table

    columns = _columns(width)
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        text = name in {"control", "sees"}
        table.add_column(name, justify="left" if text else "right", no_wrap=name != "sees")
    shipped = next((each for each in comparison.controls if each.name == SHIPPED), None)
    for control in comparison.controls:
        cells = _cells(control, shipped)
        table.add_row(*(cells[name] for name in columns))
    return table


def _columns(width: int) -> tuple[str, ...]:
    main = ("control", "delay s", "vs fixed s", "vs fixed %")
    rest = ("time loss", "p95", "stops", "CO2 g", "jammed", "finished")
    if width >= _WIDE:
        return ("control", "sees", *main[1:], *rest)
    if width >= _FULL:
        return (*main, *rest)
    return (*main, "p95", "finished") if width >= _MEDIUM else main[:3]


def _cells(control: ControlResult, shipped: ControlResult | None) -> dict[str, str]:
    from sim.statistics import mean_interval, paired_difference

    runs = control.runs
    delays = [run.delay_s for run in runs]
    difference = percent = ""
    if shipped is not None and shipped is not control:
        base = [run.delay_s for run in shipped.runs]
        difference = _estimate(paired_difference(delays, base), signed=True)
        percent = f"{_signed(100 * (fmean(delays) / fmean(base) - 1), 0)} %" if any(base) else ""
    finished, scheduled = sum(run.finished for run in runs), sum(run.scheduled for run in runs)
    return {
        "control": control.name,
        "sees": control.sees,
        "delay s": _estimate(mean_interval(delays)),
        "vs fixed s": difference,
        "vs fixed %": percent,
        "time loss": f"{fmean(run.time_loss_s for run in runs):.1f}",
        "p95": f"{fmean(run.p95_time_loss_s for run in runs):.0f}",
        "stops": f"{fmean(run.stops for run in runs):.2f}",
        "CO2 g": f"{fmean(run.co2_g_per_trip for run in runs):.0f}",
        "jammed": f"{sum(run.jammed for run in runs)}/{len(runs)}",
        "finished": f"{100 * finished / scheduled:.1f} %" if scheduled else "",
    }


def _estimate(estimate: Estimate, *, signed: bool = False) -> str:
    mean = _signed(estimate.mean, 1) if signed else f"{estimate.mean:.1f}"
    return mean if estimate.half_width is None else f"{mean} ± {estimate.half_width:.1f}"


def _signed(value: float, decimals: int) -> str:
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")
