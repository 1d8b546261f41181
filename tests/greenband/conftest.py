import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from greenband.cli import app

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def greenband(tmp_path):
    """Run the real command in a scratch folder: greenband("doctor", "--json")."""

    def run(*words, env=None, timeout=120):
        return subprocess.run(
            [sys.executable, "-m", "greenband", *map(str, words)],
            cwd=tmp_path,
            env={**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "", **(env or {})},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run


@pytest.fixture
def without_sumo(tmp_path):
    """Environment of a Python that has no SUMO packages, by a sitecustomize that hides them."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text(
        "import sys\n"
        "for name in ('sumo', 'sumolib', 'traci', 'libsumo', 'jinja2', 'matplotlib'):\n"
        "    sys.modules[name] = None\n"
    )
    return {"PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"}


@pytest.fixture
def inline(tmp_path, monkeypatch):
    """The same in this process, which is quicker: for what neither simulates nor needs a signal."""

    def run(*words, env=None):
        monkeypatch.chdir(tmp_path)
        result = CliRunner(env=env).invoke(app, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)

    return run
