"""What the command line of the hardware-in-the-loop bench takes, and what it refuses."""

import math
from pathlib import Path

import pytest

from firmware_bridge.ends import SerialEnd, TcpEnd
from sim.errors import BenchError, ScenarioError
from sim.hil.faults import FOR_S, Fault, FaultKind, parse_fault
from sim.hil.plant import check_spec
from sim.hil.spec import HilSpec, parse_device, parse_speed
from sim.scenario import Scenario

NAMES = ("J1", "42")
SERIAL = "rtu:///dev/ttyS0?unit=3&field=h:2"


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("cut@120", Fault(FaultKind.CUT, 120)),
        ("cut@120:J1", Fault(FaultKind.CUT, 120, FOR_S, "J1")),
        ("kill@0:7", Fault(FaultKind.KILL, 0, 7)),
        ("kill@0:42", Fault(FaultKind.KILL, 0, FOR_S, "42")),
        ("kill@0::42", Fault(FaultKind.KILL, 0, 42)),
        ("stuck-on@5:42:42", Fault(FaultKind.STUCK_ON, 5, 42, "42")),
    ],
)
def test_faults(text, fault):
    assert parse_fault(text, NAMES) == fault


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("melt@3", "unknown fault"),
        ("cut", "give it as"),
        ("cut@soon", "give it as"),
        ("cut@3:J1:5:6", "give it as"),
        ("cut@3:J9", "'J9' is no number of seconds and no junction"),
        ("cut@3:J9:5", "no junction 'J9'"),
        ("cut@3:J1:0", "'0' is no number of seconds"),
        ("daemon@3:J1", "hits all junctions"),
    ],
)
def test_wrong_faults(text, said):
    with pytest.raises(ScenarioError, match=said):
        parse_fault(text, NAMES)


def test_speeds():
    real, stepped, paced = parse_speed("1"), parse_speed("lockstep"), parse_speed("20")
    assert not real.lockstep
    assert stepped.lockstep and math.isinf(stepped.factor)
    assert paced.lockstep and paced.factor == 20
    for wrong in ("0", "-1", "fast", "nan", "inf"):
        with pytest.raises(ScenarioError, match="give 1, another number"):
            parse_speed(wrong)


def test_devices():
    device = parse_device("tcp://10.0.0.7:502?unit=3&field=10.0.0.7:1503=J1")
    assert (device.junction, device.unit) == ("J1", 3)
    assert device.end == TcpEnd("10.0.0.7", 502)
    assert device.field == TcpEnd("10.0.0.7", 1503)
    serial = parse_device("rtu:///dev/ttyS0?unit=2&baud=9600&field=tcp://h:1=42")
    assert serial.end == SerialEnd("/dev/ttyS0", 9_600)
    assert (serial.junction, serial.unit, serial.field_unit) == ("42", 2, 2)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://x=J1", "leads nowhere"),
        ("tcp://h:1=", "give it as"),
        ("tcp://h:1?unit=999=J1", "give it as"),
        ("rtu:///dev/ttyS0?unit=2=J1", "name its field port"),
    ],
)
def test_wrong_devices(text, said):
    with pytest.raises(ScenarioError, match=said):
        parse_device(text)


def spec(speed="lockstep", devices=(), faults=()):
    scenario = Scenario(name="x", net_file=Path("x"), route_files=(), begin_s=0, end_s=10)
    return HilSpec(
        scenario=scenario,
        speed=parse_speed(speed),
        devices=tuple(map(parse_device, devices)),
        faults=tuple(parse_fault(text, NAMES) for text in faults),
    )


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (spec(devices=["tcp://h:1=J9"]), "no junction 'J9'"),
        (spec(devices=["tcp://h:1=J1"]), "clock of its own"),
        (spec("1", faults=["clock@3"]), "take --speed lockstep"),
        (spec(devices=["tcp://h:1?field=h:2=J1"], faults=["kill@3"]), "not the bench's to stop"),
        (spec("1", [f"{SERIAL}=J1"], faults=["cut@3"]), "the serial line of J1 is yours"),
    ],
)
def test_what_can_not_be_run(wrong, said):
    with pytest.raises(BenchError, match=said):
        check_spec(wrong, NAMES)


def test_a_cabinet_of_hardware_runs_in_real_time():
    check_spec(spec("1", devices=["tcp://h:1=J1"], faults=["kill@3:42"]), NAMES)
