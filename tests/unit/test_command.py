"""The command `mct`: what it says of data and writes for it, of results, and of mistakes."""

import json
import os
from pathlib import Path

import pytest
import yaml
from made_data import CLASSES, KINDS

from mct.base.errors import UserError
from mct.base.keys import parse
from mct.command import check, clean, compare, init
from mct.command.detection import detect, open_found
from mct.command.experiments import Finished
from mct.command.init import describe
from mct.command.machine import Machine
from mct.command.main import COMMANDS, call, overview
from mct.command.plan import duration
from mct.command.recipe import choose
from mct.command.writing import configuration
from mct.data import catalogue
from mct.data.catalogue import build_catalogue
from mct.data.layouts.base import LISTED
from mct.data.layouts.registry import LAYOUTS, open_layout
from mct.data.layouts.settings import DatasetSettings
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.experiment.lists import Lists
from mct.experiment.suggestions import suggest
from mct.experiment.variants import merge

LAPTOP = Machine(cores=4, gigabytes=16, gpus=[], queues=[])
LAYOUT_OF = {"numbered_table": "table"}


def written(folder: Path, machine: Machine = LAPTOP) -> str:
    """Return the configuration that `mct init` writes for a folder."""
    layout = open_found(detect(folder))
    lists, suggested = Lists.read(layout), suggest(layout)
    counted = layout.counts_confusion and suggested["dataset.noise_rate"] is not None
    chosen = choose(lists.sizes, suggested["images.size"], machine, is_counted=counted)
    return configuration(layout, lists, suggested, chosen)


@pytest.fixture(params=[kind for kind in KINDS if LAYOUT_OF.get(kind, kind) in LAYOUTS])
def made(request, tmp_path) -> Path:
    """A data set of each kind."""
    KINDS[request.param](tmp_path / request.param, 160)
    return tmp_path / request.param


def test_a_configuration_for_each_kind_of_data_is_valid_and_short(made):
    text = written(made)
    assert len(text.splitlines()) <= 40
    experiment = Experiment(yaml.safe_load(text))
    experiment.check_paths()
    assert experiment.config["dataset"]["layout"] == LAYOUT_OF.get(made.name, made.name)
    assert experiment.config["images"]["size"] in (32, 40)
    assert experiment.sizes["noisy"] > 80 and experiment.sizes["clean"] > 0


def test_the_noise_rate_is_counted_where_pictures_have_both_labels(tmp_path):
    KINDS["table"](tmp_path / "table", 160)
    KINDS["image_folder"](tmp_path / "folder", 160)
    counted = yaml.safe_load(written(tmp_path / "table"))
    guessed = written(tmp_path / "folder")
    assert counted["dataset"]["noise_rate"] == "counted" and "glc" in counted["methods"]
    assert "a guess" in guessed
    assert yaml.safe_load(guessed)["mct"] == {"confusion": "estimated"}


def test_a_configuration_is_written_from_one_reading_of_the_lists(tmp_path, monkeypatch, capsys):
    KINDS["table"](tmp_path / "table", 160)
    readings = []
    usual = catalogue.from_rows
    monkeypatch.setattr(catalogue, "from_rows", lambda rows: readings.append(1) or usual(rows))
    monkeypatch.setattr(init, "read_plan", lambda path, cores: [])
    monkeypatch.setattr(init, "duration", lambda plan, cores: [])
    monkeypatch.chdir(tmp_path)
    call(["init", "table"])
    assert "wrote table.yaml" in capsys.readouterr().out
    assert len(readings) == 1


def test_what_was_found_is_described(tmp_path):
    KINDS["table"](tmp_path / "table", 160)
    layout = open_layout(parse(DatasetSettings, detect(tmp_path / "table")))
    lines = describe(layout, Lists.read(layout), LAPTOP)
    assert lines[0].endswith("layout table, 160 pictures")
    rows = [line.split() for line in lines[3:9]]
    assert rows[0] == ["class", "noisy", "clean", "validation", "test"]
    assert [row[0] for row in rows[1:5]] == list(CLASSES)
    assert [sum(int(row[place]) for row in rows[1:5]) for place in range(1, 5)] == [
        int(cell) for cell in rows[5][1:]
    ]


