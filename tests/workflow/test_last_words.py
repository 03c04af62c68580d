"""The last thing on the screen: why a job failed, or what to type to resume."""

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from projects import copy_project, run_snakemake

OPTIONS = ("--cores", "2", "--config", "seeds=[0]")
LOG = "results/digits/logs/digits/build_catalogue.log"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a copy of the project with the quick start's configuration."""
    return copy_project(tmp_path / "project")


def change_catalogue(project: Path, statement: str) -> None:
    """Have the catalogue's script begin with a statement."""
    script = project / "workflow/scripts/build_catalogue.py"
    text = script.read_text()
    begin = "def main() -> None:\n"
    assert begin in text
    script.write_text(text.replace(begin, f"{begin}    {statement}\n"))


@pytest.mark.parametrize("option", [(), ("--show-failed-logs",)])
def test_a_fault_is_the_last_line(project: Path, option):
    change_catalogue(project, "raise RuntimeError('boom')")
    run = run_snakemake(project, "--cores", 2, *option)
    *_, last = run.stderr.splitlines()
    assert run.returncode == 1
    assert last == f"error: RuntimeError: boom (build_catalogue, exit code 1; log: {LOG})"
    assert run.stderr.count("RuntimeError: boom") == 1 + len(option)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_snakemake_ends_with_what_to_type(project: Path, number: signal.Signals):
    """SIGTERM lets running jobs end, SIGHUP stops them as Ctrl-C does; the folder is unlocked."""
    change_catalogue(project, "import time; print('begun', file=sys.stderr); time.sleep(1)")
    change_catalogue(project, "import sys")
    run = subprocess.Popen(
        [sys.executable, "-m", "snakemake", *OPTIONS],
        cwd=project,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = project / LOG
    try:
        while not (log.is_file() and log.read_text()) and run.poll() is None:
            time.sleep(0.1)
        run.send_signal(number)
        _, errors = run.communicate(timeout=60)
    finally:
        run.kill()
    *_, last = errors.splitlines()
    assert last.startswith("interrupted: type `")
    assert last.endswith(f"snakemake {shlex.join(OPTIONS)} --rerun-incomplete` to resume")
    catalogue = project / "results/digits/catalogue/digits.tsv"
    assert catalogue.is_file() == (number == signal.SIGTERM)
    assert not list((project / ".snakemake").glob("locks/*"))
