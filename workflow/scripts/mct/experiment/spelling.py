"""One spelling for each path of a configuration, so that another spelling reruns nothing.

Snakemake compares parameters as text: `data`, `./data/`, its absolute path and a link to it would be
four data sets. A path below the working folder is relative, so that a project can be moved.
"""

import os
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mct.base.architectures import IMAGENET
from mct.base.errors import UserError
from mct.data.layouts.base import BUILTIN

Spell = Callable[[str], str]


def spell_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a resolved configuration with each of its paths in its one spelling."""
    for keys, spell in SPELLINGS.items():
        config = _replaced(config, keys, spell)
    return dict(config)


def _replaced(section: Mapping[str, Any], keys: tuple[str, ...], spell: Spell) -> Mapping[str, Any]:
    """Return a section in which a path, if there is one, is spelled."""
    key, *below = keys
    value = section.get(key)
    if below and isinstance(value, Mapping):
        return {**section, key: _replaced(value, tuple(below), spell)}
    if below or not isinstance(value, str) or not value:
        return section
    return {**section, key: spell(value)}


def spell_folder(path: str) -> str:
    """Return a folder's real path, relative where it is below the working folder."""
    return _from_here(os.path.realpath(path))


def spell_file(path: str) -> str:
    """Return a file's path through real folders; its own name stays, since endings have a meaning."""
    if path in (BUILTIN, IMAGENET):
        return path
    plain = Path(os.path.normpath(path))
    return _from_here(str(Path(os.path.realpath(plain.parent)) / plain.name))


def spell_results(path: str) -> str:
    """Return the results folder, relative where its name lies below the working folder.

    A link of this name is not followed: targets are given by the name that the configuration has.
    """
    path = os.path.normpath(path)
    near = spell_file(path)
    return path if Path(near).is_absolute() else near


def _from_here(path: str) -> str:
    here = os.path.realpath(os.curdir)
    is_below = path == here or path.startswith(here.rstrip(os.sep) + os.sep)
    return os.path.relpath(path, here) if is_below else path


SPELLINGS: dict[tuple[str, ...], Spell] = {
    ("results",): spell_results,
    ("dataset", "root"): spell_folder,
    ("dataset", "clean_root"): spell_folder,
    ("dataset", "test_root"): spell_folder,
    ("dataset", "table"): posixpath.normpath,
    ("dataset", "measuring_labels"): spell_file,
    ("dataset", "classes"): spell_file,
    ("dataset", "synthetic_noise", "matrix"): spell_file,
    ("model", "initial_weights"): spell_file,
}
"""How each path of a configuration is spelled; `table` lies below the root."""


def check_results(path: Path) -> None:
    """Raise UserError where results, or a folder above them, cannot be a folder."""
    if path.exists() and not path.is_dir():
        raise UserError(f"results: expected a folder, got the file {path}")
    if path.is_symlink() and not path.exists():
        raise UserError(
            f"results: {path} is a link to {path.readlink()}, which is not there; make that "
            "folder, or remove the link"
        )
