"""Text for the screen."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from mct.base.errors import UserError


def show(lines: Sequence[str]) -> None:
    """Print lines."""
    print("\n".join(lines), flush=True)


def gigabytes(count: float) -> str:
    """Return a number of bytes in GB, or in MB below a tenth of one."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def no_such(what: str, expected: str) -> UserError:
    """Return the error for a path that is not what a command needs."""
    return UserError(f"{what}: expected {expected}")


def user_path(text: str) -> Path:
    """Return the path that an option names; `~` is the user's folder also in quotes."""
    return Path(text).expanduser()


def count(text: str) -> int:
    """Return the number that an option holds, at least 1."""
    if not (text.isascii() and text.isdecimal() and int(text)):
        raise argparse.ArgumentTypeError(f"expected a whole number of at least 1, got {text!r}")
    return int(text)
