"""Ranks that take up a stage agree on what they go on with."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mct.base.errors import UserError
from mct.stage import checkpoint
from mct.stage.checkpoint import Checkpoints, find_checkpoint, hold_stage, kept_execution
from mct.stage.settings import ExecutionSettings
from mct.stage.state import State

HOLDER = """
import signal, sys, time
from pathlib import Path
from mct.stage.watch import StageLock
folder = Path(sys.argv[1])

def leave(number, frame):
    time.sleep(0.5)
    (folder / "last").touch()
    sys.exit()

signal.signal(signal.SIGTERM, leave)
lock = StageLock(folder)
print("held", flush=True)
time.sleep(60)
"""


class Counter:
    """A stage whose state is a number."""

    def __init__(self) -> None:
        self.value = 0.0

    def model_state(self):
        return State({"value": np.array([self.value])}, {"own": np.array([self.value])})

    def progress_state(self):
        return {"value": np.array([self.value])}

    def restore(self, state, progress):
        self.value = float(state.shared["value"][0])


def test_no_rank_has_a_stage_before_its_former_holder_is_gone(world, folder):
    """The holder leaves a checkpoint, and all go on with it."""
    if world.rank == 0:
        command = [sys.executable, "-c", HOLDER, folder]
        path = Path(checkpoint.__file__).parents[2]
        holder = subprocess.Popen(command, env={"PYTHONPATH": path}, stdout=subprocess.PIPE)
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
    world.Barrier()
    lock = hold_stage(world, folder)
    assert (folder / "last").exists()
    assert (lock is not None) == (world.rank == 0)
    if world.rank == 0:
        assert holder.wait(10) == 0


def test_all_ranks_go_on_with_what_rank_0_finds(world, folder, monkeypatch):
    """Another host's view of a folder may be older."""
    settings = ExecutionSettings(checkpoint_minutes=0, threads_per_rank=3)
    options = {"world_comm": world, "model_comm": world, "role": "primary"}
    written = Counter()
    for written.value in (1.0, 2.0):
        Checkpoints(folder, settings, **options).save(int(written.value), written)
    if world.rank:
        monkeypatch.setattr(checkpoint, "whole_checkpoints", lambda folder: [])
    resumed = Counter()
    assert Checkpoints(folder, settings, **options).resume(resumed) == 2
    assert resumed.value == 2
    assert kept_execution(world, folder, ExecutionSettings()).threads_per_rank == 3


def test_a_stage_that_was_summed_by_nccl_goes_on_where_there_are_no_gpus(world, folder):
    """Other ways to sum are kept, whatever the configuration says by then."""
    options = {"world_comm": world, "model_comm": world, "role": "primary"}
    for step, name in enumerate(("nccl", "ring"), 1):
        settings = ExecutionSettings(checkpoint_minutes=0, allreduce=name)
        Checkpoints(folder, settings, **options).save(step, Counter())
        kept = {
            now: kept_execution(world, folder, ExecutionSettings(allreduce=now)).allreduce
            for now in ("auto", "mpi", "nccl")
        }
        automatic = {"auto": "auto", "mpi": "auto", "nccl": "nccl"}
        assert kept == (automatic if name == "nccl" else dict.fromkeys(kept, "ring"))


NEWEST, OLDER = "step-000000002", "step-000000001"


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-4])


def zero(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("primary.safetensors", truncate),
        ("primary.own.safetensors", Path.unlink),
        ("progress.safetensors", zero),
        ("meta.json", empty),
        ("meta.json", Path.unlink),
    ],
)
def test_all_ranks_go_on_with_the_older_checkpoint_where_the_newest_is_damaged(
    world, folder, capsys, name, damage
):
    options = save_two(world, folder)
    if world.rank == 0:
        damage(folder / NEWEST / name)
    world.Barrier()
    assert kept_execution(world, folder, ExecutionSettings()).threads_per_rank == 3
    resumed = Counter()
    assert Checkpoints(folder, ExecutionSettings(), **options).resume(resumed) == 1
    assert resumed.value == 1 / 3
    lines = [line for line in capsys.readouterr().err.splitlines() if "damaged" in line]
    assert len(lines) == (world.rank == 0)
    if world.rank == 0:
        assert NEWEST in lines[0]
        assert OLDER in lines[0]
    Checkpoints(folder, ExecutionSettings(), **options).save(2, resumed)
    assert find_checkpoint(world, folder) == (2, folder / NEWEST)


