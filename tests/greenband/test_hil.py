"""``greenband hil`` as a user runs it: real cabinets, daemon, wires and broker."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from sim.catalogue import fetch_scenario
from sim.hil.files import write_cabinets
from sim.network import derive_network
from sim.run import RunSpec, run_once
from sim.scenario import load_scenario
from tests.edge.mosquitto import Mosquitto
from tests.greenband.conftest import ROOT
from tests.greenband.crossing import build_crossing

BEGIN_S, SHORT_S = 25_200, 150
SHORT = ("cologne1", "--end", BEGIN_S + SHORT_S)


@pytest.fixture(scope="module", autouse=True)
def cologne1():
    fetch_scenario("cologne1")


@pytest.fixture(scope="module")
def in_one_process(cologne1):
    """The run that the bench has to equal, by the way that every comparison takes."""
    scenario = load_scenario("cologne1", end_s=BEGIN_S + SHORT_S)
    return run_once(RunSpec(scenario=scenario, control="adaptive"))


@pytest.fixture
def crossing(tmp_path):
    return build_crossing(tmp_path / "net", end_s=120)


def document(done):
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def runs(found):
    """(the run through the cabinets, the one in one process)."""
    return tuple(control["runs"][0] for control in found["controls"])


@pytest.mark.parametrize("link", ["tcp", "rtu"])
def test_lock_step_equals_the_run_in_one_process(greenband, in_one_process, link):
    found = document(greenband("hil", *SHORT, "--link", link, "--broker", "none", "--json", "-"))
    ours, reference = runs(found)
    assert found["trace"]["differs_at_s"] is None
    assert found["equal"]
    assert found["trace"]["looks"] == SHORT_S
    assert found["trace"]["violations"] == []
    assert found["adaptive_share"] > 0.9
    for figure in ("delay_s", "time_loss_s", "waiting_s", "stops", "finished", "co2_g_per_trip"):
        assert ours[figure] == reference[figure] == getattr(in_one_process, figure)


def test_faults_are_felt_and_come_back_without_a_broken_rule(greenband, tmp_path):
    words = [
        word
        for fault in ("cut@20:15", "kill@50:3", "daemon@75:10", "stuck-on@95:10", "freeze@110:10")
        for word in ("--fault", fault)
    ]
    report = tmp_path / "report.html"
    done = greenband("hil", *SHORT, *words, "--json", "hil.json", "--report", report)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "hil.json").read_text())
    assert found["trace"]["violations"] == []
    back = {each["fault"]: each for each in found["recoveries"]}
    assert all(each["back_s"] is not None for each in back.values())
    assert back["cut"]["left_s"] >= 10
    assert back["cut"]["back_s"] <= 5
    assert back["kill"]["left_s"] >= 3
    assert back["kill"]["back_s"] >= 8  # start-up flash and red
    assert back["daemon"]["left_s"] >= 5
    assert back["stuck-on"]["left_s"] == 0
    page = report.read_text()
    assert "adaptive again after" in page
    assert "No broken rule" in page
    assert "adaptive again after" in done.stdout
    assert "150/150 s" in done.stderr


def test_real_time_with_mosquitto(greenband, crossing, tmp_path):
    words = ("--end", 12, "--speed", 1, "--json", "-", "--seed", 3)
    folder = tmp_path / "broker"
    folder.mkdir()
    with Mosquitto(folder) as broker:
        found = document(
            greenband("hil", crossing, *words, "--broker", f"mqtt://127.0.0.1:{broker.port}")
        )
        heard = (folder / "mosquitto.log").read_text()
    assert 11 <= found["wall_s"] < 14
    assert found["trace"]["violations"] == []
    assert found["trace"]["looks"] > 100
    latencies = {each["name"]: each for each in found["latencies"]}
    assert latencies["round trip of a poll"]["count"] >= 10
    assert 0 < latencies["poll begun until schedule committed"]["p50_ms"] < 200
    assert "bench" in heard


@pytest.fixture
def site_files(crossing, tmp_path):
    """Site and plan of the crossing, as somebody would have started a cabinet of his own with."""
    files = write_cabinets(derive_network(crossing.with_name("crossing.net.xml")), tmp_path)["c"]
    return ("--site", files.site, "--plan", files.plan)


def test_a_foreign_cabinet_in_a_junctions_place(greenband, crossing, site_files):
    with _device(*site_files, "--lockstep") as ports:
        words = ("--end", 60, "--broker", "none", "--device", _with_field(*ports), "--json", "-")
        found = document(greenband("hil", crossing, *words))
        again = greenband("hil", crossing, *words)
    assert found["foreign"] == ["c"]
    assert found["equal"]
    assert found["adaptive_share"] > 0.8
    assert again.returncode == 1
    assert again.stderr.splitlines()[-1] == (
        "greenband: error: --device for c: it has run before, its clock is at 59 s: "
        "start it anew for each run in lock-step"
    )


def test_faults_of_a_foreign_cabinet_are_told_as_of_any_other(greenband, crossing, site_files):
    with _device(*site_files, "--lockstep") as ports:
        words = ("--end", 60, "--broker", "none", "--device", _with_field(*ports))
        done = greenband("hil", crossing, *words, "--fault", "cut@20:15", "--report", "r.html")
    assert done.returncode == 0, done.stderr
    page = (crossing.parents[1] / "r.html").read_text()
    assert "Nothing was broken" not in page
    for text in (done.stdout, page):
        assert "adaptive again after" in text


def test_a_foreign_cabinet_that_starts_up_differs_and_is_told_why(greenband, crossing, site_files):
    """Its site file is the street's, with start-up flash: the site is the same by its digest."""
    cold = crossing.parents[1] / "sites" / "0.cold.site.json"
    with _device("--site", cold, *site_files[2:], "--lockstep") as ports:
        words = ("--end", 15, "--broker", "none", "--device", _with_field(*ports))
        done = greenband("hil", crossing, *words)
    assert done.returncode == 0, done.stderr
    assert "c differs from second 0 on" in done.stdout
    assert "have a start-up flash" in done.stdout


