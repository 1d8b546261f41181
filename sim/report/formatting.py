"""How numbers are written in a report: a true minus sign, fixed decimals, intervals as ``±``."""

from __future__ import annotations

from sim.statistics import Estimate

MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NARROW NO-BREAK SPACE}"
NBSP = "\N{NO-BREAK SPACE}"
MISSING = "\N{EN DASH}"


def number(value: float | None, decimals: int = 1) -> str:
    """*value* with fixed decimals; an en dash for a missing value, and never a negative zero."""
    if value is None:
        return MISSING
    text = f"{abs(value):.{decimals}f}"
    return f"{MINUS}{text}" if value < 0 and float(text) != 0 else text


def signed(value: float | None, decimals: int = 1) -> str:
    """*value* with its sign, ``+`` included; a value that rounds to zero has none."""
    if value is None:
        return MISSING
    text = number(value, decimals)
    return f"+{text}" if value > 0 and float(text) != 0 else text


def estimate(value: Estimate | None, decimals: int = 1) -> str:
    """``49.1 ± 0.8``, or ``49.1`` where one seed gives no interval."""
    if value is None:
        return MISSING
    return number(value.mean, decimals) + _half_width(value, decimals)


def signed_estimate(value: Estimate | None, decimals: int = 1) -> str:
    """``−17.9 ± 0.8``, or ``−17.9`` where one seed gives no interval."""
    if value is None:
        return MISSING
    return signed(value.mean, decimals) + _half_width(value, decimals)


def percent(value: Estimate | None) -> str:
    """A relative change as ``−36 % ± 2 %``; one decimal where whole percents would hide it."""
    if value is None:
        return MISSING
    half_width = value.half_width
    small = abs(value.mean) < 0.095 or (half_width is not None and half_width < 0.01)
    decimals = 1 if small else 0
    text = f"{signed(100 * value.mean, decimals)}{NARROW}%"
    if half_width is None:
        return text
    return f"{text}{NBSP}±{NBSP}{100 * half_width:.{decimals}f}{NARROW}%"


def share(value: float | None, decimals: int = 0) -> str:
    """A share of one as percent: ``42 %``."""
    return MISSING if value is None else f"{number(100 * value, decimals)}{NARROW}%"


def clock(second: float) -> str:
    """A second of the simulated day as ``7:05``."""
    minutes = int(second) // 60
    return f"{minutes // 60}:{minutes % 60:02d}"


def count(amount: int, singular: str, plural: str | None = None) -> str:
    """``1 seed``, ``5 seeds``."""
    return f"{amount} {singular if amount == 1 else plural or singular + 's'}"


def _half_width(value: Estimate, decimals: int) -> str:
    return "" if value.half_width is None else f" ± {value.half_width:.{decimals}f}"
