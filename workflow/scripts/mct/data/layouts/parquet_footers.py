"""The end of a Parquet file, where its row groups and its metadata are written down.

Polars reads columns, and does not say where row groups begin. The footer is a structure of Thrift's
compact protocol; only what is used of it is named here (parquet.thrift, github.com/apache/parquet-format).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from mct.base.errors import UserError
from mct.data.layouts.set_files import advice_on

MAGIC, ENCRYPTED = b"PAR1", b"PARE"
TAIL_BYTES = 8
"""The footer's length, and the magic number again."""
DAMAGES = (IndexError, KeyError, TypeError, ValueError, RecursionError)


class RowGroup(NamedTuple):
    """How many rows a row group has, and the bytes of each column in it, uncompressed."""

    rows: int
    column_bytes: Mapping[str, int]


class Footer(NamedTuple):
    """A file's row groups in their order, and its metadata."""

    groups: list[RowGroup]
    metadata: Mapping[str, str]


class CompactReader:
    """Reads values of Thrift's compact protocol from bytes; structures become numbered fields."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def _bytes(self, count: int) -> bytes:
        start = self._place
        self._place += count
        if count < 0 or self._place > len(self._data):
            raise ValueError("it ends too early")
        return self._data[start : self._place]

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._bytes(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    def _signed(self) -> int:
        value = self._unsigned()
        return value >> 1 ^ -(value & 1)

    def structure(self) -> dict[int, Any]:
        """Return the fields of the structure that begins here, by number."""
        fields: dict[int, Any] = {}
        number = 0
        while head := self._bytes(1)[0]:
            number = number + (head >> 4) if head >> 4 else self._signed()
            kind = head & 15
            fields[number] = kind == 1 if kind in (1, 2) else self._value(kind)
        return fields

    def _list(self) -> list[Any]:
        head = self._bytes(1)[0]
        count = head >> 4 if head >> 4 < 15 else self._unsigned()
        return [self._value(head & 15) for _ in range(count)]

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._bytes(1)[0]
        if kind in (4, 5, 6):
            return self._signed()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._unsigned())
        if kind in (9, 10):
            return self._list()
        if kind == 12:
            return self.structure()
        raise ValueError(f"a value of kind {kind}")


def read_footer(path: Path) -> Footer:
    """Return what the end of a Parquet file says; UserError if it is no whole file, or encrypted."""
    try:
        return _parse(_footer_bytes(path))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except UserError:
        raise
    except DAMAGES as error:
        raise UserError(
            f"{path}: cannot be read as Parquet, its end is damaged ({error}); {advice_on(path)}"
        ) from error


def _footer_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        start, size = file.read(len(MAGIC)), file.seek(0, 2)
        file.seek(max(0, size - TAIL_BYTES))
        tail = file.read()
        if ENCRYPTED in (start, tail[4:]):
            raise UserError(
                f"{path}: the Parquet file is encrypted; expected a plain one; write it without encryption"
            )
        length = int.from_bytes(tail[:4], "little")
        if start != MAGIC or tail[4:] != MAGIC or length + TAIL_BYTES + len(MAGIC) > size:
            raise UserError(
                f"{path}: no whole Parquet file, expected PAR1 at its start and at its end; "
                f"{advice_on(path)}"
            )
        file.seek(size - TAIL_BYTES - length)
        return file.read(length)


def _parse(data: bytes) -> Footer:
    """Return parts of a FileMetaData: 3 num_rows, 4 row_groups, 5 key_value_metadata."""
    fields = CompactReader(data).structure()
    groups = [_row_group(group) for group in fields[4]]
    if sum(group.rows for group in groups) != fields[3]:
        raise ValueError("row groups have other rows than the file")
    return Footer(
        groups, {pair[1].decode(): pair.get(2, b"").decode() for pair in fields.get(5, [])}
    )


def _row_group(group: Mapping[int, Any]) -> RowGroup:
    """Return parts of a RowGroup: 3 num_rows, 1 columns (3 meta_data: 3 path, 6 uncompressed size)."""
    sizes: dict[str, int] = {}
    for chunk in (column[3] for column in group[1]):
        name = chunk[3][0].decode()
        sizes[name] = sizes.get(name, 0) + chunk[6]
    if min(group[3], *sizes.values()) < 0:
        raise ValueError("a negative size")
    return RowGroup(group[3], sizes)
