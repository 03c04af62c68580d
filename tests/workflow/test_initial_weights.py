"""A file of weights that does not fit is refused when the plan is made."""

import subprocess
from pathlib import Path

import pytest
import torch
from projects import Run

from mct.base.errors import UserError
from mct.experiment import paths
from mct.experiment.configuration import resolve
from mct.learning.models import build_architecture

CLASSES = 3


def test_weights_that_do_not_fit_are_refused_before_anything_runs(
    snakemake: Run, project: Path, tmp_path: Path
):
    path = tmp_path / "start.pt"
    torch.save(build_architecture("cifar_resnet18", CLASSES).state_dict(), path)
    weights = f"model={{initial_weights: {path}}}"
    line = f"{path}: not the weights of this architecture (model.name): 0.weight: expected 32 x 3"
    for options in (["-n"], []):
        run = snakemake(*options, "--cores", 2, "--configfile", "tiny.yaml", "--config", weights)
        assert run.returncode == 2, run.stderr
        errors = [text for text in run.stderr.splitlines() if text.startswith("error: ")]
        assert len(errors) == 1
        assert line in errors[0]
        assert "Traceback" not in run.stderr
    torch.save(build_architecture("small_cnn", CLASSES).state_dict(), path)
    fitting = snakemake("-n", "--cores", 2, "--configfile", "tiny.yaml", "--config", weights)
    assert fitting.returncode == 0, fitting.stderr


def test_a_file_is_asked_about_again_only_when_it_or_the_question_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    asked: list[object] = []
    run = subprocess.run
    monkeypatch.setattr(
        subprocess,
        "run",
        lambda *given, **options: (asked.append(given), run(*given, **options))[1],
    )
    path, model = tmp_path / "start.pt", resolve({})["model"]
    torch.save(build_architecture("small_cnn", CLASSES).state_dict(), path)
    memory = tmp_path / "memory"
    for _ in range(2):
        for classes in (CLASSES, CLASSES + 1):  # several answers are kept
            paths.check_weights(path, model, classes, memory)
    assert len(asked) == 2
    kept = {**model, "keep_classifier": True}
    for _ in range(2):  # a refusal is not: its reason may go away and leave the file as it is
        with pytest.raises(UserError, match="expected a classifier for 4 classes, got one for 3"):
            paths.check_weights(path, kept, 4, memory)
    assert len(asked) == 4


def test_weights_that_cannot_be_checked_are_left_to_their_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    program = tmp_path / "check_weights.py"
    program.write_text("raise ModuleNotFoundError('No module named torch')\n")
    monkeypatch.setattr(paths, "CHECK_WEIGHTS", program)
    (tmp_path / "start.pt").write_bytes(b"weights")
    for _ in range(2):  # nothing is remembered
        paths.check_weights(tmp_path / "start.pt", {}, CLASSES, tmp_path / "memory")
        [line] = capsys.readouterr().err.splitlines()
        assert line.startswith("warning: model.initial_weights: ")
        assert line.endswith("(exit code 1): ModuleNotFoundError: No module named torch")
