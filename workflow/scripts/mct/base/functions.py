"""Functions and classes that a table names as `module:function`: found, opened, and their results."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path
from pkgutil import resolve_name
from traceback import extract_tb
from typing import Any

from mct.base.errors import UserError
from mct.base.texts import nearest


def check_name(name: str) -> None:
    """Raise UserError unless a module that Python can parse has the function; imports none of it."""
    module, _, function = name.partition(":")
    if not function:
        raise UserError(f"{name}: expected a function as `module:function`")
    try:
        spec = find_spec(module)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.has_location:
        raise UserError(f"{name}: no such module: {module}; correct the name, or write the module")
    source = Path(str(spec.origin)).read_bytes()
    try:
        ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{name}: {spec.origin}: not Python: {error}") from error
    words = dict.fromkeys(re.findall(r"[^\W\d]\w*", source.decode()))
    if function not in words:
        near = nearest(function, words)
        hint = f"did you mean `{near}`?" if near else "correct the name, or write the function"
        raise UserError(f"{name}: {spec.origin} has no {function}; {hint}")


def open_function(name: str) -> Any:
    """Return what a name stands for; UserError where there is none, or its module cannot be imported."""
    check_name(name)
    try:
        return resolve_name(name)
    except Exception as error:  # a module may raise anything
        *_, place = extract_tb(error.__traceback__)
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise UserError(
            f"{name}: cannot be imported: {reason} ({place.filename}, line {place.lineno})"
        ) from error


def of_shape(result: Any, shape: tuple[int, ...], name: str) -> Any:
    """Return the result of the function `name`; UserError unless it is an array of this shape."""
    found = tuple(getattr(result, "shape", (type(result).__name__,)))
    if found != shape:
        raise UserError(f"{name}: expected it to return an array of shape {shape}, got {found}")
    return result
