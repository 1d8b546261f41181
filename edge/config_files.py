"""The files that ``site.toml`` names: whether they are there, readable, and right."""

from __future__ import annotations

import errno
import os
import ssl
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from controller import plan_json, site_json
from controller.intersection import Intersection
from controller.plan import TimingPlan, check_plan
from controller.violations import InvalidError
from edge import links_json
from edge.certificates import authorities_out_of_date, out_of_date
from edge.junction_control import green_faults
from edge.settings import (
    BrokerSettings,
    CabinetSettings,
    LinkTlsSettings,
    NeighbourSettings,
    StoreSettings,
)
from firmware_bridge import keys
from firmware_bridge.errors import SetupError
from optimizer.links import Link

Model = TypeVar("Model", bound=BaseModel)
Fault = tuple[str, str]
"""A key of the table, and what is wrong with its file."""


def absolute(table: Model, folder: Path) -> Model:
    """*table* with its relative paths taken from *folder*, where the configuration is."""
    changed = {
        name: (folder / value).absolute()
        for name, value in table
        if isinstance(value, Path) and not value.is_absolute()
    }
    return table.model_copy(update=changed) if changed else table


def missing(path: Path) -> str | None:
    """What keeps *path* from being read, or None."""
    if not path.exists():
        return f"there is no file {path}"
    if not path.is_file():
        return f"{path} is no file"
    if not os.access(path, os.R_OK):
        return f"{path} can't be read by this user: check its permissions"
    return None


def exposed(path: Path) -> list[str]:
    """A remark if others than its owner can read the secret in *path*."""
    if missing(path) is not None or not path.stat().st_mode & 0o077:
        return []
    return [f"others can read {path}: chmod 600 it"]


def table_remarks(table: BaseModel) -> list[str]:
    """What is worth a look at the files of a table that is no cabinet's."""
    remarks = [
        remark
        for name, value in table
        if name.endswith(("key_file", "password_file")) and isinstance(value, Path)
        for remark in exposed(value)
    ]
    if isinstance(table, BrokerSettings | LinkTlsSettings):
        remarks += _dates(table)
    return remarks


def _dates(table: BrokerSettings | LinkTlsSettings) -> Iterator[str]:
    """Certificates that the other end will not accept; no error, as the clock may be the one."""
    ca, cert, key = table.ca_file, table.cert_file, table.key_file
    with suppress(OSError):  # what can't be read or used is an error of its own
        if ca is not None and (why := authorities_out_of_date(ca, time.time())):
            yield f"ca_file: the certificate {ca} {why}: nobody that it vouches for is believed"
    with suppress(OSError):
        if cert is not None and key is not None and (why := out_of_date(cert, key)):
            yield f"cert_file: the certificate {cert} {why}: the other end will refuse it"


def table_faults(table: BaseModel) -> Iterator[Fault]:
    """What is wrong with the files of a table that is no cabinet's."""
    for name, value in table:
        if name.endswith("_file") and isinstance(value, Path):
            message = missing(value)
            if message is not None:
                yield name, message
    if isinstance(table, StoreSettings):
        yield from _store_faults(table.path)
    if isinstance(table, BrokerSettings | LinkTlsSettings):
        yield from _certificate_faults(table)


def _store_faults(path: Path) -> Iterator[Fault]:
    folder = path.parent
    if not folder.is_dir():
        yield "path", f"there is no folder {folder}: create it"
    elif path.is_dir():
        yield "path", f"{path} is a folder: name a file in it, such as {path / 'edge.db'}"
    elif not os.access(folder, os.W_OK) or (path.exists() and not os.access(path, os.W_OK)):
        yield "path", f"{path} can't be written by this user: check the permissions"
    elif not _takes_files(folder):
        yield "path", f"no file can be made in {folder}: name another folder"


def _takes_files(folder: Path) -> bool:
    """Tried out, as not every folder that may be written to can be. A full disk may get room."""
    try:
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError as error:
        return error.errno in {errno.ENOSPC, errno.EDQUOT}


