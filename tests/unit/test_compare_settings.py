"""Which trials of a study are variants in one run of the workflow."""

import pytest

from benchmarks.trials.compare_settings import arrange, join, make_row, means_over_trials
from mct.experiment.configuration import resolve
from mct.experiment.methods import Ranks

METHODS = ["noise_only", "mct"]
RATES = {"calibration": {"learning_rates": {"mct": 0.05}}}
STUDY = {
    "configfile": "no file",
    "config": {"methods": METHODS, "seeds": [0, 1], "ranks": [2], **RATES},
    "trials": {
        "as it is": {},
        "long": {"pretraining": {"epochs_primary": 20}, "optimizer": {"batch_size": 32}},
        "by ranks": {"optimizer": {"batch_per_rank": 8}},
        "other pictures": {"images": {"augmentation": "flip"}},
        "one method": {"methods": ["mct"], "mct": {"temperature": 1}},
    },
}


def test_trials_are_variants_where_their_keys_are_those_of_variants():
    runs = arrange(STUDY, {}, {})
    assert [[*run.trials] for run in runs] == [
        ["as it is", "long", "one method"],
        ["by ranks"],
        ["other pictures"],
    ]
    assert runs[0].trials["as it is"] == {name: name for name in METHODS}
    assert runs[0].trials["one method"] == {"mct": "mct_trial4"}
    assert runs[1].trials["by ranks"] == {name: name for name in METHODS}


def test_a_variant_has_the_settings_that_a_run_of_its_own_would_have():
    run = arrange(STUDY, {}, {})[0]
    ours = Ranks(resolve(run.config), dict)
    for trial, names in run.trials.items():
        alone = Ranks(resolve({**STUDY["config"], **STUDY["trials"][trial]}), dict)
        for method, name in names.items():
            assert ours.settings(name, 0, "2") == alone.settings(method, 0, "2")


def test_trials_that_are_done_are_left_out():
    runs = arrange(STUDY, {"as it is": {0, 1}, "by ranks": {0, 1}}, {})
    assert [[*run.trials] for run in runs] == [["long", "one method"], ["other pictures"]]
    assert runs[0].trials["long"] == {name: name for name in METHODS}


def test_a_trial_runs_the_seeds_that_it_lacks():
    runs = arrange(STUDY, {"as it is": {0}, "long": {0, 1}, "by ranks": {0, 1}}, {})
    assert [(run.config["seeds"], [*run.trials]) for run in runs] == [
        ([1], ["as it is"]),
        ([0, 1], ["other pictures"]),
        ([0, 1], ["one method"]),
    ]


def test_seeds_that_are_no_list_end_in_a_line(capsys):
    with pytest.raises(SystemExit) as end:
        arrange({**STUDY, "config": {**STUDY["config"], "seeds": 3}}, {}, {})
    assert end.value.code == 2
    assert "`seeds`: expected a list" in capsys.readouterr().err


def test_rows_of_one_trial_join_their_seeds():
    named = {"trial": "long", "starved": "0+1", "made_by": "one"}
    rows = [{**named, **make_row("mct", "2", {"0": 60.0, "1": 62.0}), "steps": "10"}]
    other = {**named, **make_row("mct", "2", {"2": 67.0}), "steps": "40", "made_by": "two"}
    join(rows, other, ["steps"])
    join(rows, {**other, "trial": "short"}, ["steps"])
    assert [row["seeds"] for row in rows] == ["0 1 2", "2"]
    assert (rows[0]["top1_percent"], rows[0]["top1_sd"]) == ("63.00", "3.61")
    assert (rows[0]["steps"], rows[0]["starved"], rows[0]["made_by"]) == (
        "20",
        "0+1 0+1",
        "one; two",
    )


def test_a_studys_mean_over_trials_has_its_interval():
    """Student's t of two degrees of freedom is 4.30 at 95 %: the interval is 4.30 / sqrt(3) to each side."""
    rows = [{"method": "mct", "difference": text} for text in ("+1.00", "+2.00", "+3.00", "")]
    assert means_over_trials(rows, 95) == (
        " Mean of the differences of `mct` over 3 trials: +2.00 (-0.48 to +4.48)."
    )
