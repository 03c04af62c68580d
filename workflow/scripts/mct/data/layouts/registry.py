"""Layouts by name."""

from typing import Any

from mct.base.errors import UserError
from mct.data.layouts.animal10n import Animal10N
from mct.data.layouts.base import Layout
from mct.data.layouts.cifar_n import CifarN
from mct.data.layouts.clothing1m import Clothing1M
from mct.data.layouts.digits import Digits
from mct.data.layouts.food101n import Food101N
from mct.data.layouts.image_folder import ImageFolder
from mct.data.layouts.settings import DatasetSettings
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


def open_layout(settings: DatasetSettings) -> Layout:
    """Return the layout of a data set; UserError if its root is missing."""
    if settings.layout not in LAYOUTS:
        known = ", ".join(LAYOUTS)
        raise UserError(f"dataset.layout: expected one of {known}, got {settings.layout!r}")
    return LAYOUTS[settings.layout](settings)
