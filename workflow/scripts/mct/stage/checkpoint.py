"""Checkpoints of a stage, and its orderly interruption.

A checkpoint is a folder `step-<number>` that is written under another name and renamed when it is
whole and on the disk: `<role>.safetensors` and `<role>.own.safetensors` of each model,
`<role>.rank-<number>.safetensors` of each rank while ranks update alone, `progress.safetensors` and
`meta.json`, which has the sizes of the others. The last two are kept, so that a damaged one ends nothing,
and disk use is at most twice (or, while writing, three times) that of parameters, momenta and averages of
weights of the stage's models, of each rank while they update alone, and its record of samples. The folder
above is named by a digest of the stage's settings, inputs and code: another configuration never meets
a stale checkpoint.
"""

import hashlib
import json
import shutil
import signal
import sys
from argparse import Namespace
from collections import ChainMap
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any, Protocol

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save_file

from mct.base.errors import StageInterruptedError, UserError
from mct.base.files import file_digest, sync, unreadable
from mct.parallel.comm import Comm, gather_arrays, highest
from mct.parallel.transport import AUTOMATIC
from mct.stage.attempts import Attempts
from mct.stage.closure import code_digest
from mct.stage.progress import FILE as PROGRESS
from mct.stage.settings import ExecutionSettings
from mct.stage.state import Arrays, State
from mct.stage.watch import LOCK, Interruption, StageLock

KEPT, NAME_DIGITS = 2, 24
META = "meta.json"
ABSENT = (FileNotFoundError, IsADirectoryError, NotADirectoryError)
BITS = ("threads_per_rank", "bucket_bytes", "allreduce")
"""Settings of execution that influence the last bits of a result."""
CONTINUE, SAVE, STOP, STOP_FOR_GOOD, DIVERGED = range(5)
"""STOP is Slurm's signal before the time limit (SIGUSR1), STOP_FOR_GOOD a person's (of ENDINGS)."""


class Resumable(Protocol):
    """A stage that can be stopped after any step and resumed."""

    def model_state(self) -> State:
        """Return the state of this rank's model."""

    def progress_state(self) -> Arrays:
        """Return what all ranks together have recorded; used on world rank 0. Collective."""

    def restore(self, state: State, progress: Arrays) -> None:
        """Return to a state; `progress` is the same on all ranks."""

    def explain_divergence(self, step: int) -> str:
        """Return the line about a loss or weights that are not finite after step `step`. Collective."""


def stage_folder(arguments: Namespace, script: Path, inputs: Iterable[Path]) -> Path:
    """Return the folder of a stage's checkpoints, named by a digest of its settings, code and inputs."""
    digest = hashlib.sha256(f"{arguments.settings}\n{code_digest(script)}\n".encode())
    for path in inputs:
        digest.update(file_digest(path).encode())
    return arguments.checkpoints / digest.hexdigest()[:NAME_DIGITS]


def hold_stage(world_comm: Comm, folder: Path) -> StageLock | None:
    """Return the lock of a stage, held by rank 0, once a former holder has given way. Collective."""
    lock = StageLock(folder) if world_comm.rank == 0 else None
    world_comm.Barrier()
    return lock


