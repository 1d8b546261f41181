"""For every test."""

import os
import signal

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that
# they start inherits that; the tests that send it need it to work.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Workers side by side are told how wide a terminal is that they don't have.
os.environ.pop("COLUMNS", None)
