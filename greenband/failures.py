"""How a command fails: one line on standard error and an exit code, never a traceback.

Exit codes: 0 done, 1 failed (or the check found something unsafe), 2 used wrongly, 130 stopped by
Ctrl-C. ``GREENBAND_DEBUG=1`` shows the traceback as well.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
import traceback
from collections.abc import Callable
from typing import ParamSpec

import typer

from controller.violations import InvalidError
from edge.errors import EdgeError
from firmware_bridge.errors import BridgeError
from sim.errors import BenchError

FAILED = 1
USAGE = 2
STOPPED = 130

P = ParamSpec("P")


class UsageError(Exception):
    """The command was called with something that it cannot take."""


class UnsafeError(Exception):
    """A check found something unsafe; the findings are already printed."""


class MissingExtraError(BenchError):
    """A part of Greenband that is installed on request is needed and not there."""


def guarded(command: Callable[P, None]) -> Callable[P, None]:
    """Let *command* fail in one line, with its exit code."""

    @functools.wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except UnsafeError:
            raise typer.Exit(FAILED) from None
        except UsageError as error:
            raise _fail(str(error), USAGE) from None
        except (BenchError, BridgeError, EdgeError, InvalidError) as error:
            raise _fail(str(error), FAILED) from None
        except OSError as error:
            if error.errno == errno.EPIPE:
                raise  # the reader of a pipe has gone: not our failure
            raise _fail(_os_error(error), FAILED) from None
        except KeyboardInterrupt:
            print("greenband: stopped", file=sys.stderr)
            raise typer.Exit(STOPPED) from None

    return run


def _fail(message: str, code: int) -> typer.Exit:
    if os.environ.get("GREENBAND_DEBUG") == "1":
        traceback.print_exc()
    print(f"greenband: error: {' '.join(message.split())}", file=sys.stderr)
    return typer.Exit(code)


def _os_error(error: OSError) -> str:
    reason = error.strerror or str(error)
    advice = {
        errno.ENOSPC: ": free some space, or write somewhere else",
        errno.EACCES: ": check its permissions, or choose another path",
        errno.ENOENT: ": check the path",
    }.get(error.errno or 0, "")
    return f"{error.filename}: {reason}{advice}" if error.filename else f"{reason}{advice}"
