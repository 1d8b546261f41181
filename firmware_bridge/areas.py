"""What a register map is made of: entries, areas, and how their addresses come about."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum


class Kind(Enum):
    """How the registers of one entry are read."""

    NUMBER = "unsigned number"
    MASK = "mask"
    BYTES = "bytes"
    TEXT = "text"


class Access(Enum):
    """What may be done with the registers of an area."""

    READ = "read"
    ORDER = "read, write whole from its first register"
    """What was last accepted is read back."""
    FREE = "read, write any part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """One entry of the map: *size* registers that mean one thing."""

    name: str
    address: int
    size: int = 1
    kind: Kind = Kind.NUMBER
    unit: str = ""
    least: int = 0
    most: int | None = None
    """None: as much as the registers hold."""
    codes: str = ""
    """Name of the enumeration in :mod:`firmware_bridge.codes` whose numbers it takes."""
    meaning: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Registers that are read or written together; *repeat* times, one after the other."""

    name: str
    title: str
    access: Access
    registers: tuple[Register, ...]
    repeat: int = 1
    head: int = 0
    """Of an order: how many registers a write needs at least (0: all of them)."""

    @property
    def address(self) -> int:
        """The first register."""
        return self.registers[0].address

    @property
    def stride(self) -> int:
        """Registers of one repetition."""
        last = self.registers[-1]
        return last.address + last.size - self.address

    @property
    def size(self) -> int:
        """Registers of all repetitions."""
        return self.stride * self.repeat

    @property
    def end(self) -> int:
        """The first register behind the area."""
        return self.address + self.size


def number(name: str, size: int, meaning: str, **more: object) -> Register:
    """A number of *size* registers; *more* as in :class:`Register`."""
    return Register(name=name, address=0, size=size, meaning=meaning, **more)  # type: ignore[arg-type]


def u16(name: str, meaning: str, **more: object) -> Register:
    """A number of one register."""
    return number(name, 1, meaning, **more)


def u32(name: str, meaning: str, **more: object) -> Register:
    """A number of two registers."""
    return number(name, 2, meaning, **more)


def u64(name: str, meaning: str, **more: object) -> Register:
    """A number of four registers."""
    return number(name, 4, meaning, **more)


def mask(name: str, items: int, meaning: str) -> Register:
    """A mask of *items* items."""
    return number(name, items // 16, meaning, kind=Kind.MASK)


def raw(name: str, length: int, meaning: str) -> Register:
    """*length* bytes."""
    return number(name, length // 2, meaning, kind=Kind.BYTES)


def text(name: str, length: int, meaning: str) -> Register:
    """A text of at most *length* bytes."""
    return number(name, length // 2, meaning, kind=Kind.TEXT)


def placed(address: int, entries: Sequence[Register]) -> tuple[Register, ...]:
    """*entries* one after the other from *address* on."""
    found = []
    for each in entries:
        found.append(replace(each, address=address))
        address += each.size
    return tuple(found)
