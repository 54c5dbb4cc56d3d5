"""What every test needs of the process it runs in."""

from __future__ import annotations

import signal

# A job in the background of a script is started with Ctrl-C ignored, and so would be all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)
