"""What docs/extending.md says works: its code is applied to a copy of the project, which then plans."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import LONG, PROJECT, copy_project, run_snakemake

PAGE = (PROJECT / "docs/extending.md").read_text()
BLOCK = re.compile(r"^```(python|yaml)\n# ([^\n]+)\n(.*?)^```$", re.M | re.S)
COMMANDS = [
    line
    for block in re.findall(r"^```bash\n(.*?)^```$", PAGE, re.M | re.S)
    for line in block.splitlines()
]
MADE = [line for line in COMMANDS if not line.startswith("snakemake")]
MODULES = re.findall(r"^# new file: workflow/scripts/(mct/\S+)\.py$", PAGE, re.M)
PLANNED = [line.split() for line in COMMANDS if line.startswith("snakemake")]
QUICK = "methods=[noise_only,glc,cleannet,mct_paper,mct]"


def apply_block(project: Path, place: str, code: str) -> None:
    """Write a new file, or put lines into a file above or below the line that is named."""
    path, side, line = re.fullmatch("(.+?)(?:, (after|before): (.+))?", place).groups()
    file = project / path.removeprefix("new file: ")
    if side is None:
        file.write_text(code)
        return
    text = file.read_text()
    assert text.count(f"\n{line}\n") == 1, f"expected one line in {path}: {line}"
    both = f"{line}\n{code}" if side == "after" else f"{code}{line}\n"
    file.write_text(text.replace(f"\n{line}\n", f"\n{both}"))


def run(project: Path, command: str) -> None:
    """Run a command of the page in the environment of this test."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-ec", command], cwd=project, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=100, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr


def plan(project: Path, *options: str) -> str:
    """Return the jobs of a dry run with their commands, which have settings and digests of code."""
    done = run_snakemake(project, "-n", "-p", *options)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands(jobs: str) -> set[str]:
    """Return the lines that start programs in a plan's jobs; settings and digests are in them."""
    return {line.strip() for line in jobs.splitlines() if "launch_ranks.py" in line}


@pytest.fixture(scope="module")
def extended(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, set[str]]:
    """Return a copy of the project to which the page is applied, and what it planned before."""
    project = copy_project(tmp_path_factory.mktemp("extending") / "project")
    (project / "tests/workflow").mkdir(parents=True)
    shutil.copy(PROJECT / "tests/workflow/trees.py", project / "tests/workflow")
    before = commands(plan(project, "--cores", "2", "--config", QUICK))
    for _, place, code in BLOCK.findall(PAGE):
        apply_block(project, place, code)
    for command in dict.fromkeys(MADE):
        run(project, command)
    return project, before


@LONG
def test_the_pages_code_plans_and_reruns_nothing_of_the_others(extended):
    project, before = extended
    assert before
    imports = "; ".join(f"import {module.replace('/', '.')}" for module in MODULES)
    run(project, f"PYTHONPATH=workflow/scripts python -c '{imports}'")  # which no plan does
    assert commands(plan(project, "--cores", "2", "--config", QUICK)) == before
    assert len(PLANNED) == 3
    plans = [plan(project, *words[1:]) for words in PLANNED]
    for text, names in zip(
        plans, (["json_lines"], ["gce", "mct_mixed"], ["patch_net"]), strict=True
    ):
        assert all(name in text for name in names)


def test_every_chapter_has_less_than_60_lines_of_code_without_docstrings():
    for chapter in PAGE.split("\n## ")[1:]:
        code = "".join(text for kind, _, text in BLOCK.findall(chapter) if kind == "python")
        lines = [line for line in code.splitlines() if not re.match(r'\s*(""".*)?$', line)]
        assert 0 < len(lines) < 60
