"""Where it is not known which arithmetic is faster it is measured, and all stages compute in it."""

import json

import pytest
from mpi4py import MPI

from mct.base.errors import UserError
from mct.base.files import write_json
from mct.data.settings import ImageSettings
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.learning.precision import with_measured
from mct.learning.settings import (
    EvaluationSettings,
    LearnerSettings,
    ModelSettings,
    OptimizerSettings,
)
from mct.learning.step_times import ROUNDS, time_precisions
from mct.parallel.comm import Topology
from mct.stage.compute import choose_compute
from mct.stage.settings import ExecutionSettings

IMAGES = ImageSettings(size=8, mean=(0.5,) * 3, std=(0.25,) * 3)
SETTINGS = EvaluationSettings(images=IMAGES, model=ModelSettings())


def test_a_stage_computes_in_the_measured_arithmetic(tmp_path):
    file = tmp_path / "net.json"
    write_json(file, {"precision": "bfloat16"})
    assert with_measured(SETTINGS, [file]).model.precision == "bfloat16"
    assert with_measured(SETTINGS, [file]).images == IMAGES
    assert with_measured(SETTINGS, []) == SETTINGS
    write_json(file, {"times": {}})
    with pytest.raises(UserError, match=r"net\.json: lacks precision; delete it and rerun"):
        with_measured(SETTINGS, [file])


@pytest.mark.parametrize(
    ("model", "measures"),
    [
        ({"name": "small_cnn"}, False),
        ({"name": "resnet50"}, False),
        ({"name": "timm/mobilenetv2_100"}, True),
        ({"name": "mobilenet_v2", "precision": "float32"}, False),
    ],
)
def test_nets_are_measured_of_which_it_is_not_known(tmp_path, model, measures):
    images = {"size": 64, "mean": [0.5] * 3, "std": [0.25] * 3}
    experiment = Experiment({"results": str(tmp_path), "images": images, "model": model})
    name = model["name"].replace("/", "_")
    expected = [f"{tmp_path}/digits/precision/{name}.json"] if measures else []
    assert experiment.measured_precision == expected


@pytest.mark.parametrize(
    ("optimizer", "samples"), [({"batch_size": 65}, 33), ({"batch_per_rank": 10}, 10)]
)
def test_a_rank_measures_its_share_of_a_batch_in_the_first_run(optimizer, samples):
    config = resolve({"ranks": [4, 8], "optimizer": optimizer})
    experiment = Experiment(config)
    assert experiment.samples_per_rank == samples
    assert json.loads(experiment.settings.precision())["optimizer"]["batch_size"] <= 2 * samples


def test_the_fastest_step_of_each_arithmetic_counts(monkeypatch):
    """The first round warms up."""
    clock = iter(range(1000))
    monkeypatch.setattr("mct.learning.step_times.perf_counter", lambda: next(clock) ** 2)
    settings = LearnerSettings(images=IMAGES, model=ModelSettings(), optimizer=OptimizerSettings())
    execution = ExecutionSettings(device="cpu")
    computes = [choose_compute(name, execution) for name in ("bfloat16", "float32")]
    alone = dict.fromkeys(("world_comm", "group_comm", "pair_comm"), MPI.COMM_SELF)
    topology = Topology(**alone, roles=(), indices=(), hosts=())
    seconds = time_precisions(topology, computes, settings, execution, classes=3, samples=2)
    # Steps are timed in turn: the seconds of step s, of two a round, are (2 s + 1)^2 - (2 s)^2.
    assert seconds == [4 * step + 1 for step in (2, 3)]
    assert next(clock) == 4 * (1 + ROUNDS)
