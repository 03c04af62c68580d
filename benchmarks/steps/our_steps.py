"""Time our steps as the entry points compose them, without starting, reading and writing a stage.

mpiexec -n 2 python -m mpi4py -m benchmarks.steps.our_steps --stage calibration ...
"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.steps.made_data import processor_seconds, write_seconds
from mct.base.partition import GlobalBatch, Share
from mct.base.roles import Role
from mct.calibration.coupling import Coupling
from mct.calibration.evidence import Evidence
from mct.calibration.reading import pair_reader
from mct.calibration.settings import CalibrationSettings
from mct.data.clean_batches import CleanReader, SampleReader
from mct.data.imagesets import ImageSet, open_set
from mct.data.loading import BatchReader
from mct.data.settings import ImageSettings
from mct.learning.learner import Learner
from mct.learning.loop import Loop
from mct.learning.losses import cross_entropy
from mct.learning.models import build_model
from mct.learning.objectives import Objective, equal_weights
from mct.learning.plan import Plan
from mct.learning.schedules import linear
from mct.learning.settings import ModelSettings, OptimizerSettings
from mct.learning.training import ModelTraining
from mct.parallel.comm import Comm, split_world, world
from mct.stage.checkpoint import Checkpoints
from mct.stage.compute import Compute, choose_compute
from mct.stage.progress import Progress
from mct.stage.settings import ExecutionSettings

NOISE = {"rate": 0.4, "upper": 0.4}
MATRIX, MATRIX_SECONDS = 2048, 1.0


class StepClock(Progress):
    """Notes when each step ends, and the processor time until then; prints nothing."""

    def __init__(self) -> None:
        super().__init__("benchmark")
        self.ends: list[float] = []
        self.spent: list[float] = []

    def count(self, batch: GlobalBatch, waited_seconds: float) -> None:
        """Note the end of a step."""
        super().count(batch, waited_seconds)
        self.ends.append(perf_counter())
        self.spent.append(process_time())


def main() -> None:
    options = parse_options()
    comm = world()
    execution = ExecutionSettings(checkpoint_minutes=0, stall_minutes=0)
    compute = choose_compute(options.precision, execution)
    image_set = open_set("noisy", options.labels)
    learn = calibrate if options.stage == "calibration" else pretrain
    clock = learn(options, comm, compute, execution, image_set)
    seconds = np.diff(clock.ends)[options.warm_up - 1 :].tolist()
    spent = comm.gather(processor_seconds(clock.spent, options.warm_up), root=0)
    rates = comm.gather(matrix_rate(compute), root=0)
    if comm.rank == 0:
        write_seconds(
            options.output,
            seconds,
            processor_seconds_per_step=float(np.mean(spent)),
            waited_seconds_per_step=clock.summary()["waited_seconds"] / len(clock.ends),
            gigaflops_per_sample=sample_flops(options) / 1e9,
            matrix_gigaflops=float(np.mean(rates)),
        )


def parse_options() -> argparse.Namespace:
    """Return the command line's options."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stage", choices=["calibration", "pretraining"], required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--size", type=int, required=True, help="pixels")
    parser.add_argument("--classes", type=int, required=True)
    parser.add_argument("--batch", type=int, required=True, help="samples a rank")
    parser.add_argument("--steps", type=int, required=True, help="steps, the warm-up included")
    parser.add_argument("--warm-up", type=int, default=1, help="steps that are not reported")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, required=True)
    return parser.parse_args()


def images_of(options: argparse.Namespace) -> ImageSettings:
    """Return what happens to pictures; as the peers' transforms."""
    augmentation = "crop_flip" if options.size <= 64 else "resized_crop"
    return ImageSettings(
        size=options.size, augmentation=augmentation, mean=(0.5,) * 3, std=(0.25,) * 3
    )


