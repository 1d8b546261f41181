"""``greenband run --explain``: what is printed, where, and what it refuses."""

from __future__ import annotations

import json
import re

import pytest

from tests.greenband.crossing import build_crossing

LINE = re.compile(r"^\d+ s  c  (change to|changed to) .+")


@pytest.fixture(scope="module")
def crossing(tmp_path_factory):
    return build_crossing(tmp_path_factory.mktemp("crossing"), end_s=120)


def test_lines_to_standard_output_then_the_table(greenband, crossing):
    done = greenband("run", crossing, "--explain", "all")
    assert done.returncode == 0, done.stderr
    told = [line for line in done.stdout.splitlines() if LINE.match(line)]
    assert len(told) >= 4
    assert done.stdout.index(told[-1]) < done.stdout.index("delay s")


def test_json_lines_and_the_result_as_the_last_one(greenband, crossing):
    done = greenband("run", crossing, "--explain", "c", "--json", "-")
    assert done.returncode == 0, done.stderr
    *notes, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(notes) >= 4
    assert all(set(note) == {"time_s", "junction", "limit", "why"} for note in notes)
    assert result["schema"] == 1
    assert "decisions" not in json.dumps(result)


def test_into_a_file(greenband, crossing, tmp_path):
    done = greenband("run", crossing, "--explain-to", "why.txt")
    assert done.returncode == 0, done.stderr
    lines = (tmp_path / "why.txt").read_text().splitlines()
    assert len(lines) >= 4 and all(LINE.match(line) for line in lines)
    assert not any(LINE.match(line) for line in done.stdout.splitlines())
    assert greenband("run", crossing, "--explain-to", "why.jsonl").returncode == 0
    told = [json.loads(line) for line in (tmp_path / "why.jsonl").read_text().splitlines()]
    assert [f"{t['time_s']:g} s  {t['junction']}  {t['why']}" for t in told] == lines


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ("--control", "fixed", "--explain", "all"),
            "fixed gives no reasons; these do: coordinated",
        ),
        (("--explain", "d"), "there is no such junction with lights, only c"),
    ],
)
def test_mistakes(inline, crossing, words, says):
    done = inline("run", crossing, *words)
    assert done.returncode in {1, 2}
    assert says in done.stderr
