import re
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from greenband.cli import app

COMMANDS_DOC = Path(__file__).resolve().parents[2] / "docs" / "commands.md"


def leaves(command, path=()):
    if subcommands := getattr(command, "commands", None):
        for name, each in subcommands.items():
            yield from leaves(each, (*path, name))
    else:
        yield path, command


LEAVES = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_help_has_an_example_that_names_the_command(path):
    result = CliRunner().invoke(app, [*path, "--help"])
    assert result.exit_code == 0
    assert f"Example:  greenband {' '.join(path)}" in result.output


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_has_json(path):
    assert any("--json" in each.opts for each in LEAVES[path].params)


@pytest.mark.parametrize("path", LEAVES, ids=" ".join)
def test_every_command_and_option_is_documented(path):
    text = COMMANDS_DOC.read_text()
    sections = re.split(r"^## ", text, flags=re.MULTILINE)
    section = next(
        each for each in sections if f"greenband {' '.join(path)}" in each.split("\n")[0]
    )
    for parameter in LEAVES[path].params:
        for option in parameter.opts:
            if option.startswith("--") and option != "--help":
                assert f"`{option}`" in section, f"{option} is not in the section on {path}"


def test_documented_options_exist():
    known = {
        option for command in LEAVES.values() for each in command.params for option in each.opts
    }
    general = {"--help", "--version", "--install-completion", "--show-completion"}
    documented = set(re.findall(r"`(--[a-z-]+)`", COMMANDS_DOC.read_text()))
    assert documented <= known | general


def test_documented_controls_are_those_of_the_bench():
    from sim.controls import CONTROLS

    section = COMMANDS_DOC.read_text().split("| control | sees |")[1].split("##")[0]
    assert set(
        re.findall(
            r"`([a-z_]+\d*)`",
            "".join(line.split("|")[1] for line in section.splitlines() if line.startswith("| `")),
        )
    ) == set(CONTROLS)


def test_wrong_use_exits_with_2():
    for words in (
        [],
        ["nonsense"],
        ["compare"],
        ["compare", "x", "--bogus"],
        ["run", "x", "--seed", "a"],
    ):
        assert CliRunner().invoke(app, words).exit_code == 2, words


def test_help_loads_neither_numpy_nor_sumo(greenband):
    result = greenband("--help", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert result.returncode == 0
    loaded = {line.rsplit("|", 1)[-1].strip() for line in result.stderr.splitlines()}
    assert not loaded & {"numpy", "libsumo", "traci", "sumolib", "pydantic"}


def test_no_colour_codes_when_the_output_is_no_terminal(greenband):
    for words in (["--help"], ["scenarios", "list"], ["doctor"], ["compare"]):
        result = greenband(*words)
        assert "\x1b" not in result.stdout + result.stderr
