"""Which keys of the section `dataset` its catalogue depends on: those that its layout uses.

For the workflow alone: of stages, each imports only the layout that it opens.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any

from mct.base.errors import UserError
from mct.base.settings import DatasetSettings, NoiseSettings, parse, pick
from mct.data.layouts.base import StoredLayout
from mct.data.layouts.registry import LAYOUTS, layout_class

COMMON_KEYS = ("layout", "seed", "synthetic_noise")
"""Keys that every layout uses."""
FILE_KEYS = ("root", "measuring_labels")
"""Keys that every layout of files uses."""
ALWAYS_PASSED = {
    "root": None,
    "measuring_labels": None,
    "synthetic_noise_rate": 0.4,
    "synthetic_clean_fraction": 0.1,
}
"""Keys that are passed on even where they have their default, which is this."""


def used_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return those keys of the section `dataset` that its catalogue depends on.

    Keys with a default are left out where they have it, so that a new key changes nothing.

    Raises
    ------
    UserError
        A key that the layout, or the kind of synthetic noise, does not use.
    """
    settings = pick(dataset, DatasetSettings)
    parsed = parse(DatasetSettings, settings)
    for field in dataclasses.fields(DatasetSettings):
        name = field.name
        if getattr(parsed, name) != ALWAYS_PASSED.get(name, field.default):
            _check_used(name, parsed.layout)
        elif name not in ALWAYS_PASSED:
            del settings[name]
    _check_noise(parsed.synthetic_noise)
    return settings


def layout_keys(name: str) -> tuple[str, ...]:
    """Return the keys of the section `dataset` that a layout uses."""
    layout = layout_class(name)
    files = FILE_KEYS if issubclass(layout, StoredLayout) else ()
    return (*COMMON_KEYS, *files, *layout.keys)


def _check_used(key: str, layout: str) -> None:
    if key not in layout_keys(layout):
        others = ", ".join(name for name in LAYOUTS if key in layout_keys(name))
        raise UserError(
            f"dataset.{key}: layout {layout} does not use this key; leave it out, or name the "
            f"layout that does in dataset.layout ({others})"
        )


def _check_noise(noise: NoiseSettings) -> None:
    if noise.kind == "none" and noise != NoiseSettings():
        key = "matrix" if noise.rate is None else "rate"
        raise UserError(
            f"dataset.synthetic_noise.{key}: kind none does not use this key; leave it out, or name "
            "the kind of noise in dataset.synthetic_noise.kind"
        )
