"""Foreign masters: mbpoll and libmodbus read and write a cabinet over TCP and RTU."""

import asyncio
import ctypes
import ctypes.util
import shutil
import subprocess
from contextlib import AsyncExitStack

import pytest

from firmware_bridge.codes import Refusal
from firmware_bridge.ends import SerialEnd
from firmware_bridge.registers import HEARTBEAT, STATUS
from tests.firmware_bridge.rig import Bus, cabinet, running, serial_pair, tcp_end

INSTALL = "install the foreign Modbus masters first: apt-get install mbpoll libmodbus5"


@pytest.fixture(scope="module")
def mbpoll():
    program = shutil.which("mbpoll")
    assert program, INSTALL
    return program


@pytest.fixture(scope="module")
def libmodbus():
    name = ctypes.util.find_library("modbus")
    assert name, INSTALL
    library = ctypes.CDLL(name, use_errno=True)
    library.modbus_new_tcp.restype = ctypes.c_void_p
    library.modbus_new_rtu.restype = ctypes.c_void_p
    library.modbus_strerror.restype = ctypes.c_char_p
    library.modbus_new_rtu.argtypes = [ctypes.c_char_p, *[ctypes.c_int] * 1, ctypes.c_char] + [
        ctypes.c_int
    ] * 2
    return library


def test_mbpoll_reads_and_writes_over_tcp(mbpoll):
    async def main():
        async with running(cabinet()) as device:
            end = tcp_end(device.addresses[0])
            base = [mbpoll, "-m", "tcp", "-p", str(end.port), "-a", "1", "-0", "-1", "-q"]
            read = await run(*base, "-r", "100", "-c", "40", end.host)
            assert f"[{STATUS.address + 1}]: \t1\n" in read
            written = await run(*base, "-r", "1600", end.host, "0", "77")
            assert "Written 2 references" in written
            assert device.cabinet.lease.writer == 77
            refused = await run(*base, "-r", "1600", end.host, "0", "78", code=1)
            assert "Illegal data value" in refused
            assert device.cabinet.refusal == Refusal.NOT_THE_WRITER
            absent = await run(*base, "-r", "2399", "-c", "3", end.host, code=1)
            assert "Illegal data address" in absent

    asyncio.run(main())


def test_mbpoll_reads_one_of_two_on_a_serial_line(mbpoll):
    async def main():
        async with AsyncExitStack() as stack:
            ends = [stack.enter_context(serial_pair()) for _ in range(3)]
            stack.enter_context(Bus([master for master, _ in ends]))
            for unit, (_, name) in zip((4, 5), ends[1:], strict=True):
                await stack.enter_async_context(
                    running(cabinet(boot_no=40 + unit), SerialEnd(name, 19_200), unit=unit)
                )
            base = [mbpoll, "-m", "rtu", "-b", "19200", "-P", "none", "-0", "-1", "-q"]
            for unit in (4, 5, 4):
                read = await run(*base, "-a", str(unit), "-r", "101", "-c", "1", ends[0][1])
                assert f"[101]: \t{40 + unit}\n" in read

    asyncio.run(main())


def test_libmodbus_reads_writes_and_does_both_at_once(libmodbus):
    def master(port: int) -> list[int]:
        context = ctypes.c_void_p(libmodbus.modbus_new_tcp(b"127.0.0.1", port))
        assert libmodbus.modbus_connect(context) == 0
        try:
            words, beat = (ctypes.c_uint16 * 125)(), (ctypes.c_uint16 * 2)(0, 9)
            assert libmodbus.modbus_read_registers(context, 100, 125, words) == 125
            assert libmodbus.modbus_write_registers(context, HEARTBEAT.address, 2, beat) == 2
            both = libmodbus.modbus_write_and_read_registers(
                context, HEARTBEAT.address, 2, beat, STATUS.address, STATUS.size, words
            )
            assert both == STATUS.size
            assert libmodbus.modbus_write_register(context, 100, 1) == -1
            return list(words[: STATUS.size])
        finally:
            libmodbus.modbus_close(context)
            libmodbus.modbus_free(context)

    async def main():
        async with running(cabinet()) as device:
            port = tcp_end(device.addresses[0]).port
            words = await asyncio.to_thread(master, port)
            assert device.cabinet.lease.writer == 9
            assert words[1] == 1

    asyncio.run(main())


async def run(*words: str, code: int = 0) -> str:
    process = await asyncio.create_subprocess_exec(
        *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    output, _ = await asyncio.wait_for(process.communicate(), 10)
    assert process.returncode == code, output.decode()
    return output.decode()
