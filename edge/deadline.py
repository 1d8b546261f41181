"""An end to a computation that does not come to one, without a thread of its own."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Deadline:
    """Raises :class:`TimeoutError` inside its block once that has taken *seconds*; None: never.

    ``with Deadline(1.0): …``, again and again, for work on the main thread that waits for nothing;
    on another thread there is no deadline. What runs outside of Python (a kernel) is not
    interrupted but found late when it comes back.
    """

    def __init__(self, seconds: float | None) -> None:
        on_main_thread = threading.current_thread() is threading.main_thread()
        self._seconds = seconds if on_main_thread else None
        if self._seconds is not None:
            signal.signal(signal.SIGALRM, _ring)

    def __enter__(self) -> None:
        if self._seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, self._seconds)

    def __exit__(self, *_: object) -> None:
        if self._seconds is not None:
            signal.setitimer(signal.ITIMER_REAL, 0.0)


def _ring(number: int, frame: FrameType | None) -> None:
    raise TimeoutError("it did not come to an end")
