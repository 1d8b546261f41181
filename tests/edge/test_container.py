"""The Containerfile, as far as it can be held against the repository without building it."""

import json
import tomllib
from pathlib import Path

from typer.testing import CliRunner

from greenband.cli import app
from tests.edge.sites import HEAD, cabinet_table, write_site

ROOT = Path(__file__).resolve().parents[2]
STEPS = (ROOT / "edge/deploy/Containerfile").read_text().replace("\\\n", " ").splitlines()


def copied():
    """What the build stage takes from the repository: sources, and where each goes."""
    rows = [line.split()[1:] for line in STEPS if line.startswith("COPY ") and "--from" not in line]
    return [(source, row[-1]) for row in rows for source in row[:-1]]


def test_all_that_is_copied_is_there_and_all_that_is_needed_is_copied():
    for source, target in copied():
        assert (ROOT / source).exists(), source
        # A folder that is copied to another is emptied into it.
        assert target == "./" if (ROOT / source).is_file() else target == source
    taken = {source for source, _ in copied()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["setuptools"]["packages"]["find"]["include"]
    assert {name for name in packages if "." not in name} <= taken
    metadata = project["project"]
    assert {"pyproject.toml", "setup.py", "MANIFEST.in", metadata["readme"]} <= taken
    assert set(metadata["license-files"]) <= taken
    assert not taken & {".", ".venv", ".git", "build"}


def test_what_it_runs_is_a_command_of_ours(tmp_path):
    words = {line.split()[0]: line.split(" ", 1)[1] for line in STEPS if "[" in line}
    program, *entry = json.loads(words["ENTRYPOINT"])
    assert program == "/opt/greenband/bin/greenband"
    command = json.loads(words["CMD"])
    assert command[0] == "run"
    write_site(tmp_path, HEAD + cabinet_table("J1"), "J1")
    # `check` reads what `run` would.
    done = CliRunner().invoke(app, [*entry, "check", str(tmp_path / "site.toml")])
    assert done.exit_code == 0, done.output
    assert CliRunner().invoke(app, [*entry, command[0], "--help"]).exit_code == 0
