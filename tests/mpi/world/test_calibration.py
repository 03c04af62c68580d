"""Pairs do what one pair does: same masks, same targets, same weights.

In float64 on a model without norm and dropout, where only the order of sums differs.
"""

from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mpi4py import MPI
from msgspec.structs import replace
from replicas import (
    CLASSES,
    IMAGES,
    OPTIMIZER,
    PHASES,
    SAMPLES,
    SignallingReader,
    checkpoints_in,
    clean_reader_on,
    make_learner,
    parameters_of,
    plain_model,
    plain_objective,
    reader_on,
)

from mct.base.errors import StageInterruptedError, UserError
from mct.base.roles import ROLES, Role
from mct.calibration.coupling import Coupling
from mct.calibration.evidence import Evidence
from mct.calibration.plan import plan_calibration
from mct.calibration.settings import CalibrationSettings
from mct.calibration.teachers import Teacher
from mct.data.clean_batches import SampleReader
from mct.data.imagesets import ImageSet
from mct.labels.selection import select_within
from mct.learning.learner import Learner
from mct.learning.loop import Loop
from mct.learning.settings import ModelSettings
from mct.learning.training import ModelTraining
from mct.parallel.comm import Topology
from mct.stage.progress import Progress

NOISE = {"rate": 0.3, "upper": 0.35, "class_rates": [0.3] * CLASSES}
CONFUSION = 0.1 + 0.6 * np.eye(CLASSES)


def calibration_settings(**changes: object) -> CalibrationSettings:
    values = {
        "images": IMAGES, "optimizer": OPTIMIZER, "epochs": 2, "learning_rate": 0.05,
        "model": ModelSettings(name="small_cnn", initial_weights=None, precision="float64"),
        "schedule": "linear", "soft_target_weight": 0.5, "temperature": 2.0, "targets": "soft",
        "selection": "global", "selector": "pair", "seed": 0,
    }  # fmt: skip
    return CalibrationSettings(**{**values, **changes})


def calibrate(
    topology: Topology,
    image_set: ImageSet,
    settings: CalibrationSettings,
    folder: Path,
    **changes: object,
) -> Coupling:
    seed = changes.get("model_seed", topology.role.place)
    group, optimizer, images = topology.group_comm, settings.optimizer, settings.images
    build = changes.get("build", plain_model)
    learner = make_learner(group, seed, images, settings.model, optimizer, build)
    if changes.get("diverged") is topology.role:
        learner.model[0].bias.data.fill_(np.nan)
    progress, role = Progress("test"), topology.role
    evidence = Evidence({**NOISE, **changes.get("noise", {})}, CONFUSION)
    coupling = Coupling(learner, topology, image_set, settings, evidence, progress)
    count = coupling.plan.clean_per_batch
    group, images, kind_of = topology.group_comm, settings.images, coupling.plan.augmentation
    passes = optimizer.accumulation
    clean_reader = clean_reader_on(group, count, 20 + role.place, images, kind_of, passes)
    reader = changes.get("reader") or reader_on(group, image_set, images, kind_of, passes)
    if "stop_after" in changes and topology.world_comm.rank == 1:
        reader = SignallingReader(reader, changes["stop_after"])
    checkpoints = checkpoints_in(folder, topology.world_comm, topology.group_comm, role)
    samples = SampleReader(reader, clean_reader)
    Loop(coupling, progress, checkpoints).run(samples, changes.get("prefetch", 0))
    return coupling


CLEAN = {"clean_per_batch_auxiliary": 3, "clean_per_batch_primary": 5}
PAIR = {"teacher": "pair", "taught_models": "both", "taught_samples": "all"}
POSTERIOR = {
    **CLEAN, **PAIR, "targets": "posterior", "soft_target_weight": 0.7,
    "teacher_average_epochs": 0.5,
}  # fmt: skip
FORMS = {
    "paper": {},
    "per_class": {"selection": "per_class"},
    "class_floor": {"selection": "class_floor"},
    "all taught by the pair": {**CLEAN, **PAIR},
    "posterior, averages": POSTERIOR,
    "strong views": {**CLEAN, **PAIR, "images": replace(IMAGES, strong_augmentation=0.8)},
    "phases": {**CLEAN, "schedule": PHASES},
}


