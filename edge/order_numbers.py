"""The numbers of the orders that were accepted, kept a second time beside the database.

Whoever can damage the database, or a card that does so by itself, must not open the door to every
order that was ever signed. The file is written anew as a whole, synced, and put in the place of the
last one; its first line is the SHA-256 of the rest. Where both memories are gone, it is remembered
that they are: orders that were valid before then are refused for ever.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path

Accepted = dict[tuple[str, str], tuple[int, bytes]]
"""By site and kind, number and digest of the last order that was accepted."""


class OrderNumbers:
    """What is known of accepted orders, in the file at *path* and here."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._is_changed = False
        self.accepted: Accepted = {}
        self.floor_utc_ms = 0
        """Orders that were valid before then may have been accepted, and forgotten."""
        self.is_urgent = False
        """Whether a number waits to be saved that must survive a power cut at once."""

    def note(self, site: str, kind: str, number: int, digest: bytes) -> None:
        """An order was accepted; an earlier one than is known changes nothing."""
        known, _ = self.accepted.get((site, kind), (-1, b""))
        if number > known:
            self.accepted[site, kind] = number, digest
            self._is_changed = True

    def forget_before(self, utc_ms: int) -> None:
        """Nothing is known of orders that were valid before *utc_ms*."""
        self.floor_utc_ms = max(self.floor_utc_ms, utc_ms)
        self._is_changed = True

    def load(self) -> bool:
        """Take in what the file says; False if it is not there or damaged.

        Raises :class:`OSError` where it can't be read.
        """
        try:
            checksum, _, text = self._path.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return False
        if checksum != hashlib.sha256(text).hexdigest().encode():
            return False
        content = json.loads(text)
        for site, kind, number, digest in content["accepted"]:
            self.note(site, kind, number, bytes.fromhex(digest))
        self.floor_utc_ms = max(self.floor_utc_ms, content["floor_utc_ms"])
        self._is_changed = False
        return True

    def save(self) -> None:
        """Write what has changed, so that a power cut finds it whole; raises :class:`OSError`."""
        if not self._is_changed and self._path.exists():
            return
        rows = [(*key, number, digest.hex()) for key, (number, digest) in self.accepted.items()]
        content = {"accepted": sorted(rows), "floor_utc_ms": self.floor_utc_ms}
        text = json.dumps(content, ensure_ascii=False).encode()
        checksum = hashlib.sha256(text).hexdigest().encode()
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            file.write(checksum + b"\n" + text)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        self._is_changed = self.is_urgent = False
