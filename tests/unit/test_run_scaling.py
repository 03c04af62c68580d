"""The table of scaling from made records of trainings, checked by hand, and its figure."""

import pytest
from projects import PROJECT

from mct.performance.run_figures import draw_scaling
from mct.performance.runs import COLUMNS, PARTS, machines_of, run_rows
from mct.results.tables import Row, Run, read_rows

PUBLISHED = read_rows(PROJECT / "workflow/resources/published_scaling.tsv")
TITLES = {"pretrain_primary": "Mp, pretrained", "mct": "MCT"}


def record(
    ranks: int, total: float, *, steps: int = 10, cores: int = 4, gathering: float | None = None
) -> dict:
    """Return a record: a tenth of a step each reads, averages and does other things."""
    seconds = {"total": total, "compute": 0.7 * total - (gathering or 0)}
    seconds |= {"reading": 0.1 * total, "averaging": 0.1 * total}
    seconds |= {} if gathering is None else {"gathering": gathering}
    return {
        "ranks": ranks,
        "cores": cores,
        "steps": 3600,
        "global_batch": 50,
        "hardware": {"gpu": "", "processor": "EPYC", "precision": "float32"},
        "step_times": {
            "steps": steps,
            "samples": 48 * steps,
            "seconds": {**seconds, "other": 0.1 * total},
        },
    }


def run(method: str, ranks: int, seed: int = 0) -> Run:
    return Run(method, seed, ranks, "record")


ONE = {
    run("mct", 2): record(2, 0.5, gathering=0.02),
    run("pretrain_primary", 2): record(1, 0.25),
}
TWO = {
    **ONE,
    run("mct", 8): record(8, 0.2, gathering=0.02),
    run("pretrain_primary", 8): record(6, 0.05),
}


def measured(rows: list[Row]) -> list[Row]:
    return [row for row in rows if row["kind"] == "measured"]


def test_one_number_of_ranks_is_a_row_for_each_training_without_speed_up():
    rows = measured(run_rows(ONE, TITLES, PUBLISHED))
    assert [row["training"] for row in rows] == ["Mp, pretrained", "MCT"]
    assert {row["speed_up"] + row["efficiency_percent"] for row in rows} == {""}
    row = rows[1]
    assert (row["step_seconds"], row["samples_per_second"], row["hours"]) == ("0.5", "96", "0.5")
    assert (row["global_batch"], row["measured_steps"], row["n"]) == ("50", "10", "1")
    parts = [row[f"{part}_seconds"] for part in PARTS]
    assert parts == ["0.33", "0.05", "0.05", "0.02", "0.05"]
    assert sum(map(float, parts)) == pytest.approx(float(row["step_seconds"]))
    assert rows[0]["gathering_seconds"] == ""


def test_rank_counts_are_compared_with_the_fewest_ranks_of_the_training():
    rows = measured(run_rows(TWO, TITLES, []))
    found = [
        (row["run_ranks"], row["ranks"], row["speed_up"], row["efficiency_percent"]) for row in rows
    ]
    assert found == [
        ("2", "1", "1.00", "100.0"),
        ("8", "6", "5.00", "83.3"),
        ("2", "2", "1.00", "100.0"),
        ("8", "8", "2.50", "62.5"),
    ]
    assert [row["oversubscribed"] for row in rows] == ["no", "yes", "no", "yes"]


def test_seeds_count_by_their_measured_steps():
    """10 steps of 0.5 s and 30 of 0.9 s are 40 of 0.8 s."""
    records = {
        run("mct", 2): record(2, 0.5),
        run("mct", 2, seed=1): record(2, 0.9, steps=30),
    }
    [row] = run_rows(records, {"mct": "MCT"}, [])
    assert (row["step_seconds"], row["n"], row["measured_steps"]) == ("0.8", "2", "40")
    assert row["samples_per_second"] == "60"


@pytest.mark.parametrize("times", [{"steps": 0, "samples": 0, "seconds": {}}, None])
def test_a_training_without_measured_steps_has_a_row_without_times(times):
    """It was resumed after its last step, or recorded before steps were timed."""
    records = {**TWO, run("mct", 8): {**record(8, 1.0), "step_times": times}}
    if times is None:
        records[run("mct", 8)] = {"ranks": 8, "hardware": {}}
    row = measured(run_rows(records, TITLES, []))[-1]
    filled = {name for name, text in row.items() if text}
    assert filled == {
        "training", "system", "kind", "run_ranks", "ranks", "measured_steps", "n",
    }  # fmt: skip
    assert row["measured_steps"] == "0"
    assert "EPYC, 4 cores" in machines_of(records)


def test_published_rows_stand_apart_and_say_nothing_of_steps():
    rows = run_rows(ONE, TITLES, PUBLISHED)
    published = [row for row in rows if row["kind"] == "published"]
    assert len(published) == len(PUBLISHED)
    assert {row["kind"] for row in rows} == {"measured", "published"}
    assert all(tuple(row) == COLUMNS for row in rows)
    last = {row["ranks"]: row for row in published}["512"]
    assert (last["hours"], last["speed_up"], last["efficiency_percent"]) == (
        "15.5",
        "10.16",
        "63.5",
    )
    assert all(row["source"] and not row["training"] for row in published)
    assert not any("weak" in text.lower() for row in published for text in row.values())


def test_the_figure_has_a_line_for_what_was_run_on_several_ranks_and_a_bar_for_each_row():
    titles = {**TITLES, "glc": "GLC"}
    records = {**TWO, run("glc", 2): record(2, 1.0)}
    speed_up, efficiency, parts = draw_scaling(run_rows(records, titles, PUBLISHED)).axes
    lines = {line.get_label(): line for line in speed_up.get_lines()}
    assert set(lines) == {
        "Mp, pretrained, measured",
        "MCT, measured",
        "Sunway TaihuLight, core groups, published",
        "ideal",
    }
    assert list(lines["MCT, measured"].get_xdata()) == [1, 4]
    assert list(lines["MCT, measured"].get_ydata()) == [1, 2.5]
    assert len(efficiency.get_lines()) == 3
    names = [label.get_text() for label in parts.get_yticklabels()]
    assert names == [
        "Mp, pretrained, 1", "Mp, pretrained, 6*", "MCT, 2", "MCT, 8*", "GLC, 2",
    ]  # fmt: skip
    ends = [bar.get_x() + bar.get_width() for bar in parts.patches[-len(names) :]]
    assert ends == pytest.approx([250, 50, 500, 200, 1000])


def test_the_machines_of_records_are_named():
    assert machines_of(TWO) == "EPYC, 4 cores in all, float32"
    assert machines_of({run("mct", 2): {"ranks": 2, "hardware": {}}}) == "unnamed machines"
