"""Rows of the accuracy table by hand; measured and published figures never mix."""

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.experiment.methods import METHODS, TRAININGS
from mct.experiment.pair import PRETRAININGS
from mct.results.accuracy import Method, accuracy_rows, count_samples, read_published, spread
from mct.results.tables import (
    Run,
    deployed_accuracies,
    parse_run,
    read_results,
    read_rows,
    write_table,
)

TITLES = {"noise_only": "Noise only", "mct_paper": "MCT (paper)", "mct": "MCT"}
PUBLISHED = Path(__file__).parents[2] / "workflow" / "resources" / "published.tsv"


def facts_of(name: str, title: str, before: Sequence[str]) -> Method:
    """Return what the table knows of a method."""
    method = TRAININGS[name]
    return Method(title, before, {role: method.lineage(role) for role in method.roles})


def with_pretraining(titles: dict[str, str]) -> dict[str, Method]:
    """Return what the table knows of pretrainings, and of methods by title."""
    pretrainings = {name: facts_of(name, one.title, ()) for name, one in PRETRAININGS.items()}
    rows = {
        name: facts_of(name, title, list(PRETRAININGS) if name.startswith("mct") else ())
        for name, title in titles.items()
    }
    return {**pretrainings, **rows}


KNOWN = with_pretraining(TITLES)


def evaluation(top1: float, top5: float = 1.0) -> dict:
    confusion = [[8, 2], [0, 30]]
    return {"top1": top1, "top5": top5, "split": "test", "confusion": confusion}


def baseline(seed: int, ranks: int = 4) -> Run:
    return Run("noise_only", seed, ranks, "primary")


def records_of(*runs: Run, samples: int = 100) -> dict[Run, dict]:
    """Return records in which every training saw as many samples."""
    return {run._replace(role="record"): {"samples_seen": samples} for run in runs}


def figure(method: str, title: str, top1: str) -> dict[str, str]:
    return {
        "dataset": "d", "method": method, "title": title, "model": "ResNet-50",
        "weights": "ImageNet", "split": "test", "epoch": "best",
        "top1_percent": top1, "source": "Somebody, 2021",
    }  # fmt: skip


def rows_of(evaluations: dict, published: list[dict] = ()) -> list[dict]:
    runs = [run._replace(method=m) for run in evaluations for m in KNOWN]
    return accuracy_rows(evaluations, records_of(*runs), KNOWN, published)


@pytest.mark.parametrize(
    ("values", "expected"), [([], ""), ([1.0], ""), ([1.0, 3.0], "1.41"), ([1, 2, 3], "1.00")]
)
def test_spread_is_the_sample_standard_deviation_of_two_or_more(values, expected):
    assert spread(values) == expected


def test_accuracies_of_deployed_models_by_method_and_ranks_a_value_a_seed():
    evaluations = {
        Run(method, seed, ranks, role): evaluation(0.1 * seed + 0.01 * ranks)
        for method in ("mct", "noise_only")
        for seed in (2, 1)
        for ranks in (4, 2)
        for role in ("auxiliary", "primary")
    }
    found = deployed_accuracies(evaluations, ["noise_only", "mct"])
    assert list(found) == [("noise_only", 2), ("noise_only", 4), ("mct", 2), ("mct", 4)]
    assert found["mct", 4] == pytest.approx([14, 24])


def test_a_run_is_read_from_its_path():
    path = Path("results/digits/evaluation/digits/mct_paper/seed3_ranks16/auxiliary.json")
    assert parse_run(path) == Run("mct_paper", 3, 16, "auxiliary")


@pytest.mark.parametrize("folder", ["seed1", "seed1_ranks2_", "seedx_ranks2"])
def test_a_path_of_another_form_is_refused(folder):
    with pytest.raises(UserError, match="expected a folder seed<number>_ranks<number>"):
        parse_run(Path("mct_paper", folder, "primary.json"))


def test_results_are_read_by_run(tmp_path):
    path = tmp_path / "noise_only" / "seed0_ranks2" / "primary.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(evaluation(0.5)))
    assert read_results([path]) == {baseline(0, 2): evaluation(0.5)}


