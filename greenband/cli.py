"""The ``greenband`` command.

Rooms that need SUMO or numpy are imported inside the commands, so that ``--help`` is quick and
everything that needs no SUMO works without it.
"""

from __future__ import annotations

import io
import sys
from typing import Annotated

import typer

from greenband.commands.audit import app as audit_app
from greenband.commands.centre import app as centre_app
from greenband.commands.check import check_command
from greenband.commands.compare import compare_command
from greenband.commands.corridor import app as corridor_app
from greenband.commands.counts import counts_command
from greenband.commands.demo import demo_command
from greenband.commands.device import device_command
from greenband.commands.doctor import doctor_command
from greenband.commands.edge import app as edge_app
from greenband.commands.hil import hil_command
from greenband.commands.inspect import inspect_command
from greenband.commands.plan import app as plan_app
from greenband.commands.run import run_command
from greenband.commands.scenarios import app as scenarios_app
from greenband.commands.serve import serve_command
from greenband.commands.token import app as token_app
from greenband.commands.wave import wave_command
from greenband.commands.whatif import whatif_command
from greenband.version import greenband_version

app = typer.Typer(
    name="greenband",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    epilog="Example:  greenband compare cologne8 --seeds 3",
)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"greenband {greenband_version()}")
        raise typer.Exit


@app.callback()
def greenband(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", callback=_print_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Adaptive traffic-signal control: run it on any SUMO network, see what it gains."""


def _examples(*commands: str) -> str:
    return "\n\n".join(f"Example:  greenband {command}" for command in commands)


app.command(
    "compare",
    epilog=_examples(
        "compare cologne8 --seeds 3",
        "compare path/to/your.sumocfg --control fixed,webster,adaptive --seeds 1,2,5-9",
        "compare ingolstadt7 --control all --json -",
    ),
)(compare_command)
app.command(
    "run",
    epilog=_examples(
        "run cologne8",
        "run cologne8 --control actuated --seed 7 --gui",
        "run ingolstadt1 --explain all",
    ),
)(run_command)
app.command(
    "inspect",
    epilog=_examples("inspect cologne8", "inspect path/to/your.net.xml --out junctions"),
)(inspect_command)
app.command(
    "check",
    epilog=_examples("check path/to/your.net.xml", "check morning.json --net cologne1"),
)(check_command)
app.command(
    "device",
    epilog=_examples(
        "device --site J1.site.json --plan J1.plan.json --tcp 127.0.0.1:1502",
        "device --site J1.site.json --serial /dev/ttyUSB0 --unit 3 --key-file J1.key",
        "device --site J1.site.json --tls 0.0.0.0:802 --cert J1.pem --key J1.pem --ca ca.pem",
    ),
)(device_command)
app.command(
    "hil",
    epilog=_examples(
        "hil cologne8",
        "hil cologne1 --link rtu --fault kill@120 --fault cut@300:20",
        "hil cologne1 --speed 1 --broker mqtt://127.0.0.1:1883",
    ),
)(hil_command)
app.command(
    "wave",
    epilog=_examples(
        "wave ARTERIAL.json",
        "wave ARTERIAL.json --picture wave.svg --cut",
        "wave ARTERIAL.json --multiband --json -",
        "wave --schema",
    ),
)(wave_command)
app.add_typer(plan_app, name="plan", epilog="Example:  greenband plan check plan.json")
app.add_typer(scenarios_app, name="scenarios", epilog="Example:  greenband scenarios list")
app.add_typer(edge_app, name="edge", epilog="Example:  greenband edge check site.toml")
app.command(
    "counts",
    epilog=_examples(
        "counts arterial -o counts.csv",
        "counts arterial --days 7 -o days.csv",
        "counts cologne8 --control actuated --interval 900 -o counts.csv",
    ),
)(counts_command)
app.command(
    "whatif",
    epilog=_examples(
        "whatif arterial --at 1800",
        "whatif cologne8 --state state.xml.gz --controls fixed,morning.json,adaptive --seeds 10",
        "whatif arterial --counts counts.csv --controls fixed,planned,adaptive --minutes 20",
    ),
)(whatif_command)
app.command(
    "serve",
    epilog=_examples(
        "serve --demo",
        "serve --demo --scenario ingolstadt21 --speed 2",
        "serve --centre city/centre.toml",
        "serve --demo --tls-cert console.pem --tls-key console.key --client-ca dispatch-ca.pem",
    ),
)(serve_command)
app.add_typer(centre_app, name="centre", epilog="Example:  greenband centre check city/centre.toml")
app.add_typer(token_app, name="token", epilog="Example:  greenband token list")
app.add_typer(audit_app, name="audit", epilog="Example:  greenband audit verify console.db")
app.add_typer(
    corridor_app, name="corridor", epilog="Example:  greenband corridor bench cologne8 --seeds 3"
)
app.command("doctor", epilog=_examples("doctor", "doctor --json"))(doctor_command)
app.command("demo", epilog=_examples("demo", "demo --seeds 5"))(demo_command)


def main() -> None:
    """Entry point of the ``greenband`` command."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # ± must not bring a command down in the C locale
    app(prog_name="greenband")
