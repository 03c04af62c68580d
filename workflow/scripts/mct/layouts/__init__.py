"""Arrangements of data sets: one module each, the only places that know where pictures came from."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mct.errors import UserError
from mct.layouts.animal10n import Animal10N
from mct.layouts.base import Layout, Row
from mct.layouts.cifar_n import CifarN
from mct.layouts.clothing1m import Clothing1M
from mct.layouts.digits import Digits
from mct.layouts.food101n import Food101N
from mct.layouts.image_folder import ImageFolder
from mct.layouts.table import Table
from mct.layouts.webvision import WebVision
from mct.settings import DatasetSettings, parse, pick

__all__ = ["Layout", "Row", "open_layout", "used_settings"]

LAYOUTS: dict[str, Any] = {
    "digits": Digits,
    "clothing1m": Clothing1M,
    "webvision": WebVision,
    "food101n": Food101N,
    "cifar_n": CifarN,
    "animal10n": Animal10N,
    "image_folder": ImageFolder,
    "table": Table,
}
COMMON_KEYS = ("synthetic_noise",)
"""Keys with a default that every layout uses."""


def open_layout(settings: DatasetSettings) -> Layout:
    """Return the layout of a data set; UserError if its root is missing."""
    if settings.layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise UserError(f"dataset.layout: expected one of {known}, got {settings.layout!r}")
    return LAYOUTS[settings.layout](settings)


def used_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return those keys of the section `dataset` that its catalogue depends on.

    Keys with a default are left out where they have it, so that a new key changes nothing.

    Raises
    ------
    UserError
        A key that the layout does not use.
    """
    settings = pick(dataset, DatasetSettings)
    used = (*COMMON_KEYS, *LAYOUTS[dataset["layout"]].keys)
    parsed = parse(DatasetSettings, settings)
    for field in dataclasses.fields(DatasetSettings):
        if field.default == getattr(parsed, field.name):
            del settings[field.name]
        elif field.default is not dataclasses.MISSING and field.name not in used:
            raise UserError(f"dataset.{field.name}: layout {parsed.layout} does not use this key")
    return settings
