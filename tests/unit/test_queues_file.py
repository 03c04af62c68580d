"""Which file of queues Snakemake applies, by the command line and all profiles that it reads."""

from pathlib import Path

import pytest
import yaml

from mct.base.errors import UserError
from mct.cluster.site import VARIABLE, queues_file, read_site


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a project's folder, in which the test runs, without profiles of the user."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "Snakefile").touch()
    monkeypatch.chdir(project)
    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    monkeypatch.setenv(VARIABLE, "")  # so that it is restored
    monkeypatch.delenv(VARIABLE)
    return project


def write_profile(
    folder: Path, queue: str | None = "own", file: str = "config.yaml", executor: str = "slurm"
) -> Path:
    """Write a profile with one queue of that name; return its file of partitions."""
    folder.mkdir(parents=True, exist_ok=True)
    profile = {"executor": executor, "jobs": 4}
    if queue:
        profile["slurm-partition-config"] = "queues.yaml"
        queues = {"partitions": {queue: {"max_runtime": 30}}}
        (folder / "queues.yaml").write_text(yaml.safe_dump(queues))
    (folder / file).write_text(yaml.safe_dump(profile))
    return folder / "queues.yaml"


def applied(*arguments: str) -> list[str]:
    """Return the names of the queues that Snakemake applies."""
    return [queue.name for queue in read_site(queues_file(arguments)).queues]


@pytest.mark.parametrize("place", ["profiles/default", "default"])
@pytest.mark.parametrize("file", ["config.yaml", "profile.yaml", "config.v9+.yaml"])
def test_queues_of_a_default_profile_are_applied(folder: Path, place: str, file: str):
    write_profile(folder / place, file=file)
    assert applied("-n") == ["own"]


def test_of_versions_of_a_profile_the_newest_for_this_snakemake_is_applied(folder: Path):
    write_profile(folder / "profiles/default", None)
    write_profile(folder / "profiles/default", file="config.v8+.yaml")
    write_profile(folder / "profiles/default", None, file="config.v99+.yaml")
    assert applied("-n") == ["own"]


def test_a_default_profile_beside_the_snakefile_is_applied_from_elsewhere(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    write_profile(folder / "profiles/default")
    monkeypatch.chdir(tmp_path)
    assert applied("-n", "-s", str(folder / "Snakefile")) == ["own"]


def test_the_default_profile_overrides_a_named_one(folder: Path):
    write_profile(folder / "profiles/default", "default")
    write_profile(folder / "named", "named")
    assert applied("-n", "--profile", "named") == ["default"]
    assert applied("-n", "--profile", "named", "--workflow-profile", "none") == ["named"]


@pytest.mark.parametrize("place", ["XDG_CONFIG_HOME", "XDG_CONFIG_DIRS"])
def test_a_profile_of_the_user_or_of_the_site_is_applied(folder: Path, tmp_path: Path, place: str):
    write_profile(tmp_path / place / "snakemake/cluster")
    assert applied("-n", "--profile", "cluster") == ["own"]


def test_a_profile_of_the_environment_is_applied(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_profile(folder / "cluster")
    monkeypatch.setenv("SNAKEMAKE_PROFILE", "cluster")
    assert applied("-n") == ["own"]


def test_a_workflow_profile_is_applied(folder: Path):
    write_profile(folder / "profiles/cluster")
    assert applied("-n", "--workflow-profile", "cluster") == ["own"]


def test_the_command_line_overrides_profiles(folder: Path, tmp_path: Path):
    write_profile(folder / "profiles/default")
    other = write_profile(tmp_path / "other", "other")
    assert applied("-n", "--slurm-partition-config", str(other)) == ["other"]


def test_a_profile_without_queues_has_none(folder: Path):
    write_profile(folder / "cluster", None)
    assert applied("-n", "--profile", "cluster") == [""]


def test_a_local_run_has_no_queues(folder: Path, monkeypatch: pytest.MonkeyPatch):
    queues = write_profile(folder / "cluster")
    assert applied("-n", "--profile", "cluster", "--executor", "local") == [""]
    monkeypatch.setenv(VARIABLE, str(queues))
    assert applied("-n", "--cores", "2") == [""]


def test_the_variable_of_the_slurm_plugin_is_applied(folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(VARIABLE, str(write_profile(folder / "queues")))
    assert applied("-n", "--executor", "slurm") == ["own"]


def test_a_job_takes_the_queues_of_its_workflow(folder: Path, monkeypatch: pytest.MonkeyPatch):
    write_profile(folder / "profiles/default", "other")
    monkeypatch.setenv(VARIABLE, str(write_profile(folder / "queues")))
    assert applied("--mode", "remote", "--executor", "slurm-jobstep") == ["own"]


def test_a_file_that_is_missing_is_refused(folder: Path):
    with pytest.raises(UserError, match=r"none\.yaml.*"):
        applied("-n", "--executor", "slurm", "--slurm-partition-config", "none.yaml")


def test_arguments_of_another_program_leave_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    """Snakemake's Python API runs the workflow in a program whose arguments are its own."""
    assert applied("--no-option-of-snakemake", "3") == [""]
    monkeypatch.setenv(VARIABLE, str(write_profile(folder / "queues")))
    assert applied("--no-option-of-snakemake", "3") == ["own"]
