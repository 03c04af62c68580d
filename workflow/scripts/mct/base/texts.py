"""Lists and tables that people wrote: the same text, whatever program saved it.

Encodings with a byte order mark, UTF-16 without one, all line ends and the usual separators are
understood. What would have to be guessed is refused: other encodings, NUL bytes, open quotes.
"""

import codecs
import csv
import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

from mct.base.errors import UserError

MARKS = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
"""Encodings by their byte order mark, UTF-32 before UTF-16, whose mark it begins with."""
OTHER_FILES = {
    b"PK\x03\x04": "an Excel workbook or another zip file",
    b"\xd0\xcf\x11\xe0": "an old Excel workbook",
    b"\x1f\x8b": "a compressed file",
    b"PAR1": "a Parquet file",
}
"""What files are that begin with these bytes."""
SEPARATORS = "\t;|,"
LINES_TO_HEADER = 100
"""Empty lines that may precede the first line of a table."""
NUMBER = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d+)?", re.ASCII)
THOUSANDS_OR_FRACTION = re.compile(r",(?!00?$)")
LARGEST_NUMBER = 2**53
FOREIGN = frozenset(map(chr, range(0xDC80, 0xDD00)))
"""What Python makes of bytes that are not UTF-8 in names of files (PEP 383)."""


def read_text(path: Path, what: str = "list", *, foreign: bool = False) -> str:
    r"""Return a text file's content with line ends \n and without byte order marks.

    With `foreign` bytes that are not UTF-8 stay as Python gives them in names of files (PEP 383);
    whoever uses the text for something else refuses them with `refuse_foreign`. UserError if the
    file cannot be read, is no text, or is in an encoding that would have to be guessed.
    """
    try:
        if path.exists() and not path.is_file():
            raise UserError(f"{path}: cannot be read as a {what}: expected a regular file")
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            f"{path}: cannot be read as a {what}: {error.strerror}; correct the path, or put "
            "a readable file there"
        ) from error
    for start, kind in OTHER_FILES.items():
        if data.startswith(start):
            raise UserError(
                f"{path}: cannot be read as a {what}: it is {kind}; save it as text (a table as CSV, "
                "in Excel `CSV UTF-8`) and name that file"
            )
    text = _decode(data, path, foreign=foreign).rstrip("\x1a")
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise UserError(
            f"{path}, line {line}: a NUL byte; the file is damaged or no text; write it again"
        )
    return text.replace("\n\ufeff", "\n").removeprefix("\ufeff")


def _decode(data: bytes, path: Path, *, foreign: bool) -> str:
    mark = next((mark for mark in MARKS if data.startswith(mark)), b"")
    encoding = MARKS[mark] if mark else _encoding_without_mark(data)
    is_kept = foreign and encoding == "utf-8"
    try:
        return data[len(mark) :].decode(encoding, "surrogateescape" if is_kept else "strict")
    except UnicodeDecodeError as error:
        before = data[len(mark) :][: error.start].decode(encoding, "replace")
        line = len(re.findall("\r\n|\r|\n", before)) + 1
        byte = error.object[error.start]
        raise _foreign_byte(f"{path}, line {line}", byte, encoding) from error


def refuse_foreign(text: str, where: str) -> None:
    """Raise UserError if text has a byte that is not UTF-8 (PEP 383)."""
    byte = next((ord(letter) & 0xFF for letter in text if letter in FOREIGN), None)
    if byte is not None:
        raise _foreign_byte(where, byte, "utf-8")


def _foreign_byte(where: str, byte: int, encoding: str) -> UserError:
    return UserError(
        f"{where}: byte 0x{byte:02x} is not {encoding.upper()}; save the file as UTF-8 (in Excel "
        "`CSV UTF-8`)"
    )


def _encoding_without_mark(data: bytes) -> str:
    """Return UTF-16 where every second byte is mostly 0, as in text of mostly ASCII, else UTF-8."""
    first, second = data[0::2].count(0), data[1::2].count(0)
    if 3 * (first + second) >= len(data) > 0 and not (first and second):
        return "utf-16-be" if first else "utf-16-le"
    return "utf-8"


def read_lines(path: Path, *, foreign: bool = False) -> list[str]:
    """Return a text file's lines, trimmed, without blank ones; UserError and `foreign` as in `read_text`."""
    text = read_text(path, foreign=foreign)
    return [line for line in map(trim, text.split("\n")) if line]


def read_names(path: Path) -> list[str]:
    """Return the names in a file of ours, one a line, as they were written."""
    return read_text(path).removesuffix("\n").split("\n")


def trim(text: str) -> str:
    """Return text without white space and invisible characters around it."""
    text = text.strip()
    if text.isascii() or not (_is_invisible(text[0]) or _is_invisible(text[-1])):
        return text
    shown = [place for place, letter in enumerate(text) if not _is_invisible(letter)]
    return text[shown[0] : shown[-1] + 1] if shown else ""


