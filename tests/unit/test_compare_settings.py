"""Which trials of a study are variants in one run of the workflow."""

from benchmarks.trials.compare_settings import arrange
from mct.experiment.configuration import resolve
from mct.experiment.methods import Ranks

METHODS = ["noise_only", "mct"]
RATES = {"calibration": {"learning_rates": {"mct": 0.05}}}
STUDY = {
    "configfile": "no file",
    "config": {"methods": METHODS, "seeds": [0], "ranks": [2], **RATES},
    "trials": {
        "as it is": {},
        "long": {"pretraining": {"epochs_primary": 20}, "optimizer": {"batch_size": 32}},
        "by ranks": {"optimizer": {"batch_per_rank": 8}},
        "other pictures": {"images": {"augmentation": "flip"}},
        "one method": {"methods": ["mct"], "mct": {"temperature": 1}},
    },
}


def test_trials_are_variants_where_their_keys_are_those_of_variants():
    runs = arrange(STUDY, set(), {})
    assert [[*run.trials] for run in runs] == [
        ["as it is", "long", "one method"],
        ["by ranks"],
        ["other pictures"],
    ]
    assert runs[0].trials["as it is"] == {name: name for name in METHODS}
    assert runs[0].trials["one method"] == {"mct": "mct_trial4"}
    assert runs[1].trials["by ranks"] == {name: name for name in METHODS}


def test_a_variant_has_the_settings_that_a_run_of_its_own_would_have():
    run = arrange(STUDY, set(), {})[0]
    ours = Ranks(resolve(run.config), dict)
    for trial, names in run.trials.items():
        alone = Ranks(resolve({**STUDY["config"], **STUDY["trials"][trial]}), dict)
        for method, name in names.items():
            assert ours.settings(name, 0, "2") == alone.settings(method, 0, "2")


def test_trials_that_are_done_are_left_out():
    runs = arrange(STUDY, {"as it is", "by ranks"}, {})
    assert [[*run.trials] for run in runs] == [["long", "one method"], ["other pictures"]]
    assert runs[0].trials["long"] == {name: name for name in METHODS}
