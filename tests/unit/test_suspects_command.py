"""`mct suspects`: reviews into a configuration, suspects out to other programs, answers back."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from made_data import CLASSES, KINDS
from samples import small_catalogue, write_labelled
from test_command import written
from test_plan_checks import config_of

from mct.base.errors import UserError
from mct.base.files import write_rows, write_text
from mct.command.main import call
from mct.data.catalogue import write_catalogue
from mct.data.imagesets import open_set
from mct.data.quarantine import LeftOut
from mct.data.reviews import read_reviews
from mct.experiment.configuration import resolve
from mct.experiment.experiment import Experiment
from mct.labels.judging import Judgement, write_judgement
from mct.results.suspect_files import CLEANLAB, REVIEW
from mct.results.suspects import COLUMNS

NAMES = ["cat", "dog", 'a "cow" & <calf>']
LISTED = [
    ("key-4", "dog", NAMES[2], "0.9000", "0.8000"),
    ("key-0", "cat", "dog", "0.7500", "0.7500"),
]


@pytest.fixture
def results(tmp_path) -> Path:
    """What a run of 16 pictures leaves: noisy 0-9, clean 7-11, validation 12-13, test 14-15."""
    folder = tmp_path / "results/made"
    config = resolve({"experiment": "made", "dataset": {"name": "made"}})
    write_text(folder / "config.yaml", yaml.safe_dump(config))
    write_text(folder / "catalogue/made.classes.txt", "".join(f"{name}\n" for name in NAMES))
    write_catalogue(small_catalogue(), folder / "catalogue/made.tsv")
    broken = LeftOut("key-1", "1.png", "noisy", "empty", "no bytes")
    write_rows(folder / "catalogue/made.quarantine.tsv", LeftOut._fields, [broken])
    (folder / "shards/made").mkdir(parents=True)
    write_labelled(folder / "shards/made", shards=2)
    write_rows(folder / "suspects/made.tsv", COLUMNS, LISTED)
    return folder


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def export(results: Path, kind: str, *words: str) -> None:
    call(["suspects", "export", str(results), "--format", kind, *words])


def test_tasks_have_the_proposal_as_prediction_and_lead_back_to_a_review(results, tmp_path, capsys):
    export(results, "label-studio", "--pictures", "/data/local-files/?d=")
    tasks = json.loads((results / "suspects/made.label-studio.json").read_text())
    assert [task["data"]["key"] for task in tasks] == ["key-4", "key-0"]
    assert tasks[0]["data"]["image"] == "/data/local-files/?d=4.png"
    [prediction] = tasks[0]["predictions"]
    assert (prediction["score"], prediction["model_version"]) == (0.8, "mct made")
    [part] = prediction["result"]
    assert part["type"] == "choices" and part["value"] == {"choices": [NAMES[2]]}
    interface = (results / "suspects/made.label-studio.xml").read_text()
    assert "<Choice value='a \"cow\" &amp; &lt;calf&gt;'/>" in interface
    assert f'name="{part["from_name"]}" toName="{part["to_name"]}"' in interface
    answered = [
        {
            **task,
            "annotations": [{"was_cancelled": False, "result": task["predictions"][0]["result"]}],
        }
        for task in tasks
    ]
    write_text(tmp_path / "export.json", json.dumps(answered))
    review = tmp_path / "review.csv"
    call(["suspects", "import", str(tmp_path / "export.json"), "--output", str(review)])
    assert "2 tasks: 2 accepted" in capsys.readouterr().out
    found = read_reviews([review], NAMES)
    assert {key: decision.label for key, decision in found.items()} == {"key-4": 2, "key-0": 1}


def test_tasks_hold_pictures_where_nobody_serves_them(results, tmp_path):
    export(results, "label-studio", "--first", "1", "--output", str(tmp_path / "tasks.json"))
    [task] = json.loads((tmp_path / "tasks.json").read_text())
    assert task["data"]["image"].startswith("data:image/jpeg;base64,/9j/")
    assert (tmp_path / "tasks.xml").is_file()


def annotation(*choices: str, cancelled: bool = False) -> dict:
    result = [{"from_name": "label", "type": "choices", "value": {"choices": list(choices)}}]
    return {"was_cancelled": cancelled, "result": result}


def test_only_one_choice_that_all_annotators_made_is_a_decision(tmp_path):
    data = {"observed": "cat", "proposed": "dog"}
    annotations: dict[str, list[dict]] = {
        "other": [annotation("cow")],
        "agreed": [annotation("dog"), annotation("dog")],
        "disputed": [annotation("dog"), annotation("cat")],
        "cancelled": [annotation("dog", cancelled=True), annotation("cat")],
        "skipped": [annotation("dog", cancelled=True)],
        "two": [annotation("dog", "cat")],
        "nothing": [],
    }
    tasks = [
        {"data": {**data, "key": key}, "annotations": each} for key, each in annotations.items()
    ]
    short = [
        {**data, "key": "short", "label": "cat"},
        {**data, "key": "shorter", "label": {"choices": ["dog", "cow"]}},
        {**data, "key": "shortest"},
    ]
    write_text(tmp_path / "export.json", json.dumps([*tasks, *short]))
    call(["suspects", "import", str(tmp_path / "export.json"), "--output", str(tmp_path / "r.csv")])
    rows = read_csv(tmp_path / "r.csv")
    assert tuple(rows[0]) == REVIEW
    assert {row["key"]: (row["label"], row["decision"]) for row in rows} == {
        "other": ("cow", "other"), "agreed": ("dog", "accepted"), "disputed": ("", ""),
        "cancelled": ("cat", "kept"), "skipped": ("", ""), "two": ("", ""), "nothing": ("", ""),
        "short": ("cat", "kept"), "shorter": ("", ""), "shortest": ("", ""),
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[", "this is not JSON"),
        ("{}", "got no list"),
        ("[3]", "task 1: expected Label Studio's export as JSON .* got '3'"),
        ('[{"data": {"image": "a.jpg"}}]', "task 1: no text `key`, `observed` and `proposed`"),
    ],
)
def test_another_file_is_no_export(tmp_path, text, message):
    write_text(tmp_path / "export.json", text)
    with pytest.raises(UserError, match=message):
        call(["suspects", "import", str(tmp_path / "export.json"), "--output", "x.csv"])


def test_cleanlab_has_all_judged_pictures_or_else_those_that_are_listed(results):
    export(results, "cleanlab")
    rows = read_csv(results / "suspects/made.cleanlab.csv")
    assert tuple(rows[0]) == CLEANLAB
    assert [row["label_score"] for row in rows] == ["0.100000", "0.250000"]
    assert {row["is_label_issue"] for row in rows} == {"True"}
    judged = open_set("noisy", results / "shards/made/labels.parquet").unverified()
    proposed = np.where(judged.sample == 4, 2, judged.observed)
    found = Judgement(
        wrong=np.linspace(0, 0.6, len(judged)), proposed=proposed, certainty=np.ones(len(judged))
    )
    for part, rest in (("a", 0), ("b", 1)):
        chosen = np.flatnonzero(np.arange(len(judged)) % 2 == rest)
        own = {name: getattr(found, name)[chosen] for name in ("wrong", "proposed", "certainty")}
        path = results / f"suspects/made/{part}.h5"
        write_judgement(judged.sample[chosen], Judgement(**own), path)
    export(results, "cleanlab")
    rows = read_csv(results / "suspects/made.cleanlab.csv")
    assert [row["key"] for row in rows] == [f"key-{number}" for number in range(7)]
    assert [row["is_label_issue"] for row in rows].count("True") == 1
    assert rows[4] == dict(
        zip(CLEANLAB, ("key-4", "True", "0.600000", "dog", NAMES[2]), strict=True)
    )


def test_the_corrected_table_changes_reviewed_labels_alone(results, tmp_path):
    write_text(tmp_path / "review.csv", "key,label\nkey-4,2\nkey-5,\n")
    export(results, "table")
    before = {row["path"]: row for row in read_csv(results / "suspects/made.table.csv")}
    export(results, "table", "--reviews", str(tmp_path / "review.csv"))
    after = {row["path"]: row for row in read_csv(results / "suspects/made.table.csv")}
    assert "1.png" not in before and len(before) == 15
    changed = {path for path in before if before[path] != after[path]}
    assert changed == {"4.png"}
    assert after["4.png"] == {
        "path": "4.png", "label": NAMES[2], "true_label": NAMES[2], "split": "train",
    }  # fmt: skip
    assert (before["0.png"]["label"], before["0.png"]["true_label"]) == ("cat", "")
    assert (before["8.png"]["label"], before["8.png"]["true_label"]) == (NAMES[2], "cat")
    assert before["10.png"]["label"] == before["10.png"]["true_label"] == NAMES[2]
    assert [after[f"{n}.png"]["split"] for n in (12, 15)] == ["validation", "test"]


def test_the_corrected_table_of_a_data_set_is_read_as_one(results, tmp_path):
    export(results, "table", "--output", str(tmp_path / "data/table.csv"))
    classes = {"classes": NAMES, "check_files": False}
    experiment = Experiment(config_of(tmp_path / "data", "table", **classes))
    assert experiment.sizes == {"noisy": 11, "clean": 5, "validation": 2, "test": 2}


def test_what_a_run_has_not_made_yet_is_named(tmp_path):
    write_text(tmp_path / "config.yaml", yaml.safe_dump(resolve({})))
    with pytest.raises(
        UserError, match=r"digits\.classes\.txt: expected a file of a finished run; run `mct"
    ):
        export(tmp_path, "table")


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A folder with data, their configuration, and a review of four pictures, one undecided."""
    monkeypatch.chdir(tmp_path)
    KINDS["table"](Path("table"), 160)
    Path("mine.yaml").write_text(written(Path("table")))
    rows = [row for row in read_csv(Path("table/table.csv")) if row["split"] == "train"]
    unverified = [row for row in rows if not row["true_label"]][:4]
    others = [CLASSES[CLASSES.index(row["label"]) - 1] for row in unverified]
    labels = (others[0], others[1], unverified[2]["label"], "?")
    lines = [
        f"{row['path']},{row['label']},{label}"
        for row, label in zip(unverified, labels, strict=True)
    ]
    Path("review.csv").write_text("\n".join(["key,observed,label", *lines]) + "\n")
    proposal = (unverified[0]["path"], unverified[0]["label"], others[0], "0.9", "0.9")
    write_rows(Path("results/table/suspects/table.tsv"), COLUMNS, [proposal])
    return tmp_path


