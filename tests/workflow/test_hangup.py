"""A terminal that goes while a workflow runs, as after a dropped ssh."""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from projects import LONG, change_config, copy_project, write_config
from trees import write_clothing1m

RUNS = {"pretrain_primary": 1, "clean_noisy": 2}
"""The trainings that run at the same time, and their ranks."""
TARGETS = [f"results/tiny/models/tiny/{name}/seed0_ranks2/primary.safetensors" for name in RUNS]
COMMAND = [
    sys.executable, "-m", "snakemake", *TARGETS, "--cores", "3", "--configfile", "tiny.yaml",
]  # fmt: skip


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a copy of the project whose trainings take minutes."""
    project = copy_project(tmp_path / "project")
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    change_config(project, methods=["clean_noisy"], pretraining={"epochs_primary": 4000})
    return project


def logs_of(project: Path) -> list[str]:
    """Return what the trainings have logged."""
    paths = [project / f"results/tiny/logs/tiny/{name}/seed0_ranks2.log" for name in RUNS]
    return [path.read_text() if path.is_file() else "" for path in paths]


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not (is_met := condition()) and time.monotonic() < deadline:
        time.sleep(0.1)
    return is_met


@contextlib.contextmanager
def on_terminal(project: Path) -> Iterator[tuple[psutil.Process, int]]:
    """Yield snakemake, started on a terminal of its own, and that; all ends with the block."""
    pid, terminal = os.forkpty()
    if not pid:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)
        os.chdir(project)
        os.execv(COMMAND[0], COMMAND)
    run = psutil.Process(pid)
    seen: set[psutil.Process] = {run}
    try:
        yield run, terminal
    finally:
        with contextlib.suppress(psutil.Error):
            seen.update(run.children(recursive=True))
        for process in seen:
            with contextlib.suppress(psutil.Error):
                process.kill()
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)


def has_begun(project: Path, terminal: int) -> bool:
    """Read what the terminal shows, and return whether all trainings are in their third epoch."""
    os.set_blocking(terminal, False)
    with contextlib.suppress(BlockingIOError):
        os.read(terminal, 1 << 16)
    return all("epoch 3," in log for log in logs_of(project))


@LONG
def test_trainings_leave_checkpoints_when_their_terminal_goes(own: Path):
    """One of one rank, which used to go on alone, and one under mpiexec, which used to die."""
    with on_terminal(own) as (run, terminal):
        assert wait_until(lambda: has_begun(own, terminal), 200), logs_of(own)
        jobs = run.children(recursive=True)
        os.close(terminal)
        _, alive = psutil.wait_procs(jobs, timeout=60)
        assert not alive
        code = os.waitstatus_to_exitcode(os.waitpid(run.pid, 0)[1])
    for name, log in zip(RUNS, logs_of(own), strict=True):
        assert "interrupted: stopped by a signal after step" in log, name
        assert "Traceback" not in log
        checkpoints = own / f"results/tiny/checkpoints/tiny/{name}/seed0_ranks2"
        assert list(checkpoints.glob("*/step-*")), name
    assert code == 1
    assert not list((own / ".snakemake/locks").glob("*"))
