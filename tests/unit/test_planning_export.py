"""What handing a model over asks for, and which model that is."""

from pathlib import Path
from typing import Any

import pytest

from mct.cluster.planning import Planner
from mct.cluster.site import read_site
from mct.experiment.experiment import Experiment

SITE = read_site(Path(__file__).parents[2] / "profiles/slurm/partitions.yaml")


def planner(**sections: Any) -> Planner:
    return Planner(Experiment(sections), SITE)


def test_handing_a_model_over_takes_the_whole_net_on_two_sets():
    """Also where trainings compute the classifier alone."""
    sections = {"model": {"name": "resnet50"}, "images": {"size": 224}}
    usual = planner(**sections).export(1)
    assert usual.ranks == 0
    # 180 + 500 pictures of 4.1 G multiply-adds at 20 GFLOP/s, and their reading.
    assert 680 * 0.41 < usual.work_seconds < 680 * 0.45
    frozen = {"trainable": "classifier", "initial_weights": "resnet50.pt", "name": "resnet50"}
    stored = planner(model=frozen, images={"size": 224, "feature_views": 2}).export(1)
    assert stored == usual
    refusal = planner(**sections).refusal("export_model", {**vars(usual), "runtime": 10_000})
    assert refusal is not None
    assert "raise execution.threads_per_rank" in refusal


@pytest.mark.parametrize(
    ("keys", "method"),
    [
        ({"methods": ["glc", "mct_paper", "mct"]}, "mct"),
        ({"methods": ["glc", "mct_paper"]}, "glc"),
        ({"methods": ["glc", "noise_only"]}, "glc"),
        ({"methods": ["glc"], "finetuning": {"methods": ["mct"], "epochs": 1}}, "glc"),
    ],
)
def test_the_model_that_is_handed_over_is_that_of_mct_and_of_the_first_run(keys, method):
    files = Experiment({"seeds": [3, 1], "ranks": [4, 2], **keys}).files
    assert files.exported_method == method
    models = "results/digits/models/digits"
    assert files.exported_weights("mct") == f"{models}/mct/seed3_ranks4/primary.safetensors"
    assert files.exported_records("mct") == [
        f"{models}/{name}/seed3_ranks4/record.json" for name in ("pretrain_primary", "mct")
    ]
    assert files.evaluations_of_seeds("mct") == [
        f"results/digits/evaluation/digits/test/mct/seed{seed}_ranks4/primary.json"
        for seed in (3, 1)
    ]