class Checkpoints:
    """The checkpoints of a stage on `world_comm`, of which `model_comm` replicates one model.

    Rank 0 of each model's group writes its model, rank 0 of the world the rest. Between steps all
    ranks agree on whether to save or to stop, in one collective.
    """

    def __init__(
        self,
        folder: Path,
        execution: ExecutionSettings,
        *,
        world_comm: Comm,
        model_comm: Comm,
        role: str,
    ) -> None:
        self._folder, self._role = folder, role
        self._world, self._model = world_comm, model_comm
        self._execution = execution
        self._saved_at = monotonic()
        self._interruption = Interruption(execution.stall_minutes)

    def resume(self, stage: Resumable) -> int:
        """Restore the newest intact checkpoint, if there is one; return the step to go on with.

        Collective. On another number of ranks, what is each rank's own becomes its mean. Raises
        UserError where there are checkpoints and none is intact.
        """
        step, path = find_checkpoint(self._world, self._folder)
        if self._world.rank == 0:
            Attempts.of_this_job().start_at(step)
        if path is None:
            return 0
        stacked = load_file(path / f"{self._role}.own.safetensors")
        local = {
            name: take_rank(rows, self._model.rank, self._model.size)
            for name, rows in stacked.items()
        }
        shared = load_file(path / f"{self._role}.safetensors") | self._load_apart(path)
        state = State(shared, local)
        if not state.is_finite():
            raise UserError(
                f"{path}: expected finite weights, got NaN or infinity; delete this folder, then run "
                "again"
            )
        stage.restore(state, load_file(path / "progress.safetensors"))
        return step

    def _load_apart(self, path: Path) -> Arrays:
        """Return what this rank wrote of its own model, or the mean on another number of ranks."""
        files = sorted(path.glob(f"{self._role}.rank-*.safetensors"))
        if len(files) == self._model.size:
            return load_file(files[self._model.rank])
        means: Arrays = {}
        for file in files:
            for name, values in load_file(file).items():
                means[name] = means.get(name, 0) + values.astype(np.float64) / len(files)
        first = load_file(files[0]) if files else {}
        return {name: means[name].astype(values.dtype) for name, values in first.items()}

    def after_step(self, step: int, stage: Resumable, *, is_finite: bool = True) -> None:
        """Save where it is time to. Collective, after step number `step`.

        `is_finite` says whether this rank's loss is; ranks agree on that in the same message. Raises
        StageInterruptedError if a signal arrived on some rank, with the checkpoint written; UserError
        if the loss of some rank or the weights to be saved are not finite, with earlier checkpoints
        kept.
        """
        self._interruption.note_progress()
        wish = highest(self._world, self._wish(step + 1) if is_finite else DIVERGED)
        if wish == DIVERGED:
            raise UserError(stage.explain_divergence(step))
        if wish >= STOP:
            self._interruption.agree()
            if self._world.rank == 0:
                Attempts.of_this_job().interrupt("SIGUSR1" if wish == STOP else "SIGTERM")
        if wish != CONTINUE:
            self.save(step + 1, stage)
        if wish >= STOP:
            raise StageInterruptedError(
                f"stopped by a signal after step {step + 1}; run again to go on"
            )

    def require_finite(self, step: int, stage: Resumable, *, is_finite: bool) -> None:
        """Raise UserError unless the weights of all ranks are finite after step `step`. Collective."""
        if highest(self._world, int(not is_finite)):
            raise UserError(stage.explain_divergence(step))

    def _wish(self, done: int) -> int:
        if noted := self._interruption.signal:
            return STOP if noted == signal.SIGUSR1 else STOP_FOR_GOOD
        steps, seconds = self._execution.checkpoint_steps, 60 * self._execution.checkpoint_minutes
        by_steps = steps and done % steps == 0
        by_time = seconds and monotonic() - self._saved_at > seconds
        return SAVE if by_steps or (by_time and self._world.rank == 0) else CONTINUE

    def save(self, step: int, stage: Resumable) -> None:
        """Write the state after `step` steps, then remove all but the last two. Collective."""
        partial, whole = self._folder / f"partial-{step:09d}", self._folder / f"step-{step:09d}"
        try:
            self._write(partial, step, stage)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)  # a full disk needs the space for the log
            raise
        if self._world.rank == 0:  # it has heard of all ranks' files
            shutil.rmtree(whole, ignore_errors=True)
            partial.rename(whole)
            sync(self._folder)
            old = [path for _, path in sorted(whole_checkpoints(self._folder))[:-KEPT]]
            for path in (*old, *self._folder.glob("partial-*")):
                shutil.rmtree(path, ignore_errors=True)
        self._world.Barrier()  # a launcher may end all ranks as soon as one has left
        self._saved_at = monotonic()

    def _write(self, folder: Path, step: int, stage: Resumable) -> None:
        """Write all files of a checkpoint to the disk. Collective; done when rank 0 is."""
        state = stage.model_state()
        self.require_finite(step - 1, stage, is_finite=state.is_finite())
        stacked = gather_arrays(self._model, state.local)
        progress = stage.progress_state()
        folder.mkdir(parents=True, exist_ok=True)
        files: dict[str, Arrays] = {}
        if self._model.rank == 0:
            files[f"{self._role}.safetensors"] = state.shared
            files[f"{self._role}.own.safetensors"] = stacked
        if state.apart:
            files[f"{self._role}.rank-{self._model.rank:06d}.safetensors"] = state.apart
        if self._world.rank == 0:
            files["progress.safetensors"] = progress
        for name, arrays in files.items():
            save_file(arrays, folder / name)
            sync(folder / name)
        sizes = {name: (folder / name).stat().st_size for name in files}
        parts = self._world.gather(sizes, root=0)
        if self._world.rank == 0:
            kept = {name: getattr(self._execution, name) for name in BITS}
            meta = {"execution": kept, "bytes": dict(ChainMap(*parts or []))}
            (folder / META).write_text(json.dumps(meta))
            sync(folder / META)
            sync(folder)

    def remove(self) -> None:
        """Remove all checkpoints of a stage that succeeded, also of other configurations. Collective."""
        remove_stage(self._world, self._folder.parent)


