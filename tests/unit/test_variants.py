"""Variants of methods: rows that share what they do not change."""

import pytest

from mct.base.errors import UserError
from mct.experiment.configuration import resolve
from mct.experiment.methods import Ranks, find, needed_trainings, rows_of
from mct.experiment.result_files import ResultFiles

SIZES = {"noisy": 1000, "clean": 100}


def with_variants(**variants: dict) -> dict:
    return resolve({"methods": ["mct", "glc"], "variants": variants})


def test_a_variant_is_a_row_with_other_keys_and_the_same_pretraining():
    config = with_variants(mct_long={"of": "mct", "calibration": {"epochs": "20"}})
    assert rows_of(config) == ["mct", "glc", "mct_long"]
    assert needed_trainings(config) == [
        "pretrain_auxiliary",
        "pretrain_primary",
        "glc",
        "mct",
        "mct_long",
    ]
    long, usual = find(config, "mct_long"), find(config, "mct")
    assert (long.name, long.title) == ("mct_long", "MCT: calibration.epochs 20")
    assert long.preparations(config) == usual.preparations(config)
    assert [one.settings(config, 0)["epochs"] for one in (long, usual)] == [20, 10]
    ranks = Ranks(config, lambda: SIZES)
    assert ranks.samples("mct_long", "2") - ranks.samples("mct", "2") == 10 * 1000 * (2 + 32 / 64)


def test_a_variant_of_a_baseline_changes_its_own_keys_alone():
    config = with_variants(glc_solved={"of": "glc", "baselines": {"glc": {"confusion": "solved"}}})
    assert find(config, "glc_solved").confusion_kind(config) == "solved"
    assert find(config, "glc").confusion_kind(config) != "solved"
    files = ResultFiles("results/digits", config)
    assert files.confusion("glc_solved", "seed0_ranks2").endswith("digits.models.json")
    assert "glc_solved" in files.singles() and "glc_solved" not in files.pairs()


def test_a_pair_of_a_variant_has_its_figures_and_judges_nothing():
    files = ResultFiles("results/digits", with_variants(paper_by_class={
        "of": "mct_paper", "title": "By class", "calibration": {"selection": "per_class"},
    }))  # fmt: skip
    assert files.calibrated() == ["mct", "paper_by_class"]
    assert "selection_paper_by_class" in files.figures()
    assert files.judging_method == "mct"


def test_a_rate_of_the_method_is_the_variants_too():
    config = resolve({
        "calibration": {"learning_rates": {"mct": 0.02}},
        "variants": {"mct_hot": {"of": "mct", "mct": {"temperature": 4}}},
    })  # fmt: skip
    settings = find(config, "mct_hot").settings(config, 0)
    assert (settings["learning_rate"], settings["temperature"]) == (0.02, 4)


def test_a_resolved_configuration_is_complete():
    config = with_variants(mct_long={"of": "mct", "calibration": {"epochs": 20}})
    assert resolve(config) == config


@pytest.mark.parametrize(
    ("variants", "message"),
    [
        ({"mct": {"of": "mct"}}, r"variants\.mct: expected a name of its own"),
        ({"Long": {"of": "mct"}}, r"variants\.Long: expected a name of its own"),
        (
            {"a": {"of": "mtc"}},
            r"variants\.a\.of: expected a method, got mtc; did you mean `mct`",
        ),
        ({"a": {}}, r"variants\.a\.of: expected a method, got None"),
        ({"a": {"of": "mct", "pretraining": {}}}, "unknown key `pretraining`.*`mct compare` both"),
        ({"a": {"of": "mct", "mct": {"tempe": 2}}}, r"variants\.a: unknown key `mct\.tempe`"),
        ({"a": {"of": "mct", "calibration": {"epochs": 0}}}, r"variants\.a: `calibration\.epochs`"),
        ({"a": {"of": "mct", "title": 3}}, r"variants\.a\.title: expected text, got 3"),
        ({"a": 3}, r"`variants\.a`: expected keys with values, got 3"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(variants, message):
    with pytest.raises(UserError, match=message):
        with_variants(**variants)
