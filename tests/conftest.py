"""What every test needs of the process it runs in."""

from __future__ import annotations

import os
import signal

# A job in the background of a script is started with Ctrl-C ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Tiny models are not tried in a process of their own first, except where a test asks for it by taking this away.
os.environ["LATTICE_TRIAL"] = "never"
