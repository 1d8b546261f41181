"""``greenband device`` as a program: what it prints, how it ends, and how it fails."""

import asyncio
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller import plan_json, site_json
from firmware_bridge.client import CabinetClient
from firmware_bridge.ends import TcpEnd, TlsEnd
from firmware_bridge.errors import LinkError
from firmware_bridge.line import Line
from firmware_bridge.store import SLOTS
from sim.hil.files import write_papers
from tests.firmware_bridge.rig import FACTORY, KEY, SITE, new_plan

ROOT = Path(__file__).resolve().parents[2]
UPLOADED = new_plan(3, valid_from_utc_ms=None, valid_to_utc_ms=None)


@pytest.fixture
def files(tmp_path):
    """A folder with site, plan and key."""
    (tmp_path / "J1.site.json").write_text(site_json.to_json(SITE))
    (tmp_path / "J1.plan.json").write_text(plan_json.to_json(FACTORY.plan))
    (tmp_path / "J1.key").write_text(KEY.hex() + "\n")
    return tmp_path


class Running:
    """A device and the lines that it prints."""

    def __init__(self, process):
        self.process = process
        self.lines: list[str] = []

    def port(self, what="tcp"):
        return int(self.line_with(f"listening: {what} ").split()[-3].rpartition(":")[2])

    def line_with(self, words):
        while not self.lines or words not in self.lines[-1]:
            line = self.process.stdout.readline()
            assert line, f"it ended without {words!r}: {self.lines}"
            self.lines.append(line.rstrip())
        return self.lines[-1]

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.lines += self.process.stdout.read().splitlines()
        return self.process.wait(timeout=10)


