"""Which code a run's figures depend on, as one hash.

A run need not be made again when something changed that it does not use: the figures of a peer
survive every change of our control. So the hash follows the imports from the module of the control
itself, and covers how trips become figures. It is taken of the syntax tree without docstrings, so
that comments and wording don't count. The command line of SUMO is in the key of a run by itself.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
from collections.abc import Iterable, Iterator
from functools import cache, partial
from pathlib import Path

from sim.controls import Control

ROOT = Path(__file__).resolve().parents[2]
_ROOMS = ("controller", "optimizer", "sim", "benchmarks")
_NO_BEHAVIOUR = frozenset(
    {
        *("sim.errors", "sim.results", "sim.controls", "sim.controls.base", "sim.run"),
        *("sim.catalogue", "sim.arterial", "sim.scenario", "sim.sumo_home", "sim.simulation"),
    }
)
"""Types and registries, and what is in the key as its outcome: the scenario's files, the command
line of SUMO."""
_MEASURED_BY = ("sim.metrics",)
_STEPPED_BY = ("sim.worker", ("_drive", "_is_jammed", "JAMMED_S"))
_REGISTRY = "sim/controls/__init__.py"
"""Where controls of ours get their settings."""
_KERNELS = (".pyx", ".pxd")


@cache
def control_version(control: Control) -> str:
    """The hash of the code that decides the figures of a run of *control*."""
    modules = reached((*_MEASURED_BY, *_own_modules(control)))
    digest = hashlib.sha256()
    for name in sorted(modules):
        digest.update(f"{name}\n{_meaning(modules[name])}\n".encode())
    for kernel in _kernels(modules.values()):
        digest.update(kernel.read_bytes())
    if control.ours:
        digest.update(_meaning(ROOT / _REGISTRY).encode())
    module, names = _STEPPED_BY
    digest.update(_meaning(_source(module) or ROOT, names).encode())
    return digest.hexdigest()[:16]


def code_of(names: Iterable[str]) -> str:
    """The hash of the modules *names* and all that they import of this project."""
    modules = reached(names)
    told = (f"{name}\n{_meaning(modules[name])}\n" for name in sorted(modules))
    return hashlib.sha256("".join(told).encode()).hexdigest()[:16]


def _own_modules(control: Control) -> Iterator[str]:
    """The module of the control, and those of what its ``prepare`` was made from.

    For a control of ours, every module of controls: none of its code may be missed, however the
    registry puts it together.
    """
    yield control.prepare.__module__
    if control.ours:
        folder = (ROOT / _REGISTRY).parent
        yield from (f"sim.controls.{path.stem}" for path in sorted(folder.glob("[a-z]*.py")))
    for value in inspect.getclosurevars(control.prepare).nonlocals.values():
        made = value.func if isinstance(value, partial) else value
        module = getattr(made, "__module__", None)
        if isinstance(module, str):
            yield module


def reached(names: Iterable[str]) -> dict[str, Path]:
    """The modules of this project that *names* import, directly or not, with their files."""
    found: dict[str, Path] = {}
    ahead = list(names)
    while ahead:
        name = ahead.pop()
        source = _source(name)
        if source is None or name in found or name in _NO_BEHAVIOUR:
            continue
        found[name] = source
        ahead += _imported(source)
    return found


def _source(module: str) -> Path | None:
    """The file of *module*, None when it is not one of the project's Python modules."""
    if module.partition(".")[0] not in _ROOMS:
        return None
    path = ROOT.joinpath(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((each for each in candidates if each.is_file()), None)


@cache
def _imported(source: Path) -> tuple[str, ...]:
    names: list[str] = []
    for node in ast.walk(_tree(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return tuple(names)


def _kernels(sources: Iterable[Path]) -> list[Path]:
    """Cython files beside *sources*: which of them is in use is only known when it runs."""
    folders = {source.parent for source in sources}
    return sorted(p for folder in folders for p in folder.iterdir() if p.suffix in _KERNELS)


def _tree(source: Path) -> ast.Module:
    return ast.parse(source.read_text(encoding="utf-8"))


@cache
def _meaning(source: Path, names: tuple[str, ...] = ()) -> str:
    """The syntax tree of *source* without docstrings; of the definitions *names* if given."""
    tree = _tree(source)
    if wanted := set(names):
        tree.body = [node for node in tree.body if _defined(node) & wanted]
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            node.body = [each for each in body if not _is_docstring(each)]  # type: ignore[attr-defined]
    return ast.dump(tree)


def _defined(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _is_docstring(node: ast.AST) -> bool:
    value = node.value if isinstance(node, ast.Expr) else None
    return isinstance(value, ast.Constant) and isinstance(value.value, str)
