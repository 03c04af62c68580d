"""Variants of methods: rows that share what they do not change."""

import pytest

from mct.base.errors import UserError
from mct.base.roles import ROLES
from mct.experiment.configuration import resolve
from mct.experiment.methods import (
    Ranks,
    check_methods,
    find,
    needed_trainings,
    rows_of,
    trainings_of,
)
from mct.experiment.pair import PRETRAININGS
from mct.experiment.result_files import ResultFiles
from mct.experiment.stage_settings import StageSettings

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
    assert [one.settings(config, 0)["epochs"] for one in (long, usual)] == [20, 8]
    ranks = Ranks(config, lambda: SIZES)
    assert ranks.samples("mct_long", "2") - ranks.samples("mct", "2") == 12 * 1000 * (2 + 32 / 64)


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


def test_what_a_variant_leaves_as_it_is_is_trained_once():
    config = with_variants(
        short={"of": "mct", "pretraining": {"epochs_primary": 2}},
        short_paper={"of": "mct_paper", "pretraining": {"epochs_primary": 2}},
        decayed={"of": "mct_paper", "optimizer": {"weight_decay": 0}},
        noisy={"of": "noise_only", "pretraining": {"epochs_primary": 2}},
    )
    assert needed_trainings(config) == [
        *PRETRAININGS, "pretrain_primary_short", "pretrain_auxiliary_decayed",
        "pretrain_primary_decayed", "glc", "mct", "short", "short_paper", "decayed", "noisy",
    ]  # fmt: skip
    shared = ["pretrain_auxiliary", "pretrain_primary_short"]
    assert trainings_of(config, "short") == [*shared, "short"]
    assert trainings_of(config, "short_paper") == [*shared, "short_paper"]
    assert find(config, "short_paper").lineage("primary") == [shared[1], "short_paper"]
    assert find(config, "short_paper").lineage("auxiliary") == [shared[0], "short_paper"]
    files = ResultFiles("results/digits", config)
    weights = [files.pretrained("short_paper", role, "seed0_ranks2") for role in ROLES]
    assert [path.split("/")[4] for path in weights] == shared


def test_the_settings_of_a_variant_are_those_of_an_experiment_with_its_keys():
    keys = {
        "pretraining": {"learning_rate": 0.02, "epochs_auxiliary": 3},
        "optimizer": {"batch_size": 32, "momentum": 0.5},
    }
    rows = {
        f"{name}_new": {"of": name, **keys} for name in ("mct", "glc", "cleannet", "noise_only")
    }
    config, other = with_variants(**rows), resolve({"methods": ["mct"], **keys})
    ours, theirs = (Ranks(each, lambda: SIZES) for each in (config, other))
    names = {name: name.removesuffix("_new") for name in rows}
    names |= {f"{name}_mct_new": name for name in PRETRAININGS}
    for name, method in names.items():
        assert ours.settings(name, 3, "4") == theirs.settings(method, 3, "4")
        assert ours.samples(name, "4") == theirs.samples(method, "4")
    for name in PRETRAININGS:
        assert ours.of_training(f"{name}_mct_new", "8") == theirs.of_training(name, "8")
    verified = [StageSettings(each, ranks) for each, ranks in ((config, ours), (other, theirs))]
    assert verified[0].cleannet("0", "cleannet_new") == verified[1].cleannet("0")


def test_a_batch_that_grows_with_the_ranks_is_the_variants_too():
    config = resolve({
        "optimizer": {"batch_per_rank": 8},
        "variants": {"slow": {"of": "mct", "optimizer": {"momentum": 0.5}}},
    })  # fmt: skip
    assert resolve(config) == config
    ranks = Ranks(config, lambda: SIZES)
    sizes = [ranks.settings(name, 0, "8")["optimizer"]["batch_size"] for name in ("mct", "slow")]
    assert sizes == [32, 32]


