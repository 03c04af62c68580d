"""Configurations of large data sets, planned for Slurm with lists of the published size: no warning."""

import re
from pathlib import Path

import pytest
from projects import LONG, PROJECT, Run
from published_lists import PUBLISHED

CONFIGS = {
    "alexnet_scaling": ("clothing1m", ""),
    "animal10n": ("animal10n", ""),
    "clothing1m": ("clothing1m", ""),
    "clothing1m on 64 ranks": ("clothing1m", "ranks=[64]"),
    "food101n": ("food101n", ""),
    "large_batch": ("clothing1m", ""),
    "webvision": ("webvision", ""),
}
"""Configurations by name, the data set of each, and what is added to it."""


@pytest.fixture(scope="module")
def trees(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Write the lists of each data set and return the setting that points there."""
    folder = tmp_path_factory.mktemp("published")
    return {name: write(folder / name) for name, write in PUBLISHED.items()}


@LONG
@pytest.mark.parametrize("case", CONFIGS)
def test_a_published_job_is_planned_without_a_warning(
    snakemake: Run, trees: dict[str, str], case: str, tmp_path: Path
):
    data, more = CONFIGS[case]
    config = PROJECT / f"config/{case.split()[0]}.yaml"
    dataset = f"dataset={{{trees[data]}, check_files: false}}"
    options = ("--configfile", config, "--config", dataset, f"results={tmp_path}", *more.split())
    plan = snakemake("-n", "--profile", PROJECT / "profiles/slurm", *options)
    assert plan.returncode == 0, plan.stdout + plan.stderr
    assert "warning" not in (plan.stdout + plan.stderr).lower()
    assert re.search(r"^total: .* core hours, .* hours on the longest path", plan.stdout, re.M)
