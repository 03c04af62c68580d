"""One whole run on a small tree of JPEG files, and what a user does with it afterwards."""

import csv
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from projects import LONG, PROJECT, Run, run_command, run_snakemake
from safetensors.numpy import load_file
from trees import CLASSES, SIZES

from mct.data.label_table import read_index
from mct.data.shards import open_shard


def test_every_stage_leaves_what_it_should(finished: Path):
    check_catalogue(finished / "catalogue/tiny.tsv")
    check_shards(finished / "shards/tiny")
    check_calibration(finished / "models/tiny/mct_paper/seed0_ranks2")
    check_table(finished / "tables")
    check_noise(finished / "tables/noise.tsv")
    check_scaling(finished)
    for figure in ("accuracy", "confusion", "training_mct_paper", "selection_mct_paper"):
        assert (finished / f"figures/{figure}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (finished / f"figures/{figure}.svg").read_text()
    assert not any((finished / "checkpoints").rglob("*.safetensors"))


def check_scaling(results: Path) -> None:
    """Check the times of all trainings on one number of ranks: their parts, and that no figure is drawn."""
    with (results / "tables/scaling.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert {row["kind"] for row in rows} == {"measured", "published"}
    measured = {row["training"]: row for row in rows if row["kind"] == "measured"}
    assert list(measured) == [
        "Ma, pretrained on clean", "Mp, pretrained on noisy", "Clean + noisy", "MCT (paper)",
    ]  # fmt: skip
    for row in measured.values():
        parts = [float(row[name] or 0) for name in row if name.endswith("_seconds")]
        assert sum(parts) == pytest.approx(2 * float(row["step_seconds"]), rel=0.01)
        assert 0 < float(row["compute_seconds"]) < float(row["step_seconds"])
        assert (row["run_ranks"], row["speed_up"], row["efficiency_percent"]) == ("2", "", "")
    pair = measured["MCT (paper)"]
    assert float(pair["gathering_seconds"]) > 0
    assert (pair["global_batch"], pair["measured_steps"], pair["ranks"]) == ("13", "5", "2")
    assert not measured["Clean + noisy"]["gathering_seconds"]
    assert not (results / "figures/scaling.png").exists()


def check_catalogue(path: Path) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for name, count in SIZES.items():
        assert sum(int(row[name]) for row in rows) == count
    assert all(row["observed"] == "-1" for row in rows if row["test"] == "1")


def check_shards(folder: Path) -> None:
    index = read_index(folder / "labels.parquet")
    assert index["samples"] == SIZES
    for name, count in SIZES.items():
        counted = index["samples_per_class"][name]["observed" if name == "noisy" else "true"]
        assert (sum(counted), len(counted)) == (count, len(CLASSES))
    assert sorted(index["files"]) == ["0-0000.h5", "0-0001.h5"]


def check_calibration(folder: Path) -> None:
    weights = [load_file(folder / f"{role}.safetensors") for role in ("auxiliary", "primary")]
    assert all(np.isfinite(value).all() for model in weights for value in model.values())
    with h5py.File(folder / "samples.h5") as samples:
        confidence, selected = samples["confidence"][()], samples["selected"][()]
    assert confidence.shape == selected.shape == (2, SIZES["noisy"], 2)
    assert ((confidence >= 0) & (confidence <= 1)).all()
    with h5py.File(folder / "history.h5") as history:
        counts, by_class = history["selected"][()], history["selected_by_class"][()]
    # Batches of 13, 13, 13, 13 and 8 samples at P = .3: M and N of Eq. 1 and Eq. 2.
    np.testing.assert_array_equal(counts, [(4, 10)] * 4 + [(1, 6)] + [(4, 10)] * 4 + [(1, 6)])
    np.testing.assert_array_equal(selected.sum(axis=1), by_class.sum(axis=2))
    np.testing.assert_array_equal(by_class.sum(axis=(0, 2)), counts.sum(axis=0))
    assert by_class.shape == (2, 2, len(CLASSES))


def check_table(folder: Path) -> None:
    with (folder / "accuracy.tsv").open(newline="") as file:
        rows = {(row["method"], row["model"]): row for row in csv.DictReader(file, delimiter="\t")}
    assert ("MCT (paper)", "Mp") in rows
    assert ("Clean + noisy", "Mp") in rows
    pair = int(rows["MCT (paper)", "Ma and Mp"]["samples_seen_by_model"])
    assert pair == sum(
        int(rows["MCT (paper)", name]["samples_seen_by_model"]) for name in ("Ma", "Mp")
    )
    ours, baseline = rows["MCT (paper)", "Mp"], rows["Clean + noisy", "Mp"]
    sidecar = json.loads((folder / "accuracy.json").read_text())
    clean_per_batch = sidecar["configuration"]["mct"]["clean_per_batch_primary"]
    assert int(ours["samples_seen_by_model"]) == 4 * SIZES["noisy"]
    # Baselines see what Mp of `mct` sees: also the clean samples in its batches of 13.
    joined = 2 * SIZES["noisy"] * clean_per_batch / 13
    assert int(baseline["samples_seen_by_model"]) == int(4 * SIZES["noisy"] + joined + 0.5)
    assert ours["kind"] == "measured"
    assert all(0 <= float(row["top1_percent"]) <= 100 for row in rows.values())
    assert sidecar["configuration"]["experiment"] == "tiny"
    assert all(run["hardware"]["processor"] for run in sidecar["runs"].values())


def check_noise(path: Path) -> None:
    """The tree brings no true labels of pictures that are only noisy, so there is no row of truth."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    overall = {row["estimator"]: row for row in rows if row["observed_class"] == "all"}
    assert overall.pop("Given")["wrong_percent"] == "30.00"
    assert overall.keys() == {"Solved with Ma's confusion", "Confident joint of Ma"}
    assert {row["kind"] for row in overall.values()} == {"measured"}
    for row in overall.values():
        assert row["samples"] == str(SIZES["noisy"] - SIZES["clean"])
        assert 0 <= float(row["wrong_percent"]) <= 100
    by_class = [row for row in rows if row["observed_class"] == CLASSES[0]]
    assert len(by_class) == 2


def test_a_flipped_byte_ends_in_a_line_that_names_the_file(finished: Path, snakemake: Run):
    shard = finished / "shards/tiny/0-0000.h5"
    whole, times = shard.read_bytes(), shard.stat()
    damaged, stored = bytearray(whole), open_shard(shard)
    is_test = [key.startswith(b"images/t/") for key in stored.fields["key"].tolist()]
    damaged[stored.payload_start + 3 * 16 * 16 * is_test.index(True)] ^= 1
    target = "results/tiny/evaluation/tiny/test/mct_paper/seed0_ranks2/primary.json"
    before = Path(finished.parents[1], target).read_bytes()
    options = ["-f", target, "--configfile", "tiny.yaml"]
    write_silently(shard, damaged, times)
    run = snakemake("--cores", 2, *options)
    write_silently(shard, whole, times)
    log = (finished / "logs/tiny/evaluate_pair/test_mct_paper_seed0_ranks2.log").read_text()
    assert run.returncode != 0
    assert log.startswith(f"error: {shard.relative_to(finished.parents[1])}: ")
    assert "checksum" in log
    assert "Traceback" not in log
    for targets in ([target], []):
        again = snakemake(*targets, "--cores", 2, "--configfile", "tiny.yaml")
        assert again.returncode == 0, again.stdout + again.stderr
    assert drop_times(Path(finished.parents[1], target).read_bytes()) == drop_times(before)


def write_silently(path: Path, data: bytes, times: os.stat_result) -> None:
    """Change a file as a failing disk does, without a new time."""
    path.write_bytes(data)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def drop_times(text: bytes) -> dict:
    return {k: v for k, v in json.loads(text).items() if k not in ("seconds", "started")}


@LONG
def test_every_method_goes_through(copied: Path):
    others = "methods=[forward_finetuned,backward,glc,cleannet,oeem,noise_only_compute,mct]"
    keys = (others, "finetuning={methods: [mct], epochs: 1}", "pretraining={held_out_clean: 0.25}")
    run = run_snakemake(copied, "--cores", 2, "--configfile", "tiny.yaml", "--config", *keys)
    assert run.returncode == 0, run.stdout + run.stderr
    results = copied / "results/tiny"
    with (results / "tables/accuracy.tsv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file, delimiter="\t") if row["model"] == "Mp"]
    assert {row["method"] for row in rows} >= {
        "Loss correction", "Backward correction", "GLC", "CleanNet", "OEEM", "MCT", "MCT, fine-tuned",
    }  # fmt: skip
    assert all(0 <= float(row["top1_percent"]) <= 100 for row in rows)
    check_preparations(results / "models/tiny")


def check_preparations(models: Path) -> None:
    """Check the confusion that Mp predicts (GLC), weights of labels (CleanNet), clean samples (MCT)."""
    confusion = models / "pretrain_primary/seed0_ranks2/confusion_estimated.json"
    matrix = np.array(json.loads(confusion.read_text())["matrix"])
    np.testing.assert_allclose(matrix.sum(axis=1), 1)
    with h5py.File(models / "cleannet/seed0_ranks2/label_weights.h5") as file:
        assert file["weight"].shape == (SIZES["noisy"],)
    record = json.loads((models / "mct/seed0_ranks2/record.json").read_text())
    # Two epochs of five batches, with 16 clean samples each.
    assert record["samples_seen_primary"] == 2 * SIZES["noisy"] + 10 * 16
    weighed = models / "pretrain_auxiliary/seed0_ranks2/strength_counted.json"
    assert 0 < record["strength"] == json.loads(weighed.read_text())["strength"] < 1


@LONG
def test_performance_is_measured_and_drawn(copied: Path):
    scaling = "{ranks: [2], model: small_cnn, size: 16, samples_per_rank: 4, fixed_batch: 4, "
    scaling += "repeats: 2, averaged_models: [small_cnn], projected_ranks: [32]}"
    options = ("--cores", 2, "--configfile", "tiny.yaml", "--config", f"scaling={scaling}")
    run = run_snakemake(copied, "performance", *options)
    assert run.returncode == 0, run.stdout + run.stderr
    results = copied / "results/tiny"
    for kind in ("prefetch", "communication", "rehearsal"):
        with (results / f"tables/{kind}.tsv").open(newline="") as file:
            kinds = {row["kind"] for row in csv.DictReader(file, delimiter="\t")}
        rehearsed = {"rehearsed", "projected", "published"}
        assert kinds == (rehearsed if kind == "rehearsal" else {"measured"})
        assert (results / f"figures/{kind}.png").read_bytes().startswith(b"\x89PNG")
    check_reruns_of_measurements(copied, options)


def check_reruns_of_measurements(project: Path, options: tuple) -> None:
    """Check that what was measured is measured again where it would run otherwise, nothing else."""
    record = json.loads(Path(project, "results/tiny/performance/prefetch/ranks2.json").read_text())
    assert record["execution"]["prefetch_batches"] == 2
    tables, both = {"tabulate_performance"}, {"measure_scaling", "measure_prefetch"}
    for execution, expected in {
        "allreduce: ring": tables | both,
        "threads_per_rank: 2": tables | both,
        "prefetch_batches: 3": tables | {"measure_prefetch"},
        "stall_minutes: 5, checkpoint_minutes: 1": set(),
    }.items():
        plan = run_snakemake(
            project, "all", "performance", "-n", *options, f"execution={{{execution}}}"
        )
        assert plan.returncode == 0, plan.stderr
        rules = set(re.findall(r"^(?:local)?rule (\w+):", plan.stdout + plan.stderr, re.M))
        assert rules - {"all", "performance"} == expected, execution


def test_suspects_are_listed_and_shown(copied: Path):
    run = run_snakemake(copied, "suspects", "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    folder = copied / "results/tiny/suspects"
    with (folder / "tiny.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    facts = json.loads((folder / "tiny.json").read_text())
    assert 0 < len(rows) == facts["listed"] <= facts["judged"] < SIZES["noisy"]
    assert all(row["observed"] != row["proposed"] for row in rows)
    wrong = [float(row["wrong_probability"]) for row in rows]
    assert wrong == sorted(wrong, reverse=True)
    page = (folder / "tiny.html").read_text()
    data = json.loads(
        re.search(r"<script type=.application/json. id=.data.>(.*?)</script>", page)[1]
    )
    assert [suspect[0] for suspect in data["suspects"]] == [row["key"] for row in rows]


def test_suspects_need_a_pair(copied: Path):
    options = ("--cores", 2, "--configfile", "tiny.yaml", "--config", "methods=[noise_only]")
    run = run_snakemake(copied, "suspects", *options)
    assert run.returncode == 2
    assert "error: methods: suspects are found by a calibrated pair; add mct" in run.stderr
    assert "Traceback" not in run.stderr


def test_a_model_is_handed_over_with_a_card_whose_programs_run(copied: Path):
    pytest.importorskip("onnxruntime", reason="the extra `export` is not installed")
    run = run_snakemake(copied, "export", "--cores", 2, "--configfile", "tiny.yaml")
    assert run.returncode == 0, run.stdout + run.stderr
    folder = copied / "results/tiny/export/tiny/clean_noisy"
    names = {"model.safetensors", "model.onnx", "export.json", "README.md"}
    assert {path.name for path in folder.iterdir()} == names
    facts = json.loads((folder / "export.json").read_text())
    assert facts["accuracy"]["pictures"] == SIZES["test"]
    assert facts["onnx"]["largest_difference"] < 1e-4
    trained = copied / "results/tiny/models/tiny/clean_noisy/seed0_ranks2/primary.safetensors"
    given, exported = load_file(trained), load_file(folder / "model.safetensors")
    assert all((given[name] == exported[name]).all() for name in given)
    check_card(copied, folder)


def check_card(project: Path, folder: Path) -> None:
    """Check that the programs of a card name the class that `mct predict` names."""
    photo = sorted((project / "data/images/t").iterdir())[0]
    said = run_command(project, "predict", "results/tiny", photo).stdout
    card = (folder / "README.md").read_text().replace("CHECKOUT", str(project))
    reading, *running = re.findall(r"```python\n(.*?)```", card, re.S)
    assert len(running) == 2
    for program in running:
        text = f"{reading.replace('photo.jpg', str(photo))}\n{program}"
        command = [sys.executable, "-c", text]
        run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        assert run.stdout.split()[:1] == said.rpartition(": ")[2].split()[:1], run.stderr


def test_a_model_is_loaded_as_the_documents_say(finished: Path):
    text = (PROJECT / "docs/running.md").read_text()
    [program] = re.findall(r"```python\n(.*?)```", text, re.S)
    weights = finished / "models/tiny/mct_paper/seed0_ranks2/primary.safetensors"
    program = program.replace("classes=10", f"classes={len(CLASSES)}")
    program = re.sub(r'Path\(".*?"\)', f'Path("{weights}")', program)
    program += "import torch; print(*model(torch.zeros(2, 3, 16, 16)).shape)"
    command = [sys.executable, "-c", program]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.stdout.split() == ["2", str(len(CLASSES))], run.stderr


def test_a_report_holds_tables_and_figures(finished: Path, project: Path, snakemake: Run):
    run = snakemake("--configfile", "tiny.yaml", "--report", "report.html")
    assert run.returncode == 0, run.stderr
    page = (project / "report.html").read_text()
    for name in (
        "accuracy.tsv",
        "noise.tsv",
        "scaling.tsv",
        "pictures.svg",
        "training_mct_paper.svg",
    ):
        assert name in page


def test_pictures_are_predicted_by_both_models(finished: Path, project: Path, tmp_path: Path):
    """The mean of both models is right on as many test pictures as the pair's evaluation."""
    photos = project / "data/images/t"
    (photos / "broken.jpg").write_bytes(b"no picture")
    models = finished / "models/tiny/mct_paper/seed0_ranks2"
    weights = [models / f"{role}.safetensors" for role in ("primary", "auxiliary")]
    options = ("--output", tmp_path / "found.tsv", "--weights", *weights)
    run = run_command(project, "predict", finished, photos, *options)
    assert run.returncode == 0, run.stderr
    with (tmp_path / "found.tsv").open(newline="") as file:
        rows = {Path(row["path"]).name: row for row in csv.DictReader(file, delimiter="\t")}
    assert "broken.jpg" in rows.pop("broken.jpg")["problem"]
    truth = dict(
        line.split() for line in (project / "data/clean_label_kv.txt").read_text().splitlines()
    )
    right = [row["label"] == CLASSES[int(truth[f"images/t/{name}"])] for name, row in rows.items()]
    evaluation = finished / "evaluation/tiny/test/mct_paper/seed0_ranks2/pair.json"
    assert len(right) == SIZES["test"]
    assert np.mean(right) == json.loads(evaluation.read_text())["top1"]