def test_each_confusion_and_strength_is_of_the_nets_that_a_variant_has():
    config = resolve({
        "pretraining": {"held_out_clean": 0.2},
        "mct": {"confusion": "estimated"},
        "variants": {
            "long_ma": {"of": "mct", "pretraining": {"epochs_auxiliary": 9}},
            "long_both": {"of": "mct", "pretraining": {"epochs_auxiliary": 9, "epochs_primary": 9}},
            "all_clean": {"of": "mct", "pretraining": {"held_out_clean": 0}},
            "verified": {"of": "cleannet_compute"},
            "wide": {"of": "cleannet", "baselines": {"cleannet": {"width": 64}}},
        },
    })  # fmt: skip
    files, run = ResultFiles("r", config), "seed0_ranks2"
    folder = "r/models/digits/pretrain"
    assert files.confusion("long_ma", run) == f"{folder}_primary/{run}/confusion_estimated.json"
    assert files.pretrained("long_both", "auxiliary", run).startswith(f"{folder}_auxiliary_long_ma")
    assert files.confusion("long_both", run).startswith(f"{folder}_primary_long_both/")
    strengths = {name: files.strength(name, run) for name in config["variants"]}
    assert strengths["long_ma"] == [f"{folder}_auxiliary_long_ma/{run}/strength_estimated.json"]
    assert strengths["long_both"] == [f"{folder}_auxiliary_long_both/{run}/strength_estimated.json"]
    assert strengths["all_clean"] == []
    weighed = [files.evidence(name, run)[0].split("/")[3] for name in ("verified", "wide")]
    assert weighed == ["cleannet", "cleannet_wide"]


def test_a_solved_confusion_is_of_the_ma_of_all_rows():
    solved = {"of": "glc", "baselines": {"glc": {"confusion": "solved"}}}
    check_methods(with_variants(a={**solved, "pretraining": {"epochs_primary": 2}}))
    refused = with_variants(a={**solved, "pretraining": {"epochs_auxiliary": 2}})
    with pytest.raises(UserError, match=r"variants\.a: a `solved` confusion .* `?baselines\.glc"):
        check_methods(refused)


def test_a_variant_of_fine_tuning_has_its_own_epochs():
    config = with_variants(longer={"of": "glc_finetuned", "finetuning": {"epochs": 7}})
    assert find(config, "longer").epochs(config) == ({}, {"clean": 7})
    assert trainings_of(config, "longer") == ["pretrain_primary", "glc", "longer"]


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
        ({"a": {"of": "mct", "model": {}}}, "unknown key `model`.*`mct compare` both"),
        (
            {"a": {"of": "mct", "optimizer": {"batch_per_rank": 8, "batch_size": 8}}},
            "expected batch_size or batch_per_rank, got both",
        ),
        (
            {"a": {"of": "mct", "optimizer": {"batch_per_rank": 8}}},
            r"variants\.a\.optimizer\.batch_per_rank: is the same for all rows.*second experiment",
        ),
        (
            {"a": {"of": "mct_finetuned", "pretraining": {"epochs_primary": 2}}},
            r"variants\.a\.pretraining: mct_finetuned continues a model of mct, which is shared",
        ),
        (
            {"a": {"of": "mct", "finetuning": {"epochs": 2}}},
            r"variants\.a\.finetuning: mct does not use it; expected of: <method>_finetuned",
        ),
        (
            {"a": {"of": "mct_finetuned", "finetuning": {"methods": ["glc"]}}},
            r"variants\.a\.finetuning\.methods: is the same for all rows",
        ),
        ({"a": {"of": "mct", "mct": {"tempe": 2}}}, r"variants\.a: unknown key `mct\.tempe`"),
        ({"a": {"of": "mct", "calibration": {"epochs": 0}}}, r"variants\.a: `calibration\.epochs`"),
        ({"a": {"of": "mct", "title": 3}}, r"variants\.a\.title: expected text, got 3"),
        ({"a": 3}, r"`variants\.a`: expected keys with values, got 3"),
    ],
)
def test_a_variant_that_cannot_be_is_refused(variants, message):
    with pytest.raises(UserError, match=message):
        with_variants(**variants)
