"""What `mct status` says of trainings that run, failed, were stopped or killed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from mct.base.partition import GlobalBatch
from mct.command.status import running
from mct.stage.attempts import Attempts
from mct.stage.progress import Progress
from mct.stage.watch import LOCK

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
LOG = "logs/digits/glc/seed0_ranks2.log"
HOLD = """
import sys, time
from pathlib import Path
from mct.stage.watch import StageLock
lock = StageLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def attempts(tmp_path) -> Attempts:
    """The attempts of a training that has done a step."""
    folder = tmp_path / "checkpoints/digits/glc/seed0_ranks2"
    folder.mkdir(parents=True)
    progress = Progress("glc", folder=folder)
    progress.begin(100)
    progress.count(GlobalBatch(step=0, epoch=0, start=0, stop=20), waited_seconds=0)
    path = (tmp_path / LOG).with_suffix(".attempts")
    path.parent.mkdir(parents=True)
    found = Attempts(path)
    found.begin(1)
    found.start_at(0)
    return found


def line(results: Path) -> str:
    (found,) = running(results)
    return found


def test_a_training_that_runs_has_its_epoch(attempts, tmp_path):
    assert line(tmp_path).startswith("digits seed0_ranks2: glc: epoch 1, 20 of 100 samples, ")


@pytest.mark.parametrize(
    ("note", "text", "shown"),
    [
        ("fail", "ValueError('x')", "failed: ValueError('x')"),
        ("refuse", "diverged", "failed: diverged"),
        ("interrupt", "SIGTERM", "stopped by SIGTERM"),
    ],
)
def test_a_training_that_ended_says_so_at_once(attempts, tmp_path, note, text, shown):
    getattr(attempts, note)(text)
    assert line(tmp_path) == f"digits seed0_ranks2: glc: {shown}; log: {tmp_path / LOG}"


def test_another_attempt_runs(attempts, tmp_path):
    attempts.fail("ValueError('x')")
    attempts.begin(2)
    assert "epoch 1" in line(tmp_path)


def test_a_training_that_was_killed_is_known_by_its_lock(attempts, tmp_path):
    folder = tmp_path / "checkpoints/digits/glc/seed0_ranks2"
    command = [sys.executable, "-c", HOLD, str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(SCRIPTS)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        assert "epoch 1" in line(tmp_path)
        process.kill()
    assert "its process has ended before its work" in line(tmp_path)
    lock = folder / LOCK
    lock.write_text(lock.read_text().replace('"host": "', '"host": "other-'))
    assert "epoch 1" in line(tmp_path)  # of another machine nothing is known
