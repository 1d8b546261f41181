"""For every test."""

import signal

# A shell that starts the tests in the background has them ignore Ctrl-C, and every program that
# they start inherits that; the tests that send it need it to work.
signal.signal(signal.SIGINT, signal.default_int_handler)
