"""Ranks that take up a stage agree on what they go on with."""

import subprocess
import sys
from pathlib import Path

import numpy as np

from mct.base.settings import ExecutionSettings
from mct.stage import checkpoint
from mct.stage.checkpoint import Checkpoints, hold_stage, kept_execution

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
        return {"value": np.array([self.value])}, {"own": np.array([self.value])}

    def progress_state(self):
        return {"value": np.array([self.value])}

    def restore(self, shared, own, progress):
        self.value = float(shared["value"][0])


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
