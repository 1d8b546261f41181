"""One junction on a vehicle's way, as the desk keeps it."""

from __future__ import annotations

from controller.clock import Instant
from edge.corridors.call_book import CallBook
from edge.corridors.values import Answer, CallAnswer, Passage, PassageState, SiteView
from edge.corridors.way import Line
from optimizer.corridor.windows import Window

ANSWER_MS = 3_000
"""Whoever has not answered by then can't be reached."""
ASK_AGAIN_MS = 5_000
"""So often a junction that can't be reached is asked whether it can by now."""
AGAIN_MS = 30_000
"""Between two calls of one vehicle, after one that was cut or refused."""
RECOVERY_CYCLES = 3

_DONE = frozenset({PassageState.PASSED, PassageState.RELEASED})


class Stop:
    """State of the wish at one stop line. Times are monotonic, in ms; what is shown is in UTC."""

    def __init__(self, line: Line, stage: str) -> None:
        self.line = line
        self.stage = stage
        self.state = PassageState.PLANNED
        self.why = ""
        self.window: Window | None = None
        self.call_no: int | None = None
        self.question_no: int | None = None
        self.answered = False
        """Its cabinet has said something, be it only that it refuses."""
        self._taken = False
        """Its cabinet has taken the present call, by its own word."""
        self.not_before_ms: int | None = None
        self.passed_ms: int | None = None
        self.released_ms: int | None = None
        self.back_ms: int | None = None
        self.tried: frozenset[str] = frozenset()
        """Stages that were held in vain: the vehicle could not go."""
        self._asked_ms = 0
        self._held_ms: int | None = None
        self._stage_after = ""
        self._changes = 0

    @property
    def site(self) -> str:
        """The junction's name."""
        return self.line.turn.site

    @property
    def is_done(self) -> bool:
        """Passed, or let go for good."""
        return self.state in _DONE

    def held_ms(self, now_ms: int) -> int:
        """How long the way has been green for it."""
        return 0 if self._held_ms is None else now_ms - self._held_ms

    def called_for_ms(self, now_ms: int) -> int:
        """How old its call is."""
        return 0 if self.call_no is None else now_ms - self._asked_ms

    def may_call(self, now_ms: int) -> bool:
        """Whether nothing keeps it from being called (again)."""
        return self.not_before_ms is None or now_ms >= self.not_before_ms

    def ask(self, now: Instant, book: CallBook, corridor: str, level: int) -> None:
        """Put the question whether the cabinet can be called."""
        self._asked_ms = now.mono_ms
        if self.state is PassageState.PLANNED:
            self.state = PassageState.ASKED
        self.question_no = book.question(
            now.mono_ms, now.utc_ms, corridor, self.site, level, self.stage
        )

    def call(self, now: Instant, book: CallBook, corridor: str, level: int) -> None:
        """Make the call, if it is not made already."""
        if self.call_no is not None:
            return
        self._asked_ms = now.mono_ms
        self.released_ms = self.back_ms = None
        self._taken = False
        self.state, self.why = PassageState.ASKED, ""
        self.call_no = book.begin(now.mono_ms, now.utc_ms, corridor, self.site, level, self.stage)

    def let_go(self, now: Instant, book: CallBook, state: PassageState, why: str) -> None:
        """End its call, if there is one; *state* is what it is from now on.

        Who can't be reached is not said to have the call because it is not called any more.
        """
        if state is PassageState.GRANTED and self.state is PassageState.UNREACHABLE:
            state, why = self.state, self.why
        if self.call_no is not None:
            book.end(now.mono_ms, self.call_no)
            self.released_ms, self._stage_after, self._changes = now.mono_ms, self.stage, 0
        if self.question_no is not None:
            book.answered(self.question_no)
        self.call_no = self.question_no = self._held_ms = None
        self.state, self.why = state, why

    def hear(self, now: Instant, book: CallBook, number: int, said: CallAnswer) -> None:
        """The cabinet's answer to *number*, if it is ours."""
        answer = said.answer
        if number == self.question_no:
            self._hear_to_question(now, book, said)
        elif number != self.call_no or number is None:
            return
        elif answer is Answer.ACKNOWLEDGED:
            self.answered = self._taken = True
            if self.state in {PassageState.ASKED, PassageState.UNREACHABLE}:
                self.state, self.why = PassageState.GRANTED, ""
        elif answer is Answer.ACTIVATED:
            self._hold(now)
        elif answer is Answer.QUEUED:
            self.answered = self._taken = True
            self.state, self._held_ms = PassageState.QUEUED, None
            self.why = said.why or f"another call is served first at {self.site}"
        elif answer is Answer.UNREACHABLE:
            self._taken = False
            self._unreachable(said.why)
        elif answer is Answer.STALE:
            self.let_go(now, book, PassageState.GRANTED, ended_by_cabinet(self.site, answer))
        elif answer is Answer.REFUSED:
            self.let_go(now, book, PassageState.REFUSED, refused(self.site, said.why))
            self.answered, self.not_before_ms = True, now.mono_ms + AGAIN_MS
        else:
            self.let_go(now, book, PassageState.GRANTED, ended_by_cabinet(self.site, answer))
            self.answered, self.not_before_ms = True, now.mono_ms + AGAIN_MS

    def _hear_to_question(self, now: Instant, book: CallBook, said: CallAnswer) -> None:
        if said.answer is Answer.UNREACHABLE:
            self._unreachable(said.why)
            return
        if self.question_no is not None:
            book.answered(self.question_no)
        self.question_no, self.answered = None, True
        if self.call_no is not None or self.is_done:
            return
        if said.answer is Answer.REFUSED:
            self.state, self.why = PassageState.REFUSED, refused(self.site, said.why)
            self.not_before_ms = now.mono_ms + AGAIN_MS
        else:
            self.state, self.why = PassageState.GRANTED, ""

    def _hold(self, now: Instant) -> None:
        self.answered = self._taken = True
        if self._held_ms is None:
            self._held_ms = now.mono_ms
        self.state, self.why = PassageState.HELD, ""

    def _unreachable(self, why: str = "") -> None:
        if not self.is_done:
            self.state, self.why = PassageState.UNREACHABLE, why or cannot_reach(self.site)

    def watch(self, now: Instant, view: SiteView | None) -> None:
        """Look at the site while it is asked: is it there, has its stage come?

        A stage that comes by itself is no answer: only who has taken the call holds it.
        """
        if self.is_done:
            return
        late = now.mono_ms - self._asked_ms > ANSWER_MS
        asking = self.question_no is not None or self.call_no is not None
        gone = view is not None and not view.reachable
        if asking and (gone or (late and self.state is PassageState.ASKED)):
            self._unreachable()
        elif self.call_no is not None and view is not None and self._taken:
            if self.state is PassageState.UNREACHABLE:
                held = self._held_ms is not None
                self.state, self.why = PassageState.HELD if held else PassageState.GRANTED, ""
            if view.stage == self.stage and self.state is not PassageState.QUEUED:
                self._hold(now)

    def asks_again(self, now_ms: int) -> bool:
        """Whether a site that could not be reached is to be asked anew."""
        unreachable = self.state is PassageState.UNREACHABLE and self.call_no is None
        return unreachable and now_ms - self._asked_ms >= ASK_AGAIN_MS

    def recover(self, now: Instant, view: SiteView | None) -> bool:
        """Whether its site is back in step, or does not count any more."""
        if self.released_ms is None or self.back_ms is not None:
            return True
        gone_ms = now.mono_ms - self.released_ms
        cycle_ms = round((view.cycle_s if view is not None else SiteView().cycle_s) * 1_000)
        if view is not None and gone_ms > 0 and self._is_back(view, gone_ms >= cycle_ms):
            self.back_ms = now.mono_ms
            return True
        if gone_ms >= RECOVERY_CYCLES * cycle_ms:
            self.why = f"{self.site} is not back in step after {RECOVERY_CYCLES} cycles"
            return True
        return False

    def _is_back(self, view: SiteView, a_cycle_later: bool) -> bool:
        if view.in_step is not None:
            return view.in_step
        if view.stage is not None and view.stage != self._stage_after:
            self._stage_after, self._changes = view.stage, self._changes + 1
        return self._changes > 1 or a_cycle_later

    def passage(self, now: Instant) -> Passage:
        """As it is shown."""
        shift_ms = now.utc_ms - now.mono_ms
        window = None if self.is_done else self.window
        turn = self.line.turn
        return Passage(
            site=self.site,
            stage=self.stage,
            from_street=turn.from_street,
            to_street=turn.to_street,
            distance_m=self.line.at_m,
            state=self.state,
            why=self.why,
            eta_utc_ms=None if window is None else now.utc_ms + round(window.eta_s * 1_000),
            green_from_utc_ms=(
                None if window is None else now.utc_ms + round(window.green_from_s * 1_000)
            ),
            passed_utc_ms=_shifted(self.passed_ms, shift_ms),
            released_utc_ms=_shifted(self.released_ms, shift_ms),
            back_utc_ms=_shifted(self.back_ms, shift_ms),
        )


def _shifted(time_ms: int | None, shift_ms: int) -> int | None:
    return None if time_ms is None else time_ms + shift_ms


def cannot_reach(site: str) -> str:
    """For the dispatcher."""
    return f"{site} does not answer: drive there as without a corridor; it is asked again"


def refused(site: str, why: str) -> str:
    """For the dispatcher."""
    return f"{site} refuses{': ' + why if why else ''}; it is asked again when it is due"


def ended_by_cabinet(site: str, answer: Answer) -> str:
    """For the dispatcher."""
    if answer is Answer.STALE:
        return f"the line to {site} failed, and it has let the call go: it is called again"
    if answer is Answer.TIMED_OUT:
        return f"{site} has held the way for as long as it may, and is asked again later"
    return f"{site} has ended the call, and is asked again later"