@contextmanager
def device(folder, *words):
    process = subprocess.Popen(
        [sys.executable, "-m", "greenband", "device", "--site", "J1.site.json", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def with_client(port, act):
    async def main():
        client = CabinetClient(Line(TcpEnd("127.0.0.1", port)), 1, SITE, KEY)
        try:
            await client.identify()
            return await act(client)
        finally:
            await client.line.close()

    return asyncio.run(main())


def test_it_says_where_it_listens_and_ends_cleanly(files):
    with device(files, "--tcp", "127.0.0.1:0", "--field", "127.0.0.1:0") as running:
        port, field = running.port(), running.port("field")
        assert port != field
        running.line_with("mode: start-up all red")
        assert running.stop() == 0
    pattern = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z crossroads: .+"
    assert all(re.fullmatch(pattern, line) for line in running.lines)
    assert running.lines[-1].endswith("stopped")
    assert any("no key: uploads are refused" in line for line in running.lines)


def test_events_as_json(files):
    with device(files, "--tcp", "127.0.0.1:0", "--json") as running:
        running.line_with("mode: start-up all red")
        assert running.stop() == 0
    events = [json.loads(line) for line in running.lines]
    assert {each["site"] for each in events} == {"crossroads"}
    assert events[-1]["event"] == "stopped"
    assert events[-1]["utc_ms"] > 1_700_000_000_000


def test_ctrl_c_ends_it_cleanly_too(files):
    with device(files, "--tcp", "127.0.0.1:0") as running:
        running.port()
        assert running.stop(signal.SIGINT) == 0


def test_an_accepted_plan_survives_a_kill(files):
    words = ("--plan", "J1.plan.json", "--key-file", "J1.key", "--state-dir", "state")
    with device(files, *words, "--tcp", "127.0.0.1:0") as running:
        port = running.port()
        assert with_client(port, lambda client: client.upload_plan(UPLOADED)).accepted
        running.process.kill()
    assert any((files / "state" / name).is_file() for name in SLOTS)
    with device(files, *words, "--tcp", "127.0.0.1:0") as running:
        port = running.port()
        report = with_client(port, lambda client: client.report())
        assert report.accepted_no == 3
        running.line_with("plan 3 restored from disk")
        running.line_with("runs on plan plan 3")


def test_mbpoll_reads_it_as_the_docs_show(files):
    mbpoll = shutil.which("mbpoll")
    assert mbpoll, "install the foreign Modbus master first: apt-get install mbpoll"
    with device(files, "--tcp", "127.0.0.1:0", "--unit", "5") as running:
        port = running.port()
        words = ["-m", "tcp", "-p", port, "-a", "5", "-0", "-1", "-r", "0", "-c", "2", "127.0.0.1"]
        read = subprocess.run(
            [mbpoll, *map(str, words)], capture_output=True, text=True, timeout=10, check=True
        )
        assert "[0]: \t18242\n[1]: \t1\n" in read.stdout


def test_both_ends_say_that_the_edge_has_a_certificate_of_another_authority(files):
    """The cabinet in what it prints, the edge in its error; and once, however often it tries."""
    ours, theirs = write_papers(files / "ours"), write_papers(files / "theirs")
    cert, key = ours.certificate("cabinet")
    words = ("--tls", "127.0.0.1:0", "--cert", cert, "--key", key, "--ca", ours.authority)
    with device(files, *map(str, words)) as running:
        end = TlsEnd("127.0.0.1", running.port("tls"), *theirs.certificate("edge"), ours.authority)

        async def ask():
            line = Line(end)
            client = CabinetClient(line, 1, SITE, KEY)
            try:
                for _ in range(3):
                    with pytest.raises(LinkError) as said:
                        await client.poll()
                    yield str(said.value)
                    await asyncio.sleep(1.1)
            finally:
                await line.close()

        async def main():
            return [text async for text in ask()]

        for text in asyncio.run(main()):
            assert "does not answer" in text and "it refuses this certificate" in text
        running.line_with("tls: 127.0.0.1 is refused: its certificate is not accepted (")
        assert running.stop() == 0
    assert sum("is refused" in line for line in running.lines) == 1


def test_a_port_that_is_taken(files, greenband):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = greenband("device", "--site", files / "J1.site.json", "--tcp", f"127.0.0.1:{port}")
    assert result.returncode == 1
    assert result.stderr == (
        f"greenband: error: cannot listen on tcp 127.0.0.1:{port}: another program listens there\n"
    )


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        ([], 2, "give a line to listen on: --tcp, --tls or --serial"),
        (["--tcp", "nonsense:port"], 1, "'nonsense:port' is no address"),
        (["--tcp", "127.0.0.1:0", "--unit", "0"], 2, "--unit 0 is outside 1..247"),
        (["--tcp", "127.0.0.1:0", "--lockstep"], 2, "--lockstep needs --field"),
        (["--tls", "127.0.0.1:0"], 2, "--tls needs --cert, --key and --ca"),
        (["--tcp", "127.0.0.1:0", "--ca", "J1.key"], 2, "go with --tls"),
        (["--serial", "/dev/nothing"], 1, "/dev/nothing cannot be opened: there is no such port"),
        (["--tcp", "127.0.0.1:0", "--key-file", "none"], 1, "key file none: No such file"),
        (["--tcp", "127.0.0.1:0", "--key-file", "J1.plan.json"], 1, "is not a line of hexadecimal"),
        (["--tcp", "127.0.0.1:0", "--key-file", "short.key"], 1, "has 4 bytes, 16 is the least"),
        (["--tcp", "127.0.0.1:0", "--plan", "J1.site.json"], 2, "this is a site file"),
        (["--tcp", "127.0.0.1:0", "--plan", "bare.json"], 1, "bare.json is not valid"),
        (["--tcp", "127.0.0.1:0", "--plan", "J1.plan.json@25:00"], 2, "'25:00' is no time of day"),
        (
            ["--tcp", "127.0.0.1:0", "--plan", "J1.plan.json", "--plan", "J1.plan.json"],
            2,
            "two --plan",
        ),
        (["--tcp", "127.0.0.1:0", "--plan", "other.plan.json"], 1, "made for 'elsewhere', not for"),
        (["--tcp", "127.0.0.1:0", "--state-dir", "J1.key/x"], 1, "J1.key/x cannot be written"),
        (
            ["--tls", "127.0.0.1:0", "--cert", "J1.key", "--key", "J1.key", "--ca", "J1.key"],
            1,
            "authority J1.key is no certificate in PEM form",
        ),
        (
            ["--tls", "127.0.0.1:0", "--cert", "no.pem", "--key", "J1.key", "--ca", "J1.key"],
            1,
            "certificate no.pem cannot be read: No such file",
        ),
    ],
)
def test_what_cannot_work_is_one_sentence(files, inline, monkeypatch, words, code, message):
    (files / "short.key").write_text("00112233")
    (files / "bare.json").write_text("{}")
    data = plan_json.document(FACTORY.plan) | {"site": "elsewhere"}
    (files / "other.plan.json").write_text(json.dumps(data))
    monkeypatch.chdir(files)
    result = inline("device", "--site", "J1.site.json", *words)
    assert result.returncode == code
    assert result.stderr.startswith("greenband: error: ")
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "J1.site.json is not valid: line 1"), ('{"schema": 9}', "schema is 9")],
)
def test_a_bad_site_file_is_named(files, inline, text, message):
    (files / "J1.site.json").write_text(text)
    result = inline("device", "--site", files / "J1.site.json", "--tcp", "127.0.0.1:0")
    assert result.returncode == 1
    assert message in result.stderr


def test_a_plan_file_in_the_sites_place_is_said_in_a_word(files, inline):
    result = inline("device", "--site", files / "J1.plan.json", "--tcp", "127.0.0.1:0")
    assert result.returncode == 2
    assert result.stderr == (
        f"greenband: error: --site {files / 'J1.plan.json'}: this is a plan file, give the site's\n"
    )


def test_the_factory_plans_of_the_day(files):
    words = ["--plan", "J1.plan.json@00:00", "--plan", "J1.plan.json@12:00"]
    with device(files, *words, "--tcp", "127.0.0.1:0") as running:
        running.port()
        begun_s = time.monotonic()
        running.line_with("runs on plan plan 0")
        assert time.monotonic() - begun_s < 60
