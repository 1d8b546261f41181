"""What may stand in ``centre.toml``, table by table. Unknown keys are errors."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated

from pydantic import Field, field_validator

from edge.centre.requests import VERBS, Verb
from edge.settings import EDGE_NAME, TableWithFiles

LEVEL_MAX = 14
NAME = Annotated[str, Field(min_length=1, max_length=200)]


class CentreSettings(TableWithFiles):
    """The keys that stand before any table."""

    name: EDGE_NAME = Field(examples=["city"])
    streets_file: Path = Field(examples=["streets.json"])


class StateSettings(TableWithFiles):
    """The folder of what a centre remembers: logs of the edges, plans, tokens, the audit."""

    path: Path = Field(examples=["state"])


class SiteSettings(TableWithFiles):
    """One junction, and the edge that drives its cabinet."""

    name: NAME = Field(examples=["J1"])
    edge: EDGE_NAME = Field(examples=["north-1"])
    site_file: Path = Field(examples=["sites/J1.site.json"])
    label: str = Field(default="", max_length=200)
    position_m: tuple[float, float] = Field(examples=[[0.0, 0.0]])
    stage_labels: dict[str, str] = Field(default_factory=dict)

    @field_validator("position_m", mode="before")
    @classmethod
    def _is_place(cls, value: object) -> object:
        numbers = value if isinstance(value, list) else []
        good = len(numbers) == 2 and all(type(each) in {int, float} for each in numbers)
        if not good or not all(math.isfinite(each) for each in numbers):
            raise ValueError("write the place on the map in metres, such as [120.0, 80.5]")
        return tuple(map(float, numbers))

    @field_validator("name")
    @classmethod
    def _fits_an_address(cls, value: str) -> str:
        if "/" in value:
            raise ValueError('leave out "/": the name is a part of addresses')
        return value

    @field_validator("edge")
    @classmethod
    def _is_free(cls, value: str) -> str:
        if value == "corridors":
            raise ValueError('an edge can\'t be called "corridors": its topics are taken')
        return value


class VehicleSettings(TableWithFiles):
    """A vehicle that corridors may be opened for, and how urgent it may be at most."""

    name: NAME = Field(examples=["ambulance-1"])
    label: str = Field(default="", max_length=200)
    role: NAME = Field(examples=["ambulance"])
    level: int = Field(ge=0, le=LEVEL_MAX, examples=[12])
    street: str = ""


class AgencySettings(TableWithFiles):
    """Who may ask for corridors by MQTT, signed with a key of its own."""

    name: EDGE_NAME = Field(examples=["ambulances"])
    key_file: Path = Field(examples=["keys/ambulances.key"])
    next_key_file: Path | None = None
    """A second key that counts as well, while keys are being changed."""
    allow: tuple[Verb, ...] = VERBS

    @field_validator("allow", mode="before")
    @classmethod
    def _list_to_tuple(cls, value: object) -> object:
        return tuple(value) if isinstance(value, list) else value
