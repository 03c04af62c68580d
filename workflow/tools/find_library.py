"""Puts the library of this checkout on Python's path; each tool imports this before `mct`."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "scripts"))
