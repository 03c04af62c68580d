"""What a data set's lists say reaches a workflow's jobs without their reading them."""

import dataclasses
import shutil

import pytest
from samples import dataset_settings, write_clothing

from mct.base.errors import UserError
from mct.cluster.results_folder import begin
from mct.data.layouts.registry import open_layout
from mct.data.verdict import take_stamps
from mct.experiment.experiment import Experiment
from mct.experiment.lists import Lists, Memory


def test_lists_are_recalled_as_they_were_read(tmp_path):
    layout = open_layout(
        dataset_settings(layout="clothing1m", root=str(write_clothing(tmp_path / "data")))
    )
    lists = Lists.read(layout)
    assert (lists.sizes["noisy"], lists.classes) == (3, ["Shirt", "Coat", "Dress"])
    lists = dataclasses.replace(lists, stamps=take_stamps(layout))
    memory = Memory(tmp_path, None, "{}", "code")
    memory.hand_on(lists)
    assert memory.recall() == memory.recall_current(check_files=True) == lists
    other = Memory(tmp_path, None, "{}", "other code")
    assert other.recall() == lists
    assert other.recall_current(check_files=True) is None


@pytest.mark.parametrize("text", [None, "", "{}", '{"settings": "{}"}', '{"settings": "other"}'])
def test_nothing_is_recalled_of_other_settings_or_from_a_damaged_file(tmp_path, text):
    if text is not None:
        (tmp_path / "lists.json").write_text(text)
    assert Memory(tmp_path, None, "{}", "code").recall() is None


def test_a_job_needs_no_list_that_its_workflow_has_read(tmp_path, monkeypatch):
    monkeypatch.setenv("MCT_RUN", "")  # is set by `begin`, for jobs; not for the tests that follow
    root = write_clothing(tmp_path / "data")
    config = {
        "results": str(tmp_path / "results"),
        "experiment": "made",
        "dataset": {"name": "made", "layout": "clothing1m", "root": str(root), "noise_rate": 0.3},
        "images": {"size": 8, "mean": [0.5] * 3, "std": [0.25] * 3},
    }
    workflow = Experiment(config)
    workflow.check_paths()
    begin(workflow, [], tmp_path / "log", on_cluster=False)
    for path in root.rglob("*.txt"):
        path.unlink()
    job = Experiment(config, in_job=True)
    job.check_paths()
    assert (job.lists.source, job.sizes) == (workflow.lists.source, workflow.sizes)
    assert (job.lists.classes, job.lists.clean_source) == (
        workflow.lists.classes,
        workflow.lists.clean_source,
    )
    shutil.rmtree(tmp_path / "results")
    with pytest.raises(UserError, match="expected a file"):
        _ = Experiment(config, in_job=True).sizes
