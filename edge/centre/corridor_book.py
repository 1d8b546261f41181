"""The corridors that are under way, on the disk: a centre that starts anew goes on with them.

Kept is what was asked for: who, where to, by which way, since when. No junction is held from
memory: its cabinet dropped the calls of the old centre after 5 s, and is called again when the
vehicle has said where it is now.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import structlog

from edge.corridors.values import Corridor, CorridorState, Wish
from edge.errors import StoreError

TABLE = """
CREATE TABLE IF NOT EXISTS corridors_under_way (
    id TEXT PRIMARY KEY, opened_utc_ms INTEGER NOT NULL, caller TEXT NOT NULL, wish TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""
_UNDER_WAY = frozenset({CorridorState.PENDING, CorridorState.GRANTED, CorridorState.ACTIVE})
_log = structlog.get_logger("edge.centre")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptCorridor:
    """One corridor; ``wish.route`` is what is left of its way."""

    id: str
    opened_utc_ms: int
    caller: str
    wish: Wish


class CorridorBook:
    """Kept in one SQLite file; raises :class:`StoreError` if *path* can't be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(TABLE)
            self._kept = {each.id: each for each in self._rows()}
        except sqlite3.Error as error:
            raise StoreError(f"{path} can't be opened: {error}") from None

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    @property
    def kept(self) -> tuple[KeptCorridor, ...]:
        """All that it has, oldest first."""
        return tuple(sorted(self._kept.values(), key=lambda each: each.opened_utc_ms))

    def keep(self, corridors: Iterable[Corridor]) -> None:
        """Keep those of *corridors* that are under way, and forget all others.

        A disk that can't be written keeps nobody from a corridor: it is logged.
        """
        found = {each.id: _kept(each) for each in corridors if each.state in _UNDER_WAY}
        if found == self._kept:
            return
        try:
            with self._db:
                self._db.execute("BEGIN")
                for gone in self._kept.keys() - found.keys():
                    self._db.execute("DELETE FROM corridors_under_way WHERE id = ?", (gone,))
                for each in found.values():
                    if self._kept.get(each.id) != each:
                        self._write(each)
        except sqlite3.Error as error:
            _log.error("corridors not kept", why=str(error))
        else:
            self._kept = found

    def _write(self, each: KeptCorridor) -> None:
        row = (each.id, each.opened_utc_ms, each.caller, json.dumps(asdict(each.wish)))
        self._db.execute("INSERT OR REPLACE INTO corridors_under_way VALUES (?,?,?,?)", row)

    def _rows(self) -> Iterator[KeptCorridor]:
        rows = self._db.execute("SELECT id, opened_utc_ms, caller, wish FROM corridors_under_way")
        for name, opened_utc_ms, caller, document in rows:
            try:
                said = json.loads(document)
                wish = Wish(**{**said, "route": tuple(said["route"])})
            except (ValueError, TypeError, KeyError) as error:
                _log.warning("a corridor can't be read", corridor=name, why=repr(error))
                continue
            yield KeptCorridor(id=name, opened_utc_ms=opened_utc_ms, caller=caller, wish=wish)


def _kept(corridor: Corridor) -> KeptCorridor:
    route, position = corridor.route, corridor.position
    if position is not None and position.street in route:
        route = route[route.index(position.street) :]
    return KeptCorridor(
        id=corridor.id,
        opened_utc_ms=corridor.opened_utc_ms,
        caller=corridor.caller,
        wish=replace(corridor.wish, origin=route[0], destination=route[-1], route=route),
    )
