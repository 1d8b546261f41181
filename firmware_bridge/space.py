"""Register spaces: what may be read and written where, before anything is done about it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from firmware_bridge.areas import Access, Area
from firmware_bridge.codec import Values, decode, in_range


class IllegalAddressError(Exception):
    """Not all of the registers are there, or not for this: exception code 2."""


class IllegalValueError(Exception):
    """A value that is not taken: exception code 3."""


class Space:
    """The areas of one port. Reads and writes that are refused change nothing.

    *readers* give the registers of an area from one index to another; *takers* take the decoded
    entries of an order and raise :class:`IllegalValueError` to refuse it; *out_of_range* is called
    when an entry is refused for its range. Areas without a reader remember what was last written.
    """

    def __init__(
        self,
        areas: Sequence[Area],
        readers: Mapping[str, Callable[[int, int], Sequence[int]]],
        takers: Mapping[str, Callable[[Values], None]],
        out_of_range: Callable[[], None],
    ) -> None:
        self._areas = tuple(areas)
        self._readers = readers
        self._takers = takers
        self._out_of_range = out_of_range
        self.memory = {area.name: [0] * area.size for area in areas if area.name not in readers}

    def read(self, address: int, count: int) -> list[int]:
        """*count* registers from *address* on; raises :class:`IllegalAddressError`."""
        words: list[int] = []
        for area, begin, end in self._pieces(address, count):
            read = self._readers.get(area.name)
            words += self.memory[area.name][begin:end] if read is None else read(begin, end)
        return words

    def check_read(self, address: int, count: int) -> None:
        """Raise :class:`IllegalAddressError` if these registers cannot be read."""
        self._pieces(address, count)

    def write(self, address: int, words: Sequence[int]) -> None:
        """Write *words* from *address* on: all of them, or none and an exception."""
        order: tuple[Area, Sequence[int]] | None = None
        free: list[tuple[Area, int, Sequence[int]]] = []
        taken = 0
        for area, begin, end in self._pieces(address, len(words)):
            piece = words[taken : taken + end - begin]
            taken += end - begin
            if area.access is Access.READ:
                raise IllegalAddressError
            if area.access is Access.FREE:
                free.append((area, begin, piece))
                continue
            if begin or len(piece) < (area.head or area.size) or order is not None:
                raise IllegalAddressError
            order = area, piece
        values = None if order is None else self._checked(*order)
        for area, begin, piece in free:
            self._remember(area, begin, piece)
        if order is not None and values is not None:
            self._takers[order[0].name](values)
            self._remember(order[0], 0, order[1])

    def _remember(self, area: Area, begin: int, words: Sequence[int]) -> None:
        self.memory[area.name][begin : begin + len(words)] = words

    def _checked(self, area: Area, words: Sequence[int]) -> Values:
        values = decode(area, words)
        for register in area.registers:
            if register.name in values and not in_range(register, values[register.name]):
                self._out_of_range()
                raise IllegalValueError
        return values

    def _pieces(self, address: int, count: int) -> list[tuple[Area, int, int]]:
        """Each area with the part of it that the registers cover."""
        pieces, end = [], address + count
        for area in self._areas:
            if address == end or area.address > address:
                break
            if address < area.end:
                stop = min(end, area.end)
                pieces.append((area, address - area.address, stop - area.address))
                address = stop
        if address != end or not pieces:
            raise IllegalAddressError
        return pieces
