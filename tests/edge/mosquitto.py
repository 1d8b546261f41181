"""A mosquitto of our own: on a free port, with the settings that we tell cities to use."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import time
from importlib.resources import files
from pathlib import Path

from tests.edge.sites import make_certificates

PROGRAM = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
DEPLOY = files("edge").joinpath("deploy")


class Mosquitto:
    """A context manager; with certificates for *names*, or open to everybody without any."""

    def __init__(self, folder: Path, *names: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.is_tls = bool(names)
        self._process: subprocess.Popen[bytes] | None = None
        if names:
            make_certificates(folder, "broker", *names)
            (folder / "acl").write_text(DEPLOY.joinpath("mosquitto.acl").read_text())
        (folder / "mosquitto.conf").write_text(self._settings())

    def _settings(self) -> str:
        if not self.is_tls:
            return f"listener {self.port} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n"
        lines = []
        for line in DEPLOY.joinpath("mosquitto.conf").read_text().splitlines():
            key, _, value = line.partition(" ")
            name = Path(value).name
            if key == "listener":
                value = f"{self.port} 127.0.0.1"
            elif key in {"cafile", "certfile", "keyfile"}:
                value = str(self.folder / name)
            elif key == "acl_file":
                value = str(self.folder / "acl")
            elif key == "persistence_location":
                value = f"{self.folder}/"
            lines.append(f"{key} {value}")
        return "\n".join([*lines, "user root", ""])

    def __enter__(self) -> Mosquitto:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()

    def start(self) -> None:
        assert PROGRAM, "these tests need mosquitto: apt-get install mosquitto"
        log = (self.folder / "mosquitto.log").open("ab")
        self._process = subprocess.Popen(
            [PROGRAM, "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
        )
        for _ in range(200):
            with socket.socket() as line:
                if line.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError((self.folder / "mosquitto.log").read_text())

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)


def _free_port() -> int:
    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        return int(line.getsockname()[1])
