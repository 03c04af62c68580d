"""Which keys of the section `dataset` its catalogue depends on: those that its layout uses.

For the workflow alone: of stages, each imports only the layout that it opens.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from mct.base.errors import UserError
from mct.base.keys import pick
from mct.data.layouts.registry import LAYOUTS, layout_class
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.stored import StoredLayout
from mct.labels.settings import NoiseSettings

COMMON_KEYS = ("layout", "seed", "synthetic_noise")
"""Keys that every layout uses."""
FILE_KEYS = ("root", "measuring_labels")
"""Keys that every layout of files uses."""


def used_settings(dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Return those keys of the section `dataset` that its catalogue depends on.

    A key of other layouts is left out, so that a new one changes nothing.

    Raises UserError: a key that the layout, or the kind of synthetic noise, does not use.
    """
    defaults = msgspec.to_builtins(DatasetSettings(layout=dataset["layout"]))
    settings = pick(dataset, DatasetSettings)
    used = layout_keys(dataset["layout"])
    for key, value in settings.items():
        if key not in used and value != defaults[key]:
            _refuse_key(key, dataset["layout"])
    _check_noise(settings["synthetic_noise"])
    return {key: value for key, value in settings.items() if key in used}


def layout_keys(name: str) -> tuple[str, ...]:
    """Return the keys of the section `dataset` that a layout uses."""
    layout = layout_class(name)
    files = FILE_KEYS if issubclass(layout, StoredLayout) else ()
    return (*COMMON_KEYS, *files, *layout.keys)


def _refuse_key(key: str, layout: str) -> None:
    others = ", ".join(name for name in LAYOUTS if key in layout_keys(name))
    raise UserError(
        f"dataset.{key}: layout {layout} does not use this key; leave it out, or name the "
        f"layout that does in dataset.layout ({others})"
    )


def _check_noise(noise: Mapping[str, Any]) -> None:
    if noise["kind"] == "none" and noise != msgspec.to_builtins(NoiseSettings()):
        key = "matrix" if noise["rate"] is None else "rate"
        raise UserError(
            f"dataset.synthetic_noise.{key}: kind none does not use this key; leave it out, or name "
            "the kind of noise in dataset.synthetic_noise.kind"
        )
