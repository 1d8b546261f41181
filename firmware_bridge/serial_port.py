"""A serial port for the device's end of the line, without blocking."""

from __future__ import annotations

import serial

from firmware_bridge.ends import SerialEnd
from firmware_bridge.errors import SetupError


def open_port(end: SerialEnd) -> serial.Serial:
    """The port, for this process alone; raises :class:`SetupError` if it is busy or not there."""
    try:
        return serial.Serial(
            end.port,
            baudrate=end.baud,
            parity=end.parity,
            timeout=0,
            write_timeout=0,
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as error:
        raise SetupError(f"serial port {end.port} cannot be opened: {_why(error)}") from None


def _why(error: Exception) -> str:
    text = str(error)
    if "lock" in text or "Resource temporarily unavailable" in text:
        return "another program uses it"
    number = getattr(error, "errno", None)
    words = {2: "there is no such port", 13: "no permission", 16: "another program uses it"}
    return words.get(number or 0, text)
