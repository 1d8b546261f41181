"""Corridors as a dispatcher reads them in a terminal: a head, and a row per junction."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from greenband.terminal import plain, results

if TYPE_CHECKING:
    from rich.console import Group, RenderableType

Document = dict[str, Any]
_NOT_YET = frozenset({"planned", "asked"})
_STYLES = {
    "held": "green",
    "granted": "green",
    "queued": "yellow",
    "refused": "red",
    "unreachable": "red",
}


def print_preview(found: Document) -> None:
    """What a corridor would be."""
    gain_s = found["without_s"] - found["eta_s"]
    _say(
        f"[bold]{plain(found['vehicle'])}[/] ({plain(found['role'])}, level {found['level']})  "
        f"{plain(found['from'])} → {plain(found['to'])}, {found['length_m'] / 1_000:.2f} km"
    )
    _say(
        f"there in {found['eta_s']:.0f} s, without a corridor in {found['without_s']:.0f} s: "
        f"{gain_s:.0f} s sooner; costs all others together {found['others_delay_veh_s']:.0f} "
        "vehicle-seconds"
    )
    _show(_junctions(found["junctions"], states=False))
    for remark in found["remarks"]:
        _say(f"note: {plain(remark)}")


def print_corridor(found: Document) -> None:
    """A corridor as it stands."""
    _show(corridor_view(found))


def corridor_view(found: Document) -> Group:
    """The same, to be drawn again and again."""
    from rich.console import Group
    from rich.text import Text

    parts: list[RenderableType] = [Text.from_markup(_head(found))]
    if found["note"]:
        parts.append(Text(found["note"]))
    return Group(*parts, _junctions(found["junctions"], states=True))


def print_corridors(found: list[Document]) -> None:
    """All corridors, the newest first."""
    from rich.table import Table

    table = Table("corridor", "state", "vehicle", "from", "to", "agency", box=None)
    for heading in ("answered", "there in"):
        table.add_column(heading, justify="right")
    for each in found:
        words = (each["id"], each["state"], each["vehicle"], each["from"], each["to"])
        junctions = f"{each['acknowledged']}/{len(each['junctions'])}"
        eta = "" if each["over"] else _seconds(each["eta_s"])
        table.add_row(*map(plain, words), plain(each["agency"]), junctions, eta)
    if found:
        _show(table)
    else:
        _say("no corridor")


def answered(found: Document) -> bool:
    """Whether every junction has said something, or nothing is asked of them any more."""
    return found["over"] or not any(each["state"] in _NOT_YET for each in found["junctions"])


class ChangeLines:
    """Says in a line each what has changed from one state of a corridor to the next."""

    def __init__(self) -> None:
        self._state = ""
        self._junctions: dict[str, tuple[str, str]] = {}

    def print(self, found: Document) -> None:
        """What is new in *found*."""
        at = f"{datetime.fromtimestamp(found['now_utc_ms'] / 1_000, UTC):%H:%M:%S}"
        for each in found["junctions"]:
            said = each["state"], each["why"]
            if self._junctions.get(each["site"]) != said:
                self._junctions[each["site"]] = said
                why = f": {plain(each['why'])}" if each["why"] else ""
                _say(f"{at}  {plain(each['label'])}  {each['state']}{why}")
        if found["state"] != self._state:
            self._state = found["state"]
            _say(f"{at}  corridor {_head(found)}")


def _head(found: Document) -> str:
    there = f", there in {_seconds(found['eta_s'])}" if found["eta_s"] and not found["over"] else ""
    return (
        f"{plain(found['id'])} [bold]{found['state']}[/]  {plain(found['vehicle'])} "
        f"({plain(found['role'])}, level {found['level']})  {plain(found['from'])} → "
        f"{plain(found['to'])}{there}"
    )


def _junctions(junctions: list[Document], *, states: bool) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, header_style="bold")
    table.add_column("junction")
    for heading in ("at", "vehicle there in"):
        table.add_column(heading, justify="right")
    for heading in ("state", "why", "stage") if states else ("note", "stage"):
        table.add_column(heading)
    for each in junctions:
        eta = "" if each["passed_utc_ms"] else _seconds(each["eta_s"])
        row = [Text(each["label"]), Text(f"{each['distance_m']:.0f} m"), Text(eta)]
        if states:
            row.append(Text(each["state"], style=_STYLES.get(each["state"], "")))
        stage = each["stage_label"] or each["stage"]
        table.add_row(*row, Text(each["why"]), Text(stage, overflow="ellipsis", no_wrap=True))
    return table


def _seconds(eta_s: float | None) -> str:
    return "" if eta_s is None else f"{max(0.0, eta_s):.0f} s"


def _show(what: RenderableType) -> None:
    results().print(what)


def _say(markup: str) -> None:
    results().print(markup, soft_wrap=True)
