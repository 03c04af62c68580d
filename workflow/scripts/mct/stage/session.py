"""The process of a training on its MPI ranks, from the check of its world to its record."""

from argparse import Namespace
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol, TypeVar

from mct.base.partition import Share
from mct.parallel.comm import Comm, check_world_size, world
from mct.stage import entry
from mct.stage.checkpoint import Checkpoints, hold_stage, kept_execution, stage_folder
from mct.stage.compute import hardware, versions
from mct.stage.progress import Progress
from mct.stage.rank_compute import choose_for_ranks

OPTIONS: dict[str, type] = {
    "stage": str, "ranks": int, "settings": str, "execution": Path, "checkpoints": Path,
    "output": Path, "precision": tuple,
}  # fmt: skip
"""The options of every training's entry point, which `entry.options` reads."""


class Freeable(Protocol):
    """What a process has to give back."""

    def free(self) -> None:
        """Give it back. May be collective."""


F = TypeVar("F", bound=Freeable)


class Session:
    """A training's world, lock, settings of execution, compute, progress and checkpoints.

    Used with `with`. Leaving it removes the checkpoints and frees all that it owns, on all ranks
    together; after an error it frees nothing, since other ranks may be gone.
    """

    def __init__(
        self, arguments: Namespace, script: Path, inputs: Iterable[Path], precision: str
    ) -> None:
        """Check the world and hold the stage, once its former holder has given way. Collective.

        `arguments` are those of OPTIONS. `script` and `inputs` name the checkpoints, with the
        settings. Raises UserError for another number of ranks than the rule asked for, a stage that
        another process does not give up, checkpoints none of which is intact, or a lacking GPU.
        """
        self.world, self.output = world(), arguments.output
        check_world_size(self.world, arguments.ranks)
        self.folder = stage_folder(arguments, script, [*inputs, *arguments.precision])
        self._lock = hold_stage(self.world, self.folder.parent)
        self.execution = kept_execution(
            self.world, self.folder, entry.read_execution(arguments.execution)
        )
        self.compute = choose_for_ranks(precision, self.execution, self.world)
        shown = self.folder.parent if self.world.rank == 0 else None
        self.progress = Progress(arguments.stage, folder=shown)
        self._owned = ExitStack()

    def own(self, thing: F) -> F:
        """Return a thing that is freed at the end, before those that the session owns already."""
        self._owned.callback(thing.free)
        return thing

    def share(self, comm: Comm, passes: int = 1) -> Share:
        """Return what this rank reads of the batches of all ranks of `comm`, for so many passes."""
        threads = self.execution.decoding_threads
        return Share(ranks=comm.size, rank=comm.rank, threads=threads, passes=passes)

    def open_checkpoints(self, model_comm: Comm, role: str) -> Checkpoints:
        """Return checkpoints, removed at the end; from here on signals end the stage after a step."""
        checkpoints = Checkpoints(
            self.folder, self.execution, world_comm=self.world, model_comm=model_comm, role=role
        )
        self._owned.callback(checkpoints.remove)
        return checkpoints

    def record(self, settings: Any, samples_seen: int) -> dict[str, Any]:
        """Return the facts for a training's record; `samples_seen` counts one model's samples."""
        return {
            "settings": settings,
            "ranks": self.world.size,
            "samples_seen": samples_seen,
            "hardware": hardware(self.compute),
            "versions": versions(),
            **self.progress.summary(),
        }

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._owned.close()
        self._lock = None
