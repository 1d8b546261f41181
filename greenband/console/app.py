"""The application: interface and pages around one :class:`~greenband.console.hub.Hub`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles

from greenband.console import audit_api, corridor_api, page_routes, problems, sign_in, site_api
from greenband.console.guard import Guard
from greenband.console.hub import Hub
from greenband.console.pages import NotShownError
from greenband.version import greenband_version

STATIC = Path(__file__).with_name("static")


def build_app(hub: Hub, hosts: Collection[str], *, tls: bool = False) -> FastAPI:
    """The application; *hosts* are the names that it answers to."""
    app = FastAPI(
        title="Greenband console",
        version=greenband_version(),
        summary="Green corridors for emergency vehicles, and how every junction is.",
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
        lifespan=_lifespan,
    )
    app.state.hub = hub
    app.state.tls = tls
    problems.install(app)
    app.include_router(corridor_api.router)
    app.include_router(site_api.router)
    app.include_router(audit_api.router)
    app.include_router(sign_in.router)
    app.include_router(page_routes.router)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, hosts=hosts, tls=tls)

    @app.exception_handler(NotShownError)
    async def _not_shown(request: Request, error: NotShownError) -> Response:
        return error.answer

    @app.get("/healthz", tags=["service"])
    async def healthz() -> JSONResponse:
        """Whether the console hears of the sites; 503 with the reason if not."""
        return _health(hub)

    return app


SILENT_MS = 5_000


def _health(hub: Hub) -> JSONResponse:
    centre = hub.centre
    now_ms = centre.now_utc_ms()
    ages_ms = [now_ms - each.utc_ms for each in centre.live.values() if each.reachable]
    fresh = sum(age_ms <= SILENT_MS for age_ms in ages_ms)
    ok = fresh > 0 and not hub.audit_fault
    body = {"ok": ok, "sites": len(centre.sites), "heard_of": fresh, "audit": hub.audit_fault}
    return JSONResponse(body, 200 if ok else 503)


@contextlib.asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    follower = asyncio.create_task(app.state.hub.run(), name="follow the centre")
    try:
        yield
    finally:
        follower.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await follower
