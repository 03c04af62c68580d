"""One Parquet file: its columns, labels without pictures, and pictures by row.

A picture that is the first of its row group is read alone, since rows may be asked for in any order.
With the second one the row group is read, or a part of a large one, and stays in memory for a while, so
that rows that follow each other cost one reading. Polars reads; any number of threads may ask.
"""

import json
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

from mct.base.errors import BrokenPictureError, UserError
from mct.data.label_table import polars_library
from mct.data.layouts.archives import refuse_large
from mct.data.layouts.parquet_footers import Footer, read_footer
from mct.data.layouts.set_files import advice_on

if TYPE_CHECKING:
    import polars

PICTURE_COLUMNS = ("image", "img")
PART_BYTES = 64 << 20
"""Pictures of a row group that are kept together."""
KEPT_BYTES = 256 << 20
"""Pictures in memory that were read last, and two parts at least: threads cross from one to the next."""
MOST_ASKED = 8
"""Parts of which a picture was read alone that are remembered."""
LARGEST_GROUP = 1 << 30
"""Bytes of pictures in a row group. All of them pass through memory for any one of them."""


class Part(NamedTuple):
    """Consecutive rows of a file that are read together, and about how many bytes they have."""

    start: int
    rows: int
    bytes: int


class RecentParts:
    """Parts of files that were read last; threads that ask for the same one wait for one reading."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._parts: OrderedDict[tuple[Path, Part], Future[Any]] = OrderedDict()
        self._asked: deque[tuple[Path, Part]] = deque(maxlen=MOST_ASKED)

    def get(self, path: Path, part: Part, read: Callable[[Part], Any]) -> Any:
        """Return what `read` returned for a part of a file, or raise its error.

        None where nobody asked for the part a short while ago: it may not be worth reading.
        """
        key = path, part
        with self._lock:
            future = self._parts.get(key)
            if future is None and key not in self._asked:
                self._asked.append(key)
                return None
            is_first = future is None
            if future is None:
                future = self._parts[key] = Future()
            self._parts.move_to_end(key)
            while len(self._parts) > 2 and sum(one.bytes for _, one in self._parts) > KEPT_BYTES:
                self._parts.popitem(last=False)
        if is_first:
            try:
                future.set_result(read(part))
            except BaseException as error:  # whoever waits has to hear of it
                future.set_exception(error)
        return future.result()


class ParquetFile:
    """A Parquet file at `path`, called so in errors; nothing is read before it is asked for."""

    def __init__(self, path: Path, recent: RecentParts) -> None:
        self.path, self._recent = path, recent

    @cached_property
    def _footer(self) -> Footer:
        return read_footer(self.path)

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(group.rows for group in self._footer.groups)

    @cached_property
    def schema(self) -> "dict[str, polars.DataType]":
        """The columns' types by their names."""
        _ = self._footer
        with self._reading() as library:
            return dict(self._scan(library).collect_schema())

    def class_names(self, column: str) -> list[str] | None:
        """Return the names by number that Hugging Face's metadata give a column's classes, if they do."""
        try:
            features = json.loads(self._footer.metadata["huggingface"])["info"]["features"]
            feature = features[column]
            names = feature["names"] if feature["_type"] == "ClassLabel" else None
        except (KeyError, TypeError, ValueError):
            return None
        return list(map(str, names)) if isinstance(names, list) else None

    def read_columns(self, *names: str) -> "polars.DataFrame":
        """Return columns of all rows."""
        with self._reading() as library:
            return self._scan(library).select(names).collect()

    @cached_property
    def picture_column(self) -> str:
        """The column `image` or `img`, or the only one of pictures: bytes, or a structure with them."""
        found = [name for name, dtype in self.schema.items() if _holds_pictures(dtype)]
        for name in PICTURE_COLUMNS:
            if name in found:
                return name
        if len(found) != 1:
            raise UserError(
                f"{self.path}: expected a column `image` or `img`, or one column of binary or "
                f"{{bytes, path}}, got {self.columns}; rename the column of the pictures"
            )
        return found[0]

    @property
    def columns(self) -> str:
        """The columns and their types, for errors."""
        return ", ".join(f"{name} ({dtype})" for name, dtype in self.schema.items()) or "none"

    @cached_property
    def _parts(self) -> list[Part]:
        """The rows in parts: row groups, or equal parts of one that is large."""
        parts, start = [], 0
        for number, group in enumerate(self._footer.groups):
            size = group.column_bytes[self.picture_column]
            if size > LARGEST_GROUP:
                raise self._large_group(number, size)
            step = -(-group.rows // max(1, -(-size // PART_BYTES))) or 1
            for first in range(0, group.rows, step):
                rows = min(step, group.rows - first)
                parts.append(Part(start + first, rows, size * rows // group.rows))
            start += group.rows
        return parts

    def _large_group(self, number: int, size: int) -> UserError:
        return UserError(
            f"{self.path}: row group {number} has {size / 1e9:.1f} GB of pictures, expected at most "
            f"{LARGEST_GROUP / 1e9:.1f}: all are read for any one of them; write the file anew in groups of "
            "100 rows (polars.scan_parquet(old).sink_parquet(new, row_group_size=100))"
        )

    def check_pictures(self) -> None:
        """Raise UserError if there is no column of pictures, or too large a row group."""
        _ = self._parts

    def picture(self, row: int) -> bytes:
        """Return the encoded picture of a row.

        UserError if its part of the file cannot be read, BrokenPictureError if it has no picture.
        """
        if not 0 <= row < self.rows:
            raise UserError(
                f"{self.path}: no row {row}; it has {self.rows}; the file has changed: run again"
            )
        part = self._parts[bisect_right(self._starts, row) - 1]
        found = self._recent.get(self.path, part, self._read_part)
        data = self._read_part(Part(row, 1, 0))[0] if found is None else found[row - part.start]
        shown = f"{self.path}, row {row}"
        if data is None:
            raise BrokenPictureError(
                "no_file", f"{shown}: no bytes in column `{self.picture_column}`, at most a path"
            )
        refuse_large(shown, len(data))
        return data

    @cached_property
    def _starts(self) -> list[int]:
        return [part.start for part in self._parts]

    def _read_part(self, part: Part) -> "polars.Series":
        with self._reading() as library:
            scan = self._scan(library)
            column = library.col(self.picture_column)
            if isinstance(self.schema[self.picture_column], library.Struct):
                column = column.struct.field("bytes")
            found = scan.select(column).slice(part.start, part.rows).collect().to_series()
        if len(found) != part.rows:
            raise UserError(
                f"{self.path}: expected {part.rows} rows from {part.start}, got {len(found)}; the "
                "file has changed or is damaged: write it again"
            )
        return found

    def _scan(self, library: Any) -> "polars.LazyFrame":
        """Return the file as polars sees it, whatever signs its name has."""
        return library.scan_parquet(self.path, glob=False, hive_partitioning=False)

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """Yield polars; its errors become a UserError, panics at damaged files included."""
        library = polars_library()
        errors = (library.exceptions.PolarsError, library.exceptions.PanicException, OSError)
        try:
            yield library
        except errors as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(
                f"{self.path}: cannot be read as Parquet: {reason}; {advice_on(self.path)}"
            ) from error


def _holds_pictures(dtype: "polars.DataType") -> bool:
    library = polars_library()
    if isinstance(dtype, library.Struct):
        return any(
            field.name == "bytes" and field.dtype == library.Binary for field in dtype.fields
        )
    return dtype == library.Binary
