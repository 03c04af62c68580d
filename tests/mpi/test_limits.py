"""Limits of a node that ranks would run into: shared memory, open files."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from mct.base.errors import UserError
from mct.experiment.configuration import resolve
from mct.stage import limits

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"
STAGE = f"""
import sys
sys.path.insert(0, {str(SCRIPTS)!r})
from mct.parallel.comm import world
from mct.stage import entry
entry.run(lambda: print("ranks:", world().allreduce(1)))
"""


def launch(folder: Path, ranks: int, *before: str) -> subprocess.CompletedProcess:
    """Start ranks as a rule does, by a command in a shell that does something before."""
    (folder / "stage.py").write_text(STAGE)
    (folder / "config.yaml").write_text(yaml.safe_dump(resolve({})))
    options = ["--log", folder / "log", "--results", folder, "--ranks", ranks, folder / "stage.py"]
    program = [sys.executable, SCRIPTS / "launch_ranks.py", *options]
    return subprocess.run(
        [*before, *map(str, program)], capture_output=True, text=True, timeout=100, check=False
    )


def with_shared_memory(size: str) -> list[str]:
    """Return the start of a command that has so much of it; skips where that cannot be had."""
    start = ["unshare", "-m", "sh", "-c", f'mount -t tmpfs -o size={size} x /dev/shm && exec "$@"']
    command = [*start, "sh"]
    can_unshare = not os.geteuid() and shutil.which("unshare")
    if not can_unshare or subprocess.run([*command, "true"], check=False).returncode:
        pytest.skip("only root can make /dev/shm small")
    return command


@pytest.mark.parametrize(
    ("size", "ranks", "line"),
    [
        ("1m", 1, "error: /dev/shm: 1 MPI ranks need 5.5 MB of shared memory, 1.0 MB are free"),
        ("1m", 2, "error: /dev/shm: 2 MPI ranks need 11.0 MB of shared memory, 1.0 MB are free"),
        (
            "64m",
            14,
            "error: /dev/shm: 14 MPI ranks need 77.0 MB of shared memory, 67.1 MB are free",
        ),
    ],
)
def test_too_little_shared_memory_is_one_line(tmp_path: Path, size: str, ranks: int, line: str):
    run = launch(tmp_path, ranks, *with_shared_memory(size))
    assert run.returncode == 2, run.stdout + run.stderr
    assert run.stderr.startswith(line)
    assert len(run.stderr.splitlines()) == 1


def test_ranks_start_with_the_shared_memory_that_is_asked_for(tmp_path: Path):
    run = launch(tmp_path, 2, *with_shared_memory("11m"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert "ranks: 2" in run.stdout


def test_another_mpi_than_the_installed_one_has_its_own_needs(monkeypatch: pytest.MonkeyPatch):
    """64 MB are what a container has, 14 ranks are too many for it with MPICH only."""
    monkeypatch.setattr(limits, "RANK_BYTES", 1 << 60)
    with pytest.raises(UserError, match="MPI ranks need"):
        limits.check_shared_memory(1)
    monkeypatch.setenv("MPI4PY_LIBMPI", "/site/lib/libmpi.so")
    limits.check_shared_memory(1)


OPEN = """
import resource, sys
sys.path.insert(0, {scripts!r})
from pathlib import Path
from mct.data.shards import open_shard
from mct.stage import entry

def main():
    print(len([open_shard(path) for path in sorted(Path(sys.argv[1]).glob("*.h5"))]))

entry.run(main)
"""


def open_shards(folder: Path, soft: int, hard: int) -> subprocess.CompletedProcess:
    """Open 80 shards in a process with limits of open files."""
    return subprocess.run(
        [sys.executable, "-c", OPEN.format(scripts=str(SCRIPTS)), str(folder)],
        capture_output=True, text=True, timeout=100, check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard)),
    )  # fmt: skip


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Return a folder of 80 shards."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
    from samples import write_shards

    one = write_shards(tmp_path / "one")[0]
    assert np.fromfile(one, np.uint8).size
    for number in range(80):
        shutil.copy(one, tmp_path / f"{number:04d}.h5")
    shutil.rmtree(tmp_path / "one")
    return tmp_path


def test_as_many_files_may_be_open_as_the_system_allows(shards: Path):
    run = open_shards(shards, 64, 4096)
    assert (run.returncode, run.stdout.strip()) == (0, "80"), run.stderr


@pytest.mark.parametrize("limit", range(62, 66))
def test_too_many_open_files_are_one_line(shards: Path, limit: int):
    """Whichever file is the first that cannot be opened; it is no damage of a shard."""
    run = open_shards(shards, limit, limit)
    assert run.returncode == 2, run.stderr
    assert len(run.stderr.splitlines()) == 1
    assert "Too many open files" in run.stderr
    assert "raise the limit of open files (ulimit -n) or take fewer shards" in run.stderr
    assert "damaged" not in run.stderr
