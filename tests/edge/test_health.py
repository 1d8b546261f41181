import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path

import pytest

from controller.clock import Instant
from edge.alarms import Alarms
from edge.errors import EdgeError
from edge.health import CONNECTIONS_MAX, HEAD_BYTES_MAX, SILENCE_MS_MAX, HealthServer, Pulse
from edge.lockstep import BenchClock, LockStepServer
from edge.loop import RealClock, Ticker
from edge.metrics import Metrics
from edge.systemd import Notifier

ROOT = Path(__file__).resolve().parents[2]
SERVICE = files("edge").joinpath("deploy", "greenband-edge.service").read_text()


class Standing:
    def __init__(self):
        self.mono_ms = 10_000

    def now(self):
        return Instant(self.mono_ms, 0)


def test_the_pulse_is_the_control_loop():
    clock = Standing()
    pulse = Pulse(clock)
    assert pulse.faults() == ("the control loop has not begun",)
    pulse.beat()
    clock.mono_ms += SILENCE_MS_MAX
    assert pulse.faults() == ()
    clock.mono_ms += 1
    assert pulse.faults() == ("the control loop has not turned for 5.0 s",)
    pulse.beat()
    assert pulse.faults() == ()


class Served:
    """A server whose state the test sets."""

    def __init__(self):
        self.alive, self.ready = (), ()
        self.server = HealthServer(
            "127.0.0.1",
            0,
            alive=lambda: self.alive,
            ready=lambda: self.ready,
            metrics=lambda: b"a 1\n",
        )

    async def ask(self, request):
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        writer.write(request)
        try:
            answer = await asyncio.wait_for(reader.read(), 10)
        except ConnectionResetError:
            answer = b""
        writer.close()
        head, _, body = answer.partition(b"\r\n\r\n")
        return (int(head.split()[1]) if head else None), body.decode()

    async def get(self, path, method="GET"):
        return await self.ask(f"{method} {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())


def test_what_is_asked_is_answered():
    async def run():
        at = Served()
        async with at.server:
            assert await at.get("/healthz") == (200, "ok\n")
            assert await at.get("/readyz?verbose") == (200, "ok\n")
            assert await at.get("/metrics") == (200, "a 1\n")
            assert await at.get("/healthz", "HEAD") == (200, "")
            assert (await at.get("/healthz", "POST"))[0] == 405
            assert (await at.get("/"))[0] == 404
            at.ready = ("J1: the cabinet does not answer", "broker: away")
            assert await at.get("/healthz") == (200, "ok\n")
            assert await at.get("/readyz") == (
                *(503, "J1: the cabinet does not answer\nbroker: away\n"),
            )
            at.alive = ("the control loop has not turned",)
            assert (await at.get("/healthz"))[0] == 503
            assert (await at.get("/readyz"))[1].startswith("the control loop")

    asyncio.run(run())


def test_who_does_not_ask_properly_hurts_nobody(monkeypatch):
    monkeypatch.setattr("edge.health.REQUEST_S_MAX", 0.3)

    async def run():
        at = Served()
        async with at.server:
            for rubbish in (b"\0" * 10 * HEAD_BYTES_MAX, b"GET /healthz HTTP/1.1\r\n", b"\r\n\r\n"):
                assert (await at.ask(rubbish))[0] in {None, 405}
            idle = [
                await asyncio.open_connection("127.0.0.1", at.server.port)
                for _ in range(CONNECTIONS_MAX + 4)
            ]
            assert (await at.get("/healthz"))[0] is None
            await asyncio.sleep(0.4)
            assert (await at.get("/healthz"))[0] == 200
            for _, writer in idle:
                writer.close()

    asyncio.run(run())


@pytest.mark.parametrize("which", ["health", "lockstep"])
def test_a_connection_that_is_open_at_the_end_leaves_no_traceback(which, caplog):
    async def main():
        if which == "health":
            server = HealthServer("127.0.0.1", 0, alive=tuple, ready=tuple, metrics=bytes)
        else:
            server = LockStepServer("127.0.0.1", 0, BenchClock(), never)
        await server.__aenter__()
        port = server.port if which == "health" else int(server.address.split(":")[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b'{"mono_ms": 1, "utc_ms": 1}\n')
        await asyncio.sleep(0.1)

    async def never(now):
        await asyncio.Event().wait()

    with caplog.at_level("ERROR", "asyncio"):
        asyncio.run(main())
    assert not caplog.records, caplog.text


def test_a_port_that_is_taken_is_said():
    async def run():
        async with Served().server as first:
            other = HealthServer(
                "127.0.0.1", first.port, alive=tuple, ready=tuple, metrics=lambda: b""
            )
            with pytest.raises(EdgeError, match=r"choose another http\.bind"):
                await other.__aenter__()

    asyncio.run(run())


def test_metrics_can_be_read_by_prometheus():
    from prometheus_client.parser import text_string_to_metric_families

    metrics = Metrics("north-1", "0.1.0")
    metrics.tick_late_s.observe(0.002)
    metrics.rung.labels("J1").set(3)
    metrics.orders.labels("plan", "accepted").inc()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }
    assert samples["greenband_build", "north-1", "0.1.0"] == 1
    assert samples["greenband_rung", "J1"] == 3
    assert samples["greenband_tick_late_seconds_count",] == 1
    assert samples["greenband_orders_total", "plan", "accepted"] == 1


@pytest.fixture(params=["file", "abstract"])
def manager(request, tmp_path):
    """What systemd listens on, and the name that it tells the daemon."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        name = str(tmp_path / "notify") if request.param == "file" else f"@greenband-{os.getpid()}"
        line.bind("\0" + name[1:] if name.startswith("@") else name)
        line.settimeout(2)
        yield line, name


def test_systemd_is_told(manager):
    line, name = manager
    notifier = Notifier({"NOTIFY_SOCKET": name})
    notifier.ready()
    notifier.alive()
    notifier.alive("3 cabinets adaptive")
    notifier.stopping()
    assert [line.recv(200) for _ in range(4)] == [
        b"READY=1",
        b"WATCHDOG=1",
        b"WATCHDOG=1\nSTATUS=3 cabinets adaptive",
        b"STOPPING=1",
    ]


def test_a_loop_that_hangs_stops_feeding_the_watchdog(manager):
    line, name = manager
    line.setblocking(False)

    async def run():
        notifier = Notifier({"NOTIFY_SOCKET": name})
        async for tick in Ticker(RealClock(), period_ms=20):
            notifier.alive()
            if tick.number >= 10:
                time.sleep(0.3)
                return

    asyncio.run(run())
    fed = 0
    while True:
        try:
            fed += line.recv(200) == b"WATCHDOG=1"
        except BlockingIOError:
            break
    assert 5 <= fed <= 10


def test_without_systemd_or_with_a_deaf_one_nothing_happens(tmp_path):
    Notifier({}).alive()
    Notifier({"NOTIFY_SOCKET": str(tmp_path / "none")}).alive()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.bind(str(tmp_path / "full"))
        notifier = Notifier({"NOTIFY_SOCKET": str(tmp_path / "full")})
        began = time.monotonic()
        for _ in range(2_000):
            notifier.alive("x" * 200)
        assert time.monotonic() - began < 2


def test_the_unit_is_fed_more_often_than_its_watchdog_bites_and_keeps_trying():
    lines = dict(line.split("=", 1) for line in SERVICE.splitlines() if line[:1].isalpha())
    assert int(lines["WatchdogSec"]) * 1_000 >= SILENCE_MS_MAX
    assert lines["Type"] == "notify"
    assert lines["NotifyAccess"] == "main"
    assert lines["Restart"] == "always"
    assert lines["StartLimitIntervalSec"] == "0"
    assert "greenband edge run" in lines["ExecStart"]


def test_a_forbidden_system_call_is_refused_and_does_not_kill():
    lines = SERVICE.splitlines()
    assert "SystemCallErrorNumber=EPERM" in lines
    assert lines.index("SystemCallErrorNumber=EPERM") > lines.index("[Service]")


def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    analyze = shutil.which("systemd-analyze")
    unit = tmp_path / "greenband-edge.service"
    unit.write_text(SERVICE.replace("/opt/greenband/bin/greenband", sys.executable))
    if analyze is None:  # a container without systemd: its keys are at least well-formed
        assert all("=" in line for line in SERVICE.splitlines() if line[:1].isalpha())
        return
    done = subprocess.run(
        [analyze, "verify", str(unit)], capture_output=True, text=True, timeout=30, check=False
    )
    assert "greenband-edge.service:" not in done.stderr
    done = subprocess.run(
        [analyze, "security", "--offline=true", "--threshold=20", str(unit)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-400:]


LOGGING = """
import logging
from edge.alarms import Alarms
from edge.logs import configure_logging
configure_logging("info", "{shape}")
Alarms().sound("store", "the disk is full")
logging.getLogger("some.library").warning("it is %s", "late")
logging.getLogger("mqtt").warning("every retry")
try:
    1 / 0
except ZeroDivisionError:
    logging.getLogger("edge").exception("it failed")
"""


def log_lines(shape):
    done = subprocess.run(
        [sys.executable, "-c", LOGGING.format(shape=shape)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stdout
    return done.stderr.splitlines()


def test_every_line_of_the_log_is_json():
    alarm, library, failure = map(json.loads, log_lines("json"))
    assert (alarm["event"], alarm["kind"], alarm["level"]) == ("alarm", "store", "error")
    assert alarm["message"] == "the disk is full"
    assert alarm["timestamp"].endswith("Z")
    assert (library["event"], library["logger"]) == ("it is late", "some.library")
    assert "ZeroDivisionError" in failure["exception"]


def test_the_log_can_be_text():
    assert "the disk is full" in log_lines("text")[0]


def test_alarms_stand_until_they_are_cleared_and_are_logged_once():
    alarms = Alarms()
    with_logs = logging.getLogger("edge.alarms")
    assert with_logs is not None
    for k in range(3):
        alarms.sound("broker", f"try {k}")
    assert [each.message for each in alarms.standing()] == ["try 2"]
    alarms.clear("broker")
    alarms.clear("broker")
    assert alarms.standing() == ()
    alarms.sound("broker", "again")
    assert alarms.raised() == {"broker": 2}
