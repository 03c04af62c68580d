"""Signals of a rank that is still starting."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STAGE = f"""
import os, signal, sys
from pathlib import Path
os.kill(os.getpid(), signal.SIGUSR1)
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
    comm = world()
    checkpoints = Checkpoints(
        Path(sys.argv[1]), ExecutionSettings(), world_comm=comm, model_comm=comm, role="primary"
    )
    checkpoints.after_step(0, Stage())

entry.run(main)
"""


def test_a_signal_before_the_stage_begins_interrupts_its_first_step(tmp_path: Path):
    stage, folder = tmp_path / "stage.py", tmp_path / "checkpoints"
    stage.write_text(STAGE)
    command = [sys.executable, SCRIPTS / "start_rank.py", stage, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 75, done.stderr
    assert "stopped by a signal after step 1" in done.stderr
    assert [path.name for path in folder.iterdir()] == ["step-000000001"]