def test_seeds_are_averaged_in_percent_with_their_spread():
    (row,) = rows_of({baseline(1): evaluation(0.82, 0.98), baseline(0): evaluation(0.80, 0.96)})
    assert row["method"] == "Noise only"
    assert row["model"] == "Mp"
    assert (row["top1_percent"], row["top1_sd"], row["top5_percent"]) == ("81.00", "1.41", "97.00")
    # Recalls .8 and 1; F1 2 * 8 / (10 + 8) and 2 * 30 / (30 + 32).
    assert (row["balanced_percent"], row["macro_f1_percent"]) == ("90.00", "92.83")
    assert (row["n"], row["seeds"], row["ranks"], row["kind"]) == ("2", "0 1", "4", "measured")
    assert (row["published_top1_percent"], row["published_as"]) == ("", "")


def test_numbers_of_ranks_and_roles_have_rows_of_their_own_in_the_order_of_the_titles():
    roles = ("primary", "auxiliary")
    pair = {Run("mct_paper", 0, ranks, role): evaluation(0.9) for ranks in (8, 2) for role in roles}
    rows = rows_of({**pair, baseline(0, 2): evaluation(0.8)})
    assert [(row["method"], row["model"], row["ranks"]) for row in rows] == [
        ("Noise only", "Mp", "2"),
        ("MCT (paper)", "Ma", "2"),
        ("MCT (paper)", "Ma", "8"),
        ("MCT (paper)", "Mp", "2"),
        ("MCT (paper)", "Mp", "8"),
    ]


def test_samples_of_a_pair_include_its_pretraining_and_those_of_a_baseline_are_its_own():
    run = Run("mct_paper", 0, 4, "primary")
    records = {
        run._replace(method="pretrain_auxiliary", role="record"): {"samples_seen": 10},
        run._replace(method="pretrain_primary", role="record"): {"samples_seen": 200},
        run._replace(role="record"): {"samples_seen": 3000},
        baseline(0)._replace(role="record"): {"samples_seen": 70},
    }
    assert count_samples(run, records, KNOWN) == (3200, 6210)
    assert count_samples(run._replace(role="auxiliary"), records, KNOWN) == (3010, 6210)
    assert count_samples(run._replace(role="pair"), records, KNOWN) == (6210, 6210)
    assert count_samples(baseline(0), records, KNOWN) == (70, 70)
    after = facts_of("noise_only", "Noise only", ["pretrain_primary"])
    assert count_samples(baseline(0), records, {**KNOWN, "noise_only": after}) == (70, 270)
    records[run._replace(role="record")]["samples_seen_auxiliary"] = 4000
    assert count_samples(run._replace(role="auxiliary"), records, KNOWN) == (4010, 7210)


def test_fine_tuning_adds_to_the_samples_of_the_model_it_goes_on_with():
    run = Run("forward_finetuned", 0, 4, "primary")
    records = {
        run._replace(role="record"): {"samples_seen": 5},
        run._replace(method="forward", role="record"): {"samples_seen": 100},
    }
    names = {"forward": (), "forward_finetuned": ["forward"]}
    known = {name: facts_of(name, name, before) for name, before in names.items()}
    assert count_samples(run, records, known) == (105, 105)


DIFFERENCE = ("minus_mct", "minus_mct_low", "minus_mct_high")


def test_differences_to_mct_are_paired_by_seed():
    """12.706 is Student's t at 97.5 % and one degree of freedom: 1 +- 12.706 x 1.414 / sqrt(2)."""
    ours = {Run("mct", seed, 4, "primary"): evaluation(0.8) for seed in (0, 1)}
    other, mct = rows_of({**ours, baseline(0): evaluation(0.8), baseline(1): evaluation(0.82)})
    assert [other[name] for name in DIFFERENCE] == ["+1.00", "-11.71", "+13.71"]
    assert [mct[name] for name in DIFFERENCE] == ["", "", ""]


