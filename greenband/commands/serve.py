"""``greenband serve``: the console, in a browser and over HTTP."""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from greenband.extras import require_sumo, require_web
from greenband.failures import UsageError, guarded
from greenband.options import AS_JSON
from greenband.terminal import print_json, say

if TYPE_CHECKING:
    from greenband.console.hub import Hub
    from greenband.console.server import ServerSettings
    from sim.live.messages import StreetsSpec

DEMO_AGENCY = "demo"
TOKEN_FILE = "demo.token"
_OWNER_ONLY = 0o600

DEMO = Annotated[
    bool, typer.Option("--demo", help="Simulated streets: SUMO in real time, ours in control.")
]
HIL = Annotated[
    bool,
    typer.Option("--hil", help="The demo through a broker, an edge and virtual cabinets."),
]
CENTRE = Annotated[
    Path | None,
    typer.Option(help="Real junctions: the file of a centre.", metavar="CENTRE.TOML"),
]
SCENARIO = Annotated[
    str, typer.Option(help="What the demo simulates.", metavar="NAME|FILE.sumocfg")
]
SPEED = Annotated[
    float, typer.Option(help="So many times as fast as a clock, in a demo.", min=0.1, max=50.0)
]
SEED = Annotated[int, typer.Option(help="SUMO's random seed, in a demo.", min=1)]
HOST = Annotated[str, typer.Option(help="The address to listen on.")]
PORT = Annotated[int, typer.Option(help="The port; 0 takes a free one.", min=0, max=65_535)]
HOST_NAME = Annotated[
    list[str] | None,
    typer.Option(help="A name that it is called by; may be repeated.", metavar="NAME"),
]
STATE = Annotated[
    Path | None,
    typer.Option(help="Folder for tokens and audit; a demo forgets them.", metavar="FOLDER"),
]
CERT = Annotated[Path | None, typer.Option(help="Certificate (PEM), for HTTPS.", metavar="FILE")]
KEY = Annotated[Path | None, typer.Option(help="Its key (PEM).", metavar="FILE")]
CLIENT_CA = Annotated[
    Path | None,
    typer.Option(help="Let only callers in with a certificate of this one.", metavar="FILE"),
]


@guarded
def serve_command(
    demo: DEMO = False,
    hil: HIL = False,
    centre: CENTRE = None,
    scenario: SCENARIO = "arterial",
    speed: SPEED = 1.0,
    seed: SEED = 1,
    host: HOST = "127.0.0.1",
    port: PORT = 8080,
    host_name: HOST_NAME = None,
    state: STATE = None,
    tls_cert: CERT = None,
    tls_key: KEY = None,
    client_ca: CLIENT_CA = None,
    as_json: AS_JSON = False,
) -> None:
    """Show every junction live, and open corridors: pages for people, HTTP for programs."""
    require_web()
    if demo == (centre is not None):
        raise UsageError("serve needs streets: give --demo for simulated ones, or --centre FILE")
    if hil and (centre is not None or speed != 1.0):
        raise UsageError("--hil belongs to --demo, and runs by the clock: leave --speed out")
    from edge.logs import configure_logging
    from greenband.commands.centre_serve import serve_centre
    from greenband.commands.hil_serve import serve_hil
    from greenband.console.server import ServerSettings

    configure_logging("warning", "text" if sys.stderr.isatty() else "json")
    settings = ServerSettings(
        host=host,
        port=port,
        names=tuple(host_name or ()),
        tls_cert=tls_cert,
        tls_key=tls_key,
        client_ca=client_ca,
    )
    if centre is not None:
        serve_centre(centre, settings, state, as_json=as_json)
        return
    require_sumo()
    from sim.live.messages import StreetsSpec
    from sim.scenario import load_scenario

    spec = StreetsSpec(scenario=load_scenario(scenario), seed=seed, speed=speed)
    with ExitStack() as stack:
        folder = state or Path(
            stack.enter_context(tempfile.TemporaryDirectory(prefix="greenband-console-"))
        )
        if hil:
            serve_hil(
                spec,
                settings,
                folder,
                lambda hub, address: _invite(hub, address, folder, as_json=as_json),
            )
        else:
            asyncio.run(_demo(spec, settings, folder, as_json=as_json))


async def _demo(
    spec: StreetsSpec, settings: ServerSettings, folder: Path, *, as_json: bool
) -> None:
    from greenband.console.hub import Hub
    from greenband.console.server import run_server
    from sim.live.centre import LiveCentre

    say(f"{spec.scenario.name}: {spec.warm_up_s:g} s of traffic before anybody looks …")
    async with LiveCentre(spec) as centre:
        hub = Hub(centre, folder)
        try:

            def ready(address: str) -> None:
                _invite(hub, address, folder, as_json=as_json)

            await run_server(hub, settings, ready)
        finally:
            hub.close()


def _invite(hub: Hub, address: str, folder: Path, *, as_json: bool) -> None:
    """Say where it is, with a link that signs in once, and a token for programs in a file."""
    from greenband.console.tokens import Scope

    now_utc_ms = hub.utc_ms()
    token, text = hub.tokens.create(DEMO_AGENCY, frozenset(Scope), now_utc_ms, days=1.0)
    code = hub.sessions.invite(token.id, now_utc_ms)
    path = folder / TOKEN_FILE
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY), "w") as file:
        file.write(text)
    if as_json:
        sign_in = f"{address}/login?code={code}"
        document = {"address": address, "sign_in": sign_in, "token_file": str(path)}
        print_json(document, compact=True)
        return
    say(f"open   {address}/login?code={code}   (this link works once, for ten minutes)")
    say(f'try    curl -H "Authorization: Bearer $(cat {path})" {address}/v1/sites')
    say("end    Ctrl-C")
