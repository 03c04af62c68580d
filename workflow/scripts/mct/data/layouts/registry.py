"""Layouts by name. A layout's module is imported when a data set of that layout is opened."""

from typing import Any

from mct.base.errors import UserError
from mct.base.functions import check_name, open_function
from mct.data.layouts.base import Layout
from mct.data.layouts.settings import DatasetSettings

LAYOUTS = {
    "digits": "mct.data.layouts.digits:Digits",
    "clothing1m": "mct.data.layouts.clothing1m:Clothing1M",
    "webvision": "mct.data.layouts.webvision:WebVision",
    "food101n": "mct.data.layouts.food101n:Food101N",
    "cifar_n": "mct.data.layouts.cifar_n:CifarN",
    "animal10n": "mct.data.layouts.animal10n:Animal10N",
    "image_folder": "mct.data.layouts.image_folder:ImageFolder",
    "table": "mct.data.layouts.table:Table",
    "parquet": "mct.data.layouts.parquet:Parquet",
    "webdataset": "mct.data.layouts.webdataset:WebDataset",
}
"""Module and class of each layout."""


def open_layout(settings: DatasetSettings) -> Layout:
    """Return the layout of a data set; UserError if its root is missing."""
    if settings.layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise UserError(f"dataset.layout: expected one of {known}, got {settings.layout!r}")
    return layout_class(settings.layout)(settings)


def layout_class(name: str) -> Any:
    """Return the class of a layout."""
    found = open_function(LAYOUTS[name])
    if lacking := getattr(found, "__abstractmethods__", {"class_names"}):
        raise UserError(
            f"{LAYOUTS[name]}: expected a class of layouts, but it lacks {min(lacking)}"
        )
    return found


def layout_module(name: str) -> str:
    """Return the name of the module that a layout is in; UserError where there is none."""
    check_name(LAYOUTS[name])
    return LAYOUTS[name].partition(":")[0]
