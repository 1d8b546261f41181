"""Requests that came signed over the broker, carried out and put on record as those over HTTP.

An agency's requests over both ways count together, and both touch its own corridors only.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Collection
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from edge.centre.requests import Request, RequestRefusedError
from edge.centre.requests_link import RequestHandler
from edge.config_words import first_in_json
from edge.corridors.errors import CorridorError
from edge.corridors.values import Corridor
from greenband.console import corridor_requests
from greenband.console.corridor_requests import Asker, Document, document_of, own
from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.problems import ProblemError, sentence
from greenband.console.wishes import Name, OpenIn, PositionIn, RerouteIn, WishIn

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
    reason: str = ""


class RequestDesk:
    """Carries out what *agencies* ask of the centre of *hub*, and tells them how it goes on."""

    def __init__(self, hub: Hub, agencies: Collection[str]) -> None:
        self._hub = hub
        self._agencies = frozenset(agencies)
        self._told: dict[str, tuple[str, int]] = {}
        self._told_last: set[str] = set()
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
            self._told_last &= known.keys()
            for gone in self._told.keys() - known.keys():
                del self._told[gone]
            for each in known.values():
                if each.caller in self._agencies and each.id not in self._told_last:
                    said = document_of(self._hub, each)
                    if self._is_news(said):
                        yield each.caller, said
                    if said["over"]:
                        self._told_last.add(each.id)
            await centre.changed()

    def _is_news(self, said: Document) -> bool:
        """Whether to tell it now."""
        rows = [[each["site"], each["state"], each["why"]] for each in said["junctions"]]
        state, now_ms = json.dumps([said["state"], said["note"], rows]), self._hub.mono_ms()
        before, told_ms = self._told.get(said["id"], ("", 0))
        if state == before and now_ms - told_ms < REPEAT_MS:
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
        return await corridor_requests.preview(self._hub, _asker(request), _read(WishIn, request))

    async def _open(self, request: Request) -> Document:
        asked = _read(OpenIn, request)
        return self._said(await corridor_requests.open_corridor(self._hub, _asker(request), asked))

    async def _position(self, request: Request) -> Document:
        asked = _read(_PositionOf, request)
        mine = own(self._hub, _asker(request), asked.corridor)
        return self._said(await corridor_requests.report(self._hub, mine, asked))

    async def _reroute(self, request: Request) -> Document:
        asked, asker = _read(_RerouteOf, request), _asker(request)
        mine = own(self._hub, asker, asked.corridor)
        return self._said(await corridor_requests.reroute(self._hub, asker, mine, asked))

    async def _cancel(self, request: Request) -> Document:
        asked, asker = _read(_EndOf, request), _asker(request)
        mine = own(self._hub, asker, asked.corridor)
        return self._said(await corridor_requests.cancel(self._hub, asker, mine, asked.reason))

    async def _end(self, request: Request) -> Document:
        asked, asker = _read(_EndOf, request), _asker(request)
        mine = own(self._hub, asker, asked.corridor)
        return self._said(await corridor_requests.end(self._hub, asker, mine, asked.reason))

    def _said(self, corridor: Corridor) -> Document:
        return document_of(self._hub, corridor)


def _asker(request: Request) -> Asker:
    mark = {"sequence_no": request.sequence_no}
    return Asker(request.agency, _actor(request.agency), mark=mark)


def _actor(agency: str) -> str:
    return f"{agency}, mqtt"


def _read(model: type[Model], request: Request) -> Model:
    """The content of *request*; raises :class:`RequestRefusedError`."""
    try:
        return model.model_validate(request.content)
    except ValidationError as error:
        words = first_in_json(error, "content")
        raise RequestRefusedError("bad-request", sentence(words), request) from None