@pytest.mark.parametrize(
    ("clock", "speed", "said"),
    [
        ((), "lockstep", "it has a clock of its own: start it with --lockstep, or take --speed 1"),
        (("--lockstep",), "1", "it has no clock of its own: start it without --lockstep"),
    ],
)
def test_a_foreign_cabinet_with_the_wrong_clock(
    greenband, crossing, site_files, clock, speed, said
):
    with _device(*site_files, *clock) as ports:
        words = ("--speed", speed, "--broker", "none", "--device", _with_field(*ports))
        done = greenband("hil", crossing, *words, "--json", "-")
    assert done.returncode == 1
    assert f"--device for c: {said}" in done.stderr.splitlines()[-1]


def test_a_cabinet_of_hardware_is_read_over_its_line(greenband, crossing, site_files):
    """Nobody feeds its detectors: it runs its plan, and the traffic goes by its lamps."""
    with _device(*site_files) as (line, _):
        device = f"tcp://127.0.0.1:{line}=c"
        words = ("--end", 10, "--speed", 1, "--broker", "none", "--device", device, "--json", "-")
        found = document(greenband("hil", crossing, *words))
    assert found["trace"]["looks"] > 50
    assert found["trace"]["violations"] == []


@pytest.mark.parametrize("speed", ["1", "lockstep"])
def test_a_cabinet_of_another_site_is_refused(greenband, site_files, speed):
    """Also where its field port would take the detectors of any site."""
    junction = "GS_cluster_357187_359543"
    with _device(*site_files, *(("--lockstep",) if speed == "lockstep" else ())) as ports:
        urls = [_with_field(*ports, junction=junction)]
        if speed == "1":
            urls.append(f"tcp://127.0.0.1:{ports[0]}={junction}")
        for url in urls:
            words = ("--speed", speed, "--broker", "none", "--device", url, "--json", "-")
            done = greenband("hil", "cologne1", *words)
            assert done.returncode == 1
            last = done.stderr.splitlines()[-1]
            assert last.startswith(f"greenband: error: --device for {junction}")
            assert re.search(r"controls 'c' \(digest [0-9a-f]{12}\)", last)
            assert re.search(rf"site file of '{junction}' \(digest [0-9a-f]{{12}}\)", last)
            assert "running" not in done.stderr


