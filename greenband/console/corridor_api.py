"""Corridors over HTTP: preview, open, follow, report, reroute, cancel, end."""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from edge.corridors.errors import CorridorError
from edge.corridors.values import Corridor, Wish
from greenband.console import documents
from greenband.console.access import Caller, allowed, count, hub_of, note_refusal, still_allowed
from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.problems import ProblemError
from greenband.console.streams import corridor_events, stream_of
from greenband.console.tokens import Scope
from greenband.console.wishes import (
    OpenIn,
    PositionIn,
    RerouteIn,
    WishIn,
    position_of,
    street_at,
    wish_of,
)

router = APIRouter(prefix="/v1", tags=["corridors"])
Viewer = Annotated[Caller, Depends(allowed(Scope.VIEW))]
Requester = Annotated[Caller, Depends(allowed(Scope.CORRIDOR_REQUEST))]
Canceller = Annotated[Caller, Depends(allowed(Scope.CORRIDOR_CANCEL))]
Document = dict[str, Any]


@router.get("/vehicles")
async def vehicles(request: Request, caller: Viewer) -> list[Document]:
    """Vehicles that corridors may be opened for."""
    return [documents.vehicle(each) for each in hub_of(request).centre.vehicles.values()]


@router.post("/corridors:preview")
async def preview(request: Request, caller: Requester, asked: WishIn) -> Document:
    """What a corridor would be; nothing is asked of any junction. Good for a minute."""
    count(request, caller, Kind.PREVIEW)
    hub = hub_of(request)
    centre = hub.centre
    found = await centre.preview(wish_of(asked, centre.vehicles, centre.streets))
    hub.previews.keep(found, caller.agency)
    return documents.preview(found, centre.sites, centre.now_utc_ms())


@router.post("/corridors", status_code=201)
async def open_corridor(
    request: Request,
    caller: Requester,
    asked: OpenIn,
    idempotency_key: Annotated[str, Header(max_length=200)] = "",
) -> JSONResponse:
    """Open the corridor of a preview, or of a wish. Repeat it by the same Idempotency-Key."""
    hub, body = hub_of(request), await request.body()
    before = hub.answers.begin(caller.agency, idempotency_key, body, hub.utc_ms())
    if before is not None:
        return JSONResponse(json.loads(before), 201, {"Idempotency-Replayed": "true"})
    try:
        count(request, caller, Kind.REQUEST)
        corridor = await _open(hub, caller, asked)
        answer = _document(hub, corridor)
        hub.keep_answer(caller.agency, idempotency_key, body, answer)
    finally:
        hub.answers.leave(caller.agency, idempotency_key)
    return JSONResponse(answer, 201, {"Location": f"/v1/corridors/{corridor.id}"})


async def _open(hub: Hub, caller: Caller, asked: OpenIn) -> Corridor:
    centre = hub.centre
    if (asked.preview_id is None) == (asked.wish is None):
        raise ProblemError(422, "bad-request", "Send either preview_id or wish.")
    route: tuple[str, ...] | None = None
    if asked.preview_id is not None:
        now_utc_ms = centre.now_utc_ms()
        shown = hub.previews.take(asked.preview_id, caller.agency, now_utc_ms)
        wish, route = _with_reason(shown.wish, asked.reason), shown.route
    else:
        assert asked.wish is not None
        wish = _with_reason(wish_of(asked.wish, centre.vehicles, centre.streets), asked.reason)
    asked_for = _asked_for(wish)
    try:
        corridor = await centre.open(wish, caller.agency, route)
    except CorridorError as error:
        hub.note(caller.actor, "corridor refused", wish.vehicle, {**asked_for, "why": str(error)})
        raise
    if asked.preview_id is not None:
        hub.previews.opened(asked.preview_id, corridor.id)
    junctions = [each.site for each in corridor.passages]
    hub.note(caller.actor, "corridor requested", corridor.id, {**asked_for, "junctions": junctions})
    hub.look()
    return corridor


def _with_reason(wish: Wish, reason: str) -> Wish:
    return Wish(
        vehicle=wish.vehicle,
        role=wish.role,
        level=wish.level,
        origin=wish.origin,
        destination=wish.destination,
        route=wish.route,
        reason=reason or wish.reason,
        max_duration_s=wish.max_duration_s,
    )


def _asked_for(wish: Wish) -> Document:
    return {
        "vehicle": wish.vehicle,
        "level": wish.level,
        "from": wish.origin,
        "to": wish.destination,
        "reason": wish.reason,
    }


