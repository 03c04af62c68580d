"""Adding an item to a list in a YAML file that a person wrote: comments and order stay."""

import json
import re
from typing import Any

import yaml

from mct.base.errors import UserError

PLAIN = re.compile(r"[A-Za-z_./][\w./-]*")
"""Text that is text in YAML without quotes."""


def with_item(text: str, keys: tuple[str, str], item: str, source: str) -> str:
    """Return a YAML or JSON text in which the list at `keys`, a section and its key, has an item more.

    Section and key are made where they are missing. UserError where the text has a form in which that
    would change anything else.
    """
    changed = _changed(text, yaml.compose(text, Loader=yaml.SafeLoader), keys, item)
    if changed is None or _loaded(changed) != _expected(yaml.safe_load(text), keys, item):
        raise UserError(f"{source}: add {_scalar(item, text)} to `{'.'.join(keys)}` by hand")
    return changed


def _expected(content: Any, keys: tuple[str, str], item: str) -> Any:
    """Return what the changed text should hold; None where it cannot."""
    (section, key), content = keys, content or {}
    part = content.get(section, {}) if isinstance(content, dict) else None
    if not isinstance(part, dict) or not isinstance(part.get(key, []), list):
        return None
    return {**content, section: {**part, key: [*part.get(key, []), item]}}


def _loaded(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return None


def _changed(text: str, root: yaml.Node | None, keys: tuple[str, str], item: str) -> str | None:
    scalar = _scalar(item, text)
    section, key = keys
    if root is None:
        return f"{text}{section}:\n  {key}: [{scalar}]\n"
    owner = _value(root, section)
    if owner is None:
        return _with_key(text, root, section, f"{{{_key(key, text)}: [{scalar}]}}")
    found = _value(owner, key)
    if found is None:
        return _with_key(text, owner, key, f"[{scalar}]")
    if not isinstance(found, yaml.SequenceNode):
        return None
    return _with_entry(text, found, scalar)


def _value(node: yaml.Node, key: str) -> yaml.Node | None:
    pairs = node.value if isinstance(node, yaml.MappingNode) else []
    return next((value for name, value in pairs if name.value == key), None)


def _with_key(text: str, node: yaml.Node, key: str, value: str) -> str | None:
    """Return the text with a key after the last one of a mapping."""
    if not isinstance(node, yaml.MappingNode):
        return None
    entry = f"{_key(key, text)}: {value}"
    if node.flow_style:
        return _in_brackets(text, node, entry)
    indent = " " * node.start_mark.column
    return _on_new_line(text, node, f"{indent}{entry}")


def _with_entry(text: str, node: yaml.SequenceNode, scalar: str) -> str:
    """Return the text with an item after the last one of a list."""
    if node.flow_style:
        return _in_brackets(text, node, scalar)
    return _on_new_line(text, node, f"{' ' * node.start_mark.column}- {scalar}")


def _in_brackets(text: str, node: yaml.CollectionNode, entry: str) -> str:
    if not node.value:
        place = node.start_mark.index + 1
        return text[:place] + entry + text[place:]
    last = node.value[-1]
    place = (last[1] if isinstance(last, tuple) else last).end_mark.index
    return f"{text[:place]}, {entry}{text[place:]}"


def _on_new_line(text: str, node: yaml.CollectionNode, line: str) -> str:
    """Return the text with a line below the last one that belongs to a block."""
    end = "\r\n" if "\r\n" in text else "\n"
    last: yaml.Node = node
    while isinstance(last, yaml.CollectionNode) and last.value and not last.flow_style:
        child = last.value[-1]
        last = child[1] if isinstance(child, tuple) else child
    place = last.end_mark.index
    if place and text[place - 1] == "\n":
        return f"{text[:place]}{line}{end}{text[place:]}"
    stop = text.find("\n", place) + 1
    if not stop:
        return f"{text}{end}{line}{end}"
    return f"{text[:stop]}{line}{end}{text[stop:]}"


def _scalar(item: str, text: str) -> str:
    is_plain = PLAIN.fullmatch(item) and not _is_json(text) and yaml.safe_load(item) == item
    return item if is_plain else json.dumps(item, ensure_ascii=False)


def _key(key: str, text: str) -> str:
    return json.dumps(key) if _is_json(text) else key


def _is_json(text: str) -> bool:
    return text.lstrip().startswith("{")
