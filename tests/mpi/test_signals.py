"""Ctrl-C in a terminal, which signals the whole process group of what starts the ranks."""

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
from mct.base.settings import ExecutionSettings
from mct.parallel.comm import world
from mct.stage import entry
from mct.stage.checkpoint import Checkpoints

class Stage:
    def model_state(self): return {{}}, {{}}
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


def press_ctrl_c(folder: Path, ranks: int, moment: str, seconds: float) -> tuple[int, str]:
    """Signal the launcher's group when all ranks say they are at a moment; return code and output."""
    stage = folder / "stage.py"
    stage.write_text(STAGE)
    launch = [sys.executable, SCRIPTS / "launch_ranks.py", "--log", folder / "log"]
    options = ["--results", folder, "--ranks", str(ranks), stage, folder, str(seconds)]
    run = subprocess.Popen(
        [*launch, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    deadline = time.monotonic() + 100
    while len(list(folder.glob(f"{moment}*"))) < ranks and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=100)
    return run.returncode, output


@pytest.mark.parametrize("ranks", [1, 2])
def test_ctrl_c_leaves_a_checkpoint_and_exit_code_75(tmp_path: Path, ranks: int):
    """Of one rank it reaches the rank itself, of two mpiexec, which passes it on and waits."""
    code, output = press_ctrl_c(tmp_path, ranks, "training", 0)
    assert code == 75, output
    assert "interrupted: stopped by a signal after step" in output
    assert "Traceback" not in output
    assert list(tmp_path.glob("step-*"))


@pytest.mark.parametrize("ranks", [1, 2])
def test_ctrl_c_ends_ranks_that_still_start_without_a_traceback(tmp_path: Path, ranks: int):
    code, output = press_ctrl_c(tmp_path, ranks, "starting", 90)
    assert code not in (0, 75)
    assert "Traceback" not in output
