"""Server-sent events: how everything is, as soon as it changes and once a second."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from fastapi.responses import StreamingResponse

from greenband.console import documents
from greenband.console.access import Caller
from greenband.console.hub import Hub
from greenband.console.problems import ProblemError

EVENTS = "text/event-stream"
STREAMS_MAX = 100
"""Event streams that one agency may listen to at a time."""
StillAllowed = Callable[[], bool]
_REPEAT_S = 1.0


def stream_of(hub: Hub, caller: Caller, events: AsyncIterator[str]) -> StreamingResponse:
    """*events* as an answer; raises 429 if the caller's agency listens to too many already."""
    if hub.streams[caller.agency] >= STREAMS_MAX:
        raise ProblemError(
            429,
            "too-many-streams",
            f"Your agency listens to {STREAMS_MAX} event streams already: close one first.",
            {"Retry-After": "5"},
        )

    async def counted() -> AsyncIterator[str]:
        hub.streams[caller.agency] += 1
        try:
            async for each in events:
                yield each
        finally:
            hub.streams[caller.agency] -= 1

    return StreamingResponse(counted(), media_type=EVENTS, headers={"X-Accel-Buffering": "no"})


def event(name: str, document: object) -> str:
    """One event with *document* as its data."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return f"event: {name}\ndata: {text}\n\n"


async def corridor_events(
    hub: Hub, corridor_id: str, still_allowed: StillAllowed
) -> AsyncIterator[str]:
    """How one corridor is, until it is over, or who listens may not any more."""
    last, sent_ms = "", 0
    while still_allowed() and not hub.stopping:
        found = hub.centre.corridors.get(corridor_id)
        if found is None:
            yield event("gone", {"id": corridor_id})
            return
        said = documents.corridor(found, hub.centre.sites, hub.centre.now_utc_ms())
        key = json.dumps({**said, "now_utc_ms": 0, "eta_s": 0, "junctions": _states(said)})
        now_ms = hub.mono_ms()
        if key != last or now_ms - sent_ms >= _REPEAT_S * 1_000:
            yield event("corridor", said)
            last, sent_ms = key, now_ms
        if found.state.is_over:
            yield event("over", {"id": corridor_id, "state": found.state.value})
            return
        await hub.centre.changed()


def _states(said: documents.Document) -> list[list[object]]:
    return [[each["site"], each["state"], each["why"]] for each in said["junctions"]]


async def site_events(hub: Hub, still_allowed: StillAllowed, site: str = "") -> AsyncIterator[str]:
    """How all sites and corridors are, or one site with its last cycles."""
    sent_ms = 0
    while still_allowed() and not hub.stopping:
        now_ms = hub.mono_ms()
        wait_s = sent_ms / 1_000 + _REPEAT_S / 2 - now_ms / 1_000
        if sent_ms and wait_s > 0.0:
            await asyncio.sleep(wait_s)
        sent_ms = hub.mono_ms()
        yield event("sites", site_now(hub, site) if site else net_now(hub))
        await hub.centre.changed()


def net_now(hub: Hub) -> documents.Document:
    """How all sites and corridors are."""
    centre = hub.centre
    now_ms = centre.now_utc_ms()
    return {
        "now_utc_ms": now_ms,
        "sites": {
            name: documents.live(each, now_ms)
            for name, each in centre.live.items()
            if name in centre.sites
        },
        "corridors": [
            {
                "id": each.id,
                "vehicle": each.wish.vehicle,
                "state": each.state.value,
                "over": each.state.is_over,
                "route": list(each.route),
                "position": documents.position(each.position),
                "held": [p.site for p in each.passages if p.state.value == "held"],
            }
            for each in centre.corridors.values()
            if not each.state.is_over
        ],
    }


def site_now(hub: Hub, site: str) -> documents.Document:
    """How one site is, with its last greens."""
    centre = hub.centre
    now_ms = centre.now_utc_ms()
    live = centre.live.get(site)
    history = hub.history.of(site)
    return {
        "now_utc_ms": now_ms,
        "live": None if live is None else documents.live(live, now_ms),
        "greens": [
            {"stage": each.stage, "began_utc_ms": each.began_utc_ms, "green_ms": each.green_ms}
            for each in list(history.stages)[-24:]
        ],
    }