def test_a_review_is_named_in_the_configuration_once(project, capsys):
    before = Path("mine.yaml").read_text()
    call(["suspects", "apply", "review.csv", "mine.yaml"])
    said = capsys.readouterr().out
    assert (
        "review.csv: 3 of 4 rows decided; proposals accepted: 1; proposals rejected, the label kept: 1; "
        "changed to another class: 1\n" in said
    )
    assert "mine.yaml: dataset.reviews names it now" in said and "pretrain_auxiliary" in said
    after = Path("mine.yaml").read_text()
    assert [line for line in after.splitlines() if line not in before.splitlines()] == [
        "  reviews: [review.csv]"
    ]
    sizes = [Experiment(yaml.safe_load(text)).sizes for text in (before, after)]
    assert sizes[1] == {**sizes[0], "clean": sizes[0]["clean"] + 3}
    call(["suspects", "apply", str(project / "review.csv"), "mine.yaml"])
    assert "names it already" in capsys.readouterr().out
    assert Path("mine.yaml").read_text() == after


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",?", ",hen", "line 5: key pictures/.*: no class 'hen'"),
        ("pictures/", "elsewhere/", "keys are not in the noisy training set"),
        ("", "", None),
    ],
)  # fmt: skip
def test_a_review_that_does_not_fit_changes_no_configuration(project, old, new, message):
    before, review = Path("mine.yaml").read_text(), Path("review.csv")
    review.write_text(review.read_text().replace(old, new))
    if message is None:
        lines = review.read_text().splitlines()
        review.write_text("\n".join([lines[0], lines[-1]]) + "\n")  # of which ? is the label
        message = "review.csv: nothing is decided"
    with pytest.raises(UserError, match=message):
        call(["suspects", "apply", "review.csv", "mine.yaml"])
    assert Path("mine.yaml").read_text() == before


