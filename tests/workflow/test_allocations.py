"""A workflow that a person starts inside a Slurm allocation; no Slurm is needed."""

from pathlib import Path

import pytest
from projects import Run

JOB = ("--mode", "remote", "--force", "--no-hooks", "--nolock")
"""How a workflow's job starts Snakemake."""


def test_a_job_is_noted_where_the_workflow_submitted_it(
    snakemake: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("MCT_RUN", raising=False)
    monkeypatch.setenv("SLURM_JOB_ID", "12")
    monkeypatch.setenv("MCT_SUBMITTED", "yes")  # handed down to a workflow in a job of another
    target, results = tmp_path / "tiny/catalogue/tiny.classes.txt", f"results={tmp_path}"
    for mode, noted in (((), 0), (JOB, 1)):
        options = ("--cores", 1, "--configfile", "tiny.yaml", "--config", results)
        run = snakemake(target, *mode, *options)
        assert run.returncode == 0, run.stdout + run.stderr
        assert len(list(tmp_path.glob("tiny/jobs/12-*.json"))) == noted
