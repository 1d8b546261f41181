"""Requests that came signed over the broker, carried out and put on record as those over HTTP.

An agency's requests over both ways count together, and both touch its own corridors only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from edge.centre.requests import Request, RequestRefusedError
from edge.centre.requests_link import RequestHandler
from edge.config_words import first_in_json
from edge.corridors.errors import CorridorError
from edge.corridors.values import Corridor, Wish
from greenband.console import documents
from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.problems import ProblemError, sentence
from greenband.console.wishes import (
    Name,
    OpenIn,
    PositionIn,
    Reason,
    RerouteIn,
    WishIn,
    position_of,
    street_at,
    wish_of,
)

Document = dict[str, Any]
Model = TypeVar("Model", bound=BaseModel)
REPEAT_MS = 1_000
COUNTED = {
    "preview": Kind.PREVIEW,
    "open": Kind.REQUEST,
    "reroute": Kind.REQUEST,
    "position": Kind.POSITION,
}
"""What ends a corridor is not among them."""


class _PositionOf(PositionIn):
    corridor: Name


class _RerouteOf(RerouteIn):
    corridor: Name


class _EndOf(BaseModel):
    model_config = ConfigDict(extra="forbid")
    corridor: Name
    reason: Reason = Field("")


class RequestDesk:
    """Carries out what *agencies* ask of the centre of *hub*, and tells them how it goes on."""

    def __init__(self, hub: Hub, agencies: Collection[str]) -> None:
        self._hub = hub
        self._agencies = frozenset(agencies)
        self._told: dict[str, tuple[str, int]] = {}
        self._verbs = {
            "preview": self._preview,
            "open": self._open,
            "position": self._position,
            "reroute": self._reroute,
            "cancel": self._cancel,
            "end": self._end,
        }

    def handler(self) -> RequestHandler:
        """What a link to the broker calls."""
        return RequestHandler(self._admit, self._carry_out, self._refused, self._updates)

    def _admit(self, request: Request) -> float:
        kind = COUNTED.get(request.verb)
        if kind is None:
            return 0.0
        return self._hub.limits.take(request.agency, kind, self._hub.mono_ms())

    def _refused(self, agency: str, code: str, why: str, left_out: int) -> None:
        detail = {"code": code, "why": why, "left_out_before": left_out}
        self._hub.note(_actor(agency), "request refused", agency, detail)

    async def _updates(self) -> AsyncIterator[tuple[str, Document]]:
        """Agency and corridor, when a junction or the corridor changes, and once a second."""
        centre = self._hub.centre
        while True:
            known = dict(centre.corridors)
            for gone in self._told.keys() - known.keys():
                del self._told[gone]
            for each in known.values():
                if each.caller in self._agencies:
                    said = documents.corridor(each, centre.sites, centre.now_utc_ms())
                    if self._is_news(said):
                        yield each.caller, said
            await centre.changed()

    def _is_news(self, said: Document) -> bool:
        """Whether to tell it now; what is over is told once."""
        rows = [[each["site"], each["state"], each["why"]] for each in said["junctions"]]
        state, now_ms = json.dumps([said["state"], said["note"], rows]), self._hub.mono_ms()
        before, told_ms = self._told.get(said["id"], ("", 0))
        again = not said["over"] and now_ms - told_ms >= REPEAT_MS
        if state == before and not again:
            return False
        self._told[said["id"]] = state, now_ms
        return True

    async def _carry_out(self, request: Request) -> Document:
        try:
            return await self._verbs[request.verb](request)
        except CorridorError as error:
            raise RequestRefusedError(error.code, sentence(str(error)), request) from None
        except ProblemError as error:
            raise RequestRefusedError(error.code, str(error), request) from None

    async def _preview(self, request: Request) -> Document:
        centre = self._hub.centre
        asked = _read(WishIn, request)
        found = await centre.preview(wish_of(asked, centre.vehicles, centre.streets))
        self._hub.previews.keep(found, request.agency)
        return documents.preview(found, centre.sites, centre.now_utc_ms())

    async def _open(self, request: Request) -> Document:
        hub, asked = self._hub, _read(OpenIn, request)
        if (asked.preview_id is None) == (asked.wish is None):
            raise RequestRefusedError("bad-request", "Send either preview_id or wish.", request)
        route: tuple[str, ...] | None = None
        if asked.wish is not None:
            wish = wish_of(asked.wish, hub.centre.vehicles, hub.centre.streets)
        else:
            now_utc_ms = hub.centre.now_utc_ms()
            shown = hub.previews.take(str(asked.preview_id), request.agency, now_utc_ms)
            wish, route = shown.wish, shown.route
        wish = replace(wish, reason=asked.reason or wish.reason)
        opened = await self._opened(request, wish, route)
        if asked.preview_id is not None:
            hub.previews.opened(asked.preview_id, opened.id)
        return self._document(opened)

    async def _opened(
        self, request: Request, wish: Wish, route: tuple[str, ...] | None
    ) -> Corridor:
        said = {
            "vehicle": wish.vehicle,
            "level": wish.level,
            "from": wish.origin,
            "to": wish.destination,
            "reason": wish.reason,
        }
        try:
            opened = await self._hub.centre.open(wish, request.agency, route)
        except CorridorError as error:
            more = {**said, "why": str(error)}
            self._note(request, "corridor refused", wish.vehicle, more)
            raise
        more = {**said, "junctions": [each.site for each in opened.passages]}
        self._note(request, "corridor requested", opened.id, more)
        return opened

    async def _position(self, request: Request) -> Document:
        centre, asked = self._hub.centre, _read(_PositionOf, request)
        self._check_own(request, asked.corridor)
        position = position_of(asked, centre.streets, centre.now_utc_ms())
        return self._document(await centre.report(asked.corridor, position))

    async def _reroute(self, request: Request) -> Document:
        centre, asked = self._hub.centre, _read(_RerouteOf, request)
        self._check_own(request, asked.corridor)
        way: tuple[str, ...] | str = tuple(asked.route)
        if not way:
            way = street_at(asked.destination, centre.streets, "to")
        changed = await centre.reroute(asked.corridor, way)
        junctions = [each.site for each in changed.passages]
        said = {"to": changed.route[-1], "junctions": junctions}
        self._note(request, "corridor rerouted", asked.corridor, said)
        return self._document(changed)

    async def _cancel(self, request: Request) -> Document:
        asked = _read(_EndOf, request)
        self._check_own(request, asked.corridor)
        self._note(request, "corridor cancelled", asked.corridor, {"reason": asked.reason})
        why = asked.reason or f"cancelled by {request.agency}"
        return self._document(await self._hub.centre.cancel(asked.corridor, why))

    async def _end(self, request: Request) -> Document:
        asked = _read(_EndOf, request)
        self._check_own(request, asked.corridor)
        self._note(request, "corridor ended", asked.corridor, {"reason": asked.reason})
        return self._document(await self._hub.centre.end(asked.corridor))

    def _check_own(self, request: Request, corridor_id: str) -> None:
        corridor = self._hub.centre.corridors.get(corridor_id)
        if corridor is None:
            raise RequestRefusedError(
                "unknown-corridor",
                f"There is no corridor {corridor_id!r}: open one, and use its id.",
                request,
            )
        if corridor.caller != request.agency:
            raise RequestRefusedError(
                "another-agency",
                f"This corridor belongs to {corridor.caller}: ask them, or traffic management.",
                request,
            )

    def _note(self, request: Request, action: str, subject: str, detail: Document) -> None:
        number = {"sequence_no": request.sequence_no}
        self._hub.note(_actor(request.agency), action, subject, {**detail, **number})

    def _document(self, corridor: Corridor) -> Document:
        self._hub.look()
        centre = self._hub.centre
        return documents.corridor(corridor, centre.sites, centre.now_utc_ms())


def _actor(agency: str) -> str:
    return f"{agency}, mqtt"


def _read(model: type[Model], request: Request) -> Model:
    """The content of *request*; raises :class:`RequestRefusedError`."""
    try:
        return model.model_validate(request.content)
    except ValidationError as error:
        words = first_in_json(error, "content")
        raise RequestRefusedError("bad-request", sentence(words), request) from None
