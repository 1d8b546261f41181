"""``serve --demo --hil``: a corridor through a broker, an edge and cabinets that are programs."""

import json
import time

from tests.console.console_server import running_console


def test_a_corridor_is_granted_by_every_cabinet_and_its_vehicle_sets_out(tmp_path, inline):
    with running_console(tmp_path, "--hil", speed=1) as console:
        env = {"GREENBAND_URL": console.address, "GREENBAND_TOKEN": console.admin}

        def corridor(*words):
            answer = inline("corridor", *words, "--json", env=env)
            assert answer.returncode == 0, answer.stderr
            return json.loads(answer.stdout)

        until_s = time.monotonic() + 60.0
        found = corridor("open", "ambulance-1", "--to", "oak-west")
        while not _is_on_its_way(found):
            assert time.monotonic() < until_s, found
            time.sleep(1.0)
            found = corridor("show", found["id"])
        assert found["acknowledged"] == len(found["junctions"]) == 6
        assert corridor("cancel", found["id"])["state"] in {"recovering", "cancelled"}


def _is_on_its_way(found):
    granted = {"granted", "held"}.issuperset(each["state"] for each in found["junctions"])
    return granted and found["position"] is not None


def test_it_runs_by_the_clock(inline):
    for words in (("--demo", "--hil", "--speed", 2), ("--hil", "--centre", "centre.toml")):
        assert inline("serve", *words).returncode == 2