@pytest.mark.parametrize("form", FORMS)
def test_calibration_on_all_pairs_equals_one_pair(topology, image_set, form, folder):
    settings = calibration_settings(**FORMS[form])
    coupling = calibrate(topology, image_set, settings, folder / "all")
    world = topology.world_comm
    # Every pair calibrates alone too; the first pair's result is compared with that of all.
    lone_world = topology.pair_comm.Dup()
    lone = Topology(
        world_comm=lone_world, group_comm=MPI.COMM_SELF, pair_comm=topology.pair_comm,
        roles=ROLES, indices=(0, 0), hosts=("a", "a"),
    )  # fmt: skip
    reference = calibrate(lone, image_set, settings, folder / f"pair{topology.group_comm.rank}")
    np.testing.assert_allclose(
        parameters_of(coupling.learner), parameters_of(reference.learner), rtol=1e-9, atol=1e-12
    )
    for name, values in coupling.history.arrays().items():
        np.testing.assert_allclose(
            values, reference.history.arrays()[name], rtol=1e-9, err_msg=name
        )
    if world.rank == 0:
        np.testing.assert_array_equal(coupling.record.selected, reference.record.selected)
        np.testing.assert_allclose(
            coupling.record.confidence, reference.record.confidence, rtol=1e-6
        )
        assert not np.isnan(coupling.record.confidence).any()
    lone_world.Free()


@pytest.mark.parametrize(("role", "name"), [(Role.AUXILIARY, "Ma and Mp"), (Role.PRIMARY, "Mp")])
def test_all_ranks_stop_at_the_first_loss_of_a_model_that_diverged(
    topology, image_set, folder, role, name
):
    """Ma teaches Mp."""
    settings = calibration_settings(selector="auxiliary")
    line = f"test: {name} diverged: the loss is not finite at step 1 of 8, learning rate 0.05; last"
    with pytest.raises(UserError, match=line):
        calibrate(topology, image_set, settings, folder, diverged=role)
    assert not list(folder.glob("step-*"))


def test_a_model_that_no_batch_has_a_sample_for_has_learned_from_none(topology, image_set, folder):
    """As `mct_paper` at P = 1: both stay as they were, and the record says so."""
    settings = calibration_settings()
    before = parameters_of(make_learner(topology.group_comm, seed=topology.role.place))
    nothing = {"rate": 1.0, "upper": 1.0}
    coupling = calibrate(topology, image_set, settings, folder / "none", noise=nothing)
    np.testing.assert_array_equal(parameters_of(coupling.learner), before)
    assert set(coupling.samples_learned().values()) == {0}
    some = calibrate(topology, image_set, settings, folder / "some")
    learned = some.history.arrays()["learned"].sum(axis=0)
    assert list(some.samples_learned().values()) == learned.tolist()
    assert learned.all()


def test_files_have_what_was_selected_by_step_and_by_class(
    topology, image_set, folder, monkeypatch
):
    monkeypatch.setattr(type(image_set), "keys", lambda images: np.full(len(images), b"key"))
    settings = calibration_settings()
    coupling = calibrate(topology, image_set, settings, folder / "checkpoints")
    if topology.world_comm.rank == 0:
        plan = coupling.plan
        coupling.write(folder)
        with h5py.File(folder / "history.h5") as file:
            by_step, by_class = file["selected"][()], file["selected_by_class"][()]
        epochs = [by_step[plan.epochs() == epoch].sum(axis=0) for epoch in (0, 1)]
        np.testing.assert_array_equal(by_class.sum(axis=2), epochs)
        assert by_class.shape == (2, 2, CLASSES)


