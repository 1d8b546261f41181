"""The version that is installed."""

from __future__ import annotations


def greenband_version() -> str:
    """Version of the installed package, or ``unknown`` in a checkout that is not installed."""
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("greenband")
    except PackageNotFoundError:
        return "unknown (not installed)"
