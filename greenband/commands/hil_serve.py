"""``greenband serve --demo --hil``: the console over a broker, an edge and virtual cabinets."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from greenband.terminal import say

if TYPE_CHECKING:
    from greenband.console.hub import Hub
    from greenband.console.server import ServerSettings
    from sim.hil.programs import Programs
    from sim.live.messages import StreetsSpec

Invite = Callable[["Hub", str], None]
"""Says where the console is."""


def serve_hil(spec: StreetsSpec, settings: ServerSettings, folder: Path, invite: Invite) -> None:
    """Run the demo until the process is told to stop; the console's file is in *folder*."""
    from sim.hil.brokers import broker_at
    from sim.hil.programs import Programs
    from sim.hil.spec import EMBEDDED

    with (
        tempfile.TemporaryDirectory(prefix="greenband-hil-") as files,
        broker_at(EMBEDDED) as broker,
        Programs() as programs,
    ):
        asyncio.run(_serve(spec, settings, (folder, Path(files)), (programs, broker), invite))


async def _serve(
    spec: StreetsSpec,
    settings: ServerSettings,
    folders: tuple[Path, Path],
    plant: tuple[Programs, tuple[str, int]],
    invite: Invite,
) -> None:
    from greenband.console.hub import Hub
    from greenband.console.server import run_server
    from sim.live.hil_city import hil_city

    say(f"{spec.scenario.name}: starting a broker, an edge and its cabinets …")
    async with hil_city(spec, folders[1], *plant) as centre:
        hub = Hub(centre, folders[0])
        try:
            await run_server(hub, settings, lambda address: invite(hub, address))
        finally:
            hub.close()
