"""Modbus requests answered: the five functions that registers need, with every check.

Source: MODBUS Application Protocol Specification V1.1b3, sections 6 and 7.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Protocol

from firmware_bridge.registers import (
    REGISTERS_PER_EXCHANGE,
    REGISTERS_PER_READ,
    REGISTERS_PER_WRITE,
)
from firmware_bridge.space import IllegalAddressError, IllegalValueError

READ_HOLDING, READ_INPUT = 3, 4
WRITE_ONE, WRITE_MANY = 6, 16
READ_WRITE = 23

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3
NO_SUCH_UNIT = 0x0B
"""Gateway target device failed to respond."""

_TWO = struct.Struct(">HH")


class Registers(Protocol):
    """What a request is answered from."""

    def read(self, address: int, count: int) -> Sequence[int]:
        """*count* registers; raises :class:`~firmware_bridge.space.IllegalAddressError`."""

    def check_read(self, address: int, count: int) -> None:
        """Raise what :meth:`read` would."""

    def write(self, address: int, words: Sequence[int]) -> None:
        """Write them all, or raise :class:`IllegalAddressError` or :class:`IllegalValueError`."""


def answer(request: bytes, registers: Registers) -> bytes:
    """The response to *request*, both from the function code on. Never raises."""
    function = request[0] if request else 0
    perform = _FUNCTIONS.get(function)
    if perform is None:
        return refusal(function, ILLEGAL_FUNCTION)
    try:
        return perform(request, registers)
    except IllegalAddressError:
        return refusal(function, ILLEGAL_ADDRESS)
    except (IllegalValueError, struct.error):
        return refusal(function, ILLEGAL_VALUE)


def refusal(function: int, code: int) -> bytes:
    """The response that refuses a request of *function*."""
    return bytes((function & 0x7F | 0x80, code))


def _read(request: bytes, registers: Registers) -> bytes:
    address, count = _TWO.unpack(request[1:])
    if not 0 < count <= REGISTERS_PER_READ:
        raise IllegalValueError
    return bytes((request[0], 2 * count)) + _packed(registers.read(address, count))


def _write_one(request: bytes, registers: Registers) -> bytes:
    address, word = _TWO.unpack(request[1:])
    registers.write(address, [word])
    return request


def _write_many(request: bytes, registers: Registers) -> bytes:
    address, count = _TWO.unpack(request[1:5])
    registers.write(address, _words(request[5:], count, REGISTERS_PER_WRITE))
    return request[:5]


def _read_write(request: bytes, registers: Registers) -> bytes:
    """The write comes first; nothing is written if the read cannot be answered."""
    address, count = _TWO.unpack(request[1:5])
    write_address, write_count = _TWO.unpack(request[5:9])
    words = _words(request[9:], write_count, REGISTERS_PER_EXCHANGE)
    if not 0 < count <= REGISTERS_PER_READ:
        raise IllegalValueError
    registers.check_read(address, count)
    registers.write(write_address, words)
    return bytes((READ_WRITE, 2 * count)) + _packed(registers.read(address, count))


def _words(tail: bytes, count: int, most: int) -> tuple[int, ...]:
    """The registers behind their byte count."""
    if not 0 < count <= most or len(tail) != 1 + 2 * count or tail[0] != 2 * count:
        raise IllegalValueError
    return struct.unpack(f">{count}H", tail[1:])


def _packed(words: Sequence[int]) -> bytes:
    return struct.pack(f">{len(words)}H", *words)


_FUNCTIONS = {
    READ_HOLDING: _read,
    READ_INPUT: _read,
    WRITE_ONE: _write_one,
    WRITE_MANY: _write_many,
    READ_WRITE: _read_write,
}
