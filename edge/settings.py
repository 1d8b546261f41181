"""What may stand in ``site.toml``, table by table. All values are frozen; unknown keys are errors.

``examples`` of a field are what an error message proposes when the key is missing.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from firmware_bridge.ends import End, SerialEnd, parse_end
from firmware_bridge.errors import SetupError
from optimizer.bounds import CYCLE_MAX_S

CABINETS_MAX = 200
PORT_MAX = 65_535
DEFAULT_BROKER_PORTS = {"mqtt": 1883, "mqtts": 8883}


class Table(BaseModel):
    """One table: frozen, and every key known."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


def _to_path(value: object) -> object:
    return Path(value) if isinstance(value, str) and value else value


def _values_to_tuples(value: object) -> object:
    if not isinstance(value, dict):
        return value
    return {k: tuple(v) if isinstance(v, list) else v for k, v in value.items()}


def _green_fault(pair: object) -> str:
    """What is wrong with the shortest and longest green of one stage; empty if nothing is."""
    if not isinstance(pair, list | tuple) or not all(type(each) in {int, float} for each in pair):
        return "write the shortest and the longest green in seconds, such as [8, 45]"
    if len(pair) != 2:
        return f"two numbers are needed, the shortest and the longest green; here are {len(pair)}"
    least_s, most_s = pair
    for what, green_s in (("shortest", least_s), ("longest", most_s)):
        is_endless = what == "longest" and green_s == math.inf
        if not (0 <= green_s <= CYCLE_MAX_S or is_endless):  # not: for NaN
            return f"the {what} green, {green_s:g} s, is outside 0..{CYCLE_MAX_S:g} s"
    if least_s > most_s:
        return f"the shortest green, {least_s:g} s, is above the longest, {most_s:g} s"
    return ""


class TableWithFiles(Table):
    """One whose ``path`` and ``…_file`` are paths."""

    @field_validator("*", mode="before")
    @classmethod
    def _texts_to_paths(cls, value: object, info: object) -> object:
        name = getattr(info, "field_name", "")
        return _to_path(value) if name == "path" or name.endswith("_file") else value


class StoreSettings(TableWithFiles):
    """The local database: where, and how long what is kept."""

    path: Path = Field(examples=["/var/lib/greenband/edge.db"])
    counts_days: int = Field(default=90, ge=1, le=3650)
    events_days: int = Field(default=14, ge=1, le=3650)
    audit_days: int = Field(default=365, ge=1, le=36500)
    outbox_mb: int = Field(default=1024, ge=1, le=1_000_000)
    """Most that waits for a broker or a centre that is away."""


class BrokerSettings(TableWithFiles):
    """The MQTT broker, and who confirms what was sent."""

    url: str = Field(examples=["mqtts://broker.example:8883"])
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    username: str | None = None
    password_file: Path | None = None
    orders_key_file: Path | None = None
    """Key of the centre's signed orders; without it every order is refused."""
    orders_next_key_file: Path | None = None
    """A second key that counts as well, while keys are being changed."""
    confirmed_by: Literal["centre", "broker"] = "centre"
    """``broker``: where no centre confirms what it has stored, the broker's word is enough."""
    keepalive_s: int = Field(default=15, ge=5, le=600)

    @field_validator("url")
    @classmethod
    def _is_broker_url(cls, value: str) -> str:
        try:
            url = urlsplit(value)
            good = url.scheme in DEFAULT_BROKER_PORTS and bool(url.hostname) and url.port != 0
        except ValueError:
            good = False
        if not good or urlsplit(value).path.strip("/"):
            raise ValueError(f'"{value}" is no broker: write mqtt://HOST:PORT or mqtts://HOST:PORT')
        if "@" in urlsplit(value).netloc:
            raise ValueError("a password has no place in a URL: use username and password_file")
        return value

    @model_validator(mode="after")
    def _tls_fits(self) -> BrokerSettings:
        if self.is_tls and self.ca_file is None:
            raise ValueError("mqtts needs ca_file, the certificate that vouches for the broker")
        if not self.is_tls and (self.ca_file or self.cert_file or self.key_file):
            raise ValueError("certificates are given, but mqtt:// is not encrypted: write mqtts://")
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file go together: give both or none")
        if (self.username is None) != (self.password_file is None):
            raise ValueError("username and password_file go together: give both or none")
        return self

    @property
    def is_tls(self) -> bool:
        """Whether the connection is encrypted."""
        return urlsplit(self.url).scheme == "mqtts"

    @property
    def host(self) -> str:
        """Name or address of the broker."""
        return urlsplit(self.url).hostname or ""

    @property
    def port(self) -> int:
        """Its port."""
        url = urlsplit(self.url)
        return url.port or DEFAULT_BROKER_PORTS[url.scheme]


