"""``greenband device``: a virtual cabinet, for whoever has none at hand."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from controller import plan_json, site_json
from controller.plan import check_plan
from controller.violations import InvalidError
from edge.outlet import Outlet
from greenband.failures import UsageError, guarded
from greenband.files import read_text

if TYPE_CHECKING:
    from controller.intersection import Intersection
    from firmware_bridge.cabinet import Cabinet
    from firmware_bridge.day_plans import DayPlans
    from firmware_bridge.ends import End, TcpEnd, TlsEnd

UNIT_MAX = 247

Tell = Callable[[str], None]


@guarded
def device_command(
    site: Annotated[Path, typer.Option(help="The site's file.", metavar="FILE")],
    plan: Annotated[
        list[str] | None,
        typer.Option(
            help="A factory plan, from a time of day (UTC) on; may be repeated.",
            metavar="FILE[@HH:MM]",
        ),
    ] = None,
    tcp: Annotated[
        str | None,
        typer.Option(help="Serve Modbus TCP here; port 0 finds one.", metavar="HOST:PORT"),
    ] = None,
    tls: Annotated[
        str | None, typer.Option(help="Serve Modbus over TLS here.", metavar="HOST:PORT")
    ] = None,
    cert: Annotated[
        Path | None, typer.Option(help="TLS: certificate of the cabinet.", metavar="PEM")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="TLS: its key.", metavar="PEM")] = None,
    ca: Annotated[
        Path | None, typer.Option(help="TLS: whose certificates are served.", metavar="PEM")
    ] = None,
    serial: Annotated[
        str | None, typer.Option(help="Serve Modbus RTU on this serial port.", metavar="PORT")
    ] = None,
    baud: Annotated[int, typer.Option(help="Speed of the serial port.")] = 19_200,
    parity: Annotated[str, typer.Option(help="Its parity.", metavar="N|E|O")] = "N",
    unit: Annotated[int, typer.Option(help="Unit on the line, 1 to 247.")] = 1,
    field: Annotated[
        str | None,
        typer.Option(help="Serve the street (detectors, lamps) here.", metavar="HOST:PORT"),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option(help="Keep the last accepted plan here.", metavar="DIR")
    ] = None,
    key_file: Annotated[
        Path | None, typer.Option(help="The key that uploads are signed with.", metavar="FILE")
    ] = None,
    lockstep: Annotated[
        bool, typer.Option("--lockstep", help="Step only when the street's port says so.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print every event as one JSON object in a line.")
    ] = False,
) -> None:
    """Be a cabinet: the signal controller behind a Modbus register map, ten steps a second.

    It starts up, runs its factory plans by the clock (or isolated and actuated without one), and
    obeys an edge that writes to it. One line is printed for every important event.
    """
    if not 1 <= unit <= UNIT_MAX:
        raise UsageError(f"--unit {unit} is outside 1..{UNIT_MAX}")
    if lockstep and field is None:
        raise UsageError("--lockstep needs --field: the street's port says when to step")
    ends = _ends(tcp, _tls_end(tls, (cert, key, ca)), serial, str(baud), parity)
    there = _site(site)
    cabinet = _cabinet(there, _plans(plan or [], there), state_dir, key_file, lockstep)
    outlet = Outlet()
    tell = _in_json(cabinet, outlet) if as_json else _in_words(cabinet, outlet)
    try:
        asyncio.run(_serve(cabinet, ends, unit, _field_end(field), tell))
    finally:
        outlet.close()


async def _serve(
    cabinet: Cabinet, ends: list[End], unit: int, field: TcpEnd | None, tell: Tell
) -> None:
    from firmware_bridge.device import Device

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    device = Device(cabinet, ends, unit=unit, field=field, tell=tell)
    await device.start()
    await device.run(stop)
    tell("stopped")


def _in_words(cabinet: Cabinet, outlet: Outlet) -> Tell:
    def tell(line: str) -> None:
        when = datetime.fromtimestamp(cabinet.now.utc_ms / 1_000, UTC)
        stamp = when.isoformat(timespec="milliseconds").removesuffix("+00:00")
        outlet.print(f"{stamp}Z {cabinet.site.name}: {line}")

    return tell


def _in_json(cabinet: Cabinet, outlet: Outlet) -> Tell:
    def tell(line: str) -> None:
        event = {"utc_ms": cabinet.now.utc_ms, "site": cabinet.site.name, "event": line}
        outlet.print(json.dumps(event, ensure_ascii=False))

    return tell


def _cabinet(
    site: Intersection,
    plans: DayPlans,
    state_dir: Path | None,
    key_file: Path | None,
    lockstep: bool,
) -> Cabinet:
    from controller.clock import Instant
    from firmware_bridge.cabinet import Cabinet
    from firmware_bridge.device import clock_now
    from firmware_bridge.keys import new_key, read_key
    from firmware_bridge.store import FolderStore

    now = clock_now()
    cabinet = Cabinet(
        site,
        plans,
        new_key() if key_file is None else read_key(key_file),
        Instant(0, 0) if lockstep else now,
        store=None if state_dir is None else FolderStore(state_dir),
        boot_no=now.utc_ms // 100,
        lockstep=lockstep,
    )
    if key_file is None:
        cabinet.notes.append("no key: uploads are refused")
    return cabinet


def _site(path: Path) -> Intersection:
    text = read_text(path)
    try:
        return site_json.from_json(text)
    except InvalidError as error:
        if _is_read_by(plan_json.from_json, text):
            raise UsageError(f"--site {path}: this is a plan file, give the site's") from None
        raise InvalidError(str(path), error.violations) from None


def _is_read_by(reader: Callable[[str], object], text: str) -> bool:
    """Whether *text* is a file of the other kind."""
    try:
        reader(text)
    except InvalidError:
        return False
    return True


def _plans(given: list[str], site: Intersection) -> DayPlans:
    from firmware_bridge.day_plans import DayPlans

    entries = []
    for each in given:
        name, at, clock = each.rpartition("@")
        path, minute = (Path(name), _minute(each, clock)) if at else (Path(each), 0)
        try:
            text = read_text(path)
            entries.append((minute, check_plan(plan_json.from_json(text), site)))
        except InvalidError as error:
            if _is_read_by(site_json.from_json, text):
                raise UsageError(f"--plan {path}: this is a site file, give a plan") from None
            raise InvalidError(str(path), error.violations) from None
    minutes = [minute for minute, _ in entries]
    if len(set(minutes)) != len(minutes):
        raise UsageError("two --plan begin at the same time of day: give them as FILE@HH:MM")
    return DayPlans(tuple(sorted(entries, key=lambda entry: entry[0])))


def _minute(given: str, clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    if not (hours.isdigit() and minutes.isdigit() and int(hours) < 24 and int(minutes) < 60):
        raise UsageError(f"--plan {given}: {clock!r} is no time of day such as 06:30")
    return int(hours) * 60 + int(minutes)


def _ends(
    tcp: str | None, tls: TlsEnd | None, serial: str | None, baud: str, parity: str
) -> list[End]:
    from firmware_bridge.ends import TCP_PORT, TcpEnd, host_and_port, serial_end

    ends: list[End] = []
    if tcp is not None:
        ends.append(TcpEnd(*host_and_port(tcp, TCP_PORT)))
    if tls is not None:
        ends.append(tls)
    if serial is not None:
        ends.append(serial_end(serial, baud, parity))
    if not ends:
        raise UsageError("give a line to listen on: --tcp, --tls or --serial")
    return ends


def _tls_end(
    address: str | None, files: tuple[Path | None, Path | None, Path | None]
) -> TlsEnd | None:
    from firmware_bridge.ends import TLS_PORT, TlsEnd, host_and_port

    cert, key, ca = files
    if address is None:
        if files != (None, None, None):
            raise UsageError("--cert, --key and --ca go with --tls")
        return None
    if cert is None or key is None or ca is None:
        raise UsageError("--tls needs --cert, --key and --ca")
    return TlsEnd(*host_and_port(address, TLS_PORT), cert, key, ca)


def _field_end(address: str | None) -> TcpEnd | None:
    from firmware_bridge.ends import TcpEnd, host_and_port

    return None if address is None else TcpEnd(*host_and_port(address, 0))
