"""What is installed on request: asking for it in time, with the command that installs it."""

from __future__ import annotations

from importlib.util import find_spec

from greenband.failures import MissingExtraError

SUMO_MODULES = ("sumolib", "traci", "libsumo", "sumo")
REPORT_MODULES = ("jinja2",)
WEB_MODULES = ("fastapi", "uvicorn", "jinja2")


def missing(modules: tuple[str, ...]) -> tuple[str, ...]:
    """Those of *modules* that cannot be found, without importing them."""
    return tuple(name for name in modules if not _is_there(name))


def require_sumo() -> None:
    """Raise :class:`MissingExtraError` unless SUMO and its Python packages are installed."""
    if missing(SUMO_MODULES):
        raise MissingExtraError("SUMO is not installed: pip install 'greenband[demo]'")


def require_report() -> None:
    """Raise :class:`MissingExtraError` unless reports can be drawn."""
    absent = missing(REPORT_MODULES)
    if absent:
        raise MissingExtraError(
            f"a report needs {' and '.join(absent)}: pip install 'greenband[demo]'"
        )


def require_web() -> None:
    """Raise :class:`MissingExtraError` unless the console can run."""
    absent = missing(WEB_MODULES)
    if absent:
        raise MissingExtraError(
            f"the console needs {' and '.join(absent)}: pip install 'greenband[web]'"
        )


def _is_there(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ImportError:
        return False
