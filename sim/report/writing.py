"""Put a text into a file completely or not at all."""

from __future__ import annotations

import os
from pathlib import Path

from sim.errors import BenchError


def write_text(path: Path, text: str) -> None:
    """Write *text* to *path* through a temporary file beside it, and rename.

    Raises :class:`BenchError` in one sentence, and leaves nothing behind and an older file as it
    was, when the folder or the disk does not take it.
    """
    target = path.resolve()
    if target.exists() and not target.is_file():
        raise BenchError(f"cannot write {path}: it is not a plain file; choose another file name")
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = error.strerror or str(error)
        raise BenchError(
            f"cannot write {path}: {reason}; free some space or choose another place"
        ) from error
