"""Runs that end locked are run again and explained, in the real SUMO."""

from __future__ import annotations

import re

import pytest

from benchmarks.jams import main
from benchmarks.matrix import main as matrix
from sim.arterial import build_arterial

END_S = 1_100


@pytest.fixture(scope="module")
def red(tmp_path_factory):
    """The arterial with a signal whose program never shows green."""
    folder = tmp_path_factory.mktemp("red")
    config = build_arterial(folder)
    net = folder / "arterial.net.xml"
    text = net.read_text()
    (program,) = re.findall(r'<tlLogic id="station".*?</tlLogic>', text, re.DOTALL)
    links = len(re.findall(r'state="(\w+)"', program)[0])
    dark = (
        '<tlLogic id="station" type="static" programID="0" offset="0">'
        f'<phase duration="90" state="{"r" * links}"/></tlLogic>'
    )
    net.write_text(text.replace(program, dark))
    config.write_text(config.read_text().replace("3600", str(END_S)))
    return config


@pytest.fixture(scope="module")
def call(red, tmp_path_factory):
    store = tmp_path_factory.mktemp("store")
    call = [
        *("--scenarios", str(red), "--controls", "fixed", "--seeds", "1"),
        *("--conventions", "field", "--store", str(store)),
    ]
    assert matrix(call) == 0
    return call


def test_the_signal_that_never_turns_green_is_named(call, capsys):
    assert main(call) == 0
    said = capsys.readouterr()
    assert "1 jammed runs have to be run again" in said.err
    title, first, *_ = said.out.splitlines()
    assert title == "arterial field fixed seed 1:"
    assert "of signal station shows 'r', green never yet" in first
    assert re.search(r"; \d+ behind it$", first)
    assert "its delay was" not in said.out, "looking changed the run"


def test_what_was_found_is_kept(call, capsys):
    assert main(call) == 0
    before = capsys.readouterr().out
    assert main(call) == 0
    again = capsys.readouterr()
    assert again.out == before
    assert "0 jammed runs have to be run again" in again.err


def test_a_wrong_word_is_one_sentence(call, capsys):
    assert main([*call, "--controls", "adaptiv"]) == 1
    assert "unknown control 'adaptiv'" in capsys.readouterr().err
