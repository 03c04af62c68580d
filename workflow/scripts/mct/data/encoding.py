"""In which form shards keep pictures; nothing here imports what decodes them, so that plans can ask."""

TINY = 64
"""Pictures up to so many pixels are kept decoded, and seen without a margin around their crop."""


def choose_encoding(encoding: str, size: int) -> str:
    """Return `pixels` or `encoded`, by a value of the key `encoding` and the size of views."""
    if encoding == "auto":
        return "pixels" if size <= TINY else "encoded"
    return encoding