def read_batch(topology, image_set, settings):
    """Return the first batch of a calibration."""
    reader = reader_on(topology.group_comm, image_set, settings.images)
    return reader.read(next(plan_calibration(settings, len(image_set)).batches()))


@pytest.mark.parametrize(
    ("kind", "weights"),
    [("auxiliary", [(1, 0), (1, 0)]), ("pair", [(0.5, 0.5)] * 2)],
)
def test_the_teacher_is_who_the_settings_name(topology, image_set, kind, weights):
    both = np.array([(0.7, 0.2, 0.1), (0.1, 0.6, 0.3)])
    learner = make_learner(topology.group_comm, seed=0)
    settings = calibration_settings(teacher=kind)
    teacher = Teacher(learner, topology, settings, set_size=SAMPLES)
    batch = read_batch(topology, image_set, settings)
    logits = learner.to_device(torch.from_numpy(np.log(both[topology.role.place])).float()[None])
    taught = teacher.teach(batch, learner.look(batch.images), logits).teacher
    expected = weights[topology.role.place] @ both
    np.testing.assert_allclose(taught.softmax(dim=1)[0].cpu().numpy(), expected, rtol=1e-5)


def test_a_teacher_sees_pictures_as_they_are_and_models_their_strong_views(topology, image_set):
    settings = calibration_settings(teacher="pair", images=replace(IMAGES, strong_augmentation=0.8))
    learner = make_learner(topology.group_comm, seed=topology.role.place, images=settings.images)
    teacher = Teacher(learner, topology, settings, set_size=SAMPLES)
    batch = read_batch(topology, image_set, settings)
    plain = learner.forward(batch.images, key=0).detach()
    strong = learner.look(batch.images, batch.strong)
    logits = learner.learn(strong, key=0).detach()
    assert len(plain) == 0 or not torch.allclose(logits, plain)
    expected = sum(topology.pair_comm.allgather(plain.softmax(dim=1).cpu().numpy())) / 2
    said = teacher.teach(batch, strong, logits)
    np.testing.assert_allclose(said.teacher.softmax(dim=1).cpu().numpy(), expected, rtol=1e-9)
    assert torch.equal(said.own, plain)


@pytest.mark.parametrize("form", FORMS)
def test_a_pair_that_shares_its_trunk_learns_what_two_trunks_would(
    topology, image_set, form, folder, monkeypatch
):
    frozen = ModelSettings(name="small_cnn", trainable="classifier", precision="float64")
    settings = calibration_settings(**FORMS[form], model=frozen)
    shared = calibrate(topology, image_set, settings, folder / "one", model_seed=0).learner
    assert shared._exchange is not None or topology.world_comm.size == 1
    with monkeypatch.context() as patch:
        patch.setattr(Learner, "share_trunk", lambda self, pair_comm: None)
        apart = calibrate(topology, image_set, settings, folder / "two", model_seed=0).learner
    np.testing.assert_allclose(parameters_of(shared), parameters_of(apart), rtol=1e-12)


def test_models_with_other_trunks_share_nothing(topology, image_set, folder):
    frozen = ModelSettings(name="small_cnn", trainable="classifier", precision="float64")
    settings = calibration_settings(model=frozen)
    assert calibrate(topology, image_set, settings, folder).learner._exchange is None


def test_both_models_learn_from_strong_views(topology, image_set, folder):
    weights = [
        parameters_of(calibrate(topology, image_set, settings, folder / name).learner)
        for name, settings in (
            ("plain", calibration_settings(**FORMS["all taught by the pair"])),
            ("strong", calibration_settings(**FORMS["strong views"])),
        )
    ]
    assert not np.allclose(*weights, rtol=1e-3)


