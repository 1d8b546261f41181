"""``greenband centre`` and ``serve --centre``: from a network to a console over a broker."""

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.console.mqtt_agency import mqtt_agency
from tests.edge.mosquitto import Mosquitto

ROOT = Path(__file__).resolve().parents[2]
SITES = ["market", "mill", "oak", "ring", "school", "station"]


@pytest.fixture
def city(tmp_path, inline):
    made = inline("centre", "init", "arterial", "--out", "city", "--json")
    assert made.returncode == 0, made.stderr
    assert sorted(json.loads(made.stdout)["sites"]) == SITES
    return tmp_path / "city" / "centre.toml"


def test_what_init_writes_passes_its_check(city, inline):
    checked = inline("centre", "check", city)
    assert checked.returncode == 0, checked.stderr
    assert "edge-1 (6 sites)" in checked.stdout
    assert "no error" in checked.stderr
    document = json.loads(inline("centre", "check", city, "--json").stdout)
    assert document["valid"]
    assert sorted(document["sites"]) == SITES
    assert document["vehicles"]["ambulance-1"] == ["ambulance", 12]
    again = inline("centre", "init", "arterial", "--out", "city")
    assert again.returncode == 2
    assert "there already" in again.stderr


def test_a_file_with_faults_is_not_served(city, inline):
    text = (
        city.read_text().replace("level = 12", "level = 99").replace('name = "mill"', 'name = ""')
    )
    city.write_text(text)
    for words in (("centre", "check", city), ("serve", "--centre", city)):
        refused = inline(*words)
        assert refused.returncode == 1
        assert re.search(r"centre\.toml:\d+: error: vehicle \"ambulance-1\"\.level", refused.stderr)
    document = json.loads(inline("centre", "check", city, "--json").stdout)
    assert not document["valid"]
    assert len(document["errors"]) >= 2
    for words in (("serve",), ("serve", "--demo", "--centre", city)):
        assert inline(*words).returncode == 2


@contextmanager
def served(city):
    """``greenband serve --centre`` on a free port; its address."""
    log = city.parent / "serve.log"
    words = ["serve", "--centre", city, "--port", "0"]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "greenband", *map(str, words)],
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"},
            cwd=city.parent,
            stdout=out,
            stderr=out,
        )
    try:
        yield _address(process, log)
        process.send_signal(signal.SIGTERM)  # as a service is stopped: it ends in order
        assert process.wait(15.0) == 0, log.read_text()
    finally:
        process.kill()
        process.wait()


def _address(process, log):
    until_s = time.monotonic() + 60.0
    while time.monotonic() < until_s:
        found = re.search(r"^open +(\S+)/login", log.read_text(), re.MULTILINE)
        if found:
            return found[1]
        assert process.poll() is None, log.read_text()
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def test_one_corridor_over_mqtt_and_the_command_line(city, inline):
    with Mosquitto(city.parent) as broker:
        text = city.read_text().replace("127.0.0.1:1883", f"127.0.0.1:{broker.port}")
        city.write_text(text)
        with served(city) as address:
            _use(city, inline, address, broker.port)
    audit = inline("audit", "verify", city.parent / "state" / "console.db")
    assert audit.returncode == 0, audit.stderr


def _use(city, inline, address, port):
    state = city.parent / "state"
    scopes = ("view", "corridor:request", "corridor:cancel")
    words = [word for scope in scopes for word in ("--scope", scope)]
    token = inline("token", "create", "dispatch", *words, "--state", state).stdout.strip()
    env = {"GREENBAND_URL": address, "GREENBAND_TOKEN": token}
    key = bytes.fromhex((city.parent / "keys" / "dispatch.key").read_text())
    wish = {"vehicle": "ambulance-1", "from": "east-ring", "to": "oak-west"}
    opened = asyncio.run(_ask(port, key, "open", {"wish": wish}))
    assert opened["ok"], opened
    name = opened["result"]["id"]
    # No edge is there: every junction says so, and the corridor is open none the less.
    until_s, states = time.monotonic() + 20.0, set()
    while states != {"unreachable"}:
        assert time.monotonic() < until_s, states
        shown = inline("corridor", "show", name, "--json", env=env)
        assert shown.returncode == 0, shown.stderr
        states = {each["state"] for each in json.loads(shown.stdout)["junctions"]}
        time.sleep(0.5)
    # The same agency by either way: what one has opened the other may end.
    assert inline("corridor", "cancel", name, env=env).returncode == 0
    again = asyncio.run(_ask(port, key, "cancel", {"corridor": name}))
    assert again["ok"], again


async def _ask(port, key, verb, content):
    async with mqtt_agency(port, "dispatch", key) as agency:
        until_s = time.monotonic() + 20.0
        while True:  # the console is there before its line to the broker is
            try:
                async with asyncio.timeout(2.0):
                    return await agency.ask(verb, content)
            except TimeoutError:
                assert time.monotonic() < until_s
