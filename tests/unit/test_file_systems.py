"""File systems without locks, and with errors of their own: sound work is never called damaged."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from work_without_locks import ERRORS, PARTS, UNSUPPORTED

from mct.base.errors import UserError
from mct.base.files import read_json, table_rows
from mct.data import shards
from mct.data.imagesets import verify_index
from mct.data.label_table import read_index
from mct.data.shards import open_shard
from mct.labels.judging import read_judgements
from mct.results.figures import read_epochs

FAILING = Path("/proc/self/mem")
"""Opens like a file; reading its start is an input/output error of the system."""


@pytest.fixture(scope="module")
def outcomes() -> dict[str, list[str]]:
    script = Path(__file__).with_name("work_without_locks.py")
    paths = [str(Path(shards.__file__).parents[2]), str(script.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    environment.pop("HDF5_USE_FILE_LOCKING", None)
    job = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False
    )
    if job.returncode == UNSUPPORTED and not os.environ.get("CI"):
        pytest.skip("this system filters no system calls (seccomp)")
    assert job.returncode == 0, job.stderr
    return json.loads(job.stdout)


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("part", [part.__name__ for part in PARTS])
def test_everything_works_without_locks(outcomes, part, error):
    traceback, _ = outcomes[f"{part} {error}"]
    assert not traceback, traceback


@pytest.mark.parametrize("error", ERRORS)
def test_what_is_lost_without_locks_is_said_in_one_line(outcomes, error):
    for part, words in (("hold_stage", "does not wait"), ("claim_results", "second workflow")):
        lines = outcomes[f"{part} {error}"][1].splitlines()
        assert len(lines) == 1
        assert "has no locks" in lines[0]
        assert words in lines[0]
    assert not outcomes[f"read_shards {error}"][1]
    assert not outcomes[f"write_shards {error}"][1]


def read_table(path: Path) -> None:
    with table_rows(path, "a table", ("key",)) as rows:
        list(rows)


@pytest.mark.skipif(not FAILING.exists(), reason="no file whose reading fails (Linux only)")
@pytest.mark.parametrize(
    "reader",
    [
        read_json, read_table, read_index, verify_index, read_epochs, open_shard,
        lambda path: read_judgements(None, [path]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reason", ["Input/output error", "Too many levels of symbolic links"])
def test_a_file_that_the_system_cannot_read_is_not_called_damaged(tmp_path, reader, reason):
    path = tmp_path / "file"
    path.symlink_to(FAILING if reason == "Input/output error" else path)
    with pytest.raises(UserError) as caught:
        reader(path)
    line = str(caught.value)
    assert reason in line
    assert str(path) in line
    assert "damaged" not in line
    assert "delete" not in line
    assert "\n" not in line
