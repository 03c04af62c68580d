"""The same labels, written by whatever program in whatever form, are one catalogue."""

import csv
import dataclasses
import io
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import dataset_settings

from mct.data.catalogue import from_rows, write_catalogue
from mct.data.layouts.registry import open_layout

COLUMNS = ("path", "label", "true_label", "split")
MARKERS = ("", "nan", "NaN", "NA", "N/A", "None", "NULL", "null", "?", "<NA>", "#N/A")
NAMES = ("chat noir", "Émeu", 'the "big" one', "red, blue; green", "猫", "$x_{1}$|y")
ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32")


@dataclasses.dataclass(frozen=True)
class Form:
    """How a table is written, besides what it says."""

    marker: str
    separator: str
    encoding: str
    line_end: str
    quotes_all: bool
    columns: tuple[str, ...]
    as_float: bool


FORMS = st.builds(
    Form,
    marker=st.sampled_from(MARKERS),
    separator=st.sampled_from((",", ";", "\t")),
    encoding=st.sampled_from(ENCODINGS),
    line_end=st.sampled_from(("\n", "\r\n", "\r")),
    quotes_all=st.booleans(),
    columns=st.permutations(COLUMNS).map(tuple),
    as_float=st.booleans(),
)


@st.composite
def labelled(draw) -> tuple[bool, list[tuple[int | None, int | None, str]]]:
    """Return whether classes have names, and observed label, true label and split of pictures."""
    classes = range(draw(st.integers(2, len(NAMES))))
    training = st.tuples(
        st.sampled_from(classes), st.none() | st.sampled_from(classes), st.just("train")
    )
    held_out = st.tuples(
        st.none(), st.sampled_from(classes), st.sampled_from(("validation", "test"))
    )
    rows = [(label, label, "train") for label in classes] + [(0, None, "train")]
    rows += draw(st.lists(training | held_out, max_size=8))
    return draw(st.booleans()), rows


def spell(label: int | None, named: bool, form: Form) -> str:
    if label is None:
        return form.marker
    return NAMES[label] if named else f"{label}.0" if form.as_float else str(label)


def with_pandas(rows, named: bool, form: Form) -> bytes:
    """Write missing values as pandas does; a column of numbers with some becomes one of floats."""
    frame = pd.DataFrame(
        {
            "path": [f"{place}.jpg" for place in range(len(rows))],
            **{
                name: [
                    None if row[i] is None else NAMES[row[i]] if named else row[i] for row in rows
                ]
                for i, name in enumerate(COLUMNS[1:3])
            },
            "split": [row[2] for row in rows],
        }
    )
    text = frame[list(form.columns)].to_csv(
        index=False, sep=form.separator, na_rep=form.marker, lineterminator=form.line_end,
        quoting=csv.QUOTE_ALL if form.quotes_all else csv.QUOTE_MINIMAL,
    )  # fmt: skip
    return text.encode(form.encoding)


def with_polars(rows, named: bool, form: Form) -> bytes:
    frame = pl.DataFrame(
        {
            "path": [f"{place}.jpg" for place in range(len(rows))],
            **{
                name: pl.Series(
                    [
                        None if row[i] is None else NAMES[row[i]] if named else row[i]
                        for row in rows
                    ],
                    dtype=pl.String if named else pl.Float64 if form.as_float else pl.Int32,
                )
                for i, name in enumerate(COLUMNS[1:3])
            },
            "split": [row[2] for row in rows],
        }
    )
    buffer = io.BytesIO()
    frame.select(form.columns).write_csv(
        buffer, separator=form.separator, null_value=form.marker, line_terminator=form.line_end,
        quote_style="always" if form.quotes_all else "necessary", include_bom=form.marker == "",
    )  # fmt: skip
    return buffer.getvalue()


def with_csv(rows, named: bool, form: Form) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.writer(
        text, delimiter=form.separator, lineterminator=form.line_end,
        quoting=csv.QUOTE_ALL if form.quotes_all else csv.QUOTE_MINIMAL,
    )  # fmt: skip
    writer.writerows([form.columns, *cells(rows, named, form)])
    return text.getvalue().encode(form.encoding)


def as_excel(rows, named: bool, form: Form) -> bytes:
    """Write empty columns and rows around the table, as a sheet that once held more."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=form.separator, lineterminator="\r\n")
    blank = ["", "", *[""] * len(COLUMNS)]
    padded = [[*line, "", ""] for line in [list(form.columns), *cells(rows, named, form)]]
    writer.writerows([padded[0], blank, *padded[1:], blank, blank])
    hint = f"sep={form.separator}\r\n" if form.quotes_all else ""
    return (hint + text.getvalue()).encode(form.encoding)


def cells(rows, named: bool, form: Form) -> list[list[str]]:
    return [
        [
            {
                "path": f"{place}.jpg", "label": spell(label, named, form),
                "true_label": spell(true, named, form), "split": split,
            }[name]
            for name in form.columns
        ]
        for place, (label, true, split) in enumerate(rows)
    ]  # fmt: skip


WRITERS = {"pandas": with_pandas, "polars": with_polars, "csv": with_csv, "Excel": as_excel}


def read(folder: Path, data: bytes) -> tuple[list[str], str]:
    """Return the names of classes and the catalogue's text that a table gives."""
    (folder / "table.csv").write_bytes(data)
    layout = open_layout(dataset_settings(layout="table", root=str(folder)))
    write_catalogue(from_rows(layout.rows()), folder / "catalogue.tsv")
    return layout.class_names(), (folder / "catalogue.tsv").read_text("utf-8")


@pytest.mark.parametrize("writer", WRITERS)
@given(table=labelled(), form=FORMS)
def test_every_form_of_a_table_is_one_catalogue(tmp_path_factory, writer, table, form):
    named, rows = table
    folder = tmp_path_factory.getbasetemp() / writer
    folder.mkdir(exist_ok=True)
    names, catalogue = read(folder, WRITERS[writer](rows, named, form))
    count = 1 + max(label for label, _, _ in rows if label is not None)
    order = sorted(NAMES[:count]) if named else [str(number) for number in range(count)]
    numbers = {i: order.index(NAMES[i]) if named else i for i in range(count)} | {None: -1}
    assert names == order
    assert [line.split("\t")[2:4] for line in catalogue.splitlines()[1:]] == [
        [str(numbers[label]), str(numbers[true])] for label, true, _ in rows
    ]
