"""The uploads of one cabinet: which plan was accepted, what is on disk, why others were refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from controller.intersection import Intersection
from controller.plan import CheckedPlan
from firmware_bridge.codes import Refusal, Upload
from firmware_bridge.store import PlanStore
from firmware_bridge.upload import Envelope, UploadError, envelope_of_bytes, open_envelope

PLAN_AHEAD_MAX_MS = 60_000
"""A plan may become valid this long after now at most: the clocks of edge and cabinet differ."""


@dataclass(frozen=True, slots=True)
class LastUpload:
    """What became of the last upload."""

    state: Upload = Upload.NONE
    refusal: Refusal = Refusal.NONE
    number: int = 0
    digest: bytes = bytes(32)


class AcceptedPlan:
    """The last accepted plan of *site*, taken up from *store*; *tell* gets what happens, in words.

    Whatever is uploaded or found on disk passes every check, or is not used.
    """

    def __init__(
        self, site: Intersection, key: bytes, store: PlanStore, tell: Callable[[str], None]
    ) -> None:
        self._site = site
        self._key = key
        self._store = store
        self._tell = tell
        self.last = LastUpload()
        self.envelope: Envelope | None = None
        self.plan: CheckedPlan | None = None
        self.stored_no = 0
        """Number of the plan that would survive a power cut."""
        self.found_bad = False
        """What was on disk at the start was no plan of this site."""
        self.store_fails = False
        self._restore()

    def at(self, utc_ms: int) -> CheckedPlan | None:
        """The plan, if it is valid at *utc_ms*."""
        envelope = self.envelope
        if envelope is None or not envelope.not_before_ms <= utc_ms < envelope.not_after_ms:
            return None
        return self.plan

    def take(self, envelope: Envelope, utc_ms: int) -> None:
        """Accept the plan in *envelope*; raises :class:`UploadError`, and the old one stays."""
        try:
            self.plan = self._admitted(envelope, utc_ms)
        except UploadError as error:
            self.refuse(envelope.number, error)
            raise
        self.envelope = envelope
        self.last = LastUpload(Upload.ACCEPTED, Refusal.NONE, envelope.number, envelope.digest)
        digest = envelope.digest.hex()[:8]
        self._tell(f"plan {envelope.number} ({self.plan.plan.name}) accepted, digest {digest}")
        self.saved()

    def refuse(self, number: int, error: UploadError) -> None:
        """Put on record that upload *number* was refused."""
        self.last = LastUpload(Upload.REFUSED, error.code, number)
        self._tell(f"plan {number} refused: {error}")

    @property
    def unsaved(self) -> bool:
        """Whether :meth:`sync` has something to do."""
        return not self._store.safe

    def sync(self) -> None:
        """Make the plan survive a power cut; slow, may run beside all else. Raises OSError."""
        self._store.sync()

    def saved(self, error: OSError | None = None) -> None:
        """:meth:`sync` is through, or failed with *error*."""
        if error is not None and not self.store_fails:
            self._tell(f"the accepted plan is not safe on disk: {error.strerror}")
        self.store_fails = error is not None
        if self.envelope is not None and self._store.safe:
            self.stored_no = self.envelope.number

    def _admitted(self, envelope: Envelope, utc_ms: int) -> CheckedPlan:
        plan = open_envelope(envelope, self._site, self._key)
        last = 0 if self.envelope is None else self.envelope.number
        if envelope.number <= last:
            raise UploadError(Refusal.OLD_NUMBER, f"{envelope.number} is not above {last}")
        if utc_ms >= envelope.not_after_ms:
            raise UploadError(Refusal.EXPIRED, "its validity is over")
        if utc_ms < envelope.not_before_ms - PLAN_AHEAD_MAX_MS:
            raise UploadError(Refusal.NOT_YET_VALID, "its validity has not begun")
        held = None if self.envelope is None else self.envelope.to_bytes()
        try:
            self._store.keep(envelope.to_bytes(), held)
        except OSError as error:
            self.store_fails = True
            message = f"the state folder cannot be written ({error.strerror})"
            raise UploadError(Refusal.NOT_STORED, message) from None
        return plan

    def _restore(self) -> None:
        """Take up the newest stored plan that passes every check again."""
        found: list[tuple[Envelope, CheckedPlan]] = []
        for data in self._store.load():
            try:
                envelope = envelope_of_bytes(data)
                found.append((envelope, open_envelope(envelope, self._site, self._key)))
            except UploadError as error:
                self.found_bad = True
                self._tell(f"a stored plan is not used: {error}")
        if found:
            self.envelope, self.plan = max(found, key=lambda pair: pair[0].number)
            self.stored_no = self.envelope.number
            self._tell(f"plan {self.stored_no} restored from disk")
