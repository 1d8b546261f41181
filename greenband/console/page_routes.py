"""The pages: map, junction, time-space, plans, corridors, audit, and a page about the interface."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response

from controller import plan_json
from greenband.console import documents
from greenband.console.access import hub_of
from greenband.console.pages import page, shown_to
from greenband.console.tokens import Scope

router = APIRouter(include_in_schema=False)
VIEWERS = [Depends(shown_to(Scope.VIEW))]
AUDITORS = [Depends(shown_to(Scope.AUDIT_READ))]
AUDIT_ROWS = 200


@router.get("/", dependencies=VIEWERS)
async def map_page(request: Request) -> Response:
    """The net, live, with a table of its sites beside it."""
    sites = hub_of(request).centre.sites
    return _shown(request, "map.html.j2", title="Map", sites=sites)


@router.get("/sites/{site}", dependencies=VIEWERS)
async def site_page(request: Request, site: str) -> Response:
    """One junction."""
    hub = hub_of(request)
    facts = hub.centre.sites.get(site)
    if facts is None:
        return _missing(request, f"There is no site {site}.")
    history = await hub.centre.plans(site)
    plan = next((each for each in history if each.state == "in force"), None)
    document = documents.site(facts)
    in_plan = {entry.stage for entry in plan.plan.stages} if plan else set()
    usual = [each for each in document["stages"] if each["name"] in in_plan or not in_plan]
    return _shown(
        request,
        "site.html.j2",
        title=facts.label,
        facts=facts,
        document=document,
        plan=plan,
        usual=usual,
        further=[each for each in document["stages"] if each not in usual],
    )


@router.get("/line", dependencies=VIEWERS)
async def line_page(
    request: Request, corridor: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """Time and space along a line of signals."""
    return _shown(request, "line.html.j2", title="Time–space", corridor=corridor)


@router.get("/plans", dependencies=VIEWERS)
async def plans_page(request: Request) -> Response:
    """Plans in force, and those that were."""
    hub = hub_of(request)
    rows = [(facts, await hub.centre.plans(name)) for name, facts in hub.centre.sites.items()]
    texts = {
        (each.site, each.sequence_no): plan_json.to_json(each.plan)
        for _, history in rows
        for each in history
    }
    return _shown(request, "plans.html.j2", title="Plans", rows=rows, texts=texts)


@router.get("/corridors", dependencies=VIEWERS)
async def corridors_page(request: Request) -> Response:
    """For dispatch: ask for a corridor, and see those that are open."""
    hub = hub_of(request)
    streets = sorted(
        (each for each in hub.centre.streets.streets.values() if each.open_to_emergency),
        key=lambda each: (each.label, each.name),
    )
    return _shown(
        request,
        "corridors.html.j2",
        title="Corridors",
        vehicles=hub.centre.vehicles,
        streets=streets,
    )


@router.get("/corridors/{corridor}", dependencies=VIEWERS)
async def corridor_page(request: Request, corridor: str) -> Response:
    """One corridor, live."""
    hub = hub_of(request)
    found = hub.centre.corridors.get(corridor)
    if found is None:
        return _missing(request, f"There is no corridor {corridor}.")
    document = documents.corridor(found, hub.centre.sites, hub.centre.now_utc_ms())
    labels = {name: street.label for name, street in hub.centre.streets.streets.items()}
    return _shown(
        request,
        "corridor.html.j2",
        title=f"Corridor for {found.wish.vehicle}",
        corridor=document,
        labels=labels,
        numbers={name: k for k, name in enumerate(hub.centre.sites, start=1)},
    )


@router.get("/audit", dependencies=AUDITORS)
async def audit_page(
    request: Request, corridor: Annotated[str, Query(max_length=200)] = ""
) -> Response:
    """The newest entries of the audit."""
    rows = hub_of(request).audit.read(corridor, most=AUDIT_ROWS)
    return _shown(
        request,
        "audit.html.j2",
        title="Audit",
        rows=tuple(reversed(rows)),
        subject=corridor,
    )


@router.get("/interface", dependencies=VIEWERS)
async def interface_page(request: Request) -> Response:
    """What the HTTP interface offers, from its own description."""
    schema = request.app.openapi()
    offers = [
        (method.upper(), path, each.get("description", ""))
        for path, methods in schema["paths"].items()
        for method, each in methods.items()
    ]
    return _shown(request, "interface.html.j2", title="Interface", offers=offers)


def _shown(request: Request, template: str, **values: object) -> Response:
    return page(request, template, values)


def _missing(request: Request, words: str) -> Response:
    return page(request, "message.html.j2", {"title": "Not found", "words": words}, 404)
