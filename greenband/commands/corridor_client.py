"""``greenband corridor open`` and its like: what dispatch does on the page, from a shell."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote, urlencode

import typer

from greenband.failures import UnsafeError, UsageError, guarded
from greenband.options import AS_JSON
from greenband.terminal import print_json, results, say

if TYPE_CHECKING:
    from greenband.commands.corridor_client_http import ConsoleClient

ANSWERS_S = 5.0
"""So long `open` waits for what the junctions say."""
POLL_S = 0.2
LOST_MAX = 10
"""So often in a row, a second apart, `watch` tries to reach a console that has gone."""
GOOD_ENDS = frozenset({"closed", "cancelled"})
Document = dict[str, Any]
DEFAULT_URL = "http://127.0.0.1:8080"

URL = Annotated[
    str,
    typer.Option(
        help="Where the console is.", envvar="GREENBAND_URL", metavar="URL", show_default=True
    ),
]
TOKEN_FILE = Annotated[
    Path | None,
    typer.Option(help="File with the token; else $GREENBAND_TOKEN counts.", metavar="FILE"),
]
CA = Annotated[
    Path | None, typer.Option(help="Authority that vouches for the console.", metavar="FILE")
]
CERT = Annotated[Path | None, typer.Option(help="Our own certificate (PEM).", metavar="FILE")]
KEY = Annotated[Path | None, typer.Option(help="Its key (PEM).", metavar="FILE")]
CORRIDOR = Annotated[
    str, typer.Argument(metavar="CORRIDOR", help="Its id, as in greenband corridor list.")
]
FROM = Annotated[
    str | None,
    typer.Option(
        "--from", help="Where it starts; left out: where the vehicle stands.", metavar="STREET|X,Y"
    ),
]
TO = Annotated[str | None, typer.Option("--to", help="Where it wants to go.", metavar="STREET|X,Y")]
ROUTE = Annotated[
    str | None,
    typer.Option(help="Along these streets, instead of the quickest way.", metavar="A,B,…"),
]
LEVEL = Annotated[
    int | None, typer.Option(help="How urgent; the vehicle's own is the most.", min=0, max=14)
]
REASON = Annotated[str, typer.Option(help="Why, for the audit.")]
LIMIT = Annotated[
    float, typer.Option(help="When it ends in any case, in seconds.", min=30.0, max=3_600.0)
]


def add_to(app: typer.Typer) -> None:
    """Give *app* the commands that talk to a console."""
    for name, command, example in (
        ("preview", preview_command, "preview ambulance-1 --to oak-west"),
        ("open", open_command, 'open ambulance-1 --to oak-west --reason "incident 4711"'),
        ("list", list_command, "list --url https://traffic.example"),
        ("show", show_command, "show f92511a0"),
        ("watch", watch_command, "watch f92511a0"),
        ("position", position_command, "position f92511a0 --street mill-east --at 120 --speed 14"),
        ("reroute", reroute_command, "reroute f92511a0 --to hospital"),
        ("cancel", cancel_command, 'cancel f92511a0 --reason "false alarm"'),
        ("end", end_command, "end f92511a0"),
    ):
        app.command(name, epilog=f"Example:  greenband corridor {example}")(command)


@guarded
def preview_command(
    vehicle: Annotated[str, typer.Argument(help="Call sign of the vehicle.")],
    to: TO = None,
    origin: FROM = None,
    route: ROUTE = None,
    level: LEVEL = None,
    max_duration: LIMIT = 900.0,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Say what a corridor would be; no junction is asked for anything."""
    from greenband.commands.corridor_client_view import print_preview

    client = _client(url, token_file, ca, cert, key)
    wish = _wish(vehicle, origin, to, route, level, max_duration)
    found = client.ask("POST", "/v1/corridors:preview", wish)
    if as_json:
        print_json(found)
        return
    print_preview(found)
    say(
        f"open it within {found['expires_s']:.0f} s: "
        f"greenband corridor open --preview {found['preview_id']}"
    )


