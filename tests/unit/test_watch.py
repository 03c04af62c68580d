"""Processes that end themselves where they would wait for ever; the lock of a stage."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from mct.stage.watch import StallWatch, seconds_to_agree

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
HOLD = """
import sys, time
from pathlib import Path
from mct.stage.watch import StageLock
lock = StageLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60 if len(sys.argv) < 3 else 0)
"""
STALL = """
import time
from mct.stage.watch import StallWatch
watch = StallWatch(2)
for _ in range(8):
    time.sleep(0.4)
    watch.note_progress()
print("alive", flush=True)
time.sleep(60)
"""


def test_ranks_may_take_longer_to_agree_where_steps_are_longer():
    assert [seconds_to_agree(step) for step in (0, 2, 20, 1000)] == [5, 5, 30, 60]


def test_the_longest_step_lies_between_two_notes():
    watch = StallWatch(0)
    watch.note_progress()
    assert watch.longest_step == 0
    for seconds in (0.2, 0.05):
        time.sleep(seconds)
        watch.note_progress()
    assert watch.longest_step >= 0.2


def start(program: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", program, *arguments],
        env={"PYTHONPATH": str(SCRIPTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_newcomer_ends_the_holder_and_takes_the_stage(tmp_path: Path):
    holder = start(HOLD, str(tmp_path))
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    newcomer = start(HOLD, str(tmp_path), "and end")
    output, errors = newcomer.communicate(timeout=30)
    assert (output, newcomer.returncode) == ("held\n", 0), errors
    assert holder.wait(10) == -signal.SIGTERM


def test_a_process_without_progress_ends_itself():
    process = start(STALL)
    output, errors = process.communicate(timeout=30)
    assert output == "alive\n"
    assert "execution.stall_minutes" in errors
    assert process.returncode == -signal.SIGKILL