def remove_stage(world_comm: Comm, folder: Path) -> None:
    """Remove what a stage kept in its folder until it succeeded. Collective.

    What is not a stage's stays: somebody may have named a folder of other files.
    """
    world_comm.Barrier()
    if world_comm.rank == 0:
        for path in folder.glob(NAME_DIGITS * "[0-9a-f]"):
            shutil.rmtree(path, ignore_errors=True)
        with suppress(OSError):
            (folder / PROGRESS).unlink(missing_ok=True)
            (folder / LOCK).unlink(missing_ok=True)
            folder.rmdir()


def take_rank(rows: NDArray[Any], rank: int, size: int) -> NDArray[Any]:
    """Return row `rank` of values of each rank, or their mean if the number of ranks differs."""
    row = rows[rank] if len(rows) == size else rows.mean(axis=0).astype(rows.dtype)
    return np.asarray(row)  # a row of numbers is a scalar


def kept_execution(
    world_comm: Comm, folder: Path, execution: ExecutionSettings
) -> ExecutionSettings:
    """Return the settings that a stage goes on with: those that influence bits as it began.

    A stage that is resumed keeps its number of threads and size of buckets, whatever the
    configuration says by then. `nccl` becomes `auto` where that no longer asks for it: the same where
    ranks have GPUs, and elsewhere it goes on without. Collective; by what rank 0 sees. Raises like
    `find_checkpoint`.
    """
    _, path = find_checkpoint(world_comm, folder)
    kept = {}
    if path is not None and world_comm.rank == 0:
        kept = json.loads((path / META).read_text())["execution"]
        if kept.get("allreduce") == "nccl" != execution.allreduce:
            kept["allreduce"] = AUTOMATIC
    return replace(execution, **world_comm.bcast(kept))


def find_checkpoint(world_comm: Comm, folder: Path) -> tuple[int, Path | None]:
    """Return number of steps and folder of the newest intact checkpoint; (0, None) without any.

    Collective. Rank 0 looks for all, since other hosts may not see yet what is new in a folder; it
    removes a damaged checkpoint that is newer, with a line in the log.

    Raises UserError: there are checkpoints and none is intact; on every rank.
    """
    found = _newest_intact(folder) if world_comm.rank == 0 else None
    step, path, complaint = world_comm.bcast(found)
    if complaint:
        raise UserError(complaint)
    return step, path


def _newest_intact(folder: Path) -> tuple[int, Path | None, str]:
    """Return steps and folder of the newest intact checkpoint, and what is wrong if there is none.

    One that the system cannot read now may be intact: it is neither skipped nor removed.
    """
    damaged: dict[Path, str] = {}
    try:
        found = whole_checkpoints(folder)
    except OSError as error:
        return 0, None, str(unreadable(folder, error))
    for step, path in sorted(found, reverse=True):
        try:
            damage = find_damage(path)
        except OSError as error:
            return 0, None, f"{unreadable(path, error)}; no checkpoint is removed"
        if not damage:
            for newer, reason in damaged.items():
                line = f"{newer}: damaged ({reason}) and removed; goes on with {path.name}"
                print(line, file=sys.stderr, flush=True)
                shutil.rmtree(newer, ignore_errors=True)
            return step, path, ""
        damaged[path] = damage
    reasons = "; ".join(f"{path.name}: {reason}" for path, reason in damaged.items())
    advice = f"{folder}: no checkpoint is intact ({reasons}); delete this folder to start anew"
    return 0, None, advice if damaged else ""


def find_damage(path: Path) -> str:
    """Return what is wrong with a checkpoint, or nothing: sizes and headers, all without the tensors.

    Raises OSError: the system cannot read it, which says nothing about it. A file that is not there
    is damage.
    """
    try:
        for name, size in json.loads((path / META).read_text())["bytes"].items():
            found = (path / name).stat().st_size
            if found != size:
                return f"{name}: expected {size} bytes, got {found}"
            with (path / name).open("rb") as file:
                file.read(1)  # safetensors has one error for all that the system answers
            with safe_open(path / name, "numpy"):
                pass
    except (*ABSENT, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        return f"{type(error).__name__}: {error}"
    return ""


def whole_checkpoints(folder: Path) -> list[tuple[int, Path]]:
    """Return number of steps and folder of every whole checkpoint; OSError if they are not seen."""
    with suppress(FileNotFoundError):
        whole = [path for path in folder.iterdir() if path.name.startswith("step-")]
        return [(int(path.name.removeprefix("step-")), path) for path in whole]
    return []