def test_a_review_of_other_labels_is_refused(project):
    rows = read_csv(Path("review.csv"))
    observed = "apple" if rows[0]["observed"] != "apple" else "plum"
    Path("review.csv").write_text(f"key,observed,label\n{rows[0]['key']},{observed},cherry\n")
    with pytest.raises(
        UserError, match=r"was reviewed with the observed label .* of an older list"
    ):
        call(["suspects", "apply", "review.csv", "mine.yaml"])


def test_without_a_second_word_the_target_runs(project, capfd):
    shutil.rmtree("results")
    call(["suspects", "mine.yaml", "--dry-run", "--cores", "2"])
    said = capfd.readouterr().out
    assert said.startswith("snakemake suspects -n --cores 2 ") and "list_suspects" in said
    text = Path("mine.yaml").read_text()
    Path("mine.yaml").write_text(text.replace("mct_paper, mct]", "forward]"))
    with pytest.raises(SystemExit) as end:
        call(["suspects", "mine.yaml", "--cores", "1"])
    assert end.value.code == 2


@pytest.mark.parametrize("name", ["apply", "export", "import"])
def test_every_second_word_says_what_it_takes(name, capsys):
    with pytest.raises(SystemExit) as end:
        call(["suspects", name, "--help"])
    assert end.value.code == 0
    assert f"usage: mct suspects {name}" in capsys.readouterr().out
