"""The files that daemon and cabinets are started with, as an engineer would write them."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controller import plan_json, site_json
from edge import links_json
from edge.junction_control import possible_greens
from sim.hil.errors import HilError
from sim.network import Junction, Network
from sim.network.links_between import links_between

CERTIFICATE_DAYS = 7
INDEX = "index.tsv"


@dataclass(frozen=True, slots=True)
class CabinetFiles:
    """The files of one cabinet.

    ``site`` is without start-up flash and red, as the bench runs every control; ``cold_site`` has
    both, for a cabinet that is started again in the middle of the traffic.
    """

    site: Path
    cold_site: Path
    plan: Path
    key: Path
    state: Path


@dataclass(frozen=True, slots=True)
class Papers:
    """Certificates for TLS; all in one folder, of one authority."""

    folder: Path

    @property
    def authority(self) -> Path:
        """Whose certificates are believed."""
        return self.folder / "ca.pem"

    def certificate(self, name: str) -> tuple[Path, Path]:
        """(certificate, key) of *name*: ``cabinet`` or ``edge``."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"


def write_cabinets(network: Network, folder: Path) -> dict[str, CabinetFiles]:
    """Site, plan and key of every junction, by its id.

    Names of files are numbers; :data:`INDEX` beside them says whose they are.
    """
    found, sites = {}, folder / "sites"
    for number, junction in enumerate(network.junctions):
        found[junction.id] = _write_cabinet(junction, sites, number)
    _write_index(found, sites / INDEX)
    return found


def _write_index(cabinets: Mapping[str, CabinetFiles], path: Path) -> None:
    """Whose files they are: a junction may be called what no file can be."""
    lines = ["junction\tsite\tsite with start-up flash and red\tplan\tkey\tlog"]
    for name, files in cabinets.items():
        log = files.state.with_suffix(".log")
        names = (files.site, files.cold_site, files.plan, files.key, log)
        lines.append("\t".join([name, *(each.name for each in names)]))
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _write_cabinet(junction: Junction, folder: Path, number: int) -> CabinetFiles:
    state = folder / f"{number}.state"
    state.mkdir(parents=True)
    files = CabinetFiles(
        site=folder / f"{number}.site.json",
        cold_site=folder / f"{number}.cold.site.json",
        plan=folder / f"{number}.plan.json",
        key=folder / f"{number}.key",
        state=state,
    )
    warm = replace(junction.intersection, startup_flash_ms=0, startup_red_ms=0)
    files.site.write_text(site_json.to_json(warm), encoding="utf-8")
    files.cold_site.write_text(site_json.to_json(junction.intersection), encoding="utf-8")
    files.plan.write_text(plan_json.to_json(junction.shipped_plan), encoding="utf-8")
    files.key.touch(0o600)
    files.key.write_text(secrets.token_hex(32) + "\n", encoding="ascii")
    return files


def write_links(network: Network, path: Path) -> None:
    """The streets between the junctions."""
    path.write_text(links_json.to_json(links_between(network)), encoding="utf-8")


@dataclass(frozen=True, slots=True)
class CabinetEntry:
    """One ``[[cabinet]]`` of ``site.toml``; *link* is where the daemon reaches it."""

    junction: Junction
    link: str
    unit: int
    files: CabinetFiles

    def lines(self) -> Mapping[str, object]:
        """Its keys and values."""
        values: dict[str, object] = {
            "name": self.junction.id,
            "site_file": self.files.site,
            "plan_file": self.files.plan,
            "link": self.link,
            "unit": self.unit,
            "key_file": self.files.key,
        }
        if self.junction.keep_order:
            greens_s = possible_greens(self.junction.intersection, self.junction.stage_greens_s)
            values |= {"keep_order": True, "greens_s": greens_s}
        return values


def write_site_toml(
    folder: Path,
    entries: Sequence[CabinetEntry],
    *,
    broker_url: str,
    http: str,
    papers: Papers | None,
    orders_key: bytes | None = None,
) -> Path:
    """``site.toml`` in *folder*, beside ``links.json``.

    With *orders_key* there is a centre, which signs its orders with it and confirms the log.
    """
    broker: dict[str, object] = {"url": broker_url, "confirmed_by": "broker"}
    if orders_key is not None:
        path = folder / "orders.key"
        path.touch(0o600)
        path.write_text(orders_key.hex() + "\n", encoding="ascii")
        broker |= {"confirmed_by": "centre", "orders_key_file": path}
    tables: list[tuple[str, Mapping[str, object]]] = [
        ("", {"name": "bench"}),
        ("[store]", {"path": "edge.db"}),
        ("[broker]", broker),
        ("[neighbours]", {"links_file": "links.json"}),
        ("[http]", {"bind": http}),
    ]
    if papers is not None:
        cert, key = papers.certificate("edge")
        files = {"ca_file": papers.authority, "cert_file": cert, "key_file": key}
        tables.append(("[link_tls]", files))
    tables += [("[[cabinet]]", entry.lines()) for entry in entries]
    path = folder / "site.toml"
    path.write_text("\n".join(_table(head, values) for head, values in tables), encoding="utf-8")
    return path


def _table(head: str, values: Mapping[str, object]) -> str:
    lines = [f"{key} = {_toml(value)}" for key, value in values.items()]
    return "\n".join([head, *lines] if head else lines) + "\n"


def _toml(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml(key)} = {_toml(each)}" for key, each in value.items())
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, tuple):
        return f"[{', '.join(_toml(each) for each in value)}]"
    if isinstance(value, float):
        return repr(value)
    # A text, a whole number and a truth value of JSON are those of TOML.
    plain = str(value) if isinstance(value, Path) else value
    return json.dumps(plain, ensure_ascii=False)


def write_papers(folder: Path) -> Papers:
    """Certificates for this machine, by openssl; raises :class:`HilError` without it."""
    if shutil.which("openssl") is None:
        raise HilError("--link tls needs certificates, which openssl makes: install openssl")
    folder.mkdir()
    papers = Papers(folder)
    _openssl(
        *("req", "-x509", *_NEW_KEY, "-keyout", "ca.key", "-out", "ca.pem"),
        *("-subj", "/CN=bench", "-days", str(CERTIFICATE_DAYS)),
        folder=folder,
    )
    for name in ("cabinet", "edge"):
        _openssl(
            *("req", *_NEW_KEY, "-keyout", f"{name}.key", "-out", f"{name}.csr"),
            *("-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            folder=folder,
        )
        _openssl(
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-days", str(CERTIFICATE_DAYS), "-copy_extensions", "copy", "-out", f"{name}.pem"),
            folder=folder,
        )
    return papers


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*words: str, folder: Path) -> None:
    done = subprocess.run(["openssl", *words], cwd=folder, capture_output=True, check=False)
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        raise HilError(f"openssl could make no certificate: {said[-1] if said else 'no word'}")