def _certificate_faults(table: BrokerSettings | LinkTlsSettings) -> Iterator[Fault]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if table.ca_file is not None and missing(table.ca_file) is None:
        try:
            context.load_verify_locations(table.ca_file)
        except (ssl.SSLError, OSError):
            yield "ca_file", f"{table.ca_file} holds no certificate in PEM form"
    cert, key = table.cert_file, table.key_file
    if cert is None or key is None or missing(cert) or missing(key):
        return
    try:
        context.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", None) or str(error)
        yield "cert_file", f"{cert} and {key} are no certificate and its unencrypted key ({reason})"


def read_key(path: Path) -> tuple[bytes | None, str]:
    """The key in *path*, or what is wrong with it."""
    try:
        return keys.read_key(path), ""
    except SetupError as error:
        return None, str(error)


@dataclass(slots=True)
class CabinetFiles:
    """What the files of one cabinet say, and what is wrong with them."""

    site: Intersection | None = None
    plan: TimingPlan | None = None
    key: bytes | None = None
    faults: list[Fault] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def text(self, name: str, path: Path) -> str | None:
        """The text of *path*; what is wrong with it is noted under *name*."""
        message = missing(path)
        if message is None:
            try:
                return path.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                message = f"{path} is not text in UTF-8"
        self.faults.append((name, message))
        return None

    def invalid(self, name: str, path: Path, error: InvalidError) -> None:
        """Note every violation of *error* under *name*."""
        self.faults += [(name, f"{path.name}: {each}") for each in error.violations]


def read_cabinet(settings: CabinetSettings) -> CabinetFiles:
    """Read and check the site, the plan and the key of one cabinet."""
    read = CabinetFiles()
    _read_site(settings, read)
    _read_plan(settings, read)
    _check_greens(settings, read)
    message = missing(settings.key_file)
    if message is None:
        read.key, message = read_key(settings.key_file)
        read.remarks += exposed(settings.key_file)
    if message:
        read.faults.append(("key_file", message))
    return read


def _read_site(settings: CabinetSettings, read: CabinetFiles) -> None:
    text = read.text("site_file", settings.site_file)
    if text is None:
        return
    try:
        site = site_json.from_json(text)
    except InvalidError as error:
        read.invalid("site_file", settings.site_file, error)
        return
    if site.name != settings.name:
        message = f'{settings.site_file.name} is the site "{site.name}", not "{settings.name}"'
        read.faults.append(("site_file", message))
        return
    read.site = site


def _read_plan(settings: CabinetSettings, read: CabinetFiles) -> None:
    text = read.text("plan_file", settings.plan_file)
    if text is None:
        return
    try:
        plan = plan_json.from_json(text)
        if read.site is not None:
            check_plan(plan, read.site)
    except InvalidError as error:
        read.invalid("plan_file", settings.plan_file, error)
        return
    read.plan = plan
    if plan.offset_ms is None:
        read.remarks.append("its plan has no offset_ms, so that its fallback is not coordinated")


def _check_greens(settings: CabinetSettings, read: CabinetFiles) -> None:
    if read.site is not None:
        faults = green_faults(read.site, settings.greens_s)
        read.faults += [("greens_s", fault) for fault in faults]


def read_links(
    settings: NeighbourSettings, own: set[str]
) -> tuple[tuple[Link, ...], list[tuple[tuple[str, ...], str]], list[str]]:
    """Links that touch *own* cabinets, what is wrong by key path, and remarks."""
    problems: list[tuple[tuple[str, ...], str]] = []
    for edge, names in settings.edges.items():
        both = sorted(own.intersection(names))
        if both:
            problems.append((("edges", edge), f"{', '.join(both)} stands under [[cabinet]] too"))
    path = settings.links_file
    if path is None or missing(path) is not None:
        return (), problems, []
    try:
        links = links_json.from_json(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        return (), [*problems, (("links_file",), f"{path.name}: {error}")], []
    touching = tuple(each for each in links if {each.upstream, each.downstream} & own)
    known = own.union(*settings.edges.values())
    far = {end for each in touching for end in (each.upstream, each.downstream)} - known
    remarks = [f"neighbours: no edge is named for {name}" for name in sorted(far)]
    return touching, problems, remarks
