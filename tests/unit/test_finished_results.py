"""Results of an earlier or later form of the configuration stay readable: keys come and go."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mct.base.keys import pick
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.pair import PRETRAININGS
from mct.labels.noise import given_rate
from mct.labels.settings import NoiseSettings
from mct.learning.settings import EvaluationSettings
from mct.results.predictions import trained_settings
from mct.stage import entry
from mct.stage.closure import LIBRARY
from mct.stage.record import write_record

CONFIG = resolve({})


def other_keys(section: dict, lost: str) -> dict:
    """Return a section as it may be in other versions: with an unknown key, without a known one."""
    assert lost in section
    return {"unknown": 1} | {key: value for key, value in section.items() if key != lost}


def test_models_are_used_by_a_record_with_other_keys(tmp_path):
    settings = PRETRAININGS["pretrain_primary"].settings(CONFIG, 0)
    settings["images"] = other_keys(settings["images"], "reduced_decoding")
    settings["model"] = other_keys(settings["model"], "keep_classifier")
    record = {"settings": other_keys(settings, "weighting")}
    (tmp_path / "record.json").write_text(json.dumps(record))
    found = trained_settings([tmp_path / "primary.safetensors"])
    assert isinstance(found, EvaluationSettings)
    assert found.images.reduced_decoding is False
    assert found.images.size == CONFIG["images"]["size"]


def test_execution_is_read_of_a_configuration_with_other_keys(tmp_path):
    execution = other_keys(CONFIG["execution"], "stall_minutes")
    text = yaml.safe_dump(other_keys(CONFIG, "scaling") | {"execution": execution})
    (tmp_path / "config.yaml").write_text(text)
    assert entry.read_execution(tmp_path / "config.yaml").stall_minutes == 20


def test_a_record_holds_settings_and_facts_as_plain_data(tmp_path):
    facts = {"settings": NoiseSettings(rate=0.4), "noise": given_rate(0.4, 2), "ranks": 2}
    write_record(tmp_path / "record.json", facts)
    record = json.loads((tmp_path / "record.json").read_text())
    assert record["settings"] == {"kind": "none", "rate": 0.4, "matrix": None}
    assert record["noise"]["class_rates"] == [0.4, 0.4]
    assert record["ranks"] == 2


@pytest.mark.parametrize("section", [{"images": 3}, {"images": [1]}, {"model": None}])
def test_a_section_that_has_no_keys_is_left_to_be_refused(section):
    assert pick(section, EvaluationSettings) == section


def test_tables_are_made_of_records_with_other_keys(tmp_path):
    runs = {"pretrain_auxiliary": 10, "pretrain_primary": 20, "mct": 30}
    settings = PRETRAININGS["pretrain_primary"].settings(CONFIG, 0)
    tables = [
        table_of(tmp_path / name, runs, recorded)
        for name, recorded in (("as", settings), ("other", other_keys(settings, "images")))
    ]
    assert "MCT" in tables[0]
    assert tables[0] == tables[1]


def table_of(folder: Path, samples: dict[str, int], settings: dict) -> str:
    """Return the table of accuracy of one run, whose records have the given settings."""
    facts = {"settings": settings, "hardware": {}, "versions": {}, "seconds": 1}
    records = []
    for method, seen in samples.items():
        record = folder / "models/d" / method / "seed0_ranks2/record.json"
        record.parent.mkdir(parents=True)
        record.write_text(json.dumps({**facts, "samples_seen": seen}))
        records.append(record)
    evaluation = folder / "evaluation/d/mct/seed0_ranks2/primary.json"
    evaluation.parent.mkdir(parents=True)
    found = {"top1": 0.5, "top5": 0.9, "split": "test"}
    evaluation.write_text(json.dumps({**found, "confusion": [[1, 1], [1, 1]]}))
    (folder / "config.yaml").write_text(yaml.safe_dump(other_keys(CONFIG, "scaling")))
    asked = Experiment({"methods": ["mct"]}).settings.table("")
    command = [sys.executable, LIBRARY.parent / "tabulate_accuracy.py", "--evaluations", evaluation,
               "--records", *records, "--settings", asked, "--config",
               folder / "config.yaml", "--published",
               LIBRARY.parents[1] / "resources/published.tsv", "--output", folder / "t.tsv"]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, text=True)
    return (folder / "t.tsv").read_text()
