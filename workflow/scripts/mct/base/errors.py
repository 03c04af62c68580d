"""Endings of a stage that are no faults of the program: mistakes of users, interruption."""


class UserError(ValueError):
    """A mistake the user can fix. The program prints one line and exits with code 2.

    The message names the file, key or rank, what was expected, what was got and what to do.
    """


class BrokenPictureError(UserError):
    """A picture that cannot be used; `kind` is the sort of reason, by which they are counted."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class StageInterruptedError(Exception):
    """The stage was asked to stop and left a checkpoint; ends in exit code 75."""


def preview(items: list[str], count: int = 3) -> str:
    """Return the first `count` items, comma-separated, and how many more there are.

    Items with characters that cannot be seen are shown as Python writes them in ASCII.
    """
    more = f", and {len(items) - count} more" if len(items) > count else ""
    return ", ".join(item if item.isprintable() else ascii(item) for item in items[:count]) + more