def test_a_pair_is_compared_with_mp_of_mct():
    runs = {
        Run("mct", 0, 4, "primary"): evaluation(0.8),
        Run("mct", 0, 4, "pair"): evaluation(0.82),
        Run("mct_paper", 0, 4, "pair"): evaluation(0.79),
    }
    found = {(row["method"], row["model"]): row["minus_mct"] for row in rows_of(runs)}
    assert found == {
        ("MCT (paper)", "Ma and Mp"): "-1.00", ("MCT", "Mp"): "", ("MCT", "Ma and Mp"): "+2.00"
    }  # fmt: skip


def test_a_difference_needs_the_same_seed_and_ranks_and_an_interval_two_of_them():
    runs = {
        Run("mct", 0, 4, "primary"): evaluation(0.8),
        Run("mct_paper", 0, 4, "auxiliary"): evaluation(0.6),
        baseline(0, 2): evaluation(0.6),
        baseline(0, 4): evaluation(0.7),
        baseline(1, 4): evaluation(0.1),
    }
    rows = rows_of(runs)
    found = {(row["method"], row["ranks"]): [row[name] for name in DIFFERENCE] for row in rows}
    assert found == {
        ("Noise only", "2"): ["", "", ""],
        ("Noise only", "4"): ["-10.00", "", ""],
        ("MCT (paper)", "4"): ["", "", ""],
        ("MCT", "4"): ["", "", ""],
    }


def test_a_published_figure_stands_beside_the_first_row_of_its_method():
    runs = {baseline(0, ranks): evaluation(0.8) for ranks in (2, 4)}
    first, second = rows_of(runs, [figure("noise_only", "Noise only", "68.94")])
    assert first["published_top1_percent"] == "68.94"
    assert first["published_as"] == (
        "ResNet-50, Somebody, 2021 (weights: ImageNet, split: test, epoch: best)"
    )
    assert first["top1_percent"] == second["top1_percent"] == "80.00"
    assert second["published_top1_percent"] == ""


def test_a_published_figure_stands_beside_mp_not_ma():
    runs = {Run("mct_paper", 0, 4, role): evaluation(0.9) for role in ("auxiliary", "primary")}
    rows = rows_of(runs, [figure("mct_paper", "MCT (paper)", "81.20")])
    assert [(row["model"], row["published_top1_percent"]) for row in rows] == [
        ("Ma", ""), ("Mp", "81.20"),
    ]  # fmt: skip


def test_methods_that_only_others_measured_come_last_without_measured_figures():
    rows = rows_of({baseline(0): evaluation(0.8)}, [figure("cleannet", "CleanNet", "70.3")])
    assert [row["method"] for row in rows] == ["Noise only", "CleanNet"]
    assert rows[1]["kind"] == "published"
    assert rows[1]["published_top1_percent"] == "70.3"
    filled = {name for name, text in rows[1].items() if text}
    assert filled == {"method", "kind", "published_top1_percent", "published_as"}
    assert rows[0].keys() == rows[1].keys()


@pytest.mark.parametrize("ranks", [(4,), (2, 4)])
def test_a_second_published_figure_of_a_method_has_a_row_of_its_own(ranks):
    """It was not measured with the number of ranks of any of our rows."""
    figures = [figure("noise_only", "Noise only", top1) for top1 in ("68.94", "69.00")]
    *measured, other = rows_of({baseline(0, r): evaluation(0.8) for r in ranks}, figures)
    assert [row["kind"] for row in (*measured, other)] == ["measured"] * len(ranks) + ["published"]
    assert measured[0]["published_top1_percent"] == "68.94"
    assert {row["published_top1_percent"] for row in measured[1:]} <= {""}
    assert other["published_top1_percent"] == "69.00"


def test_published_figures_are_those_of_the_data_set():
    rows = read_published(PUBLISHED, "clothing1m")
    assert {row["dataset"] for row in rows} == {"clothing1m"}
    assert ("mct_paper", "81.20") in {(row["method"], row["top1_percent"]) for row in rows}
    assert read_published(PUBLISHED, "digits") == []


