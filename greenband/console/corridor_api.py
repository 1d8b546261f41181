"""Corridors over HTTP: preview, open, follow, report, reroute, cancel, end."""

from __future__ import annotations

import json
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, StreamingResponse

from edge.corridors.values import Corridor
from greenband.console import corridor_requests, documents
from greenband.console.access import (
    BEARER,
    Caller,
    allowed,
    count,
    hub_of,
    note_refusal,
    still_allowed,
)
from greenband.console.corridor_requests import Asker, Document, document_of, found, own
from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.problems import RESPONSES, ProblemError
from greenband.console.streams import corridor_events, stream_of
from greenband.console.tokens import Scope
from greenband.console.wishes import OpenIn, PositionIn, RerouteIn, WishIn

router = APIRouter(
    prefix="/v1", tags=["corridors"], dependencies=[Depends(BEARER)], responses=RESPONSES
)
Viewer = Annotated[Caller, Depends(allowed(Scope.VIEW))]
Requester = Annotated[Caller, Depends(allowed(Scope.CORRIDOR_REQUEST))]
Canceller = Annotated[Caller, Depends(allowed(Scope.CORRIDOR_CANCEL))]
OVER_MAX = 50
"""So many corridors that are over are listed."""
IdempotencyKey = Annotated[
    str,
    Header(
        max_length=200,
        description="Has to be sent: 1 to 128 characters, new for every new request and the same "
        "when it is repeated.",
    ),
]


@router.get("/vehicles")
async def vehicles(request: Request, caller: Viewer) -> list[Document]:
    """Vehicles that corridors may be opened for."""
    return [documents.vehicle(each) for each in hub_of(request).centre.vehicles.values()]


@router.post("/corridors:preview")
async def preview(request: Request, caller: Requester, asked: WishIn) -> Document:
    """What a corridor would be; nothing is asked of any junction. Good for a minute."""
    count(request, caller, Kind.PREVIEW)
    return await corridor_requests.preview(hub_of(request), _asker(caller), asked)


@router.post("/corridors", status_code=201)
async def open_corridor(
    request: Request, caller: Requester, asked: OpenIn, idempotency_key: IdempotencyKey = ""
) -> JSONResponse:
    """Open the corridor of a preview, or of a wish. Repeat it by the same Idempotency-Key."""
    hub, body = hub_of(request), await request.body()
    before = hub.answers.begin(caller.agency, idempotency_key, body, hub.utc_ms())
    if before is not None:
        return _opened(json.loads(before), {"Idempotency-Replayed": "true"})
    try:
        count(request, caller, Kind.REQUEST)
        corridor = await corridor_requests.open_corridor(hub, _asker(caller), asked)
        answer = document_of(hub, corridor)
        hub.keep_answer(caller.agency, idempotency_key, body, answer)
    finally:
        hub.answers.leave(caller.agency, idempotency_key)
    return _opened(answer, {})


def _opened(answer: Document, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse(answer, 201, {"Location": f"/v1/corridors/{answer['id']}", **headers})


@router.get("/corridors")
async def corridors(request: Request, caller: Viewer) -> list[Document]:
    """All corridors that are open, and the last ones that were; the newest first."""
    hub = hub_of(request)
    newest = list(reversed(tuple(hub.centre.corridors.values())))
    over = [each.id for each in newest if each.state.is_over]
    left_out = frozenset(over[OVER_MAX:])
    return [document_of(hub, each) for each in newest if each.id not in left_out]


@router.get("/corridors/{corridor_id}")
async def corridor(request: Request, caller: Viewer, corridor_id: str) -> Document:
    """One corridor, with a row for each junction."""
    hub = hub_of(request)
    return document_of(hub, found(hub, corridor_id))


@router.get("/corridors/{corridor_id}/events")
async def events(request: Request, caller: Viewer, corridor_id: str) -> StreamingResponse:
    """The same as server-sent events: at every change, and once a second, until it is over."""
    count(request, caller, Kind.STREAM)
    hub = hub_of(request)
    found(hub, corridor_id)
    stream = corridor_events(hub, corridor_id, still_allowed(request, caller))
    return stream_of(hub, caller, stream)


@router.post("/corridors/{corridor_id}/position")
async def report(
    request: Request, caller: Requester, corridor_id: str, asked: PositionIn
) -> Document:
    """Where its vehicle is, about once a second."""
    count(request, caller, Kind.POSITION)
    hub = hub_of(request)
    mine = _own(hub, caller, corridor_id)
    return document_of(hub, await corridor_requests.report(hub, mine, asked))


@router.patch("/corridors/{corridor_id}")
async def reroute(
    request: Request, caller: Requester, corridor_id: str, asked: RerouteIn
) -> Document:
    """Go on to another destination, or by another route, from where the vehicle is."""
    count(request, caller, Kind.REQUEST)
    hub = hub_of(request)
    mine = _own(hub, caller, corridor_id)
    return document_of(hub, await corridor_requests.reroute(hub, _asker(caller), mine, asked))


@router.delete("/corridors/{corridor_id}")
async def cancel(
    request: Request, caller: Canceller, corridor_id: str, reason: Annotated[str, Query()] = ""
) -> Document:
    """Give the junctions back at once. Never limited, and harmless when repeated."""
    hub = hub_of(request)
    mine = _own(hub, caller, corridor_id)
    return document_of(hub, await corridor_requests.cancel(hub, _asker(caller), mine, reason))


@router.post("/corridors/{corridor_id}:end")
async def end(request: Request, caller: Requester, corridor_id: str) -> Document:
    """The vehicle has arrived. Never limited."""
    hub = hub_of(request)
    mine = _own(hub, caller, corridor_id)
    return document_of(hub, await corridor_requests.end(hub, _asker(caller), mine))


def _asker(caller: Caller) -> Asker:
    """Who administers may touch every corridor."""
    return Asker(caller.agency, caller.actor, may_touch_all=caller.may(Scope.ADMIN))


def _own(hub: Hub, caller: Caller, corridor_id: str) -> Corridor:
    """The corridor, if it is the caller's to change; that it is not goes on record."""
    try:
        return own(hub, _asker(caller), corridor_id)
    except ProblemError:
        note_refusal(hub, caller, corridor_id, {"agency": found(hub, corridor_id).caller})
        raise