def make_learner(
    options: argparse.Namespace,
    comm: Comm,
    compute: Compute,
    execution: ExecutionSettings,
    seed: int,
) -> tuple[Learner, Plan]:
    """Return a learner at its random start and the plan of the measured steps."""
    settings = ModelSettings(name=options.model, initial_weights=None, precision=options.precision)
    batch = options.batch * comm.size
    optimizer = OptimizerSettings(momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=batch)
    learner = Learner(
        build_model(settings, options.classes, options.size, seed),
        compute=compute, comm=comm, images=images_of(options), optimizer=optimizer,
        execution=execution, seed=(0, seed),
    )  # fmt: skip
    samples = options.steps * batch
    plan = Plan(
        samples=samples, set_size=samples, batch_size=batch, learning_rate=0.01, schedule=linear
    )
    return learner, plan


def pretrain(
    options: argparse.Namespace, comm: Comm, compute: Compute, execution: ExecutionSettings,
    image_set: ImageSet,
) -> StepClock:  # fmt: skip
    """Make the steps of a pretraining on all ranks."""
    learner, plan = make_learner(options, comm, compute, execution, seed=0)
    clock = StepClock()
    reader = BatchReader(
        image_set, images_of(options), seed=0, share=Share(ranks=comm.size, rank=comm.rank)
    )
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(
            Path(folder), execution, world_comm=comm, model_comm=comm, role="primary"
        )
        trusted = np.zeros(len(image_set), bool)
        objective = Objective(cross_entropy, equal_weights, trusted)
        training = ModelTraining(learner, plan, objective, settings=None, role=Role.PRIMARY)
        samples = SampleReader(reader, no_clean(options))
        Loop(training, clock, checkpoints).run(samples, execution.prefetch_batches)
    return clock


def calibrate(
    options: argparse.Namespace, comm: Comm, compute: Compute, execution: ExecutionSettings,
    image_set: ImageSet,
) -> StepClock:  # fmt: skip
    """Make the steps of a calibration, half of the ranks to a model."""
    topology = split_world(comm)
    group = topology.group_comm
    learner, plan = make_learner(options, group, compute, execution, seed=topology.role.place)
    settings = CalibrationSettings(
        images=images_of(options),
        model=ModelSettings(name=options.model, initial_weights=None, precision="auto"),
        optimizer=OptimizerSettings(
            momentum=0.9, nesterov=True, weight_decay=5e-4, batch_size=plan.batch_size
        ),
        epochs=1, learning_rate=0.01, schedule="linear", soft_target_weight=0.5,
        temperature=2.0, targets="soft", selection="global", selector="pair", seed=0,
    )  # fmt: skip
    clock, image_set = StepClock(), image_set.take(np.arange(plan.samples))
    reader = pair_reader(topology, image_set, settings, execution)
    with tempfile.TemporaryDirectory() as folder:
        checkpoints = Checkpoints(
            Path(folder), execution, world_comm=comm, model_comm=group, role=topology.role
        )
        coupling = Coupling(learner, topology, image_set, settings, Evidence(NOISE), clock)
        samples = SampleReader(reader, no_clean(options))
        Loop(coupling, clock, checkpoints).run(samples, execution.prefetch_batches)
    reader.free()
    topology.free()
    return clock


def no_clean(options: argparse.Namespace) -> CleanReader:
    """Return a reader of no clean samples."""
    return CleanReader(None, images_of(options), count=0, seed=0)


def matrix_rate(compute: Compute) -> float:
    """Return GFLOP/s of square matrix products of this rank, in the arithmetic of its model."""
    left, right = (torch.randn(MATRIX, MATRIX, dtype=torch.float32) for _ in range(2))
    left, right = left.to(compute.dtype), right.to(compute.dtype)
    return 2 * MATRIX**3 * rate_of(lambda: left @ right) / 1e9


def rate_of(work: Callable[[], object]) -> float:
    """Return how often a processor second `work` can be done, after a first time not counted."""
    work()
    began, count = process_time(), 0
    while process_time() - began < MATRIX_SECONDS:
        work()
        count += 1
    return count / (process_time() - began)


def sample_flops(options: argparse.Namespace) -> float:
    """Return the operations of one sample, forward and backward, without norms and activations."""
    settings = ModelSettings(name=options.model, initial_weights=None, precision="float32")
    model = build_model(settings, options.classes, options.size, seed=0).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.zeros(1, 3, options.size, options.size)).sum().backward()
    return counter.get_total_flops()


if __name__ == "__main__":
    main()
