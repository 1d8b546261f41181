"""A folder with all that a site file names, for cabinets that are all the same crossroads."""

from __future__ import annotations

import subprocess
from pathlib import Path

from controller import plan_json, site_json
from controller.plan import PlanStage, TimingPlan
from tests.controller.crossroads import CYCLE_MS, crossroads

KEY = "5a" * 32


def plan(site: str, **changes: object) -> TimingPlan:
    fields: dict[str, object] = {
        "site": site,
        "name": "day",
        "cycle_ms": CYCLE_MS,
        "offset_ms": 0,
        "stages": (
            PlanStage(stage="A", split_ms=30_000),
            PlanStage(stage="B", split_ms=30_000),
        ),
    }
    return TimingPlan(**(fields | changes))  # type: ignore[arg-type]


def write_cabinet_files(folder: Path, name: str) -> None:
    site = crossroads(name=name, startup_red_ms=0)
    (folder / f"{name}.site.json").write_text(site_json.to_json(site))
    (folder / f"{name}.plan.json").write_text(plan_json.to_json(plan(name)))
    key = folder / f"{name}.key"
    key.write_text(KEY + "\n")
    key.chmod(0o600)


def cabinet_table(name: str, link: str = "tcp://127.0.0.1:1502", unit: int = 1) -> str:
    return (
        "[[cabinet]]\n"
        f'name = "{name}"\n'
        f'site_file = "{name}.site.json"\n'
        f'plan_file = "{name}.plan.json"\n'
        f'link = "{link}"\n'
        f"unit = {unit}\n"
        f'key_file = "{name}.key"\n'
    )


HEAD = 'name = "north-1"\n[store]\npath = "edge.db"\n[broker]\nurl = "mqtt://127.0.0.1:1883"\n'


def write_site(folder: Path, text: str, *names: str) -> Path:
    for name in names:
        write_cabinet_files(folder, name)
    path = folder / "site.toml"
    path.write_text(text)
    return path


def make_certificates(folder: Path, *names: str, days: int = 2) -> None:
    """ca.pem, and NAME.pem and NAME.key for each of *names*, also good for 127.0.0.1."""
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
    _openssl(folder, "req", "-x509", *key, "-subj", "/CN=ca", "-keyout", "ca.key", "-out", "ca.pem")
    (folder / "names.cnf").write_text("subjectAltName = IP:127.0.0.1, DNS:localhost\n")
    for name in names:
        request = ["-subj", f"/CN={name}", "-keyout", f"{name}.key", "-out", f"{name}.csr"]
        _openssl(folder, "req", *key[:-2], *request)
        _openssl(
            folder,
            *("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", str(days)),
            *("-extfile", "names.cnf", "-out", f"{name}.pem"),
        )


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
