"""Tables of scaling, communication and prefetch from made measurements, checked by hand."""

import pytest
from projects import PROJECT

from mct.performance.comparison import machines
from mct.performance.figures import DRAWINGS
from mct.performance.scaling import (
    CAPTIONS,
    Link,
    Task,
    allgather_terms,
    allreduce_terms,
    caption,
    communication_rows,
    link_of,
    prefetch_rows,
    rehearsal_rows,
    seconds_of,
)
from mct.results.tables import read_rows

LINK = Link(latency=1e-4, seconds_per_byte=1e-9)
TASK = Task(pictures=1000, epochs=9, samples_per_rank=10)
PUBLISHED = PROJECT / "workflow/resources/published_scaling.tsv"


def found(ranks: int, step: float, *, cores: int = 4) -> dict:
    """Return measurements of a machine whose messages are `LINK`'s."""
    averaging = seconds_of(allreduce_terms(ranks, 4e6), LINK)
    small = seconds_of(allreduce_terms(ranks, 4e3), LINK)
    gathering = seconds_of(allgather_terms(ranks, 512), LINK)
    return {
        "ranks": ranks,
        "cores": cores,
        "parameters": 1000,
        "batches": {"weak": 10 * ranks // 2, "strong": 10},
        "steps": {"weak": [step, step * 0.9, step * 1.5], "strong": [step / 2]},
        "averages": {
            "large": {"parameters": 10**6, "seconds": [averaging]},
            "small": {"parameters": 1000, "seconds": [small]},
        },
        "gatherings": {"128": [gathering / 2, gathering * 3, gathering]},
    }


MEASURED = {2: found(2, 3.6), 4: found(4, 3.7), 8: found(8, 9.0)}


def test_the_link_is_fitted_where_ranks_have_their_own_cores():
    oversubscribed = {
        8: {**found(8, 9.0), "averages": {"large": {"parameters": 9, "seconds": [9]}}}
    }
    link = link_of({**MEASURED, **oversubscribed})
    assert link.latency == pytest.approx(LINK.latency, rel=1e-3)
    assert link.seconds_per_byte == pytest.approx(LINK.seconds_per_byte, rel=1e-3)


def test_measured_hours_are_steps_times_seconds():
    """1,000 pictures in batches of 10: 9 x 100 steps of 3.6 s are 0.9 h."""
    rows = rehearsal_rows(MEASURED, TASK, [], [])
    weak = {row["ranks"]: row for row in rows if row["scaling"] == "weak"}
    assert (weak["2"]["hours"], weak["2"]["step_seconds"]) == ("0.9", "3.6")
    assert (weak["2"]["lowest"], weak["2"]["highest"]) == ("3.24", "5.4")
    assert weak["4"]["hours"] == f"{9 * 50 * 3.7 / 3600:.4g}"
    assert weak["4"]["efficiency_percent"] == "97.3"
    assert [weak[n]["oversubscribed"] for n in "248"] == ["no", "no", "yes"]
    strong = next(row for row in rows if row["scaling"] == "strong")
    assert strong["hours"] == f"{9 * 100 * 1.8 / 3600:.4g}"


def test_projections_go_on_from_the_fewest_ranks_and_say_so():
    rows = rehearsal_rows(MEASURED, TASK, [512, 32], [])
    projected = [row for row in rows if row["kind"] == "projected"]
    assert [row["ranks"] for row in projected] == ["32", "512"]
    assert {row["kind"] for row in rows} == {"rehearsed", "projected"}
    averaging = seconds_of(allreduce_terms(16, 4000), LINK)
    gathering = (31 - 1) * (LINK.latency + 40 * LINK.seconds_per_byte)  # beyond that of two ranks
    expected = 3.6 + averaging + gathering
    assert float(projected[0]["step_seconds"]) == pytest.approx(expected, rel=1e-3)
    assert float(projected[1]["efficiency_percent"]) < float(projected[0]["efficiency_percent"])


def test_published_rows_keep_their_source_and_have_their_own_efficiency():
    rows = rehearsal_rows(MEASURED, TASK, [], read_rows(PUBLISHED))
    published = [row for row in rows if row["kind"] == "published"]
    assert all(row["source"] and not row["step_seconds"] for row in published)
    sunway = {row["ranks"]: row for row in published if "Sunway" in row["system"]}
    assert sunway["512"]["efficiency_percent"] == "63.5"
    gpu = next(row for row in published if "Titan" in row["system"])
    assert (gpu["hours"], gpu["efficiency_percent"]) == ("150", "")


def test_ranks_that_were_measured_and_projected_have_two_efficiencies():
    """1,000 pictures in batches of 20, or 40: 9 x 50 and 9 x 25 steps; 900 of 3.6 s with 2 ranks."""
    rows = rehearsal_rows(MEASURED, TASK, [4, 8], read_rows(PUBLISHED))
    weak = [row for row in rows if (row["scaling"], row["system"]) == ("weak", "this machine")]
    measured, projected = (
        {row["ranks"]: row for row in weak if row["kind"] == kind}
        for kind in ("rehearsed", "projected")
    )
    assert [measured[n]["efficiency_percent"] for n in "248"] == ["100.0", "97.3", "40.0"]
    for ranks, row in projected.items():
        efficiency = 100 * 0.9 * 2 / (float(row["hours"]) * int(ranks))
        assert float(row["efficiency_percent"]) == pytest.approx(efficiency, abs=0.06)
    assert float(projected["8"]["efficiency_percent"]) > 95


def test_the_figure_marks_oversubscribed_ranks_that_are_projected_too():
    rows = rehearsal_rows(MEASURED, TASK, [4, 8], read_rows(PUBLISHED))
    axis = DRAWINGS["rehearsal"](rows).axes[1]
    assert {"4", "8*", "32"} <= {label.get_text() for label in axis.get_xticklabels()}
    lines = {line.get_label(): line for line in axis.get_lines()}
    assert list(lines["this machine, weak, rehearsed"].get_ydata()) == [100.0, 97.3, 40.0]
    assert not len(lines["Titan X (one GPU), published"].get_ydata())


def test_messages_are_sorted_and_have_their_spread():
    rows = communication_rows(MEASURED)
    assert [row["ranks"] for row in rows if row["message"] == "averaging large"] == ["2", "4", "8"]
    gathering = next(row for row in rows if row["message"].startswith("allgather"))
    seconds = LINK.latency + 512 * LINK.seconds_per_byte  # of two ranks
    assert gathering["seconds"] == f"{seconds:.4g}"
    assert (gathering["lowest"], gathering["highest"]) == (
        f"{seconds / 2:.4g}",
        f"{seconds * 3:.4g}",
    )
    assert float(gathering["model_seconds"]) == pytest.approx(seconds, rel=5e-3)
    assert gathering["bytes_of_a_rank"] == "512"


PREFETCH = {
    2: {
        "ranks": 2,
        "cores": 1,
        "batch_size": 64,
        "depths": {
            "0": {"step": [1.5, 1.4, 1.6], "exposed": [0.5, 0.5, 0.5]},
            "2": {"step": [1.1, 1.0, 1.2], "exposed": [0.1, 0.1, 0.0]},
        },
    }
}


def test_parts_of_a_mini_batch():
    plain, ahead = prefetch_rows(PREFETCH)
    assert (plain["compute_seconds"], plain["hidden_io_seconds"]) == ("1", "0")
    assert (ahead["exposed_io_seconds"], ahead["hidden_io_seconds"]) == ("0.1", "0.4")
    assert ahead["oversubscribed"] == "yes"


def test_every_table_has_its_figure():
    rows = {
        "prefetch": prefetch_rows(PREFETCH),
        "communication": communication_rows(MEASURED),
        "rehearsal": rehearsal_rows(MEASURED, TASK, [32, 512], read_rows(PUBLISHED)),
    }
    lines = {kind: len(DRAWINGS[kind](part).axes) for kind, part in rows.items()}
    assert lines == {"prefetch": 1, "communication": 2, "rehearsal": 2}


def on_machine(ranks: int, cores: int, processor: str = "EPYC", gpu: str = "") -> dict:
    """Return the parts of measurements that captions name."""
    hardware = {"processor": processor, "gpu": gpu, "precision": "float32"}
    settings = {"model": "alexnet", "size": 224, "classes": 14}
    return {"ranks": ranks, "cores": cores, "hardware": hardware, "settings": settings}


def test_a_caption_names_the_machine_of_each_number_of_ranks():
    same = [on_machine(4, 2), on_machine(2, 2)]
    assert machines(same) == "EPYC, 2 cores in all, float32"
    found = [
        on_machine(2, 2),
        on_machine(8, 4),
        on_machine(4, 4),
        on_machine(16, 4, "Xeon", "H100"),
    ]
    assert machines(found) == (
        "EPYC, 2 cores in all, float32 (2 ranks); EPYC, 4 cores in all, float32 (4, 8 ranks); "
        "H100, Xeon, 4 cores in all, float32 (16 ranks)"
    )


def test_a_caption_names_the_steps_and_the_task():
    text = " ".join(
        caption("rehearsal", [on_machine(2, 2)], {"pictures": 10**6, "epochs": 9}).split()
    )
    assert "calibrates a pair of alexnet on random pictures of 224 pixels in 14 classes" in text
    assert "Hours are the time of 9 epochs of 1,000,000 pictures, except in published rows" in text
    training = {"model": {"name": "small_cnn"}, "images": {"size": 8}}
    found = {**on_machine(2, 2), "settings": training, "samples": 1117}
    text = " ".join(caption("prefetch", [found], {}).split())
    assert "pretraining small_cnn on 1,117 pictures of 8 pixels" in text
    assert CAPTIONS.keys() == DRAWINGS.keys()