def test_every_rank_selects_the_same_samples_given_the_same_confidences(topology):
    confidence = np.random.default_rng(3).random((2, 64)).round(1).astype(np.float32)  # many ties
    groups = np.zeros(64, np.int64)
    masks = select_within(confidence.mean(axis=0), groups, [0.4], [0.4])
    for other in topology.world_comm.allgather(masks):
        np.testing.assert_array_equal(other, masks)


@pytest.mark.parametrize("form", ["paper", "posterior, averages", "strong views", "phases"])
def test_interrupted_calibration_ends_in_the_same_bits(
    topology, image_set, form, folder, monkeypatch
):
    told = []
    monkeypatch.setattr(Progress, "report", lambda _, epoch, figures: told.append((epoch, figures)))
    settings = calibration_settings(**FORMS[form])
    whole = calibrate(topology, image_set, settings, folder / "whole")
    with pytest.raises(StageInterruptedError, match="after step 6"):
        calibrate(topology, image_set, settings, folder / "parts", stop_after=5)
    resumed = calibrate(topology, image_set, settings, folder / "parts")
    np.testing.assert_array_equal(parameters_of(resumed.learner), parameters_of(whole.learner))
    for name, values in resumed.history.arrays().items():
        np.testing.assert_array_equal(values, whole.history.arrays()[name], err_msg=name)
    np.testing.assert_array_equal(resumed.record.confidence, whole.record.confidence)
    np.testing.assert_array_equal(resumed.record.selected, whole.record.selected)
    assert [epoch for epoch, _ in told] == [0, 1, 0, 1]
    np.testing.assert_equal(told[2:], told[:2])


def test_without_soft_targets_mp_learns_like_a_model_alone_on_its_selection(
    topology, image_set, folder
):
    """With P = 0 all samples are selected and Mp's step is plain training."""
    settings = calibration_settings(soft_target_weight=0.0, epochs=1)
    no_noise = {"rate": 0.0, "upper": 0.0}
    coupling = calibrate(topology, image_set, settings, folder / "pair", noise=no_noise)
    if topology.role is Role.PRIMARY:
        group = topology.group_comm
        alone = make_learner(group, seed=1)
        training = ModelTraining(
            alone, plan_calibration(settings, SAMPLES), plain_objective(group), settings=settings,
            role=Role.PRIMARY,
        )  # fmt: skip
        checkpoints = checkpoints_in(folder / "alone", group, group, "primary")
        reader = SampleReader(reader_on(group, image_set), clean_reader_on(group, 0))
        Loop(training, Progress("test"), checkpoints).run(reader, prefetch=0)
        # B - 1 of B samples are certain for Ma, all are expected clean for Mp.
        np.testing.assert_allclose(parameters_of(coupling.learner), parameters_of(alone), rtol=1e-9)


def test_small_batches_of_much_noise_leave_ma_unchanged(topology, image_set, folder):
    """M is 0 for B = 10 and P = .9: Ma skips its steps, and keeps nothing of them."""
    before = parameters_of(make_learner(topology.group_comm, seed=topology.role.place))
    settings = calibration_settings(epochs=1)
    noise = {"rate": 0.9, "upper": 0.9}
    learner = calibrate(topology, image_set, settings, folder, noise=noise).learner
    assert np.array_equal(before, parameters_of(learner)) == (topology.role is Role.AUXILIARY)
    assert learner._output is None


def test_a_wrong_noise_rate_changes_nothing_where_the_pair_teaches_all_samples(
    topology, image_set, folder
):
    """As in method `mct_posterior`: the posterior takes the place of the selection."""
    settings = calibration_settings(**{**POSTERIOR, "soft_target_weight": 1.0})
    with_rate = [
        calibrate(
            topology, image_set, settings, folder / str(rate), noise={"rate": rate, "upper": rate}
        )
        for rate in (0.1, 0.5)
    ]
    parameters = [parameters_of(coupling.learner) for coupling in with_rate]
    np.testing.assert_array_equal(*parameters)
    if topology.world_comm.rank == 0:
        assert (with_rate[0].record.selected != with_rate[1].record.selected).any()
