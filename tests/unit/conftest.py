"""How all unit tests run: one thread, and hypothesis without its clock."""

import os

from hypothesis import settings

# Before torch is imported: tests share their machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# No deadline on busy machines; the same examples each time, so that red means a changed program.
settings.register_profile("unit", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("unit")
