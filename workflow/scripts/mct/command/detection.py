"""Which layout a folder or a table has, by the files in it."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mct.base.errors import UserError, preview
from mct.base.keys import parse
from mct.base.texts import read_cells
from mct.data.layouts.base import Layout
from mct.data.layouts.image_folder import SETS
from mct.data.layouts.registry import LAYOUTS, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.table import COLUMNS

TABLES = (".csv", ".tsv", ".txt")
SHARE_OF_HELD_OUT = 0.5
"""Of the held-out pictures that are clean ones, where a data set brings no clean set."""
Found = dict[str, Any]


def detect(path: Path) -> Found:
    """Return the section `dataset` for a folder or a table, without its name and noise rate.

    UserError where no layout is recognised, with what was looked for.
    """
    if not path.exists():
        raise UserError(f"{path}: no such file or folder")
    if path.is_file():
        return _table(path)
    for layout, find in FINDERS.items():
        found = find(path) if layout in LAYOUTS else None
        if found is not None:
            return {"layout": layout, "root": str(path), **found}
    names = sorted(entry.name for entry in path.iterdir())
    if any((path / name).is_dir() for name in names):
        hint = (
            "; if these folders are classes, move them into train/, and checked pictures into test/"
        )
    else:
        hint = ""
    raise UserError(
        f"{path}: no known layout; found {preview(names, 6) or 'nothing'}{hint}; expected a table with the "
        f"columns {', '.join(COLUMNS)}, folders of classes in train/ and test/, Parquet files, tars "
        "of webdataset, or files as docs/layouts.md has them"
    )


def open_found(found: Found) -> Layout:
    """Return the layout of what was detected; clean pictures are drawn where nothing says which are clean.

    Parquet files and tars may have true labels of training pictures, which only reading them shows.
    """
    layout = open_layout(parse(DatasetSettings, found))
    if found["layout"] in ("parquet", "webdataset"):
        try:
            layout.sizes()
        except UserError:  # perhaps for another reason, which is then found again
            return open_layout(
                parse(DatasetSettings, {**found, "clean_fraction": SHARE_OF_HELD_OUT})
            )
    return layout


def _table(path: Path) -> Found:
    if path.suffix.lower() not in TABLES:
        raise UserError(
            f"{path}: expected a folder or a table ({', '.join(TABLES)}), got another kind of file"
        )
    return {"layout": "table", "root": str(path.parent), "table": path.name}


def _clothing1m(root: Path) -> Found | None:
    folders = (root, root / "annotations")
    return {} if any((each / "noisy_label_kv.txt").is_file() for each in folders) else None


def _webvision(root: Path) -> Found | None:
    return {} if (root / "info/train_filelist_google.txt").is_file() else None


def _food101n(root: Path) -> Found | None:
    if not (root / "meta/imagelist.tsv").is_file():
        return None
    for test in (root.parent / "food-101", root.parent / "Food-101", root / "food-101"):
        if test.is_dir():
            return {"test_root": str(test)}
    raise UserError(
        f"{root}: this is Food-101N, which is tested on Food-101; put that folder at "
        f"{root.parent / 'food-101'}"
    )


def _cifar_n(root: Path) -> Found | None:
    if (root / "CIFAR-10_human.pt").is_file() and (root / "cifar-10-batches-py").is_dir():
        return {}
    if (root / "CIFAR-100_human.pt").is_file() and (root / "cifar-100-python").is_dir():
        return {"label_set": "noisy_label"}
    return None


def _animal10n(root: Path) -> Found | None:
    return {} if (root / "training").is_dir() and (root / "testing").is_dir() else None


def _has_files(root: Path, ending: str) -> bool:
    """Return whether a folder, or one below it, has a file that ends like this."""
    return any(root.glob(f"*{ending}")) or any(root.glob(f"*/*{ending}"))


def _parquet(root: Path) -> Found | None:
    return {} if _has_files(root, ".parquet") else None


def _webdataset(root: Path) -> Found | None:
    return {} if _has_files(root, ".tar") else None


def _folders(root: Path) -> Found | None:
    sets = {SETS[entry.name] for entry in root.iterdir() if entry.is_dir() and entry.name in SETS}
    if "train" not in sets:
        return None
    return {} if "clean" in sets else {"clean_fraction": SHARE_OF_HELD_OUT}


def _one_table(root: Path) -> Found | None:
    tables = list(_tables_of(root))
    return {"table": tables[0].name} if len(tables) == 1 else None


def _tables_of(root: Path) -> Iterator[Path]:
    """Yield the files of a folder whose first line has the columns of a table."""
    for path in sorted(root.iterdir()):
        if path.suffix.lower() in TABLES and path.is_file():
            try:
                header = next(read_cells(path, COLUMNS), (0, []))[1]
            except UserError:  # it is no table
                continue
            if {"path", "split"} <= {cell.strip() for cell in header}:
                yield path


FINDERS: dict[str, Callable[[Path], Found | None]] = {
    "clothing1m": _clothing1m,
    "webvision": _webvision,
    "food101n": _food101n,
    "cifar_n": _cifar_n,
    "animal10n": _animal10n,
    "table": _one_table,
    "image_folder": _folders,
    "parquet": _parquet,
    "webdataset": _webdataset,
}
"""In the order in which layouts are looked for."""
