r"""File names as keys: text that every list, table and log can hold, and the way back.

A file name is bytes. Bytes that are not UTF-8 and control characters become `\xHH`, line separators
`\uHHHH`. A backslash that would look like the start of such an escape becomes `\x5c`, so no two names
share a key.
"""

import re

_CODE = "x(?:[01][0-9a-f]|7f|5c|[89a-f][0-9a-f])|u(?:00[89][0-9a-f]|202[89]|d[89a-f][0-9a-f]{2})"
_ESCAPE = re.compile(rf"\\({_CODE})")
_UNSAFE = re.compile(rf"[\x00-\x1f\x7f-\x9f\u2028\u2029{chr(0xD800)}-{chr(0xDFFF)}]|\\(?={_CODE})")
_FOREIGN = re.compile(r"\\x[89a-f][0-9a-f]|\\ud")
_BYTES = range(0xDC80, 0xDD00)
"""What Python reads bytes as that are not UTF-8 (PEP 383)."""


def key_of(name: str) -> str:
    """Return the key of a file name as the system gives it (PEP 383); a harmless name is its key."""
    return _UNSAFE.sub(lambda match: _escaped(ord(match[0])), name)


def _escaped(code: int) -> str:
    if code in _BYTES:
        code -= 0xDC00
    elif code > 0x7F:
        return f"\\u{code:04x}"
    return f"\\x{code:02x}"


def name_of(key: str) -> str:
    """Return the file name that a key belongs to, for calls of the system."""
    return _ESCAPE.sub(lambda match: _unescaped(match[1]), key)


def _unescaped(code: str) -> str:
    number = int(code[1:], 16)
    return chr(number + 0xDC00 if code[0] == "x" and number > 0x7F else number)


def is_utf8(key: str) -> bool:
    """Return whether the name that a key belongs to is UTF-8."""
    return not _FOREIGN.search(key)
