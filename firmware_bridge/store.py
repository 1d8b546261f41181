"""Where a cabinet keeps its last accepted plan: three files, written in turn.

A new plan goes neither over the present one, nor over the last one that is safe on disk, so that a
power cut in the middle of writing costs what is not safe yet at most. Nothing that is read back is
trusted: each file is a whole signed upload and is checked again like one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from firmware_bridge.errors import SetupError

SLOTS = ("plan-a.bin", "plan-b.bin", "plan-c.bin")


class PlanStore(Protocol):
    """Keeps signed plans over a restart."""

    @property
    def safe(self) -> bool:
        """Whether all that was written would survive a power cut."""

    def load(self) -> tuple[bytes, ...]:
        """What is there, from the newest or not: the caller chooses."""

    def keep(self, data: bytes, over: bytes | None) -> None:
        """Write *data*, but not in place of *over*; raises :class:`OSError`."""

    def sync(self) -> None:
        """Make it survive a power cut; may take long; raises :class:`OSError`."""


class NoStore:
    """A cabinet without a disk: after a restart it has its factory plan."""

    safe = True

    def load(self) -> tuple[bytes, ...]:
        """Nothing."""
        return ()

    def keep(self, data: bytes, over: bytes | None) -> None:
        """Forget it."""

    def sync(self) -> None:
        """Nothing to do."""


class FolderStore:
    """The files in *folder*, which is made if it is not there.

    Raises :class:`~firmware_bridge.errors.SetupError` if it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0
        self._synced = 0
        self._newest = self._safest = b""
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise SetupError(
                f"state folder {folder} cannot be written ({error.strerror}): choose another"
            ) from None

    @property
    def safe(self) -> bool:
        """See :class:`PlanStore`."""
        return self._synced == self._written

    def load(self) -> tuple[bytes, ...]:
        """See :class:`PlanStore`."""
        paths = (self._folder / name for name in SLOTS)
        return tuple(_read(path) for path in paths if path.is_file())

    def keep(self, data: bytes, over: bytes | None) -> None:
        """See :class:`PlanStore`."""
        paths = [self._folder / name for name in SLOTS]
        needed = {over, self._safest}
        free = [path for path in paths if not path.is_file() or path.read_bytes() not in needed]
        free[0].write_bytes(data)
        self._newest = data
        self._written += 1

    def sync(self) -> None:
        """See :class:`PlanStore`."""
        written, newest = self._written, self._newest
        for name in SLOTS:
            path = self._folder / name
            if path.is_file():
                _sync(path)
        _sync(self._folder)
        self._synced, self._safest = written, newest


def _read(path: Path) -> bytes:
    """What is in *path*; what cannot be read is no plan, and no reason not to start."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
