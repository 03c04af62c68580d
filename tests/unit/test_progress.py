"""What a running stage tells: a line an epoch, a file now and then, nothing on other ranks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from mct.base.partition import GlobalBatch
from mct.stage import progress
from mct.stage.progress import Progress

BATCH = GlobalBatch(step=3, epoch=1, start=0, stop=20)


def test_state_is_written_and_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Progress("mct_paper", folder=tmp_path)
    stage.begin(100, step=2, samples=40)
    stage.count(BATCH, waited_seconds=0.5)
    state = json.loads((tmp_path / progress.FILE).read_text())
    assert (state["epoch"], state["samples"], state["total_samples"]) == (2, 60, 100)
    assert state["samples_per_second"] > 0
    stage.report(1, {"loss": 0.25})
    out, err = capsys.readouterr()
    assert err.startswith(
        "mct_paper: goes on after step 2 (40 samples)\nmct_paper: epoch 2, 60 of 100"
    )
    assert err.endswith("left; loss 0.250, waited 500 ms a step for batches\n")
    assert out.startswith("mct_paper: epoch 2, 60 of 100 samples, ")
    assert stage.summary()["waited_seconds"] == 0.5


def test_the_console_gets_a_line_now_and_then(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    stage = Progress("noise_only", folder=tmp_path)
    stage.begin(100)
    for epoch in range(5):
        stage.count(BATCH, waited_seconds=0)
        stage.report(epoch, {})
    out, err = capsys.readouterr()
    assert (len(out.splitlines()), len(err.splitlines())) == (1, 5)


def test_other_ranks_are_silent(capsys: pytest.CaptureFixture[str]):
    stage = Progress("noise_only")
    stage.begin(100, step=2, samples=40)
    stage.count(BATCH, waited_seconds=0)
    stage.report(0, {})
    assert capsys.readouterr() == ("", "")


def test_no_time_left_is_known_before_the_first_sample():
    stage = Progress("noise_only")
    stage.begin(100)
    assert stage.seconds_left() is None


def test_seconds_and_waiting_are_summed_by_epoch():
    stage = Progress("noise_only")
    stage.begin(100)
    for step, waited in enumerate((0.5, 0.5, 1.5, 2.0, 4.0)):
        stage.count(GlobalBatch(step=step, epoch=step // 3, start=0, stop=20), waited)
        if step in (2, 4):
            stage.report(step // 3, {})
    summary = stage.summary()
    epochs = summary["epochs"]
    assert [epoch["epoch"] for epoch in epochs] == [1, 2]
    assert [epoch["steps"] for epoch in epochs] == [3, 2]
    assert [epoch["waited_seconds"] for epoch in epochs] == [1.5, 2.5]
    assert summary["waited_seconds"] == 4
    assert summary["waited_seconds_per_step"] == 0.8
    assert sum(epoch["seconds"] for epoch in epochs) <= summary["training_seconds"]


def test_a_console_that_is_gone_stops_nothing():
    told = "from mct.stage.progress import tell; tell('one'); tell('two'); tell('three')"
    command = [sys.executable, "-c", told]
    path = os.pathsep.join(sys.path)
    with subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