@guarded
def open_command(
    vehicle: Annotated[str | None, typer.Argument(help="Call sign of the vehicle.")] = None,
    preview: Annotated[
        str | None, typer.Option(help="Open what was shown by preview.", metavar="ID")
    ] = None,
    to: TO = None,
    origin: FROM = None,
    route: ROUTE = None,
    level: LEVEL = None,
    reason: REASON = "",
    max_duration: LIMIT = 900.0,
    watch: Annotated[bool, typer.Option("--watch", help="Follow it until it is over.")] = False,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Open a corridor, and show what every junction has answered."""
    from greenband.commands.corridor_client_view import print_corridor

    if (vehicle is None) == (preview is None):
        raise UsageError("name either the vehicle or --preview ID")
    asked: Document = {"reason": reason}
    if preview is not None:
        if to or origin or route or level is not None:
            raise UsageError("a preview has its way already: give --preview and --reason only")
        asked["preview_id"] = preview
    else:
        assert vehicle is not None
        asked["wish"] = _wish(vehicle, origin, to, route, level, max_duration)
    client = _client(url, token_file, ca, cert, key)
    opened = _open(client, asked)
    if watch:
        _follow(client, opened["id"], as_json=as_json)
        return
    found = _with_answers(client, opened)
    if as_json:
        print_json(found)
    else:
        print_corridor(found)
        silent = len(found["junctions"]) - found["acknowledged"]
        silent -= found["unreachable"] + found["refused"]
        if silent:
            say(f"{silent} of {len(found['junctions'])} junctions have not answered yet")
        say(f"follow it: greenband corridor watch {found['id']}")
    if found["state"] == "refused":
        raise UnsafeError


@guarded
def list_command(
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """List the corridors that are open, and the last that were."""
    from greenband.commands.corridor_client_view import print_corridors

    _put(
        _client(url, token_file, ca, cert, key),
        "GET",
        "/v1/corridors",
        None,
        as_json,
        print_corridors,
    )


@guarded
def show_command(
    corridor: CORRIDOR,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Show one corridor, with a row for each junction."""
    _put(_client(url, token_file, ca, cert, key), "GET", _path(corridor), None, as_json)


@guarded
def watch_command(
    corridor: CORRIDOR,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Follow a corridor until it is over; the exit code is 1 if it was refused or has expired.

    In a terminal the table is drawn anew at every change; elsewhere each change is a line. With
    --json every line is the whole corridor.
    """
    _follow(_client(url, token_file, ca, cert, key), corridor, as_json=as_json)


@guarded
def position_command(
    corridor: CORRIDOR,
    speed: Annotated[float, typer.Option(help="In metres a second.", min=0.0, max=90.0)],
    street: Annotated[str | None, typer.Option(help="On this street,")] = None,
    at: Annotated[
        float | None, typer.Option(help="so many metres from its beginning;", min=0.0)
    ] = None,
    place: Annotated[
        str | None, typer.Option(help="or at this place of the map, in metres.", metavar="X,Y")
    ] = None,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Say where the vehicle is; about once a second while it drives."""
    if (street is None) == (place is None) or (street is None) != (at is None):
        raise UsageError("give either --street and --at, or --place X,Y")
    where: Document = {"street": street, "at_m": at}
    if place is not None:
        found = _place(place)
        if not isinstance(found, dict):
            raise UsageError(f"--place: {place!r} is no place such as 120.5,80")
        where = found
    asked = {**where, "speed_m_per_s": speed}
    client = _client(url, token_file, ca, cert, key)
    _put(client, "POST", f"{_path(corridor)}/position", asked, as_json)


@guarded
def reroute_command(
    corridor: CORRIDOR,
    to: TO = None,
    route: ROUTE = None,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Go on to another destination, or by another route, from where the vehicle is."""
    if (to is None) == (route is None):
        raise UsageError("give either --to or --route")
    asked = {"to": _place(to)} if to is not None else {"route": _chain(route)}
    _put(_client(url, token_file, ca, cert, key), "PATCH", _path(corridor), asked, as_json)


@guarded
def cancel_command(
    corridor: CORRIDOR,
    reason: REASON = "",
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Give the junctions back at once; harmless when repeated."""
    path = f"{_path(corridor)}?{urlencode({'reason': reason})}"
    _put(_client(url, token_file, ca, cert, key), "DELETE", path, None, as_json)


@guarded
def end_command(
    corridor: CORRIDOR,
    url: URL = DEFAULT_URL,
    token_file: TOKEN_FILE = None,
    ca: CA = None,
    cert: CERT = None,
    key: KEY = None,
    as_json: AS_JSON = False,
) -> None:
    """Say that the vehicle has arrived."""
    _put(_client(url, token_file, ca, cert, key), "POST", f"{_path(corridor)}:end", None, as_json)


def _client(
    url: str, token_file: Path | None, ca: Path | None, cert: Path | None, key: Path | None
) -> ConsoleClient:
    from greenband.commands.corridor_client_http import ConsoleClient, console_at

    return ConsoleClient(console_at(url, token_file, ca, cert, key))


def _path(corridor: str) -> str:
    return f"/v1/corridors/{quote(corridor, safe='')}"


def _put(
    client: ConsoleClient,
    method: str,
    path: str,
    body: Document | None,
    as_json: bool,
    show: Callable[[Any], None] | None = None,
) -> None:
    """Ask, and print the answer; by *show*, or as a corridor."""
    from greenband.commands.corridor_client_view import print_corridor

    found = client.ask(method, path, body)
    if as_json:
        print_json(found)
    else:
        (show or print_corridor)(found)


def _wish(
    vehicle: str,
    origin: str | None,
    to: str | None,
    route: str | None,
    level: int | None,
    max_duration_s: float,
) -> Document:
    if (to is None) == (route is None):
        raise UsageError("give either --to or --route")
    if route is not None and origin is not None:
        raise UsageError("--route begins where it begins: leave --from out")
    wish: Document = {"vehicle": vehicle, "level": level, "max_duration_s": max_duration_s}
    wish |= {"route": _chain(route)} if route is not None else {"to": _place(to or "")}
    if origin is not None:
        wish["from"] = _place(origin)
    return wish


def _chain(route: str | None) -> list[str]:
    return [each for each in (route or "").split(",") if each]


def _place(text: str) -> str | Document:
    """A street by its name, or a place on the map."""
    x, _, y = text.partition(",")
    try:
        return {"x_m": float(x), "y_m": float(y)}
    except ValueError:
        return text


def _open(client: ConsoleClient, asked: Document) -> Document:
    """Open it; once more under the same key if the line breaks, which opens no second one."""
    from greenband.commands.corridor_client_http import LineError

    key = {"Idempotency-Key": secrets.token_hex(16)}
    try:
        found: Document = client.ask("POST", "/v1/corridors", asked, key)
    except LineError:
        found = client.ask("POST", "/v1/corridors", asked, key)
    return found


def _with_answers(client: ConsoleClient, opened: Document) -> Document:
    """The corridor once every junction has answered, or after a few seconds.

    Who may not look at corridors gets it as it was opened.
    """
    from greenband.commands.corridor_client_http import ConsoleRefusedError
    from greenband.commands.corridor_client_view import answered

    found, until_s = opened, time.monotonic() + ANSWERS_S
    while not answered(found) and time.monotonic() < until_s:
        time.sleep(POLL_S)
        try:
            found = client.ask("GET", _path(opened["id"]))
        except ConsoleRefusedError as error:
            if error.code == "missing-scope":
                return found
            raise
    return found


def _follow(client: ConsoleClient, corridor: str, *, as_json: bool) -> None:
    found: Document = {"state": ""}
    states = _states(client, corridor)
    if as_json:
        for found in states:
            print_json(found, compact=True)
    elif results().is_terminal:
        found = _draw(states)
    else:
        from greenband.commands.corridor_client_view import ChangeLines

        lines = ChangeLines()
        for found in states:
            lines.print(found)
    if found["state"] not in GOOD_ENDS:
        raise UnsafeError


def _draw(states: Iterator[Document]) -> Document:
    from rich.live import Live

    from greenband.commands.corridor_client_view import corridor_view

    found: Document = {"state": ""}
    with Live(console=results(), auto_refresh=False) as live:
        for found in states:
            live.update(corridor_view(found), refresh=True)
    return found


def _states(client: ConsoleClient, corridor: str) -> Iterator[Document]:
    """The corridor at every change until it is over, also over a line that breaks."""
    from greenband.commands.corridor_client_http import ConsoleRefusedError, LineError

    lost = 0
    while True:
        try:
            for name, found in client.events(f"{_path(corridor)}/events"):
                lost = 0
                if name == "corridor":
                    yield found
                elif name == "gone":
                    raise ConsoleRefusedError(
                        404, "gone", f"corridor {corridor} is on the list no more"
                    )
                elif name == "over":
                    return
        except LineError:
            if lost >= LOST_MAX:
                raise
        lost += 1
        if lost > LOST_MAX:
            raise LineError("the console ends the stream again and again: is the token revoked?")
        say("the line is broken: trying again …")
        time.sleep(1.0)
