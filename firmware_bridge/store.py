"""Where a cabinet keeps its last accepted plan: two files, written in turn.

A new plan goes into the file that does not hold the present one, so that a power cut in the middle
of writing costs the new plan at most. Nothing that is read back is trusted: each file is a whole
signed upload and is checked again like one.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from firmware_bridge.errors import SetupError

SLOTS = ("plan-a.bin", "plan-b.bin")


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
    """The two files in *folder*, which is made if it is not there.

    Raises :class:`~firmware_bridge.errors.SetupError` if it cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written = 0
        self._synced = 0
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
        return tuple(path.read_bytes() for path in paths if path.is_file())

    def keep(self, data: bytes, over: bytes | None) -> None:
        """See :class:`PlanStore`."""
        paths = [self._folder / name for name in SLOTS]
        taken = [path for path in paths if path.is_file() and path.read_bytes() == over]
        path = next(path for path in paths if path not in taken[:1])
        path.write_bytes(data)
        self._written += 1

    def sync(self) -> None:
        """See :class:`PlanStore`."""
        written = self._written
        for name in SLOTS:
            path = self._folder / name
            if path.is_file():
                _sync(path)
        _sync(self._folder)
        self._synced = written


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
