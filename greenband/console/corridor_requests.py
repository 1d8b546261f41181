"""What may be asked about corridors, carried out and put on record: alike over HTTP and MQTT."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edge.corridors.errors import CorridorError
from edge.corridors.values import Corridor, CorridorState, Wish
from edge.errors import EdgeError
from greenband.console import documents
from greenband.console.hub import Hub
from greenband.console.problems import ProblemError
from greenband.console.wishes import (
    OpenIn,
    PositionIn,
    RerouteIn,
    WishIn,
    position_of,
    street_at,
    wish_of,
)

Document = dict[str, Any]
REASON_MAX = 500
_ENDED = frozenset(state for state in CorridorState if state.is_over) | {CorridorState.RECOVERING}


@dataclass(frozen=True, slots=True)
class Asker:
    """Who asks, by whichever way; *mark* goes into the audit with whatever they ask for."""

    agency: str
    actor: str
    """As the audit writes it."""
    may_touch_all: bool = False
    """Whether the corridors of other agencies are theirs to change."""
    mark: Mapping[str, object] = field(default_factory=dict)

    def note(self, hub: Hub, action: str, subject: str, detail: Mapping[str, object]) -> None:
        """Put on record that they did it."""
        hub.note(self.actor, action, subject, {**detail, **self.mark})


async def preview(hub: Hub, asker: Asker, asked: WishIn) -> Document:
    """What a corridor would be; nothing is asked of any junction."""
    centre = hub.centre
    found = await centre.preview(wish_of(asked, centre.vehicles, centre.streets))
    hub.previews.keep(found, asker.agency)
    return documents.preview(found, centre.sites, centre.now_utc_ms())


async def open_corridor(hub: Hub, asker: Asker, asked: OpenIn) -> Corridor:
    """Open the corridor of a preview, or of a wish."""
    wish, route = _wish_and_route(hub, asker, asked)
    said = {
        "vehicle": wish.vehicle,
        "level": wish.level,
        "from": wish.origin,
        "to": wish.destination,
        "reason": wish.reason,
    }
    try:
        corridor = await hub.centre.open(wish, asker.agency, route)
    except (CorridorError, EdgeError) as error:
        asker.note(hub, "corridor refused", wish.vehicle, {**said, "why": str(error)})
        raise
    if asked.preview_id is not None:
        hub.previews.opened(asked.preview_id, corridor.id)
    asker.note(hub, "corridor requested", corridor.id, {**said, "junctions": _junctions(corridor)})
    hub.look()
    return corridor


def _wish_and_route(hub: Hub, asker: Asker, asked: OpenIn) -> tuple[Wish, tuple[str, ...] | None]:
    centre = hub.centre
    if (asked.preview_id is None) == (asked.wish is None):
        raise ProblemError(422, "bad-request", "Send either preview_id or wish.")
    route: tuple[str, ...] | None = None
    if asked.wish is not None:
        wish = wish_of(asked.wish, centre.vehicles, centre.streets)
    else:
        shown = hub.previews.take(str(asked.preview_id), asker.agency, centre.now_utc_ms())
        wish, route = shown.wish, shown.route
    return replace(wish, reason=asked.reason or wish.reason), route


async def report(hub: Hub, corridor: Corridor, asked: PositionIn) -> Corridor:
    """The vehicle of *corridor* is there."""
    centre = hub.centre
    position = position_of(asked, centre.streets, centre.now_utc_ms())
    return await centre.report(corridor.id, position)


async def reroute(hub: Hub, asker: Asker, corridor: Corridor, asked: RerouteIn) -> Corridor:
    """It goes on to another destination, or by another route."""
    way: tuple[str, ...] | str = tuple(asked.route)
    if not way:
        way = street_at(asked.destination, hub.centre.streets, "to")
    changed = await hub.centre.reroute(corridor.id, way)
    said = {"to": changed.route[-1], "junctions": _junctions(changed)}
    asker.note(hub, "corridor rerouted", corridor.id, said)
    hub.look()
    return changed


async def cancel(hub: Hub, asker: Asker, corridor: Corridor, reason: str) -> Corridor:
    """Give its junctions back at once."""
    said = reason[:REASON_MAX]
    _note_end(hub, asker, corridor, "corridor cancelled", said)
    ended = await hub.centre.cancel(corridor.id, said or f"cancelled by {asker.agency}")
    hub.look()
    return ended


async def end(hub: Hub, asker: Asker, corridor: Corridor, reason: str = "") -> Corridor:
    """Its vehicle has arrived."""
    _note_end(hub, asker, corridor, "corridor ended", reason[:REASON_MAX])
    ended = await hub.centre.end(corridor.id)
    hub.look()
    return ended


def _note_end(hub: Hub, asker: Asker, corridor: Corridor, action: str, reason: str) -> None:
    """Only if something ends by it: it is never limited, and must not fill the disk."""
    if corridor.state not in _ENDED:
        asker.note(hub, action, corridor.id, {"reason": reason})


def found(hub: Hub, corridor_id: str) -> Corridor:
    """The corridor of that id; raises :class:`CorridorError`."""
    corridor = hub.centre.corridors.get(corridor_id)
    if corridor is None:
        raise CorridorError(
            "unknown-corridor",
            f"There is no corridor {corridor_id!r}: see the list of corridors for those that are "
            "open.",
        )
    return corridor


def own(hub: Hub, asker: Asker, corridor_id: str) -> Corridor:
    """The same, if it is the asker's to change; raises :class:`ProblemError` if not."""
    corridor = found(hub, corridor_id)
    if corridor.caller != asker.agency and not asker.may_touch_all:
        raise ProblemError(
            403,
            "another-agency",
            f"This corridor belongs to {corridor.caller}: ask them, or traffic management.",
        )
    return corridor


def document_of(hub: Hub, corridor: Corridor) -> Document:
    """It as it stands, as everybody is told."""
    return documents.corridor(corridor, hub.centre.sites, hub.centre.now_utc_ms())


def _junctions(corridor: Corridor) -> list[str]:
    return [each.site for each in corridor.passages]
