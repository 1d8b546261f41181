"""The plans that a centre has sent to its sites: what is in force, what was, and who wanted it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from controller import plan_json
from controller.plan import TimingPlan
from edge.centre.values import PlanRecord
from edge.errors import StoreError

WAITING, IN_FORCE, EARLIER, REFUSED = "waiting", "in force", "earlier", "refused"
TABLE = """
CREATE TABLE IF NOT EXISTS sent_plans (
    site TEXT NOT NULL, sequence_no INTEGER NOT NULL, document TEXT NOT NULL, state TEXT NOT NULL,
    sent_utc_ms INTEGER NOT NULL, sent_by TEXT NOT NULL, why TEXT NOT NULL,
    PRIMARY KEY (site, sequence_no)
) STRICT, WITHOUT ROWID;
"""


class PlanBook:
    """Kept in one SQLite file; raises :class:`StoreError` if *path* can't be opened."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.executescript(TABLE)
        except sqlite3.Error as error:
            raise StoreError(f"{path} can't be opened: {error}") from None
        self._in_force: dict[str, str] = {}
        """By site, as every status asks for it."""

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def of(self, site: str) -> tuple[PlanRecord, ...]:
        """The plans of *site*, the newest first."""
        return tuple(self._rows(site))

    def in_force(self, site: str) -> str:
        """Name of the plan that *site* falls back to; empty if it never had one from here."""
        if site not in self._in_force:
            names = (each.plan.name for each in self._rows(site) if each.state == IN_FORCE)
            self._in_force[site] = next(names, "")
        return self._in_force[site]

    def next_number(self, site: str, least: int) -> int:
        """A number above all that *site* has had."""
        query = "SELECT MAX(sequence_no) FROM sent_plans WHERE site = ?"
        last = self._db.execute(query, (site,)).fetchone()[0]
        return max(least, (last or 0) + 1)

    def sent(self, plan: TimingPlan, by: str, why: str, utc_ms: int) -> PlanRecord:
        """*plan* is on its way."""
        record = PlanRecord(
            site=plan.site,
            sequence_no=plan.sequence_no,
            plan=plan,
            state=WAITING,
            sent_utc_ms=utc_ms,
            by=by,
            why=why,
        )
        row = (plan.site, plan.sequence_no, plan_json.to_json(plan), WAITING, utc_ms, by, why)
        self._db.execute("INSERT INTO sent_plans VALUES (?,?,?,?,?,?,?)", row)
        return record

    def answered(self, record: PlanRecord, state: str, why: str = "") -> PlanRecord:
        """The site has taken the plan, or refused it and said *why*."""
        place = (record.site, record.sequence_no)
        self._in_force.pop(record.site, None)
        if state == IN_FORCE:
            self._db.execute(
                "UPDATE sent_plans SET state = ? WHERE site = ? AND state = ?",
                (EARLIER, record.site, IN_FORCE),
            )
        self._db.execute(
            "UPDATE sent_plans SET state = ?, why = ? WHERE site = ? AND sequence_no = ?",
            (state, why or record.why, *place),
        )
        return replace(record, state=state, why=why or record.why)

    def _rows(self, site: str) -> Iterator[PlanRecord]:
        rows = self._db.execute(
            "SELECT sequence_no, document, state, sent_utc_ms, sent_by, why FROM sent_plans "
            "WHERE site = ? ORDER BY sequence_no DESC",
            (site,),
        )
        for number, document, state, utc_ms, by, why in rows:
            yield PlanRecord(
                site=site,
                sequence_no=number,
                plan=plan_json.from_json(document),
                state=state,
                sent_utc_ms=utc_ms,
                by=by,
                why=why,
            )
