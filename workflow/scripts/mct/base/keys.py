"""What keys of the configuration are defined with: types, bounds and units; a room's are in its settings.

A key is a field with a text under it, which is its description. Its type has bounds and unit, its
default follows. A field without a text is no key: a value that the workflow derives for a stage.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from mct.base.errors import UserError

Count = Annotated[int, Meta(ge=1)]
BatchSize = Annotated[int, Meta(ge=1, le=1_000_000)]
"""A batch whose binomial distribution fits into memory."""
Natural = Annotated[int, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Share = Annotated[float, Meta(ge=0, le=1)]
ProperShare = Annotated[float, Meta(ge=0, lt=1)]
CountOrShare = Natural | Annotated[float, Meta(gt=0, lt=1)]
"""A number, or a share of something, which is below 1."""
ADDED = Meta(extra={"added": True})
"""Marks a key that came after results were made: at its default, stages are not passed it.

So what they are passed stays what it was, and nothing runs again. Such a default must not change.
"""
UNIQUE = Meta(extra_json_schema={"uniqueItems": True})


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Keys of a section of the configuration, or what a stage is passed."""


T = TypeVar("T", bound=Settings)


def unit(name: str) -> Meta:
    """Return the unit of a key."""
    return Meta(extra_json_schema={"unit": name})


def quick_start(value: Any) -> Meta:
    """Return the default of a key for the quick start's data set alone.

    For others the key must be given, unless it has a default of its own.
    """
    return Meta(extra_json_schema={"quick_start": value})


def one_of(names: Iterable[str]) -> Meta:
    """Return the names that a key, or an item of it, may have."""
    return Meta(extra_json_schema={"enum": list(names)})


def examples(names: Iterable[str]) -> Meta:
    """Return some of the names that a key may have, for errors about one that it may not."""
    return Meta(extra_json_schema={"examples": list(names)})


def count_of(value: float, whole: int) -> int:
    """Return a `CountOrShare` as a number: itself, or that share of `whole`, at least one."""
    return max(round(value * whole), 1) if 0 < value < 1 else int(value)


def pick(section: Mapping[str, Any], cls: type[Settings]) -> dict[str, Any]:
    """Return the keys of `section` that `cls` has as fields; so for sections in it. See `ADDED`."""
    picked = {}
    for field in msgspec.structs.fields(cls):
        is_new = ADDED in getattr(field.type, "__metadata__", ())
        if field.name in section and not (is_new and section[field.name] == field.default):
            value, kind = section[field.name], field.type
            is_section = isinstance(value, Mapping) and isinstance(kind, type)
            picked[field.name] = pick(value, kind) if is_section else value
    return picked


def parse(cls: type[T], data: Any) -> T:
    """Return settings from parsed JSON; UserError for unknown or missing keys and for wrong values."""
    try:
        return msgspec.convert(data, cls)
    except msgspec.ValidationError as error:
        raise UserError(f"{cls.__name__}: {error}") from error
