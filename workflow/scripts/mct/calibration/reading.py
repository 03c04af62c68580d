"""What a pair reads: batches that its two ranks share where they can, and clean samples of each."""

from pathlib import Path

from mct.base.partition import Share, block_lengths
from mct.base.roles import clean_seed, order_seed
from mct.calibration.coupling import Coupling
from mct.calibration.plan import plan_calibration
from mct.calibration.settings import CalibrationSettings
from mct.data.augmentation import Viewer
from mct.data.clean_batches import SampleReader, open_clean_reader
from mct.data.imagesets import ImageSet
from mct.data.loading import BATCHES_IN_USE, BatchReader, only_copies
from mct.parallel.comm import Topology
from mct.parallel.shared_batches import share_batches
from mct.stage.session import Session
from mct.stage.settings import ExecutionSettings


def calibration_reader(
    session: Session, coupling: Coupling, image_set: ImageSet, clean: Path
) -> SampleReader:
    """Return the reader of a pair's batches, to be freed; `clean` is the table of labels. Collective."""
    topology, settings = coupling.topology, coupling.settings
    clean_reader = open_clean_reader(
        clean, settings.images, count=coupling.plan.clean_per_batch,
        seed=clean_seed(settings.seed, 2, coupling.role),
        share=session.share(topology.group_comm, settings.optimizer.accumulation),
        kind_of=coupling.plan.augmentation,
    )  # fmt: skip
    return SampleReader(pair_reader(topology, image_set, settings, session.execution), clean_reader)


def pair_reader(
    topology: Topology,
    image_set: ImageSet,
    settings: CalibrationSettings,
    execution: ExecutionSettings,
) -> BatchReader:
    """Return the reader of a pair's batches, of which each rank decodes half where it can.

    Collective. Crops of stored pixels are read apart: they cost less than waiting for one another.
    """
    batch, passes = settings.optimizer.batch_size, settings.optimizer.accumulation
    samples, size = block_lengths(batch, topology.pairs, passes)[0], settings.images.size
    plan, buffers = plan_calibration(settings, len(image_set)), None
    viewers = (Viewer.of(settings.images, cycle.augmentation) for cycle in plan.course.cycles)
    if execution.share_batches and not all(only_copies(image_set, each) for each in viewers):
        buffers = share_batches(
            topology, batches=execution.prefetch_batches + BATCHES_IN_USE,
            batch_bytes=samples * 3 * size * size, threaded=execution.prefetch_batches > 0,
        )  # fmt: skip
    rank, threads = topology.group_comm.rank, execution.decoding_threads
    return BatchReader(
        image_set, settings.images, seed=order_seed(settings.seed, stage=2), buffers=buffers,
        share=Share(ranks=topology.pairs, rank=rank, threads=threads, passes=passes),
        shuffle_window=settings.shuffle_window, kind_of=plan.augmentation,
    )  # fmt: skip
