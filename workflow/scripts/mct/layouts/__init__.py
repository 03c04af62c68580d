"""Arrangements of data sets: one module each, the only places that know where pictures came from."""

from mct.errors import UserError
from mct.layouts.base import Layout, Row
from mct.layouts.clothing1m import Clothing1M
from mct.layouts.digits import Digits
from mct.settings import DatasetSettings

__all__ = ["Layout", "Row", "open_layout"]


def open_layout(settings: DatasetSettings) -> Layout:
    """Return the layout of a data set; UserError if its root is missing."""
    if settings.layout == "digits":
        return Digits(settings)
    if settings.layout == "clothing1m":
        return Clothing1M(settings)
    raise UserError(f"dataset.layout: expected digits or clothing1m, got {settings.layout!r}")
