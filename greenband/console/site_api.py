"""The net over HTTP: map, sites, plans, and what was green when along a line."""

from __future__ import annotations

import json
from collections.abc import Awaitable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from controller import plan_json
from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from edge.centre.values import PlanRecord, SiteFacts
from edge.corridors.errors import CorridorError
from edge.errors import EdgeError
from greenband.console import documents
from greenband.console.access import BEARER, Caller, allowed, count, hub_of, still_allowed
from greenband.console.hub import Hub
from greenband.console.limits import Kind
from greenband.console.line_document import line_document
from greenband.console.lines import line_of
from greenband.console.problems import RESPONSES, ProblemError
from greenband.console.streams import net_now, site_events, site_now, stream_of
from greenband.console.tokens import Scope

router = APIRouter(
    prefix="/v1", tags=["sites"], dependencies=[Depends(BEARER)], responses=RESPONSES
)
Viewer = Annotated[Caller, Depends(allowed(Scope.VIEW))]
Planner = Annotated[Caller, Depends(allowed(Scope.PLAN_WRITE))]
Document = dict[str, Any]
NAME_MAX = 200


class PlanIn(BaseModel):
    """A plan as in its file, and why."""

    model_config = ConfigDict(extra="forbid")
    plan: dict[str, Any]
    reason: Annotated[str, Field(max_length=500)] = ""


class RollbackIn(BaseModel):
    """Which earlier plan is to come back, and why."""

    model_config = ConfigDict(extra="forbid")
    sequence_no: Annotated[int, Field(ge=0, le=2**63 - 1)]
    reason: Annotated[str, Field(max_length=500)] = ""


@router.get("/map")
async def the_map(request: Request, caller: Viewer) -> Document:
    """All streets and sites."""
    centre = hub_of(request).centre
    return documents.the_map(centre.streets, centre.sites)


@router.get("/sites")
async def sites(request: Request, caller: Viewer) -> Document:
    """How all sites and corridors are now."""
    return net_now(hub_of(request))


@router.get("/events")
async def events(
    request: Request, caller: Viewer, site: Annotated[str, Query(max_length=200)] = ""
) -> StreamingResponse:
    """The same as server-sent events, once a second; or one site with its last greens."""
    count(request, caller, Kind.STREAM)
    hub = hub_of(request)
    if site:
        _facts(hub, site)
    return stream_of(hub, caller, site_events(hub, still_allowed(request, caller), site))


@router.get("/line")
async def line(
    request: Request,
    caller: Viewer,
    corridor: Annotated[str, Query(max_length=200)] = "",
    minutes: Annotated[float, Query(ge=1.0, le=15.0)] = 5.0,
) -> Document:
    """What was green when along a corridor's route, or along the line with the most signals."""
    hub = hub_of(request)
    streets = hub.centre.streets
    if corridor:
        found = hub.centre.corridors.get(corridor)
        if found is None:
            raise CorridorError("unknown-corridor", f"There is no corridor {corridor!r}.")
        return line_document(hub, line_of(found.route, streets), minutes, found)
    longest = await hub.main_line()
    if longest is None:
        raise CorridorError("no-route", "The map has no street that is open.")
    return line_document(hub, longest, minutes, None)


@router.get("/sites/{site}")
async def site(request: Request, caller: Viewer, site: str) -> Document:
    """What stands at a site, how it is now, and its last greens."""
    hub = hub_of(request)
    facts = _facts(hub, site)
    turns = documents.turns(hub.centre.streets, site)
    return {**documents.site(facts), "turns": turns, **site_now(hub, site)}


@router.get("/sites/{site}/plans")
async def plans(request: Request, caller: Viewer, site: str) -> list[Document]:
    """What a site has run on and what waits, the newest first."""
    hub = hub_of(request)
    _facts(hub, site)
    return [documents.plan_record(each) for each in await hub.centre.plans(site)]


@router.post("/sites/{site}/plans", status_code=201)
async def push(request: Request, caller: Planner, site: str, asked: PlanIn) -> Document:
    """Check a plan, send it to its site, and say what the site answered."""
    count(request, caller, Kind.PLAN)
    hub = hub_of(request)
    plan = _plan(_facts(hub, site), asked.plan)
    hub.note(caller.actor, "plan pushed", site, {"plan": plan.name, "reason": asked.reason})
    return await _answered(hub, site, hub.centre.push_plan(plan, caller.actor, asked.reason))


@router.post("/sites/{site}/plans:rollback", status_code=201)
async def roll_back(request: Request, caller: Planner, site: str, asked: RollbackIn) -> Document:
    """Send an earlier plan once more."""
    count(request, caller, Kind.PLAN)
    hub = hub_of(request)
    _facts(hub, site)
    number = asked.sequence_no
    if all(each.sequence_no != number for each in await hub.centre.plans(site)):
        raise ProblemError(
            404, "unknown-plan", f"{site} never had a plan with number {number}: see its plans."
        )
    hub.note(caller.actor, "plan rolled back", site, {"to_number": number, "reason": asked.reason})
    return await _answered(
        hub, site, hub.centre.roll_back(site, number, caller.actor, asked.reason)
    )


async def _answered(hub: Hub, site: str, sending: Awaitable[PlanRecord]) -> Document:
    """What came of a plan that was sent; on record, also if it went nowhere."""
    try:
        record = await sending
    except (EdgeError, InvalidError) as error:
        hub.note(site, "plan not sent", site, {"why": str(error)})
        raise
    hub.note(site, "plan answered", site, {"number": record.sequence_no, "state": record.state})
    return documents.plan_record(record)


def _facts(hub: Hub, site: str) -> SiteFacts:
    facts = hub.centre.sites.get(site)
    if facts is None:
        raise CorridorError(
            "unknown-site", f"There is no site {site!r}: GET /v1/sites lists those that are."
        )
    return facts


def _plan(facts: SiteFacts, document: Document) -> TimingPlan:
    content = {"schema": plan_json.SCHEMA, "site": facts.name, **document}
    try:
        text = json.dumps(content, ensure_ascii=False)
        text.encode()
    except (UnicodeEncodeError, RecursionError):
        raise ProblemError(
            422, "invalid", "The plan is no text of a plan file: check what made it."
        ) from None
    plan = plan_json.from_json(text)
    if not plan.name.isprintable() or not 0 < len(plan.name) <= NAME_MAX:
        raise ProblemError(
            422, "invalid", f"A plan's name has 1 to {NAME_MAX} printable characters: rename it."
        )
    check_plan(plan, facts.intersection)
    return plan
