"""``centre.toml``: everything that one centre needs to know, read and checked as a whole.

:func:`load` reads the file and every file that it names, and raises
:class:`~edge.errors.ConfigError` with all faults at once, each with its line.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from controller import site_json
from controller.intersection import Intersection
from controller.violations import InvalidError
from edge import config_files
from edge.centre import streets_json
from edge.centre.city import CityPlan
from edge.centre.requests import Agency
from edge.centre.settings import (
    AgencySettings,
    CentreSettings,
    SiteSettings,
    StateSettings,
    VehicleSettings,
)
from edge.centre.values import SiteFacts, Vehicle
from edge.config import read_toml
from edge.config_words import faults, unknown_key
from edge.corridors.streets import Streets
from edge.errors import ConfigError, Problem
from edge.settings import BrokerSettings
from edge.toml_lines import Path as KeyPath
from edge.toml_lines import line_of

Model = TypeVar("Model", bound=BaseModel)
_TOP = ("name", "streets_file")
_KNOWN = (*_TOP, "state", "broker", "site", "vehicle", "agency")


@dataclass(frozen=True, slots=True, kw_only=True)
class CentreConfig:
    """One centre, ready to run; all paths are absolute."""

    plan: CityPlan
    agencies: tuple[Agency, ...] = field(default=())
    remarks: tuple[str, ...] = ()
    """What is allowed but worth a look."""


def load(path: Path) -> CentreConfig:
    """The configuration in *path*; raises :class:`ConfigError` naming every fault with its line."""
    content, lines = read_toml(path)
    return _Reading(path, content, lines).result()


@dataclass(frozen=True, slots=True)
class _Named:
    """One table of an array: which, and what stands in it."""

    number: int
    settings: Any


class _Reading:
    """One file on its way to a :class:`CentreConfig`; collects what is wrong."""

    def __init__(
        self, path: Path, content: Mapping[str, Any], lines: Mapping[KeyPath, int]
    ) -> None:
        self._path = path
        self._content = content
        self._lines = lines
        self._problems: list[Problem] = []
        self._remarks: list[str] = []

    def result(self) -> CentreConfig:
        for key in self._content:
            if key not in _KNOWN:
                self._problem((key,), "file", unknown_key(key, _KNOWN))
        own = {key: self._content[key] for key in _TOP if key in self._content}
        top = self._table(CentreSettings, (), own, "file")
        state = self._required(StateSettings, "state")
        if state is not None:
            self._check_state(state.path)
        broker = self._required(BrokerSettings, "broker")
        sites = self._array("site", SiteSettings)
        vehicles = self._array("vehicle", VehicleSettings)
        agencies = self._array("agency", AgencySettings)
        if not self._content.get("site"):
            self._problem(("site",), "site", "there is none: add [[site]] for each junction")
        orders_key = self._orders_key(broker)
        streets = None if top is None else self._streets(top.streets_file)
        read = self._read_sites(sites)
        signed = self._read_agencies(agencies, orders_key)
        if streets is not None:
            self._check_streets(streets, sites, read, vehicles)
        if self._problems:
            raise ConfigError(str(self._path), sorted(set(self._problems)))
        assert top and state and broker and orders_key and streets
        if not vehicles:
            self._remarks.append("there is no [[vehicle]]: nobody can open a corridor")
        plan = CityPlan(
            name=top.name,
            streets=streets,
            sites={each.settings.name: _facts(each.settings, streets, read) for each in sites},
            edge_of={each.settings.name: each.settings.edge for each in sites},
            vehicles={each.settings.name: _vehicle(each.settings) for each in vehicles},
            broker=broker,
            orders_key=orders_key,
            folder=state.path,
        )
        return CentreConfig(plan=plan, agencies=signed, remarks=tuple(self._remarks))

    def _problem(self, path: KeyPath, where: str, message: str) -> None:
        self._problems.append(Problem(line_of(self._lines, path), where, message))

    def _table(self, model: type[Model], path: KeyPath, raw: object, where: str) -> Model | None:
        """The table with absolute paths, or None once its faults are noted."""
        try:
            made = config_files.absolute(model.model_validate(raw), self._path.parent)
        except ValidationError as error:
            for inner, message in faults(error, model):
                place = ".".join((where, *map(str, inner)))
                self._problem((*path, *inner), place, message)
            return None
        for name, message in config_files.table_faults(made):
            self._problem((*path, name), f"{where}.{name}", message)
        self._remarks += [f"{where}: {each}" for each in config_files.table_remarks(made)]
        return made

    def _required(self, model: type[Model], key: str) -> Model | None:
        if key not in self._content:
            self._problem((), "file", f"there is no [{key}]: add it")
            return None
        return self._table(model, (key,), self._content[key], key)

    def _check_state(self, folder: Path) -> None:
        if folder.exists() and not folder.is_dir():
            self._problem(("state", "path"), "state.path", f"{folder} is no folder")
        elif not folder.parent.is_dir():
            message = f"there is no folder {folder.parent}: create it"
            self._problem(("state", "path"), "state.path", message)
        elif not os.access(folder if folder.exists() else folder.parent, os.W_OK):
            message = f"{folder} can't be written by this user: check the permissions"
            self._problem(("state", "path"), "state.path", message)

    def _array(self, key: str, model: type[BaseModel]) -> list[_Named]:
        raw = self._content.get(key, [])
        if not isinstance(raw, list):
            self._problem((key,), key, f"write [[{key}]] for each one")
            return []
        found: list[_Named] = []
        first: dict[str, int] = {}
        for k, each in enumerate(raw):
            name = each.get("name") if isinstance(each, dict) else None
            where = f'{key} "{name}"' if isinstance(name, str) else f"{key} {k + 1}"
            made = self._table(model, (key, k), each, where)
            if made is None:
                continue
            if name in first:
                line = line_of(self._lines, (key, first[name]))
                self._problem((key, k, "name"), where, f"the name is that of line {line} too")
                continue
            first[str(name)] = k
            found.append(_Named(k, made))
        return found

    def _orders_key(self, broker: BrokerSettings | None) -> bytes | None:
        if broker is None:
            return None
        if broker.orders_key_file is None:
            message = "it is missing: name the file with the key that the edges know"
            self._problem(("broker",), "broker.orders_key_file", message)
            return None
        return self._key(("broker", "orders_key_file"), "broker", broker.orders_key_file)

    def _key(self, path: KeyPath, where: str, file: Path) -> bytes | None:
        if config_files.missing(file) is not None:
            return None  # noted with the table
        key, message = config_files.read_key(file)
        if key is None:
            self._problem(path, f"{where}.{path[-1]}", message)
        return key

    def _text(self, path: KeyPath, where: str, file: Path) -> str | None:
        if config_files.missing(file) is not None:
            return None
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            self._problem(path, where, f"{file} is not text in UTF-8")
            return None

    def _streets(self, file: Path) -> Streets | None:
        text = self._text(("streets_file",), "streets_file", file)
        if text is None:
            return None
        try:
            return streets_json.from_json(text)
        except InvalidError as error:
            for each in error.violations:
                self._problem(("streets_file",), "streets_file", f"{file.name}: {each}")
            return None

    def _read_sites(self, sites: list[_Named]) -> dict[str, Intersection]:
        read = {}
        for each in sites:
            settings, path = each.settings, ("site", each.number, "site_file")
            where, file = f'site "{settings.name}"', settings.site_file
            text = self._text(path, where, file)
            if text is None:
                continue
            try:
                site = site_json.from_json(text)
            except InvalidError as error:
                for fault in error.violations:
                    self._problem(path, where, f"{file.name}: {fault}")
                continue
            if site.name != settings.name:
                message = f'{file.name} is the site "{site.name}", not "{settings.name}"'
                self._problem(path, where, message)
                continue
            for stage in sorted(settings.stage_labels.keys() - site.mask_of_stage.keys()):
                place = ("site", each.number, "stage_labels")
                self._problem(place, where, f"stage_labels: there is no stage {stage!r}")
            read[site.name] = site
        return read

    def _read_agencies(
        self, agencies: list[_Named], orders_key: bytes | None
    ) -> tuple[Agency, ...]:
        owners: dict[bytes, str] = {} if orders_key is None else {orders_key: "the orders"}
        found = []
        for each in agencies:
            settings = each.settings
            where, keys = f'agency "{settings.name}"', []
            for name in ("key_file", "next_key_file"):
                file = getattr(settings, name)
                path: KeyPath = ("agency", each.number, name)
                key = None if file is None else self._key(path, where, file)
                if key is None:
                    continue
                if owners.setdefault(key, settings.name) != settings.name:
                    message = f"it is the key of {owners[key]} too: make another one"
                    self._problem(path, f"{where}.{name}", message)
                keys.append(key)
            verbs = frozenset(settings.allow)
            found.append(Agency(name=settings.name, keys=tuple(keys), verbs=verbs))
            if "open" in verbs and "cancel" not in verbs:
                self._remarks.append(f"{where}: it may open a corridor and not cancel it")
        return tuple(found)

    def _check_streets(
        self,
        streets: Streets,
        sites: list[_Named],
        read: Mapping[str, Intersection],
        vehicles: list[_Named],
    ) -> None:
        unread = {each.settings.name for each in sites} - read.keys()
        if not unread:  # else every turn there would be a fault as well
            for fault in streets_json.site_faults(streets, read):
                self._problem(("streets_file",), "streets_file", fault)
        for each in vehicles:
            street = each.settings.street
            if street and street not in streets.streets:
                where = f'vehicle "{each.settings.name}"'
                path = ("vehicle", each.number, "street")
                self._problem(path, where, f"there is no street {street!r} in the street map")
        for name in _unpassed(streets, sites):
            self._remarks.append(f'site "{name}": no street of the map leads through it')


def _unpassed(streets: Streets, sites: list[_Named]) -> Iterator[str]:
    passed = {turn.site for each in streets.turns.values() for turn in each}
    for each in sites:
        if each.settings.name not in passed:
            yield each.settings.name


def _facts(settings: SiteSettings, streets: Streets, read: Mapping[str, Intersection]) -> SiteFacts:
    site = read[settings.name]
    return SiteFacts(
        name=settings.name,
        label=settings.label or settings.name,
        position=settings.position_m,
        intersection=site,
        stage_labels=settings.stage_labels,
        lane_streets=streets_json.lane_streets(streets, site),
    )


def _vehicle(settings: VehicleSettings) -> Vehicle:
    return Vehicle(
        name=settings.name,
        label=settings.label or settings.name,
        role=settings.role,
        level=settings.level,
        street=settings.street,
    )
