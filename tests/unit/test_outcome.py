"""What stands on the screen when a run went well."""

from mct.base.files import write_rows
from mct.cluster.outcome import outcome

COLUMNS = (
    "method", "model", "top1_percent", "top1_sd", "minus_mct", "minus_mct_low", "minus_mct_high",
    "samples_seen_by_model", "kind", "balanced_percent", "macro_f1_percent",
)  # fmt: skip
ROWS = [
    ("GLC", "Mp", "70.00", "1.00", "-2.00", "-3.00", "-1.00", "4000", "measured", "69.00", "68.00"),
    ("MCT", "Mp", "72.00", "", "", "", "", "12000", "measured", "71.00", "70.00"),
    ("CleanNet", "", "", "", "", "", "", "", "published", "", ""),
]


def test_measured_rows_in_five_columns_and_where_things_lie(tmp_path):
    write_rows(tmp_path / "tables/accuracy.tsv", COLUMNS, ROWS)
    lines = outcome(tmp_path, 0)
    rows = [line.split() for line in lines[1:4]]
    assert rows[0][:3] == ["method", "model", "accuracy"]
    assert rows[1] == [
        "GLC",
        "Mp",
        "70.00",
        "±",
        "1.00",
        "-2.00",
        "(-3.00",
        "to",
        "-1.00)",
        "4,000",
    ]
    assert rows[2] == ["MCT", "Mp", "72.00", "12,000"]
    assert len(lines) == 7
    assert f"{tmp_path}/tables/" in lines[-2] and f"mct predict {tmp_path}" in lines[-1]


def test_a_run_that_made_no_table_of_accuracy_says_nothing(tmp_path):
    assert outcome(tmp_path, 0) == []
    write_rows(tmp_path / "tables/accuracy.tsv", COLUMNS, ROWS)
    made = (tmp_path / "tables/accuracy.tsv").stat().st_mtime
    assert outcome(tmp_path, made + 1) == []
