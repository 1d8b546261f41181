"""A cabinet as a program whose output nobody takes."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.edge.fleet import free_port
from tests.edge.sites import write_cabinet_files


def test_a_full_disk_behind_its_output_does_not_end_a_cabinet(tmp_path):
    write_cabinet_files(tmp_path, "J1")
    with Path("/dev/full").open("w") as full:
        program = subprocess.Popen(
            [
                *(sys.executable, "-m", "greenband", "device"),
                *("--site", tmp_path / "J1.site.json", "--plan", tmp_path / "J1.plan.json"),
                *("--tcp", f"127.0.0.1:{free_port()}"),
            ],
            stdout=full,
        )
    time.sleep(3)
    assert program.poll() is None
    program.send_signal(signal.SIGTERM)
    program.wait(5)