@pytest.mark.parametrize(
    ("machine", "ranks", "model"),
    [
        (Machine(1, 8, [], []), 2, "small_cnn"),
        (Machine(4, 8, [], []), 4, "small_cnn"),
        (Machine(64, 8, [], []), 16, "small_cnn"),
        (Machine(64, 8, ["H200"], []), 2, "resnet50"),
        (Machine(64, 8, ["H200"] * 4, []), 8, "resnet50"),
    ],
)
def test_ranks_and_net_follow_the_machine(machine, ranks, model):
    chosen = choose({"noisy": 10**6, "clean": 10**4}, 224, machine, is_counted=True)
    assert (chosen.ranks, chosen.model) == (ranks, model)
    assert chosen.size == (224 if machine.gpus else 64)


def test_a_confusion_is_solved_only_where_every_class_is_shown_often_enough():
    sizes = {"noisy": 1000, "clean": 100}
    found = [choose(sizes, 32, LAPTOP, is_counted=False, shown=n).confusion for n in (29, 30)]
    assert found == ["estimated", "solved"]


def test_small_data_have_more_epochs_and_smaller_batches():
    few = choose({"noisy": 300, "clean": 30}, 32, LAPTOP, is_counted=True)
    many = choose({"noisy": 10**6, "clean": 10**5}, 32, LAPTOP, is_counted=True)
    assert (few.epochs_primary, few.epochs_auxiliary, few.batch) == (30, 60, 32)
    assert (many.epochs_primary, many.epochs_auxiliary, many.batch) == (4, 40, 128)


def test_a_folder_without_a_known_layout_is_described(tmp_path):
    (tmp_path / "notes.md").write_text("x")
    with pytest.raises(UserError, match=r"no known layout; found notes\.md; expected a table with"):
        detect(tmp_path)
    with pytest.raises(UserError, match="no such file or folder"):
        detect(tmp_path / "nothing")
    with pytest.raises(UserError, match="expected a folder or a table"):
        detect(tmp_path / "notes.md")


def test_food101n_needs_the_test_pictures_of_food101(tmp_path):
    (tmp_path / "n/meta").mkdir(parents=True)
    (tmp_path / "n/meta/imagelist.tsv").write_text("")
    with pytest.raises(UserError, match="tested on Food-101; put that folder at"):
        detect(tmp_path / "n")
    (tmp_path / "food-101").mkdir()
    assert detect(tmp_path / "n")["test_root"] == str(tmp_path / "food-101")


def test_an_unknown_command_is_refused_with_the_nearest_one():
    with pytest.raises(UserError, match="mct inti: no such command; did you mean `init`"):
        call(["inti"])


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_takes(name, capsys):
    with pytest.raises(SystemExit) as end:
        call([name, "--help"])
    assert end.value.code == 0
    assert f"usage: mct {name}" in capsys.readouterr().out
    assert f"mct {name} " in overview()


def test_a_plan_of_core_hours_takes_its_share_of_the_cores():
    (line,) = duration(["job", "total: 1.50 core hours of work, 0.20 GB of disk"], 4)
    assert "about 22 minutes on 4 cores" in line
    assert duration(["total: 3 jobs, 1.0 core hours, 2 GB"], 4) == []


@pytest.fixture
def finished(tmp_path) -> Path:
    """The folder of a finished experiment of the digits with two seeds."""
    return finish(tmp_path / "one", {"mct": [0.9, 0.92], "noise_only": [0.8, 0.81]})


def finish(folder: Path, accuracies: dict[str, list[float]], **changes: object) -> Path:
    """Write what a finished experiment leaves of its configuration and evaluations."""
    config = resolve({"seeds": [0, 1], "methods": list(accuracies), **changes})
    folder.mkdir()
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    for method, values in accuracies.items():
        for seed, value in enumerate(values):
            path = folder / f"evaluation/digits/test/{method}/seed{seed}_ranks2/primary.json"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps({"top1": value}))
    return folder


