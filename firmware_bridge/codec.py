"""Registers to values and back, by the table of :mod:`firmware_bridge.registers`.

A number or mask is an int, bytes are bytes of their full length, a text is a str without its
padding. What does not fit its registers or its range raises :class:`ValueError`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from firmware_bridge.areas import Area, Kind, Register

Value = int | bytes | str
NUMBERS = 1 << 32
"""Sequence numbers begin again behind this many."""
_WORD = 0xFFFF


class Values(dict[str, Value]):
    """Decoded registers by name, with their type asserted where they are taken."""

    def number(self, name: str) -> int:
        """The number or mask called *name*."""
        value = self[name]
        assert isinstance(value, int)
        return value

    def raw(self, name: str) -> bytes:
        """The bytes called *name*."""
        value = self[name]
        assert isinstance(value, bytes)
        return value

    def text(self, name: str) -> str:
        """The text called *name*."""
        value = self[name]
        assert isinstance(value, str)
        return value


def encode(area: Area, values: Mapping[str, Value], count: int | None = None) -> list[int]:
    """The first *count* registers of *area* (default: all entries named in *values*)."""
    words: list[int] = []
    for register in area.registers:
        if count is not None and len(words) >= count:
            break
        if register.name not in values and count is None:
            break
        words += words_of(register, values[register.name])
    return words


def decode(area: Area, words: Sequence[int]) -> Values:
    """The entries of *area* that lie whole within *words*, which begin at its first register."""
    values, start = Values(), 0
    for register in area.registers:
        end = start + register.size
        if end > len(words):
            break
        values[register.name] = value_of(register, words[start:end])
        start = end
    return values


def words_of(register: Register, value: Value) -> list[int]:
    """The registers for *value*; raises :class:`ValueError` if it does not fit."""
    size = register.size
    if register.kind in {Kind.BYTES, Kind.TEXT}:
        data = _cut(value, 2 * size) if isinstance(value, str) else value
        if not isinstance(data, bytes) or len(data) > 2 * size:
            raise ValueError(f"{register.name}: {value!r} does not fit {size} registers")
        return words_of_bytes(data.ljust(2 * size, b"\0"))
    if not isinstance(value, int) or not 0 <= value < 1 << (16 * size):
        raise ValueError(f"{register.name}: {value!r} does not fit {size} registers")
    if not in_range(register, value):
        raise ValueError(f"{register.name}: {value} is outside its range")
    words = [value >> (16 * i) & _WORD for i in range(size)]
    return words if register.kind is Kind.MASK else words[::-1]


def value_of(register: Register, words: Sequence[int]) -> Value:
    """The value in *words*, the registers of one entry."""
    if register.kind is Kind.BYTES:
        return bytes_of_words(words)
    if register.kind is Kind.TEXT:
        return bytes_of_words(words).rstrip(b"\0").decode("utf-8", "replace")
    value = 0
    for word in reversed(words) if register.kind is Kind.MASK else words:
        value = value << 16 | word
    return value


def in_range(register: Register, value: Value) -> bool:
    """Whether a number is within the range that the table gives it."""
    if not isinstance(value, int):
        return True
    return register.least <= value and (register.most is None or value <= register.most)


def is_later(number: int, last: int) -> bool:
    """Whether a sequence number of 32 bits comes after *last*; see RFC 1982."""
    return 0 < (number - last) % NUMBERS < NUMBERS // 2


def words_of_bytes(data: bytes) -> list[int]:
    """Bytes as registers, high byte first; an odd last byte is followed by a zero."""
    if len(data) % 2:
        data += b"\0"
    return [data[i] << 8 | data[i + 1] for i in range(0, len(data), 2)]


def bytes_of_words(words: Sequence[int]) -> bytes:
    """The bytes of registers."""
    return b"".join(word.to_bytes(2, "big") for word in words)


def _cut(text: str, length: int) -> bytes:
    """*text* in UTF-8, cut between two characters to at most *length* bytes."""
    return text.encode()[:length].decode("utf-8", "ignore").encode()