@router.get("/corridors")
async def corridors(request: Request, caller: Viewer) -> list[Document]:
    """All corridors that are open, and the last ones that were; the newest first."""
    hub = hub_of(request)
    return [_document(hub, each) for each in reversed(tuple(hub.centre.corridors.values()))]


@router.get("/corridors/{corridor_id}")
async def corridor(request: Request, caller: Viewer, corridor_id: str) -> Document:
    """One corridor, with a row for each junction."""
    hub = hub_of(request)
    return _document(hub, _found(hub, corridor_id))


@router.get("/corridors/{corridor_id}/events")
async def events(request: Request, caller: Viewer, corridor_id: str) -> StreamingResponse:
    """The same as server-sent events: at every change, and once a second, until it is over."""
    count(request, caller, Kind.STREAM)
    hub = hub_of(request)
    _found(hub, corridor_id)
    stream = corridor_events(hub, corridor_id, still_allowed(request, caller))
    return stream_of(hub, caller, stream)


@router.post("/corridors/{corridor_id}/position")
async def report(
    request: Request, caller: Requester, corridor_id: str, asked: PositionIn
) -> Document:
    """Where its vehicle is, about once a second."""
    count(request, caller, Kind.POSITION)
    hub = hub_of(request)
    _own(hub, caller, corridor_id)
    centre = hub.centre
    position = position_of(asked, centre.streets, centre.now_utc_ms())
    return _document(hub, await centre.report(corridor_id, position))


@router.patch("/corridors/{corridor_id}")
async def reroute(
    request: Request, caller: Requester, corridor_id: str, asked: RerouteIn
) -> Document:
    """Go on to another destination, or by another route, from where the vehicle is."""
    count(request, caller, Kind.REQUEST)
    hub = hub_of(request)
    _own(hub, caller, corridor_id)
    way: tuple[str, ...] | str = tuple(asked.route)
    if not way:
        way = street_at(asked.destination, hub.centre.streets, "to")
    changed = await hub.centre.reroute(corridor_id, way)
    hub.note(
        caller.actor,
        "corridor rerouted",
        corridor_id,
        {"to": changed.route[-1], "junctions": [each.site for each in changed.passages]},
    )
    hub.look()
    return _document(hub, changed)


@router.delete("/corridors/{corridor_id}")
async def cancel(
    request: Request,
    caller: Canceller,
    corridor_id: str,
    reason: Annotated[str, Query(max_length=500)] = "",
) -> Document:
    """Give the junctions back at once. Never limited, and harmless when repeated."""
    hub = hub_of(request)
    if not _own(hub, caller, corridor_id).state.is_over:
        hub.note(caller.actor, "corridor cancelled", corridor_id, {"reason": reason})
    ended = await hub.centre.cancel(corridor_id, reason or f"cancelled by {caller.agency}")
    hub.look()
    return _document(hub, ended)


@router.post("/corridors/{corridor_id}:end")
async def end(request: Request, caller: Requester, corridor_id: str) -> Document:
    """The vehicle has arrived. Never limited."""
    hub = hub_of(request)
    if not _own(hub, caller, corridor_id).state.is_over:
        hub.note(caller.actor, "corridor ended", corridor_id)
    ended = await hub.centre.end(corridor_id)
    hub.look()
    return _document(hub, ended)


def _found(hub: Hub, corridor_id: str) -> Corridor:
    corridor = hub.centre.corridors.get(corridor_id)
    if corridor is None:
        raise CorridorError(
            "unknown-corridor",
            f"There is no corridor {corridor_id!r}: see the list of corridors for those that are "
            "open.",
        )
    return corridor


def _own(hub: Hub, caller: Caller, corridor_id: str) -> Corridor:
    """The corridor, if it is the caller's agency's; who administers may touch every one."""
    corridor = _found(hub, corridor_id)
    if corridor.caller != caller.agency and not caller.may(Scope.ADMIN):
        note_refusal(hub, caller, corridor_id, {"agency": corridor.caller})
        raise ProblemError(
            403,
            "another-agency",
            f"This corridor belongs to {corridor.caller}: ask them, or traffic management.",
        )
    return corridor


def _document(hub: Hub, corridor: Corridor) -> Document:
    return documents.corridor(corridor, hub.centre.sites, hub.centre.now_utc_ms())
