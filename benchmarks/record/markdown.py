"""Tables in Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

NOTHING = "–"


def table(header: Sequence[str], rows: Mapping[str, Sequence[str]]) -> str:
    """A Markdown table; the keys of *rows* are its first column."""
    lines = [header, ["---", *["---:"] * (len(header) - 1)]]
    lines += [[label, *cells] for label, cells in rows.items()]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
