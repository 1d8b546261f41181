"""A console that really runs: the command, its socket, SUMO behind it."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from greenband.console.database import FILE, open_database
from greenband.console.tokens import Scope, Tokens

ROOT = Path(__file__).resolve().parents[2]
START_S = 90.0


@dataclass
class Console:
    process: subprocess.Popen
    folder: Path
    address: str
    link: str
    log: Path

    @property
    def admin(self) -> str:
        return (self.folder / "demo.token").read_text()

    def token(self, agency, *scopes, days=1.0):
        """(id, text) of a new token, made in its file by another process than the console's."""
        db = open_database(self.folder / FILE)
        wanted = frozenset(Scope(scope) for scope in scopes)
        token, text = Tokens(db).create(agency, wanted, time.time_ns() // 1_000_000, days)
        db.close()
        return token.id, text

    def revoke(self, token_id):
        db = open_database(self.folder / FILE)
        Tokens(db).revoke(token_id, time.time_ns() // 1_000_000)
        db.close()


@contextmanager
def running_console(folder, *options, speed=10):
    """``greenband serve --demo`` on a free port, until the block is left."""
    log = folder / "serve.log"
    words = ["serve", "--demo", "--port", "0", "--speed", speed, "--state", folder, *options]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "greenband", *map(str, words)],
            cwd=folder,
            env=_environment(),
            stdout=out,
            stderr=out,
        )
    try:
        link = _wait_for_link(process, log)
        yield Console(process, folder, link.partition("/login")[0], link, log)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15.0)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for_link(process, log):
    until_s = time.monotonic() + START_S
    while time.monotonic() < until_s:
        found = re.search(r"^open +(\S+)", log.read_text(), re.MULTILINE)
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(f"it did not start within {START_S:g} s: {log.read_text()}")


def _environment():
    return {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
