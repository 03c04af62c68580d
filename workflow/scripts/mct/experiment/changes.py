"""What a configuration changes since the last run, in words: why stages run again."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mct.base.errors import UserError
from mct.base.yaml_files import read_yaml

MOST = 8
"""Changes that are named; of more the number is said."""
LONGEST = 40
"""Letters of a value that are shown."""


def describe_changes(folder: Path, config: Mapping[str, Any]) -> list[str]:
    """Return a line that says which keys changed since a run in a folder of results, if any did."""
    path = folder / "config.yaml"
    try:
        before = read_yaml(path) if path.is_file() else None
    except UserError:  # an interrupted write
        return []
    if not isinstance(before, dict):
        return []
    found = [f"{key} {_text(old)} -> {_text(new)}" for key, old, new in changes(before, config)]
    if not found:
        return []
    more = f", and {len(found) - MOST} more" if len(found) > MOST else ""
    return [f"changed since the last run: {', '.join(found[:MOST])}{more}"]


def changes(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, Any, Any]]:
    """Yield each key, as `section.key`, that differs, with its old and its new value; None for none."""
    for key in dict.fromkeys([*before, *now]):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            yield from changes(old, new, f"{prefix}{key}.")
        elif _plain(old) != _plain(new):
            yield f"{prefix}{key}", old, new


def _plain(value: Any) -> Any:
    """Return a value as a YAML file gives it back, where tuples are lists; nothing for no keys."""
    if value == {}:
        return None
    return [_plain(each) for each in value] if isinstance(value, list | tuple) else value


def _text(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."
