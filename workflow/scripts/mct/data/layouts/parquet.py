"""Parquet files with the pictures inside, as on Hugging Face's hub: `data/train-00000-of-00004.parquet`.

A row is a picture; its key is the file and the number of the row. Classes are named by the hub's
metadata in the files, if they are there.
"""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from mct.base.errors import UserError
from mct.base.names import name_of
from mct.data.label_table import polars_library
from mct.data.layouts.classes import refuse_twice, unify
from mct.data.layouts.image_folder import TRAINING
from mct.data.layouts.labelled_files import TRUE_LABEL, LabelledFiles, Sample
from mct.data.layouts.parquet_files import ParquetFile, RecentParts
from mct.data.layouts.settings import DatasetSettings
from mct.data.layouts.storage import real_path

if TYPE_CHECKING:
    import polars

ROW_DIGITS = 6
LABEL = "label"


class Parquet(LabelledFiles):
    """A data set of Parquet files whose columns hold pictures and labels."""

    endings = (".parquet",)

    def __init__(self, settings: DatasetSettings) -> None:
        self._recent, self._lock = RecentParts(), Lock()
        self._files: dict[str, ParquetFile] = {}
        super().__init__(settings)

    def _file(self, key: str) -> ParquetFile:
        """Return the file with this key; UserError if it is a link that leads outside."""
        with self._lock:  # threads read
            if key not in self._files:
                real_path(self._root, name_of(key))
                self._files[key] = ParquetFile(self._root / name_of(key), self._recent)
            return self._files[key]

    def listed_names(self) -> list[str]:
        """Return the files: they are what folders list."""
        return [file for files in self._sets.files.values() for file in files]

    def _read_samples(self, file: str) -> list[Sample]:
        opened = self._file(file)
        opened.check_pictures()
        column = self._label_column(opened)
        columns = [column, *([TRUE_LABEL] if TRUE_LABEL in opened.schema else [])]
        named = {name: opened.class_names(name) or opened.class_names(column) for name in columns}
        table = opened.read_columns(*columns)
        texts = [label_texts(table[name], named[name], opened.path) for name in columns]
        digits = max(ROW_DIGITS, len(str(opened.rows - 1)))
        return [
            Sample(f"{file}/{row:0{digits}d}", *labels)
            for row, labels in enumerate(zip(*texts, strict=True))
        ]

    def _label_column(self, file: ParquetFile) -> str:
        """Return the column that `dataset.label_column` names, or `label`, or the only one of labels."""
        given = self.settings.label_column
        if given is not None or LABEL in file.schema:
            if (given or LABEL) not in file.schema:
                raise UserError(
                    f"{file.path}: no column {given} (dataset.label_column); it has {file.columns}; "
                    "name one of them"
                )
            return given or LABEL
        others = [name for name in file.schema if name not in (TRUE_LABEL, file.picture_column)]
        named = [name for name in others if file.class_names(name)]
        found = named or [name for name in others if _holds_labels(file.schema[name])]
        if len(found) != 1:
            raise UserError(
                f"{file.path}: expected a column `{LABEL}`, or one column of whole numbers or text, got "
                f"{file.columns}; name it in dataset.label_column"
            )
        return found[0]

    def _own_names(self) -> list[str] | None:
        """Return the names of the classes that the metadata of the first training file have."""
        file = self._file(self._sets.files[TRAINING][0])
        column = self._label_column(file)
        names = file.class_names(column)
        if names is None or not file.schema[column].is_integer():
            return None
        names = list(map(unify, names))
        refuse_twice(names, f"{file.path}: classes of {column} in its metadata", by_case=False)
        return names

    def read(self, path: str) -> bytes:
        file, _, row = path.rpartition("/")
        return self._file(file).picture(int(row))


def _holds_labels(dtype: "polars.DataType") -> bool:
    library = polars_library()
    return dtype.is_integer() or dtype in (library.String, library.Categorical, library.Enum)


def label_texts(column: "polars.Series", names: list[str] | None, path: Path) -> list[str]:
    """Return the labels of a column as text, empty for none; `names` are those of numbered classes.

    UserError for a column of something else, and for a number without a name.
    """
    library, dtype = polars_library(), column.dtype
    is_number = dtype.is_numeric() or dtype in (library.Boolean, library.Null)
    if not (is_number or _holds_labels(dtype)):
        raise UserError(
            f"{path}: column {column.name}: expected whole numbers or text, got {dtype}; "
            "write labels so, or name another column in dataset.label_column"
        )
    if names is None or not dtype.is_integer():
        once: dict[str, str] = {}  # Millions of rows share few labels.
        texts = column.cast(library.String).fill_null("").to_list()
        return [once.setdefault(text, text) for text in texts]
    meanings: dict[int | None, str] = {None: "", -1: ""}
    meanings.update(enumerate(names))
    numbers = column.to_list()
    for row, number in enumerate(numbers):
        if number not in meanings:
            raise UserError(
                f"{path}, row {row}: {column.name}: expected 0 to {len(names) - 1}, which its metadata name, "
                f"got {number}; correct the row, or the names in the metadata"
            )
    return [meanings[number] for number in numbers]
