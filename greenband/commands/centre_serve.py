"""``greenband serve --centre``: the console over a broker and real edges."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING

from edge.ending import end
from edge.errors import StoreError
from greenband.config_check import checked
from greenband.terminal import print_json, say

if TYPE_CHECKING:
    from edge.centre.config import CentreConfig
    from greenband.console.hub import Hub
    from greenband.console.server import ServerSettings

NUMBERS = "requests.numbers"


def serve_centre(
    path: Path, settings: ServerSettings, state: Path | None, *, as_json: bool
) -> None:
    """Run the centre of the file at *path* until the process is told to stop.

    The console keeps its file in *state*, or with everything else that the centre remembers.
    """
    from edge.centre.config import load

    config = checked(path, load)
    for remark in config.remarks:
        say(f"{path}: note: {remark}")
    config.plan.folder.mkdir(exist_ok=True)
    asyncio.run(_serve(config, settings, state or config.plan.folder, as_json=as_json))


async def _serve(
    config: CentreConfig, settings: ServerSettings, folder: Path, *, as_json: bool
) -> None:
    from edge.centre.city import CityCentre
    from greenband.console.hub import Hub
    from greenband.console.server import run_server

    async with CityCentre(config.plan, lambda: secrets.token_hex(4)) as centre:
        hub = Hub(centre, folder)
        try:
            async with _requests(config, hub):
                await run_server(
                    hub, settings, lambda address: _tell(address, folder, as_json=as_json)
                )
        finally:
            hub.close()


@contextlib.asynccontextmanager
async def _requests(config: CentreConfig, hub: Hub) -> AsyncIterator[None]:
    """Signed requests are taken off the broker meanwhile, if any agency may send them."""
    from edge.centre.requests_link import RequestLink
    from edge.order_numbers import OrderNumbers
    from greenband.console.request_desk import RequestDesk

    if not config.agencies:
        yield
        return
    file = config.plan.folder / NUMBERS
    numbers = OrderNumbers(file)
    try:
        if not numbers.load():
            numbers.forget_before(hub.utc_ms())
    except OSError as error:
        raise StoreError(f"{file} can't be read ({error.strerror}): check it") from None
    link = RequestLink(
        config.plan.broker,
        config.agencies,
        numbers,
        RequestDesk(hub, [agency.name for agency in config.agencies]).handler(),
        name=config.plan.name,
    )
    task = asyncio.create_task(link.run(), name="requests")
    try:
        yield
    finally:
        await end([task])


def _tell(address: str, folder: Path, *, as_json: bool) -> None:
    if as_json:
        print_json({"address": address, "state": str(folder)}, compact=True)
        return
    say(f"open   {address}/login")
    say(
        'token  greenband token create "Fire brigade" --scope view --scope corridor:request '
        f"--scope corridor:cancel --state {folder}"
    )
    say("end    Ctrl-C")
