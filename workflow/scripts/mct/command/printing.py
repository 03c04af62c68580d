"""Text for the screen."""

import os
import sys
from collections.abc import Sequence

from mct.base.errors import UserError


def show(lines: Sequence[str]) -> None:
    """Print lines; what reads them (`head`) may have gone."""
    try:
        print("\n".join(lines), flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def gigabytes(count: float) -> str:
    """Return a number of bytes in GB, or in MB below a tenth of one."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def no_such(what: str, expected: str) -> UserError:
    """Return the error for a path that is not what a command needs."""
    return UserError(f"{what}: expected {expected}")