def save_two(world, folder) -> dict[str, object]:
    """Save a stage's state after steps 1 and 2; return the options of its checkpoints."""
    options = {"world_comm": world, "model_comm": world, "role": "primary"}
    settings, written = ExecutionSettings(checkpoint_minutes=0, threads_per_rank=3), Counter()
    for step in (1, 2):
        written.value = step / 3
        Checkpoints(folder, settings, **options).save(step, written)
    return options


def test_no_intact_checkpoint_is_one_line_on_every_rank(world, folder):
    options = save_two(world, folder)
    if world.rank == 0:
        for name in (OLDER, NEWEST):
            truncate(folder / name / "progress.safetensors")
    world.Barrier()
    for take_up in (
        lambda: kept_execution(world, folder, ExecutionSettings()),
        lambda: Checkpoints(folder, ExecutionSettings(), **options).resume(Counter()),
    ):
        with pytest.raises(UserError, match=f"{folder}: no checkpoint is intact") as caught:
            take_up()
        assert "delete this folder" in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (folder / NEWEST).is_dir() and (folder / OLDER).is_dir()


def fail_to_read(path: Path) -> None:
    """Replace a file by one whose reading is an input/output error of the system."""
    path.unlink()
    path.symlink_to("/proc/self/mem")


def fail_to_open(path: Path) -> None:
    """Replace a file by one that the system cannot open."""
    path.unlink()
    path.symlink_to(path)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="no file whose reading fails")
@pytest.mark.parametrize(
    ("name", "fail", "reason"),
    [
        ("meta.json", fail_to_read, "Input/output error"),
        ("progress.safetensors", fail_to_open, "Too many levels of symbolic links"),
    ],
)
def test_a_checkpoint_that_the_system_cannot_read_is_neither_skipped_nor_removed(
    world, folder, name, fail, reason
):
    """It may be sound, and days newer than the one before it."""
    options = save_two(world, folder)
    if world.rank == 0:
        fail(folder / NEWEST / name)
    world.Barrier()
    for resume in (
        lambda: kept_execution(world, folder, ExecutionSettings()),
        lambda: Checkpoints(folder, ExecutionSettings(), **options).resume(Counter()),
    ):
        with pytest.raises(UserError, match=f"{NEWEST}: cannot be read: {reason}") as caught:
            resume()
        assert "damaged" not in str(caught.value)
        assert "\n" not in str(caught.value)
    assert (folder / NEWEST).is_dir() and (folder / OLDER).is_dir()


def test_checkpoints_that_cannot_be_listed_are_no_fresh_start(world, folder):
    if world.rank == 0:
        (folder / "stage").symlink_to("stage")
    world.Barrier()
    with pytest.raises(UserError, match="cannot be read: Too many levels of symbolic links"):
        find_checkpoint(world, folder / "stage")
    assert find_checkpoint(world, folder / "no such stage") == (0, None)


def test_a_checkpoint_is_on_the_disk_before_it_has_its_name(world, folder, monkeypatch):
    """And its name before an older one is removed."""
    events = []

    def note(path: Path) -> None:
        kind = "folder" if path.is_dir() else "file"
        events.append((kind, path.name))

    monkeypatch.setattr(checkpoint, "sync", note)
    rename = Path.rename
    monkeypatch.setattr(
        Path, "rename", lambda path, to: (events.append(("named", to.name)), rename(path, to))
    )
    save_two(world, folder)
    expected = []
    for number in (1, 2):
        partial, name = f"partial-{number:09d}", f"step-{number:09d}"
        files = ["primary.safetensors", "primary.own.safetensors", "progress.safetensors"]
        expected += [("file", file) for file in (*files, "meta.json")]
        expected += [("folder", partial), ("named", name), ("folder", folder.name)]
    assert events == (expected if world.rank == 0 else [])
