"""Files that are there whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A scratch file beside *path* that takes its place on success and is removed on any failure.

    It is created at once, so that a folder that cannot be written is known before the work starts.
    Raises :class:`OSError`. What is no plain file (a device, a pipe) is never replaced.
    """
    scratch = _scratch(path)
    try:
        yield scratch
        scratch.replace(path.resolve())
    except OSError as error:
        if error.filename in {None, str(scratch)}:  # a full disk names no file
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise
    finally:
        scratch.unlink(missing_ok=True)


def ensure_writable(path: Path) -> None:
    """Raise :class:`OSError` now, and not after long work, if *path* cannot be written."""
    if not is_stream(path):
        _scratch(path).unlink()


def is_stream(path: Path) -> bool:
    """Whether *path* is a device or a pipe, such as ``/dev/stdout``."""
    return path.exists() and not path.is_file() and not path.is_dir()


def _scratch(path: Path) -> Path:
    if path.is_dir():
        raise IsADirectoryError(
            errno.EISDIR, "this is a folder, give the name of a file", str(path)
        )
    if is_stream(path):
        raise OSError(errno.EINVAL, "this is no plain file, give another name", str(path))
    target = path.resolve()
    scratch = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        scratch.touch()
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    return scratch


def write_text(path: Path, text: str) -> None:
    """Write *text* to *path*, whole or not at all; straight into a device or a pipe."""
    if not is_stream(path):
        with replacing(path) as scratch:
            scratch.write_text(text, encoding="utf-8")
        return
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def read_text(path: Path) -> str:
    """The text of *path*; raises :class:`OSError` that names it."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise OSError(errno.EILSEQ, "this is not a text file in UTF-8", str(path)) from None