def _is_invisible(letter: str) -> bool:
    return letter.isspace() or unicodedata.category(letter) == "Cf"


def read_cells(path: Path, columns: Collection[str] = ()) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each line of a table that is not empty.

    The separator is the one that finds most of `columns` in the first line. Without `columns` it is
    a tab, a semicolon or a bar where there is one, since commas may then be those of numbers. Lines
    that begin with # are then comments. With `columns` cells may be foreign, as in `read_text`.
    UserError if the file cannot be read or a quote is not closed.
    """
    text, line = read_text(path, "table", foreign=bool(columns)), 0
    try:
        text, separator = _find_separator(text, columns)
        options = {"delimiter": separator, "strict": True, "skipinitialspace": True}
        reader = csv.reader(_each_line(text), **options)  # type: ignore[arg-type]
        for cells in reader:
            is_comment = not columns and cells[:1] and cells[0].startswith("#")
            if any(map(trim, cells)) and not is_comment:
                yield line + 1, cells
            line = reader.line_num
    except csv.Error as error:
        raise UserError(
            f"{path}, line {line + 1}: {error}; a cell that begins with a quote must end with one"
        ) from error


def _each_line(text: str) -> Iterator[str]:
    """Yield the lines of a text with their ends, without a copy of all, which StringIO makes."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        yield text[start:end]
        start = end


def _find_separator(text: str, columns: Collection[str]) -> tuple[str, str]:
    """Return the text of a table, without Excel's line `sep=;`, and what separates its cells."""
    lines = (line for line in text.split("\n", LINES_TO_HEADER) if line.strip())
    first = next((line for line in lines if columns or not line.startswith("#")), "")
    if re.fullmatch(r"\s*\"?sep=.\"?\s*", first, re.IGNORECASE | re.DOTALL):
        return text.replace(first, "", 1), first[first.index("=") + 1]

    def found(separator: str) -> tuple[int, int]:
        cells = [trim(cell) for cell in next(csv.reader([first], delimiter=separator), [])]
        known = len(set(cells) & set(columns)) if columns else int(separator in first)
        return known, len(cells) if columns else 0

    return text, max(SEPARATORS, key=found)


def read_table(path: Path, columns: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Yield the line number and the cells of `columns` of each row of a table with a header.

    Cells that a row lacks at its end are empty; rows without any content are left out. UserError if
    the file cannot be read, a column is missing or there twice, or a row has too many cells.
    """
    rows = read_cells(path, columns)
    header = [trim(name) for name in next(rows, (0, []))[1]]
    places = _find_columns(header, columns, path)
    for line, cells in rows:
        if any(map(trim, cells[len(header) :])):
            raise UserError(
                f"{path}, line {line}: expected {len(header)} cells, got {len(cells)}; put a cell that "
                "holds the separator into double quotes"
            )
        cells += [""] * (len(header) - len(cells))
        yield line, [cells[place] for place in places]


def _find_columns(header: Sequence[str], columns: Sequence[str], path: Path) -> list[int]:
    twice = [name for name in columns if header.count(name) > 1]
    if twice:
        raise UserError(
            f"{path}: {header.count(twice[0])} columns are called `{twice[0]}`; keep one"
        )
    lacking = [name for name in columns if name not in header]
    if lacking:
        others = [name for name in header if name not in columns]
        near = [(name, nearest(name, others)) for name in lacking]
        hints = "".join(f"; rename `{other}` to `{name}`?" for name, other in near if other)
        raise UserError(
            f"{path}: no column {', '.join(lacking)}; got {header}{hints or '; rename or add columns'}"
        )
    return [header.index(name) for name in columns]


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str | None:
    """Return the known name that is most like `name`, whatever their case; None if none is.

    `cutoff` is the least likeness, 0 to 1, at which a name is like another.
    """
    by_fold = {other.casefold(): other for other in known}
    found = difflib.get_close_matches(name.casefold(), by_fold, n=1, cutoff=cutoff)
    return by_fold[found[0]] if found else None


def is_number(text: str) -> bool:
    """Return whether text is spelled like a number."""
    return NUMBER.fullmatch(text.strip()) is not None


def whole_number(text: str) -> int | None:
    """Return the number for 1, 01, 1.0, 1,0 and 1e0; None for other text.

    A comma before other digits than 0 or 00 may separate thousands: that is no whole number.
    """
    text = text.strip()
    if not is_number(text) or THOUSANDS_OR_FRACTION.search(text):
        return None
    value = float(text.replace(",", "."))
    return int(value) if value.is_integer() and abs(value) < LARGEST_NUMBER else None
