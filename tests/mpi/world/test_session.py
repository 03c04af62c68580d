"""A session owns a training's process: it refuses, keeps, removes and frees on all ranks together."""

from argparse import Namespace
from pathlib import Path

import numpy as np
import pytest
import yaml
from mpi4py import MPI

from mct.base.errors import UserError
from mct.base.partition import Share
from mct.base.roles import Role
from mct.stage.session import Session
from mct.stage.state import State


class Numbers:
    """A stage whose state is a number."""

    def model_state(self) -> State:
        return State({"value": np.zeros(1)})

    def progress_state(self) -> dict[str, np.ndarray]:
        return {"value": np.zeros(1)}


class Thing:
    def __init__(self, name: str, freed: list[str]) -> None:
        self._name, self._freed = name, freed

    def free(self) -> None:
        self._freed.append(self._name)


def options_in(folder: Path, ranks: int, threads: int = 1) -> Namespace:
    """Return the options of a stage; rank 0 writes its configuration."""
    config = folder / "config.yaml"
    if MPI.COMM_WORLD.rank == 0:
        execution = {"threads_per_rank": threads, "device": "cpu", "checkpoint_minutes": 0}
        config.write_text(yaml.safe_dump({"execution": execution}))
    MPI.COMM_WORLD.Barrier()
    return Namespace(
        stage="test", ranks=ranks, settings="{}", execution=config,
        checkpoints=folder / "checkpoints", output=folder, precision=(),
    )  # fmt: skip


def open_session(folder: Path, world: MPI.Intracomm, threads: int = 1) -> Session:
    return Session(options_in(folder, world.size, threads), Path(__file__), [], "float32")


def test_a_session_that_ends_well_removes_checkpoints_and_frees_the_newest_first(world, folder):
    freed: list[str] = []
    with open_session(folder, world) as session:
        session.own(Thing("first", freed))
        session.own(Thing("second", freed))
        session.open_checkpoints(session.world, Role.PRIMARY).save(1, Numbers())
        assert list(folder.glob("checkpoints/*/step-*"))
    world.Barrier()
    assert freed == ["second", "first"]
    assert not (folder / "checkpoints").exists()


def test_what_is_not_a_stages_stays_in_the_folder_of_checkpoints(world, folder):
    """Somebody may have named a folder of his own."""
    with open_session(folder, world) as session:
        session.open_checkpoints(session.world, Role.PRIMARY).save(1, Numbers())
        if world.rank == 0:
            (folder / "checkpoints/thesis").mkdir()
            (folder / "checkpoints/thesis/chapter").touch()
    world.Barrier()
    left = sorted(path.name for path in (folder / "checkpoints").rglob("*"))
    assert left == ["chapter", "thesis"]


def test_after_an_error_checkpoints_stay_and_nothing_is_freed(world, folder):
    freed: list[str] = []
    with pytest.raises(UserError, match="stop"), open_session(folder, world) as session:
        session.own(Thing("first", freed))
        session.open_checkpoints(session.world, Role.PRIMARY).save(1, Numbers())
        raise UserError("stop")
    world.Barrier()
    assert not freed
    assert list(folder.glob("checkpoints/*/step-*"))


def test_a_rank_reads_its_block_with_the_threads_of_the_execution(world, folder):
    session = open_session(folder, world, threads=2)
    assert session.share(world, 1) == Share(ranks=world.size, rank=world.rank, threads=2)
    blocks = world.allgather(session.share(world, 1).block(11))
    assert np.concatenate([np.arange(11)[block] for block in blocks]).tolist() == list(range(11))


def test_a_session_of_another_number_of_ranks_is_refused(world, folder):
    options = options_in(folder, world.size + 1)
    with pytest.raises(UserError, match=f"expected {world.size + 1} MPI ranks"):
        Session(options, Path(__file__), [], "float32")
    assert not (folder / "checkpoints").exists()
