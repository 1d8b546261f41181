"""Frames in and out of bytes, for the device's end of the line; no sockets here.

MBAP (TCP and TLS)::

    transaction u16 | protocol u16 = 0 | length u16 | unit u8 | function u8 | data

RTU (serial)::

    unit u8 | function u8 | data | CRC-16, low byte first

An RTU frame has no length of its own: it follows from the function. On a line with several
cabinets each one also hears what the others answer, so the decoder knows the form of a response
as well, passes it over, and after noise goes on at the next byte that begins a frame whose CRC
fits. Source: MODBUS over Serial Line V1.02, and Messaging on TCP/IP Implementation Guide V1.0b.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from firmware_bridge.pdu import READ_HOLDING, READ_INPUT, READ_WRITE, WRITE_MANY, WRITE_ONE

PDU_MAX = 253
_RTU_MAX = 256
_MBAP = struct.Struct(">HHHB")


class FrameError(Exception):
    """Bytes that can be no Modbus frame; over TCP there is no way back into step."""


class Request(NamedTuple):
    """One request and whom it is for."""

    unit: int
    transaction: int
    """0 on a serial line."""
    pdu: bytes


class MbapDecoder:
    """Requests out of a TCP stream, in pieces of any size."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes, most: int | None = None) -> list[Request]:
        """The requests that *data* completes; raises :class:`FrameError` on anything else.

        With *most* no more than so many at once: the others come when more is fed, or nothing.
        """
        buffer, at = self._buffer + data, 0
        found: list[Request] = []
        while len(buffer) - at >= _MBAP.size and len(found) != most:
            transaction, protocol, length, unit = _MBAP.unpack_from(buffer, at)
            if protocol != 0 or not 2 <= length <= PDU_MAX + 1:
                raise FrameError(f"protocol {protocol}, length {length}: this is no Modbus")
            end = at + _MBAP.size - 1 + length
            if len(buffer) < end:
                break
            found.append(Request(unit, transaction, buffer[at + _MBAP.size : end]))
            at = end
        self._buffer = buffer[at:]
        return found


def mbap_frame(request: Request, response: bytes) -> bytes:
    """The frame that answers *request* with *response*."""
    return _MBAP.pack(request.transaction, 0, len(response) + 1, request.unit) + response


class RtuDecoder:
    """Requests out of a serial line, those for other units and their responses included."""

    def __init__(self) -> None:
        self._buffer = b""

    def feed(self, data: bytes) -> list[Request]:
        """The requests that *data* completes, for whatever unit they are."""
        self._buffer += data
        found = []
        while self._buffer:
            taken, request = _first_frame(self._buffer)
            if taken == 0:
                break
            if request is not None:
                found.append(request)
            self._buffer = self._buffer[taken:]
        return found

    def silence(self) -> None:
        """Nothing came for a while: what is left over is no beginning of a frame."""
        self._buffer = b""


def rtu_frame(unit: int, pdu: bytes) -> bytes:
    """The frame of *pdu* from or to *unit*."""
    body = bytes((unit,)) + pdu
    return body + crc16(body).to_bytes(2, "little")


def crc16(data: bytes) -> int:
    """The CRC of RTU frames: polynomial 0xA001 reflected, started at 0xFFFF."""
    crc = 0xFFFF
    for byte in data:
        crc = crc >> 8 ^ _CRC[(crc ^ byte) & 0xFF]
    return crc


def _crc_table() -> tuple[int, ...]:
    table = []
    for byte in range(256):
        crc = byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
        table.append(crc)
    return tuple(table)


_CRC = _crc_table()


def _first_frame(buffer: bytes) -> tuple[int, Request | None]:
    """(bytes to take away, the request if they are one); (0, None): wait for more."""
    waits = False
    for is_request, length in _lengths(buffer):
        if length > len(buffer):
            waits = waits or length <= _RTU_MAX
        elif length <= _RTU_MAX and crc16(buffer[:length]) == 0:
            request = Request(buffer[0], 0, buffer[1 : length - 2]) if is_request else None
            return length, request
    return (0, None) if waits else (1, None)


def _lengths(buffer: bytes) -> list[tuple[bool, int]]:
    """How long the frame at the start of *buffer* is, as a request and as a response.

    A frame of which too little is there to know is given the length that it has at least.
    """
    if len(buffer) < 2:
        return [(True, 4)]
    function = buffer[1]
    if function & 0x80:
        return [(False, 5)]
    # Of a function that is not known here neither is the length: whatever has come is tried.
    lengths = [(True, max(4, len(buffer)))]
    if function in {READ_HOLDING, READ_INPUT}:
        lengths = [(True, 8), (False, _counted(buffer, 2, 5))]
    elif function == WRITE_ONE:
        lengths = [(True, 8)]
    elif function == WRITE_MANY:
        lengths = [(False, 8), (True, _counted(buffer, 6, 9))]
    elif function == READ_WRITE:
        lengths = [(False, _counted(buffer, 2, 5)), (True, _counted(buffer, 10, 13))]
    return lengths


def _counted(buffer: bytes, at: int, around: int) -> int:
    """The length of a frame with its byte count at *at* and *around* bytes besides those."""
    return around + buffer[at] if len(buffer) > at else around + 1
