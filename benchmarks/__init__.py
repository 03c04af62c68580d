"""What was measured: a folder for each claim. Programs start as `python -m benchmarks.FOLDER.NAME`.

Importing this package puts the library of its checkout on the path, so they need no installation.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow/scripts"))
