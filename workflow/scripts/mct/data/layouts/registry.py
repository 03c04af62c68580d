"""Layouts by name, and which keys of the configuration each uses."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mct.base.errors import UserError
from mct.base.settings import DatasetSettings, parse, pick
from mct.data.layouts.animal10n import Animal10N
from mct.data.layouts.base import Layout
from mct.data.layouts.cifar_n import CifarN
from mct.data.layouts.clothing1m import Clothing1M
from mct.data.layouts.digits import Digits
from mct.data.layouts.food101n import Food101N
from mct.data.layouts.image_folder import ImageFolder
from mct.data.layouts.table import Table
from mct.data.layouts.webvision import WebVision

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