def test_two_experiments_are_compared_seed_by_seed(finished, tmp_path, capsys):
    other = finish(tmp_path / "two", {"mct": [0.91, 0.94], "glc": [0.7, 0.7]})
    call(["compare", str(finished), str(other)])
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[3:]]
    # Differences 1 and 2 points: mean 1.5, standard error .5, t of one degree of freedom 12.706.
    assert rows[1] == [
        "mct",
        "91.00",
        "±",
        "1.41",
        "92.50",
        "±",
        "2.12",
        "+1.50",
        "-4.85",
        "to",
        "+7.85",
        "2",
    ]
    assert rows[2] == ["noise_only", "80.50", "±", "0.71", "-", "0"]
    assert rows[3] == ["glc", "-", "70.00", "±", "0.00", "0"]


def test_accuracies_of_other_pictures_are_not_compared(finished, tmp_path):
    other = finish(tmp_path / "two", {"mct": [0.9]}, split="validation")
    with pytest.raises(UserError, match=r"split: .*one has test, .*two has validation"):
        call(["compare", str(finished), str(other)])


def test_what_can_go_is_shown_and_only_what_is_named_goes(finished, capsys):
    (finished / "shards").mkdir()
    (finished / "shards/a.h5").write_bytes(b"x" * 2_500_000)
    os.link(finished / "shards/a.h5", finished / "shards/b.h5")
    (finished / "logs").mkdir()
    assert [line.split()[:3] for line in clean.table(finished)[1:]] == [
        ["shards", "2.5", "MB"], ["logs", "0.0", "MB"],
    ]  # fmt: skip
    call(["clean", str(finished), "shards"])
    assert "removed, 2.5 MB freed" in capsys.readouterr().out
    assert not (finished / "shards").exists() and (finished / "evaluation").is_dir()
    with pytest.raises(UserError, match="evaluation: expected one of checkpoints"):
        call(["clean", str(finished), "evaluation"])


def test_a_folder_that_is_no_experiment_is_refused(tmp_path):
    for words in (["status", str(tmp_path / "no")], ["clean", str(tmp_path)]):
        with pytest.raises(UserError, match="an experiment's folder of results"):
            call(words)


@pytest.mark.parametrize("words", [["compare", "."], ["status"], ["clean"], ["predict", "x.jpg"]])
def test_a_folder_with_a_users_own_configuration_is_no_experiment(tmp_path, words):
    """Its folder `shards` is not ours to remove."""
    (tmp_path / "config.yaml").write_text("dataset: {layout: digits}\nseeds: [0]\n")
    with pytest.raises(UserError, match=r"its config\.yaml was written by no run"):
        call([words[0], str(tmp_path), *words[1:]])


def test_weights_that_are_not_there_are_named(finished):
    with pytest.raises(
        UserError, match=r"mct/seed0_ranks2/primary\.safetensors: expected the weights"
    ):
        Finished(finished).deployed()


def test_configurations_lie_over_each_other_as_in_snakemake():
    below = {"a": 1, "s": {"x": 1, "y": 2}}
    assert merge(below, {"s": {"y": 3}, "b": 4}) == {"a": 1, "s": {"x": 1, "y": 3}, "b": 4}


def test_a_check_shows_classes_noise_rate_and_steps(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    KINDS["table"](tmp_path / "table", 400)
    Path("mine.yaml").write_text(written(Path("table")))
    experiment = check.open_experiment(Path("mine.yaml"))
    catalogue = build_catalogue(experiment.layout, LISTED)
    (rate,) = check.noise_rate(experiment, catalogue)
    assert "counted on" in rate and "95 %" in rate
    (seen,) = check.pictures(experiment, catalogue)
    assert "40 x 40 pixels" in seen and "100 % of its area" in seen
    rows = {row[0]: row[1:] for row in check.steps(experiment)}
    noisy, epochs = experiment.sizes["noisy"], experiment.config["calibration"]["epochs"]
    assert rows["mct"] == ["4", f"{noisy * epochs:,}", "32", f"{epochs * -(-noisy // 32):,}"]
    assert compare.mean({(0, 2): 90.0}) == "90.00"
