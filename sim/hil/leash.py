"""``python -m sim.hil.leash PARENT COMMAND …``: become COMMAND, and die when PARENT does.

The bench may be killed in a way that leaves it no time to clean up (an abort of SUMO takes its
process along). Linux then ends who asked for it beforehand; elsewhere this only starts COMMAND.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, command: list[str]) -> None:
    """Never returns."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            sys.exit(1)  # it died before it could be waited for
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
