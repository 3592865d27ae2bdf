"""What every test relies on."""

from __future__ import annotations

import signal

from hypothesis import settings

# A shell starts background jobs with SIGINT ignored, and children inherit that; a test that presses
# Ctrl-C in a program that it has started must mean it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says how busy the machine is; tests are not judged by that.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")
