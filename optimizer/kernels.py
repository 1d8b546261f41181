"""Which implementation of a law runs here: the compiled kernel, or the reference beside it."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Callable
from types import ModuleType
from typing import TypeVar

T = TypeVar("T")
_log = logging.getLogger(__name__)


def implementations(
    what: str, module: str, compiled: Callable[[ModuleType], T], **references: T
) -> dict[str, T]:
    """The implementations of *what* that can run here, by name, the preferred one first.

    That is ``kernel``, what *compiled* takes out of *module*, where that is built and
    ``GREENBAND_NO_EXT`` is not 1; then *references*. Which one is preferred is logged.
    """
    found: dict[str, T] = {}
    if os.environ.get("GREENBAND_NO_EXT") != "1":
        try:
            found["kernel"] = compiled(importlib.import_module(module))
        except ImportError:
            _log.warning(
                "%s: the kernel is not built, the slow reference serves; "
                "run `python setup.py build_ext --inplace`",
                what,
            )
    found |= references
    _log.info("%s: %s", what, next(iter(found)))
    return found
