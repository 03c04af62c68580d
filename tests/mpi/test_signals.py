"""Ctrl-C in a terminal, or its end, which signal the whole process group of what starts the ranks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STAGE = f"""
import sys, time
from itertools import count
from pathlib import Path
sys.path.insert(0, {str(SCRIPTS)!r})
from mct.stage.settings import ExecutionSettings
from mct.parallel.comm import world
from mct.stage import entry
from mct.stage.checkpoint import Checkpoints
from mct.stage.state import State

class Stage:
    def model_state(self): return State()
    def progress_state(self): return {{}}

def main():
    comm, folder = world(), Path(sys.argv[1])
    (folder / f"starting{{comm.rank}}").touch()
    time.sleep(float(sys.argv[2]))
    checkpoints = Checkpoints(
        folder, ExecutionSettings(), world_comm=comm, model_comm=comm, role="primary"
    )
    (folder / f"training{{comm.rank}}").touch()
    for step in count():
        time.sleep(0.1)
        checkpoints.after_step(step, Stage())

entry.run(main)
"""


def start(folder: Path, ranks: int, seconds: float, hangup: object) -> subprocess.Popen:
    """Start ranks in a group of their own; `hangup` is what they do about SIGHUP at first."""

    def as_in_a_terminal() -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGHUP, hangup)

    stage = folder / "stage.py"
    stage.write_text(STAGE)
    launch = [sys.executable, SCRIPTS / "launch_ranks.py", "--log", folder / "log"]
    options = ["--results", folder, "--ranks", str(ranks), stage, folder, str(seconds)]
    return subprocess.Popen(
        [*launch, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=as_in_a_terminal,
    )


def wait_for(folder: Path, ranks: int, moment: str) -> None:
    """Wait until all ranks say that they are at a moment."""
    deadline = time.monotonic() + 100
    while len(list(folder.glob(f"{moment}*"))) < ranks and time.monotonic() < deadline:
        time.sleep(0.1)


def end(
    folder: Path, ranks: int, number: signal.Signals, moment: str, seconds: float
) -> tuple[int, str]:
    """Signal the launcher's group when all ranks are at a moment; return code and output."""
    run = start(folder, ranks, seconds, signal.SIG_DFL)
    wait_for(folder, ranks, moment)
    os.killpg(run.pid, number)
    try:
        output, _ = run.communicate(timeout=40)
    finally:
        run.kill()
    return run.returncode, output


BOTH = pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP], ids=["Ctrl-C", "SIGHUP"])


@BOTH
@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_leave_a_checkpoint_and_exit_code_75(
    tmp_path: Path, ranks: int, number: signal.Signals
):
    """Of one rank the signal reaches the rank itself, of two what started them."""
    code, output = end(tmp_path, ranks, number, "training", 0)
    assert code == 75, output
    assert "interrupted: stopped by a signal after step" in output
    assert "Traceback" not in output
    assert list(tmp_path.glob("step-*"))


@BOTH
@pytest.mark.parametrize("ranks", [1, 2])
def test_ranks_that_still_start_end_without_a_traceback(
    tmp_path: Path, ranks: int, number: signal.Signals
):
    code, output = end(tmp_path, ranks, number, "starting", 90)
    assert code not in (0, 75)
    assert "Traceback" not in output


@pytest.mark.parametrize("ranks", [1, 2])
def test_under_nohup_ranks_go_on_without_their_terminal(tmp_path: Path, ranks: int):
    run = start(tmp_path, ranks, 0, signal.SIG_IGN)
    wait_for(tmp_path, ranks, "training")
    os.killpg(run.pid, signal.SIGHUP)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(2)
    assert not list(tmp_path.glob("step-*"))
    os.killpg(run.pid, signal.SIGTERM)
    output, _ = run.communicate(timeout=40)
    assert run.returncode == 75, output