def test_published_figures_say_what_they_are_the_accuracy_of():
    admitted = {
        "weights": {"ImageNet", "random", "unknown"}, "split": {"test", "validation"},
        "epoch": {"best", "last", "unknown"},
    }  # fmt: skip
    for row in read_rows(PUBLISHED):
        assert {name for name, words in admitted.items() if row[name] not in words} == set()


def test_published_methods_of_ours_have_our_titles():
    for dataset in ("clothing1m", "webvision", "cifar10n_worse"):
        for row in read_published(PUBLISHED, dataset):
            if row["method"] in METHODS:
                assert row["title"] == METHODS[row["method"]].title


def test_a_table_is_written_as_tsv_and_as_markdown_without_empty_columns(tmp_path):
    rows = [{"a": "1", "empty": "", "b": "x y"}, {"a": "2", "empty": "", "b": ""}]
    write_table(rows, tmp_path / "table.tsv", "What it shows.")
    assert (tmp_path / "table.tsv").read_text() == "a\tempty\tb\n1\t\tx y\n2\t\t\n"
    assert (tmp_path / "table.md").read_text().splitlines() == [
        "| a | b |", "| --- | --- |", "| 1 | x y |", "| 2 |  |", "", "What it shows.",
    ]  # fmt: skip


def shown_for(tmp_path: Path, role: str, learned: dict[int, dict[str, int]]) -> str:
    """Return the table of a role of `mct_paper`, whose models learned from so many samples by seed."""
    records, evaluations = {}, {}
    for seed, counts in learned.items():
        run = Run("mct_paper", seed, 2, "record")
        records |= {run._replace(method=name): {"samples_seen": 9} for name in PRETRAININGS}
        records[run] = {"samples_seen": 9, **{f"samples_learned_{k}": v for k, v in counts.items()}}
        evaluations[run._replace(role=role)] = evaluation(0.5)
    rows = accuracy_rows(evaluations, records, KNOWN, [])
    write_table(rows, tmp_path / "table.tsv", "")
    return (tmp_path / "table.md").read_text()


def test_the_table_says_which_model_learned_nothing(tmp_path):
    idle, busy = {"auxiliary": 0, "primary": 8}, {"auxiliary": 7, "primary": 8}
    text = "Ma learned from no sample in mct_paper"
    assert f"{text} |" in shown_for(tmp_path, "auxiliary", {0: idle, 1: idle})
    assert f"{text} (seed 0) |" in shown_for(tmp_path, "pair", {0: idle, 1: busy})
    assert "no sample" not in shown_for(tmp_path, "primary", {0: idle})
    assert "note" not in shown_for(tmp_path, "auxiliary", {0: busy})


def test_the_table_names_starved_classes(tmp_path):
    run = Run("mct_paper", 0, 2, "primary")
    record = {"samples_seen": 9, "starved_classes": {"auxiliary": [1], "primary": [3, 5]}}
    records = {
        run._replace(method=name, role="record"): {"samples_seen": 9}
        for name in ("pretrain_auxiliary", "pretrain_primary")
    }
    records[run._replace(role="record")] = record
    rows = accuracy_rows({run: evaluation(0.5)}, records, KNOWN, [])
    assert rows[0]["note"] == "Mp selected next to nothing of observed class 3, 5 in mct_paper"


def test_the_table_says_that_a_fine_tuning_had_no_epochs(tmp_path):
    run = Run("forward_finetuned", 0, 2, "primary")
    seen = {"forward_finetuned": 0, "forward": 9}
    records = {
        run._replace(method=name, role="record"): {"samples_seen": count}
        for name, count in seen.items()
    }
    known = {"forward_finetuned": facts_of("forward_finetuned", "Loss correction", ["forward"])}
    known["forward"] = facts_of("forward", "Forward correction", ())
    write_table(accuracy_rows({run: evaluation(0.5)}, records, known, []), tmp_path / "t.tsv", "")
    assert "Mp learned from no sample in forward_finetuned" in (tmp_path / "t.md").read_text()
