"""``greenband token``: who may use the console, for what, until when."""

from __future__ import annotations

import getpass
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.failures import UsageError, guarded
from greenband.options import AS_JSON
from greenband.state_folder import default_folder
from greenband.terminal import plain, print_json, results, say

if TYPE_CHECKING:
    from greenband.console.tokens import Scope, Token, Tokens

app = typer.Typer(no_args_is_help=True, help="Tokens of the console: create, list, revoke.")
STATE = Annotated[Path | None, typer.Option(help="Folder of the console's file.", metavar="FOLDER")]


@app.command(
    "create",
    epilog='Example:  greenband token create "Fire brigade" --scope view --scope corridor:request',
)
@guarded
def create_command(
    agency: Annotated[str, typer.Argument(help="Who gets it, such as: Fire brigade.")],
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="view, plan:write, corridor:request, corridor:cancel, audit:read or admin; may be "
            "repeated.",
        ),
    ] = None,
    days: Annotated[float, typer.Option(help="For how long it counts.")] = 90.0,
    state: STATE = None,
    as_json: AS_JSON = False,
) -> None:
    """Make a token and print it, once: only its digest is kept."""
    scopes = frozenset(_scope(name) for name in scope or ["view"])
    tokens, note = _book(state)
    token, text = tokens.create(agency, scopes, _now_ms(), days)
    note("token created", token)
    if as_json:
        print_json({**_document(token), "token": text})
        return
    say(
        f"for {token.agency}, {', '.join(sorted(each.value for each in scopes))}, until "
        f"{_day(token.expires_utc_ms)}; it can't be shown again:"
    )
    print(text)


@app.command("list", epilog="Example:  greenband token list")
@guarded
def list_command(state: STATE = None, as_json: AS_JSON = False) -> None:
    """List every token there ever was, without its secret."""
    tokens, _ = _book(state)
    found = tokens.all()
    if as_json:
        print_json([_document(each) for each in found])
        return
    from rich.table import Table

    table = Table("id", "agency", "scopes", "created", "until", "state")
    for each in found:
        words = ", ".join(sorted(scope.value for scope in each.scopes))
        days = _day(each.created_utc_ms), _day(each.expires_utc_ms)
        table.add_row(each.id, plain(each.agency), words, *days, _state(each))
    results().print(table)


@app.command("revoke", epilog="Example:  greenband token revoke 5f0c6a9d31")
@guarded
def revoke_command(
    token_id: Annotated[str, typer.Argument(help="The id, as in greenband token list.")],
    state: STATE = None,
    as_json: AS_JSON = False,
) -> None:
    """End a token now, also for who is signed in with it."""
    tokens, note = _book(state)
    token = tokens.revoke(token_id, _now_ms())
    note("token revoked", token)
    if as_json:
        print_json(_document(token))
        return
    say(f"{token.id} of {token.agency} counts no more")


def _book(state: Path | None) -> tuple[Tokens, Callable[[str, Token], None]]:
    """The tokens, and what puts on record what was done to one."""
    from greenband.console.audit_book import AuditBook
    from greenband.console.database import FILE, open_database
    from greenband.console.tokens import Tokens

    db = open_database((state or default_folder()) / FILE)
    audit = AuditBook(db)

    def note(action: str, token: Token) -> None:
        detail = {
            "agency": token.agency,
            "scopes": sorted(each.value for each in token.scopes),
            "expires_utc_ms": token.expires_utc_ms,
        }
        audit.note(_now_ms(), f"{getpass.getuser()}, command line", action, token.id, detail)

    return Tokens(db), note


def _scope(name: str) -> Scope:
    from greenband.console.tokens import Scope

    try:
        return Scope(name)
    except ValueError:
        known = ", ".join(each.value for each in Scope)
        raise UsageError(f"there is no scope {name!r}: choose from {known}") from None


def _document(token: Token) -> dict[str, object]:
    return {
        "id": token.id,
        "agency": token.agency,
        "scopes": sorted(each.value for each in token.scopes),
        "created_utc_ms": token.created_utc_ms,
        "expires_utc_ms": token.expires_utc_ms,
        "state": _state(token),
    }


def _state(token: Token) -> str:
    if token.revoked_utc_ms is not None:
        return "revoked"
    return "counts" if token.counts_at(_now_ms()) else "expired"


def _day(utc_ms: int) -> str:
    return f"{datetime.fromtimestamp(utc_ms / 1_000, UTC):%Y-%m-%d %H:%M} UTC"


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
