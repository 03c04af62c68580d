"""A workflow that is killed at random moments ends, when started again, in the same bits."""

import os

import yaml
from kills import finish_through_kills, results_digest
from projects import LONG, copy_project, write_config
from trees import write_clothing1m

KILLS = int(os.environ.get("MCT_KILLS", "2"))
LONGEST_SECONDS = 15


@LONG
def test_killed_and_resumed_ends_in_the_same_bits(finished, tmp_path):
    project = copy_project(tmp_path / "project")
    config = write_config(project / "tiny.yaml", write_clothing1m(project / "data"))
    settings = yaml.safe_load(config.read_text())
    settings["execution"] = {"checkpoint_steps": 2}
    config.write_text(yaml.safe_dump(settings))
    for kill in finish_through_kills(
        project, "tiny.yaml", KILLS, seed=KILLS, longest=LONGEST_SECONDS
    ):
        print(kill)
    ours, reference = results_digest(project / "results/tiny"), results_digest(finished)
    assert len(reference) > 20
    assert ours == reference
