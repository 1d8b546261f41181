"""What systemd is told: that the daemon is up, that it lives, and in a line how it does.

The watchdog is fed by the control loop and by nothing else: a process whose loop hangs is not
alive, however well its threads may be. Without systemd (no ``NOTIFY_SOCKET``) nothing is sent.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping


class Notifier:
    """Tells the service manager; see ``sd_notify(3)`` for the protocol."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        path = environment.get("NOTIFY_SOCKET", "")
        # A name that begins with @ is not in the file system.
        self._address = "\0" + path[1:] if path.startswith("@") else path

    def ready(self) -> None:
        """The daemon is up."""
        self._send("READY=1")

    def alive(self, status: str = "") -> None:
        """To be called by the control loop, once a tick."""
        self._send(f"WATCHDOG=1\nSTATUS={status}" if status else "WATCHDOG=1")

    def stopping(self) -> None:
        """The daemon is going down on purpose."""
        self._send("STOPPING=1")

    def _send(self, message: str) -> None:
        if not self._address:
            return
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as line:
                line.sendto(message.encode(), self._address)
        except OSError:
            # A manager that is restarting or too busy to listen must not stop the control; should
            # it stay deaf, its watchdog says so.
            return
