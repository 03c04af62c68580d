"""How stages end: interrupted, refused, out of disk; and that the next run goes on."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars
import psutil
import pytest
from edits import SILENT, all_applied
from kills import ranks_of, results_digest
from projects import LONG, change_config, copy_project, run_command, run_snakemake, write_config
from trees import write_clothing1m

REFUSED = "(not tried again)"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """Return a copy of the project with its own data set, which a test may spoil."""
    project = copy_project(tmp_path / "project")
    write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    return project


TARGET = "results/tiny/models/tiny/clean_noisy/seed0_ranks2/primary.safetensors"
COMMAND = [sys.executable, "-m", "snakemake", TARGET, "--cores", "2", "--configfile", "tiny.yaml"]
LOG = "results/tiny/logs/tiny/clean_noisy/seed0_ranks2.log"
CHECKPOINTS = "results/tiny/checkpoints/tiny/clean_noisy/seed0_ranks2"


def start_long_training(project: Path, **options: object) -> psutil.Popen:
    """Start snakemake on a training that takes minutes and wait until it is in its third epoch."""
    change_config(project, methods=["clean_noisy"], pretraining={"epochs_primary": 4000})
    run = psutil.Popen(
        COMMAND,
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        **options,
    )
    log = project / LOG
    wait_for(lambda: log.is_file() and "epoch 3," in log.read_text(), run)
    return run


def test_signalled_ranks_leave_a_checkpoint_and_exit_code_75(own: Path):
    run, log = start_long_training(own), own / LOG
    shown = run_command(own, "status", "results/tiny").stdout
    assert re.search(
        r"^  tiny seed0_ranks2: clean_noisy: epoch \d+, .* samples/s, .* left", shown, re.M
    )
    rank = ranks_of(run.children(recursive=True))[0]
    rank.send_signal(signal.SIGUSR1)
    output, _ = run.communicate(timeout=60)
    assert "non-zero exit status 75" in output
    assert re.search(r"^clean_noisy: epoch 1, .* samples/s, .* left$", output, re.M)
    assert "interrupted: stopped by a signal after step" in log.read_text()
    assert list((own / CHECKPOINTS).glob("*/step-*"))
    again = psutil.Popen([*COMMAND, "--rerun-incomplete"], cwd=own, stdout=subprocess.DEVNULL)
    wait_for(lambda: log.is_file() and "goes on after step" in log.read_text(), again)
    for process in (*again.children(recursive=True), again):
        process.kill()


@LONG
def test_a_training_resumes_after_an_update_that_changes_no_result(own: Path):
    """The line that says so is one of those that the update rewords."""
    run, log = start_long_training(own), own / LOG
    ranks_of(run.children(recursive=True))[0].send_signal(signal.SIGUSR1)
    run.communicate(timeout=60)
    with all_applied(list(SILENT.values()), own):
        again = psutil.Popen([*COMMAND, "--rerun-incomplete"], cwd=own, stdout=subprocess.DEVNULL)
        wait_for(lambda: log.is_file() and "resumes after step" in log.read_text(), again)
        for process in (*again.children(recursive=True), again):
            process.kill()


def test_ctrl_c_leaves_a_checkpoint_and_no_traceback(own: Path):
    """A terminal signals Snakemake's whole process group."""
    run = start_long_training(
        own,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    os.killpg(run.pid, signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    text = (own / LOG).read_text()
    assert run.returncode
    assert "non-zero exit status 75" in output
    assert "interrupted: stopped by a signal after step" in text
    assert "Traceback" not in output + text
    assert list((own / CHECKPOINTS).glob("*/step-*"))
    last = output.splitlines()[-1]
    assert last.startswith("interrupted: type `")
    assert last.endswith(f"snakemake {shlex.join(COMMAND[3:])} --rerun-incomplete` to resume")


def wait_for(condition, run: psutil.Popen, seconds: int = 600) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "nothing happened"
        assert run.poll() is None, "it ended too early"
        time.sleep(0.1)


def test_broken_pictures_are_left_out_and_too_many_are_an_error_that_is_not_tried_again(own: Path):
    victims = ("images/n/0023.jpg", "images/n/0040.jpg")
    (own / "data" / victims[0]).write_bytes(b"not a picture")
    whole = (own / "data" / victims[1]).read_bytes()
    (own / "data" / victims[1]).write_bytes(whole[: len(whole) // 2])
    target = "results/tiny/shards/tiny/labels.parquet"
    options = ("--cores", 2, "--configfile", "tiny.yaml")
    run = run_snakemake(own, target, *options, "--retries", 3)
    log = (own / "results/tiny/logs/tiny/quarantine_pictures.log").read_text()
    assert run.returncode == 1
    assert "2 of 60 noisy pictures cannot be used, more than dataset.quarantine_share = 0.01" in log
    assert log.endswith(f"{REFUSED}\n")
    assert run.stderr.splitlines()[-1].startswith(log.strip())
    share = ["--config", "dataset={quarantine_share: 0.05}"]
    again = run_snakemake(own, target, *options, *share)
    assert again.returncode == 0, again.stdout + again.stderr
    labels = polars.read_parquet(own / target)
    assert labels.filter(polars.col("noisy") & (polars.col("left_out") == "")).height == 58
    listed = (own / "results/tiny/catalogue/tiny.quarantine.tsv").read_text().splitlines()[1:]
    assert [line.split("\t")[0] for line in listed] == list(victims)
    assert [line.split("\t")[3] for line in listed] == ["unknown_format", "damaged"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with 1.5 MB of space."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", folder]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        if os.environ.get("CI") and not os.geteuid():
            pytest.fail("CI must be able to mount a small disk")
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def test_results_on_a_read_only_disk_are_refused_before_work_starts(own, small_disk):
    change_config(own, results=str(small_disk))
    subprocess.run(["mount", "-o", "remount,ro", small_disk], check=True)
    run = run_snakemake(own, "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 2, run.stdout + run.stderr
    assert (
        f"error: results: {small_disk}/tiny cannot be written: Read-only file system" in run.stderr
    )
    assert not list(small_disk.iterdir())


@LONG
def test_a_full_disk_ends_in_a_line_and_the_run_goes_on(finished, own, small_disk):
    change_config(own, results=str(small_disk), execution={"checkpoint_steps": 3})
    run = run_snakemake(own, "--cores", 2, "--configfile", "tiny.yaml")
    logs = [path.read_text() for path in small_disk.rglob("*.log")]
    assert run.returncode == 1
    assert not any("Traceback" in log for log in logs)
    assert any("No space left on device" in log and "make space" in log for log in logs)
    subprocess.run(["mount", "-o", "remount,size=200m", small_disk], check=True)
    again = run_snakemake(own, "--cores", 2, "--configfile", "tiny.yaml", "--rerun-incomplete")
    assert again.returncode == 0, again.stdout + again.stderr
    assert results_digest(small_disk / "tiny") == results_digest(finished)
