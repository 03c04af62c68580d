"""Why stages run again, in words."""

import yaml

from mct.experiment.changes import MOST, describe_changes
from mct.experiment.configuration import resolve


def test_changed_keys_are_named_with_both_values(tmp_path):
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump(resolve({"calibration": {"epochs": 4}}), sort_keys=False)
    )
    now = resolve({"calibration": {"epochs": 5}, "model": {"initial_weights": "a.safetensors"}})
    assert describe_changes(tmp_path, now) == [
        "changed since the last run: model.initial_weights nothing -> a.safetensors, "
        "calibration.epochs 4 -> 5"
    ]


def test_the_same_configuration_has_no_changes(tmp_path):
    config = resolve({"seeds": [1, 2]})
    assert describe_changes(tmp_path, config) == []
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert describe_changes(tmp_path, config) == []
    (tmp_path / "config.yaml").write_text("a: [")
    assert describe_changes(tmp_path, config) == []


def test_many_changes_are_counted(tmp_path):
    (tmp_path / "config.yaml").write_text(
        yaml.safe_dump({f"k{n}": n for n in range(MOST + 3)}, sort_keys=False)
    )
    (line,) = describe_changes(tmp_path, {})
    assert line.endswith("k7 7 -> nothing, and 3 more")
