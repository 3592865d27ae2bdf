"""What every test relies on."""

from __future__ import annotations

import signal

# A shell starts background jobs with SIGINT ignored, and children inherit that; a test that presses
# Ctrl-C in a program that it has started must mean it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
