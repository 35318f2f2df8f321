"""The window that a person plays in. Nothing imports it but `play.py`."""

import os

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")  # stdout belongs to the program
