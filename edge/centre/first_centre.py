"""The first folder of a centre: its file with every key explained, the map, sites and keys."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from edge.centre.values import SiteFacts, Vehicle
from firmware_bridge.keys import new_key

FILE, STREETS = "centre.toml", "streets.json"
EDGE, AGENCY = "edge-1", "dispatch"
_OWNER_ONLY = 0o600
_HEAD = """\
# One centre: its map, the junctions, and who may ask. Check it with: greenband centre check {file}
# Paths are taken from the folder of this file. Keys that are commented out show their defaults.

# Letters, digits, and - _ . between them.
name = {name}
streets_file = "{streets}"

# What it remembers: logs of the edges, plans, tokens, the audit.
[state]
path = "state"

[broker]
url = "mqtt://127.0.0.1:1883"  # of a city: mqtts://HOST:8883, with the three files
# ca_file = "certs/ca.pem"
# cert_file = "certs/centre.pem"
# key_file = "certs/centre.key"
# username = "centre"
# password_file = "keys/broker.password"
orders_key_file = "keys/orders.key"  # the same as in the file of every edge
# keepalive_s = 15

# Who may ask for corridors by MQTT, each with a key of its own (openssl rand -hex 32). Without
# any, only the pages and the HTTP interface are open.
[[agency]]
name = "{agency}"
key_file = "keys/{agency}.key"
# next_key_file = "keys/{agency}-next.key"  # counts as well, while keys are being changed
# allow = ["preview", "open", "position", "reroute", "cancel", "end"]
"""


def toml(
    name: str,
    sites: Iterable[SiteFacts],
    site_files: Mapping[str, str],
    vehicles: Iterable[Vehicle],
) -> str:
    """``centre.toml`` for *sites*, all of one edge; *site_files* by site, below the folder."""
    head = _HEAD.format(file=FILE, name=_quoted(name), streets=STREETS, agency=AGENCY)
    tables = [head, "# Vehicles that corridors may be opened for; level 0 to 14 is the most."]
    tables += [_table("vehicle", _vehicle(each)) for each in vehicles]
    tables += ["# The junctions, and the edge that drives the cabinet of each.\n"]
    tables += [_table("site", _site(each, site_files[each.name])) for each in sites]
    return "\n".join(tables)


def write_keys(folder: Path) -> None:
    """New keys for the orders and the first agency, for their owner only; kept if they are there.

    Raises :class:`OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("orders", AGENCY):
        path = folder / f"{name}.key"
        if path.exists():
            continue
        handle = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, _OWNER_ONLY)
        with os.fdopen(handle, "w") as file:
            file.write(f"{new_key().hex()}\n")


def _vehicle(each: Vehicle) -> Iterator[tuple[str, object]]:
    yield from (("name", each.name), ("label", each.label), ("role", each.role))
    yield "level", each.level
    if each.street:
        yield "street", each.street


def _site(each: SiteFacts, file: str) -> Iterator[tuple[str, object]]:
    yield from (("name", each.name), ("label", each.label), ("edge", EDGE), ("site_file", file))
    yield "position_m", [round(part, 1) for part in each.position]
    if each.stage_labels:
        yield "stage_labels", each.stage_labels


def _table(kind: str, rows: Iterable[tuple[str, object]]) -> str:
    lines = "".join(f"{key} = {_value(value)}\n" for key, value in rows)
    return f"[[{kind}]]\n{lines}"


def _value(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_quoted(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return _quoted(value)


def _quoted(value: object) -> str:
    """What JSON and TOML write alike: texts, numbers, lists of them."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
