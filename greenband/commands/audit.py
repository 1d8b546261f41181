"""``greenband audit``: look at an audit, and whether anybody has changed it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from string import hexdigits
from typing import Annotated

import typer

from greenband.failures import UsageError, guarded
from greenband.options import AS_JSON
from greenband.terminal import plain, print_json, results, say

app = typer.Typer(no_args_is_help=True, help="The audit of a console or of an edge.")
DIGEST_MIN = 8
"""A shorter one would be found in any audit."""
FILE = Annotated[
    Path, typer.Argument(help="The console.db, or the store of an edge.", metavar="FILE")
]


@app.command("verify", epilog="Example:  greenband audit verify console.db")
@guarded
def verify_command(
    file: FILE,
    digest: Annotated[
        str, typer.Option(help="One that was noted earlier; it has to be among the entries.")
    ] = "",
    as_json: AS_JSON = False,
) -> None:
    """Check that no entry was changed, put in or taken out."""
    from greenband.console.audit_book import open_audit, verified

    if digest and (len(digest) < DIGEST_MIN or not set(digest.lower()) <= set(hexdigits)):
        raise UsageError(
            f"--digest: give at least the first {DIGEST_MIN} of its hexadecimal digits"
        )
    db = open_audit(file)
    try:
        count, last = verified(db, digest)
    finally:
        db.close()
    if as_json:
        print_json({"file": str(file), "entries": count, "digest": last})
        return
    print(f"{count} entries, the chain holds; the last digest is {last}")
    say("note it elsewhere: with --digest it shows later that nothing was cut off")


@app.command("show", epilog="Example:  greenband audit show console.db --of f92511a0")
@guarded
def show_command(
    file: FILE,
    of: Annotated[str, typer.Option(help="Only of this corridor, site or token.")] = "",
    last: Annotated[int, typer.Option(help="So many entries.", min=1, max=5_000)] = 50,
    as_json: AS_JSON = False,
) -> None:
    """Print the last entries, oldest first."""
    from greenband.console.audit_book import open_audit, read

    db = open_audit(file)
    try:
        rows = read(db, of, most=last)
    finally:
        db.close()
    if as_json:
        print_json(
            [
                {
                    "number": each.number,
                    "utc_ms": each.entry.utc_ms,
                    "actor": each.entry.actor,
                    "action": each.entry.action,
                    "subject": each.entry.subject,
                    "detail": each.detail,
                    "digest": each.digest,
                }
                for each in rows
            ]
        )
        return
    from rich.table import Table

    table = Table("no.", "UTC", "who", "what", "of what", "details")
    for each in rows:
        entry = each.entry
        moment = f"{datetime.fromtimestamp(entry.utc_ms / 1_000, UTC):%Y-%m-%d %H:%M:%S}"
        detail = {name: value for name, value in each.detail.items() if value}
        words = json.dumps(detail, ensure_ascii=False)[1:-1]
        said = (entry.actor, entry.action, entry.subject, words)
        table.add_row(str(each.number), moment, *map(plain, said))
    results().print(table)