class ControlSettings(Table):
    """The adaptive control and the conditions under which it steps down and up."""

    adaptive: bool = True
    """False: cabinets run their plans by clock, and the edge only looks and reports."""
    max_green_s: int = Field(default=90, ge=5, le=600)
    max_wait_s: float = Field(default=120.0, ge=10.0, le=600.0)
    schedule_ttl_ms: int = Field(default=5_000, ge=4_000, le=30_000)
    """How long a cabinet follows the last schedule when nothing more comes."""
    budget_ms: int = Field(default=500, ge=10, le=1_000)
    """What deciding for one cabinet may take."""
    detection_min: float = Field(default=0.25, ge=0.0, le=1.0)
    """Below this part of working detectors a cabinet runs its plan by clock."""


class NeighbourSettings(TableWithFiles):
    """Streets between junctions, and which other edges look after the far ends."""

    links_file: Path | None = None
    edges: dict[str, tuple[str, ...]] = Field(default_factory=dict)

    @field_validator("edges", mode="before")
    @classmethod
    def _lists_to_tuples(cls, value: object) -> object:
        return _values_to_tuples(value)


class LinkTlsSettings(TableWithFiles):
    """Certificates for cabinets behind ``tls://``."""

    ca_file: Path = Field(examples=["certs/cabinets-ca.pem"])
    cert_file: Path = Field(examples=["certs/edge.pem"])
    key_file: Path = Field(examples=["certs/edge.key"])


class HttpSettings(Table):
    """Where health and metrics are served."""

    bind: str = "127.0.0.1:9109"

    @field_validator("bind")
    @classmethod
    def _is_host_and_port(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not host or not port.isdecimal() or int(port) > PORT_MAX:
            raise ValueError(f'"{value}" is not HOST:PORT, for example 127.0.0.1:9109')
        return value

    @property
    def host(self) -> str:
        """Address to listen on."""
        return self.bind.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """Port to listen on; 0 takes a free one."""
        return int(self.bind.rpartition(":")[2])


class LoggingSettings(Table):
    """What is logged, and how it looks."""

    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["json", "text"] = "json"


class CabinetSettings(TableWithFiles):
    """One cabinet as it stands in the file."""

    name: str = Field(min_length=1, max_length=200, examples=["J1"])
    site_file: Path = Field(examples=["sites/J1.site.json"])
    plan_file: Path = Field(examples=["sites/J1.plan.json"])
    link: str = Field(examples=["tcp://10.0.0.11:502"])
    unit: int = Field(ge=1, le=247, examples=[1])
    key_file: Path = Field(examples=["keys/J1.key"])
    keep_order: bool = False
    """The stages have to follow each other as in the plan: one controller over several nodes."""
    greens_s: dict[str, tuple[float, float]] = Field(default_factory=dict)
    """By stage, the shortest and the longest green that adaptive control may give."""

    @field_validator("greens_s", mode="before")
    @classmethod
    def _to_pairs(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        faults = [f"stage {k}: {fault}" for k, v in value.items() if (fault := _green_fault(v))]
        if faults:
            raise ValueError("; ".join(faults))
        return _values_to_tuples(value)

    @field_validator("link")
    @classmethod
    def _is_link(cls, value: str) -> str:
        nowhere = Path()
        try:
            end = parse_end(value, (nowhere, nowhere, nowhere))
        except SetupError as error:
            raise ValueError(str(error)) from None
        if not isinstance(end, SerialEnd) and not 0 < end.port <= PORT_MAX:
            raise ValueError(f"{value!r} has no port from 1 to {PORT_MAX}")
        unknown = sorted(dict(parse_qsl(urlsplit(value).query)).keys() - {"baud", "parity"})
        if unknown:
            raise ValueError(f"{value!r}: unknown {', '.join(unknown)} (known: baud, parity)")
        return value

    def end(self, tls: LinkTlsSettings | None) -> End:
        """Where it is reached; raises :class:`~firmware_bridge.errors.SetupError`."""
        files = None if tls is None else (tls.cert_file, tls.key_file, tls.ca_file)
        return parse_end(self.link, files)

    @property
    def is_tls(self) -> bool:
        """Whether its link is encrypted."""
        return self.link.startswith("tls:")


EDGE_NAME = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class EdgeNameSettings(Table):
    """The keys that stand before any table."""

    name: EDGE_NAME = Field(examples=["north-1"])