def test_a_broker_that_lets_nobody_in_is_said_at_the_start(greenband, crossing, tmp_path):
    folder = tmp_path / "broker"
    folder.mkdir()
    broker = Mosquitto(folder)
    settings = folder / "mosquitto.conf"
    settings.write_text(settings.read_text().replace("anonymous true", "anonymous false"))
    with broker:
        url = f"mqtt://127.0.0.1:{broker.port}"
        done = greenband("hil", crossing, "--broker", url, "--json", "-")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"greenband: error: --broker {url}: the broker at ")
    assert "refuses whoever comes without name and password (not authorized)" in last
    assert "running" not in done.stderr


@pytest.mark.parametrize(
    ("words", "said", "code"),
    [
        (("--fault", "melt@1"), "unknown fault 'melt@1': choose from cut, ", 1),
        (("--fault", "cut@1:J9"), "no junction", 1),
        (("--fault", "cut@9999999"), "--fault cut@9999999:20: the run is over after 120 s", 2),
        (("--fault", "cut@120"), "the run is over after 120 s", 2),
        (("--broker", "mqtt://me:pw@127.0.0.1:9"), "comes without name and password", 1),
        (("--link", "pigeon"), "--link pigeon: choose from tcp, tls, rtu", 2),
        (("--speed", "fast"), "give 1, another number", 1),
        (
            ("--broker", "mqtt://127.0.0.1:9"),
            "no broker answers at 127.0.0.1:9 (connection refused)",
            1,
        ),
        (("--broker", "http://x"), "give embedded, none, or mqtt://", 1),
        (("--device", "tcp://127.0.0.1:9=c"), "a cabinet with a clock of its own", 1),
        (("--speed", "1", "--device", "tcp://127.0.0.1:9=c"), "cannot be reached", 1),
        (("--keep", "net"), "is not an empty folder", 1),
    ],
)
def test_what_can_not_be_done_is_one_clear_sentence(greenband, crossing, words, said, code):
    done = greenband("hil", crossing, *words, "--json", "-")
    assert done.returncode == code
    last = done.stderr.splitlines()[-1]
    assert last.startswith("greenband: error:")
    assert said in last
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 1), (signal.SIGKILL, -9)]
)
def test_nothing_is_left_behind(crossing, tmp_path, number, code):
    """No program outlives the bench, even if it is killed; what is asked to end tidies up."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    bench = subprocess.Popen(
        [sys.executable, "-m", "greenband", "hil", crossing, "--speed", "2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(scratch)},
        stderr=subprocess.PIPE,
        text=True,
    )
    for line in bench.stderr:
        if line.startswith("running"):
            break
    programs = _programs_in(scratch)
    assert len(programs) == 3  # cabinet, daemon, reference
    bench.send_signal(number)
    assert bench.wait(20) == code
    _wait_until(lambda: not _programs_in(scratch))
    if number is not signal.SIGKILL:
        assert list(scratch.iterdir()) == []


def _programs_in(folder):
    """Processes with a word of their command line in *folder*."""
    done = subprocess.run(["ps", "-ww", "-eo", "args"], capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if f"{folder}{os.sep}" in line]


def _wait_until(is_so, within_s=5.0):
    end_s = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def _with_field(line, street, *, junction="c"):
    return f"tcp://127.0.0.1:{line}?unit=1&field=127.0.0.1:{street}={junction}"


@contextmanager
def _device(*words):
    """A cabinet of somebody else: (port of its line, port of its street)."""
    ports = ("--tcp", "127.0.0.1:0", "--field", "127.0.0.1:0")
    process = subprocess.Popen(
        [sys.executable, "-m", "greenband", "device", *ports, *map(str, words)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        found = {}
        for line in process.stdout:
            listening = re.search(r"listening: (tcp|field) .*:(\d+) unit", line)
            if listening:
                found[listening[1]] = int(listening[2])
            if len(found) == 2:
                break
        yield found["tcp"], found["field"]
    finally:
        process.terminate()
        process.communicate()
