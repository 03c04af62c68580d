"""Processes that end themselves where they would wait for ever; the lock of a stage."""

import fcntl
import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from mct.base.errors import UserError
from mct.stage import watch
from mct.stage.watch import StageLock, StallWatch, seconds_to_agree

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

STOPPED = """
import time
from mct.stage.watch import StallWatch
watch = StallWatch(6)
print("begun", flush=True)
time.sleep(60)
"""


def test_ranks_may_take_longer_to_agree_where_steps_are_longer():
    assert [seconds_to_agree(step) for step in (0, 2, 20, 1000)] == [5, 5, 30, 60]


def test_the_longest_step_lies_between_two_notes():
    stall = StallWatch(0)
    stall.note_progress()
    assert stall.longest_step == 0
    for seconds in (0.2, 0.05):
        time.sleep(seconds)
        stall.note_progress()
    assert stall.longest_step >= 0.2


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


def test_a_newcomer_waits_longer_than_the_slowest_holder_takes():
    slowest = watch.SECONDS_BETWEEN_LOOKS + seconds_to_agree(1000) + watch.SECONDS_TO_SAVE
    assert slowest + 10 <= watch.SECONDS_TO_GIVE_UP


def test_a_holder_that_does_not_give_way_is_named(tmp_path: Path, monkeypatch):
    monkeypatch.setattr(watch, "SECONDS_TO_GIVE_UP", 0.3)
    path = tmp_path / "lock"
    path.write_text(json.dumps({"host": "node7", "pid": 12}))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(UserError, match="running on host node7, process 12, and does not give"):
            StageLock(tmp_path)


def test_a_process_without_progress_ends_itself():
    process = start(STALL)
    output, errors = process.communicate(timeout=30)
    assert output == "alive\n"
    assert "execution.stall_minutes" in errors
    assert process.returncode == -signal.SIGKILL


def test_time_in_which_a_process_is_stopped_does_not_count():
    process = start(STOPPED)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGSTOP)
    time.sleep(7)
    process.send_signal(signal.SIGCONT)
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(2)
    assert process.wait(30) == -signal.SIGKILL
