"""``site.toml``: everything that one edge needs to know, read and checked as a whole.

:func:`load` reads the file and every file that it names, and raises
:class:`~edge.errors.ConfigError` with all faults at once, each with its line, so that an engineer
mends a file once and not ten times.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from controller.intersection import Intersection
from controller.plan import TimingPlan
from edge import config_files
from edge.config_words import faults, unknown_key
from edge.errors import ConfigError, Problem
from edge.settings import (
    CABINETS_MAX,
    BrokerSettings,
    CabinetSettings,
    ControlSettings,
    EdgeNameSettings,
    HttpSettings,
    LinkTlsSettings,
    LoggingSettings,
    NeighbourSettings,
    StoreSettings,
)
from edge.toml_lines import Path as KeyPath
from edge.toml_lines import key_lines, line_of
from firmware_bridge.ends import End
from optimizer.links import Link

Model = TypeVar("Model", bound=BaseModel)
_TABLES: Mapping[str, type[BaseModel]] = {
    "store": StoreSettings,
    "broker": BrokerSettings,
    "control": ControlSettings,
    "neighbours": NeighbourSettings,
    "link_tls": LinkTlsSettings,
    "http": HttpSettings,
    "logging": LoggingSettings,
}
_OPTIONAL = ("control", "neighbours", "http", "logging")
_LEFT_OUT = {
    "store": "nothing is kept, and no plan is remembered",
    "broker": "nobody hears of it, and no order can come",
}
"""Tables without which an edge still controls, and what it then lacks."""
_KNOWN = ("name", *_TABLES, "cabinet")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cabinet:
    """One cabinet with what its files say."""

    name: str
    link: End
    unit: int
    site: Intersection
    plan: TimingPlan
    """Has passed :func:`controller.plan.check_plan` for the site."""
    key: bytes = field(repr=False)
    """Signs what is uploaded to the cabinet."""
    keep_order: bool = False
    greens_s: Mapping[str, tuple[float, float]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeConfig:
    """One edge, ready to run; all paths are absolute."""

    name: str
    cabinets: tuple[Cabinet, ...]
    store: StoreSettings | None
    broker: BrokerSettings | None
    control: ControlSettings
    neighbours: NeighbourSettings
    http: HttpSettings
    logging: LoggingSettings
    link_tls: LinkTlsSettings | None = None
    links: tuple[Link, ...] = ()
    """Those that begin or end at one of the cabinets."""
    order_keys: tuple[bytes, ...] = field(default=(), repr=False)
    remarks: tuple[str, ...] = ()
    """What is allowed but worth a look."""


def load(path: Path) -> EdgeConfig:
    """The configuration in *path*; raises :class:`ConfigError` naming every fault with its line."""
    content, lines = read_toml(path)
    return _Reading(path, content, lines).result()


def read_toml(path: Path) -> tuple[dict[str, Any], Mapping[KeyPath, int]]:
    """What a TOML file says, and on which line each key stands; raises :class:`ConfigError`."""
    try:
        text = path.read_text(encoding="utf-8-sig")  # some editors begin with a byte order mark
    except OSError as error:
        reason = error.strerror or str(error)
        raise ConfigError(str(path), [Problem(1, "file", f"{reason}: check the path")]) from None
    except UnicodeDecodeError:
        raise ConfigError(str(path), [Problem(1, "file", "it is not text in UTF-8")]) from None
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(path), [_syntax(error)]) from None
    return content, key_lines(text)


def _syntax(error: tomllib.TOMLDecodeError) -> Problem:
    message, _, place = str(error).partition(" (at line ")
    line = place.partition(",")[0]
    # Newer readers have the number as an attribute, and say "(at end of document)".
    number = int(line) if line.isdecimal() else getattr(error, "lineno", 1)
    return Problem(number, "file", f"it is not TOML: {message}")


class _Reading:
    """One file on its way to an :class:`EdgeConfig`; collects what is wrong."""

    def __init__(
        self, path: Path, content: Mapping[str, Any], lines: Mapping[KeyPath, int]
    ) -> None:
        self._path = path
        self._content = content
        self._lines = lines
        self._problems: list[Problem] = []
        self._remarks: list[str] = []

    def result(self) -> EdgeConfig:
        self._check_top()
        name = self._table(EdgeNameSettings, (), self._named())
        tables = {key: self._optional_table(key) for key in _TABLES}
        settings = self._cabinets()
        self._check_files(tables)
        if "broker" in self._content and "store" not in self._content:
            message = (
                "what is sent waits in the store until it is confirmed: add [store], with path"
            )
            self._problem(("broker",), "broker", message)
        cabinets = self._read_cabinets(settings, tables)
        links, order_keys = self._read_others(tables, settings)
        if self._problems:
            raise ConfigError(str(self._path), self._problems)
        assert name is not None
        return EdgeConfig(
            name=name.name,
            cabinets=tuple(cabinets),
            links=links,
            order_keys=order_keys,
            remarks=tuple(self._remarks),
            **tables,
        )

    def _problem(self, path: KeyPath, where: str, message: str) -> None:
        self._problems.append(Problem(line_of(self._lines, path), where, message))

    def _check_top(self) -> None:
        for key in self._content:
            if key not in _KNOWN:
                self._problem((key,), "file", unknown_key(key, _KNOWN))

    def _named(self) -> dict[str, Any]:
        return {key: value for key, value in self._content.items() if key == "name"}

    def _table(self, model: type[Model], path: KeyPath, raw: object) -> Model | None:
        try:
            return model.model_validate(raw)
        except ValidationError as error:
            found = list(faults(error, model))
        for inner, message in found:
            where = ".".join(str(part) for part in (*_shown(path, raw), *inner)) or "file"
            self._problem((*path, *inner), where, message)
        if not isinstance(raw, dict):
            return None
        rest = {key: each for key, each in raw.items() if all(key not in i for i, _ in found)}
        try:
            # The rest of the table is looked at too: its faults are to be named in the same run.
            return model.model_validate(rest)
        except ValidationError:
            self._check_named_files(path, rest)
            return None

    def _check_named_files(self, path: KeyPath, raw: Mapping[str, object]) -> None:
        for key, value in raw.items():
            if key.endswith("_file") and isinstance(value, str):
                message = config_files.missing(self._path.parent / value)
                if message is not None:
                    self._problem((*path, key), ".".join((*_shown(path, raw), key)), message)

    def _optional_table(self, key: str) -> Any:  # noqa: ANN401 - a model of _TABLES
        if key in self._content:
            made = self._table(_TABLES[key], (key,), self._content[key])
            return None if made is None else config_files.absolute(made, self._path.parent)
        if key in _OPTIONAL:
            return _TABLES[key]()
        if key in _LEFT_OUT:
            self._remarks.append(f"there is no [{key}]: {_LEFT_OUT[key]}")
        return None

    def _cabinets(self) -> list[tuple[int, CabinetSettings]]:
        raw = self._content.get("cabinet")
        if not isinstance(raw, list) or not raw:
            self._problem(("cabinet",), "cabinet", "there is none: add [[cabinet]] for each one")
            return []
        if len(raw) > CABINETS_MAX:
            message = f"{len(raw)} cabinets: one edge has at most {CABINETS_MAX}, start another"
            self._problem(("cabinet", CABINETS_MAX), "cabinet", message)
        cabinets = []
        for k, each in enumerate(raw):
            made = self._table(CabinetSettings, ("cabinet", k), each)
            if made is not None:
                cabinets.append((k, config_files.absolute(made, self._path.parent)))
        for k, other, key, what in _twice(cabinets):
            line = line_of(self._lines, ("cabinet", other))
            where = f'cabinet "{dict(cabinets)[k].name}"'
            self._problem(("cabinet", k, key), where, f"{what} is that of line {line} too")
        return cabinets

    def _check_files(self, tables: Mapping[str, BaseModel | None]) -> None:
        for key, table in tables.items():
            if table is not None:
                for name, message in config_files.table_faults(table):
                    self._problem((key, name), f"{key}.{name}", message)
                self._remarks += [f"{key}: {each}" for each in config_files.table_remarks(table)]

    def _read_cabinets(
        self, settings: Sequence[tuple[int, CabinetSettings]], tables: Mapping[str, Any]
    ) -> list[Cabinet]:
        cabinets = []
        for k, each in settings:
            where = f'cabinet "{each.name}"'
            read = config_files.read_cabinet(each)
            for name, message in read.faults:
                self._problem(("cabinet", k, name), where, message)
            self._remarks += [f"{where}: {remark}" for remark in read.remarks]
            tls = tables["link_tls"]
            if each.is_tls and tls is None:
                if "link_tls" not in self._content:
                    message = "tls:// needs certificates: add the table [link_tls]"
                    self._problem(("cabinet", k, "link"), where, message)
                continue
            if read.site is not None and read.plan is not None and read.key is not None:
                cabinets.append(
                    Cabinet(
                        name=each.name,
                        link=each.end(tls),
                        unit=each.unit,
                        site=read.site,
                        plan=read.plan,
                        key=read.key,
                        keep_order=each.keep_order,
                        greens_s=each.greens_s,
                    )
                )
        return cabinets

    def _read_others(
        self, tables: Mapping[str, Any], settings: Sequence[tuple[int, CabinetSettings]]
    ) -> tuple[tuple[Link, ...], tuple[bytes, ...]]:
        links: tuple[Link, ...] = ()
        names = {each.name for _, each in settings}
        neighbours, broker = tables["neighbours"], tables["broker"]
        if neighbours is not None:
            links, problems, remarks = config_files.read_links(neighbours, names)
            for key, message in problems:
                self._problem(("neighbours", *key), "neighbours." + ".".join(key), message)
            self._remarks += remarks
        return links, self._order_keys(broker)

    def _order_keys(self, broker: BrokerSettings | None) -> tuple[bytes, ...]:
        if broker is None:
            return ()
        keys: list[bytes] = []
        for name in ("orders_key_file", "orders_next_key_file"):
            file: Path | None = getattr(broker, name)
            if file is not None and config_files.missing(file) is None:
                key, message = config_files.read_key(file)
                if key is None:
                    self._problem(("broker", name), f"broker.{name}", message)
                else:
                    keys.append(key)
        if broker.orders_key_file is None:
            self._remarks.append("broker: without orders_key_file every order is refused")
        return tuple(keys)


def _shown(path: KeyPath, raw: object) -> tuple[str, ...]:
    """*path* as a person calls it: a cabinet by its name, if it has one."""
    if path[:1] != ("cabinet",):
        return tuple(str(part) for part in path)
    name = raw.get("name") if isinstance(raw, dict) else None
    return (f'cabinet "{name}"' if isinstance(name, str) else f"cabinet {int(path[1]) + 1}",)


def _twice(
    cabinets: Sequence[tuple[int, CabinetSettings]],
) -> Iterator[tuple[int, int, str, str]]:
    """(cabinet, the one before it, key, what both have) for everything that only one may have."""
    names: dict[str, int] = {}
    units: dict[tuple[str, int], int] = {}
    lines: dict[str, tuple[int, str]] = {}
    for k, each in cabinets:
        line = each.link.partition("?")[0]
        if each.name in names:
            yield k, names[each.name], "name", "the name"
        if (line, each.unit) in units:
            yield k, units[line, each.unit], "unit", f"unit {each.unit} on {line}"
        names.setdefault(each.name, k)
        units.setdefault((line, each.unit), k)
        first, link = lines.setdefault(line, (k, each.link))
        if link != each.link:
            yield k, first, "link", f"the line {line}, with other settings,"
