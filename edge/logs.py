"""Logs as JSON lines on standard error, those of libraries included; journald keeps them.

A thread writes them: a reader that has stopped reading must not stop the control.
"""

from __future__ import annotations

import logging
import sys
from typing import Literal

import structlog
from structlog.typing import Processor

from edge.outlet import STDERR, Outlet

_QUIET = {"mqtt": logging.ERROR, "pymodbus": logging.ERROR, "asyncio": logging.ERROR}
"""Libraries that log every retry; what matters of it, the daemon says itself."""


class OutletHandler(logging.Handler):
    """Hands records, in the words of *formatter*, to a thread that writes them."""

    def __init__(self, formatter: logging.Formatter, file: int = STDERR) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._outlet = Outlet(file, self._missed)

    def emit(self, record: logging.LogRecord) -> None:
        """Have *record* written when there is room; returns at once."""
        try:
            self._outlet.print(self.format(record))
        except Exception:  # as in every handler: a record that can't be formatted is shown
            self.handleError(record)

    def close(self) -> None:
        """Give what still waits a moment."""
        self._outlet.close()
        super().close()

    def _missed(self, lines: int) -> str:
        message = f"{lines} lines are left out here: nobody read them"
        record = logging.LogRecord(__name__, logging.WARNING, "", 0, message, None, None)
        return self.format(record)


def configure_logging(
    level: Literal["debug", "info", "warning", "error"] = "info",
    shape: Literal["json", "text"] = "json",
) -> None:
    """Set up structlog and the standard library's logging for the whole process."""
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    last: Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    if shape == "text":
        last = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    handler = OutletHandler(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, last],
        )
    )
    root = logging.getLogger()
    for before in root.handlers:
        before.close()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name, least in _QUIET.items():
        logging.getLogger(name).setLevel(least)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
