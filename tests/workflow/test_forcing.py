"""What is forced starts afresh; checkpoints of every other training stay."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from kills import children_of, ranks_of
from projects import LONG, Run, change_config, copy_project, write_config
from test_endings import wait_for
from trees import write_clothing1m

EVALUATION = "results/tiny/evaluation/tiny/test/mct_paper/seed0_ranks2/primary.json"
CLASSES = "catalogue/tiny.classes.txt"
TRAINED = "results/tiny/models/tiny/pretrain_auxiliary/seed0_ranks2/auxiliary.safetensors"
LOG = "results/tiny/logs/tiny/pretrain_auxiliary/seed0_ranks2.log"


@pytest.mark.parametrize(
    ("experiment", "options"),
    [
        ("tiny", ["-f", EVALUATION]),
        ("tiny", ["-F", f"results/tiny/{CLASSES}"]),
        ("tiny", ["--touch", "--forceall"]),
        ("mct_paper", ["-f", f"results/mct_paper/{CLASSES}"]),
    ],
    ids=["evaluation", "all before a file", "touch", "name of a method"],
)
def test_what_is_not_run_keeps_its_checkpoints(
    finished, snakemake: Run, project: Path, experiment: str, options: list[str]
):
    folders = [
        project / f"results/{experiment}/checkpoints/tiny/{method}/seed{seed}_ranks2/0a"
        for method in ("mct_paper", "clean_noisy")
        for seed in (0, 1)
    ]
    for folder in folders:
        folder.mkdir(parents=True)
    name = ("--config", f"experiment={experiment}")
    run = snakemake(*options, "--cores", 2, "--configfile", "tiny.yaml", *name)
    left = [folder for folder in folders if folder.is_dir()]
    for folder in left:
        folder.rmdir()
    assert run.returncode == 0, run.stderr
    assert left == folders


@LONG
def test_a_forced_training_starts_afresh_and_goes_on_without_force(tmp_path: Path):
    project = copy_project(tmp_path / "project")
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    change_config(project, pretraining={"epochs_auxiliary": 40000})
    other = project / "results/tiny/checkpoints/tiny/pretrain_auxiliary/seed1_ranks2/0a"
    other.mkdir(parents=True)
    assert not interrupt_training(project)
    assert not interrupt_training(project, "-f")
    assert interrupt_training(project, "--rerun-incomplete")
    assert other.is_dir()
    assert not interrupt_training(project, "--forcerun", "pretrain_auxiliary")


def interrupt_training(project: Path, *options: str) -> bool:
    """Train, interrupt that with a checkpoint; return whether it went on from an earlier one."""
    command = [sys.executable, "-m", "snakemake", TRAINED, *options]
    command += ["--cores", "2", "--configfile", "tiny.yaml"]
    log = project / LOG
    log.unlink(missing_ok=True)
    run = psutil.Popen(command, cwd=project, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: log.is_file() and ": epoch " in log.read_text(), run)
        ranks_of(run.children(recursive=True))[0].send_signal(signal.SIGUSR1)
        assert run.wait(300) == 1
    finally:
        for process in [*children_of(run), run]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
    assert "interrupted: stopped by a signal" in log.read_text()
    return "goes on after step" in log.read_text()
