"""Another spelling of the same path, or of the same list, reruns nothing."""

from pathlib import Path

import pytest
from samples import dataset_settings
from trees import TREES

from mct.base.errors import UserError
from mct.data.catalogue import source_digest
from mct.data.layouts.registry import open_layout
from mct.experiment.experiment import Experiment

GIVEN = {
    "experiment": "made",
    "images": {"size": 16, "mean": [0.5, 0.5, 0.5], "std": [0.25, 0.25, 0.25]},
}


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """Return the working folder, with a folder `data`, a link to it and one that leads elsewhere."""
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "data").mkdir()
    (folder / "link").symlink_to("data")
    (tmp_path / "far").symlink_to(folder / "data")
    monkeypatch.chdir(folder)
    return folder


def experiment(root: str = "data", **sections: dict) -> Experiment:
    dataset = {"name": "made", "layout": "clothing1m", "root": root, "noise_rate": 0.3}
    dataset |= sections.pop("dataset", {})
    return Experiment({**GIVEN, **sections, "dataset": dataset})


@pytest.mark.parametrize("root", ["data/", "./data", "{here}/data", "link", "./link/", "../far"])
def test_a_root_has_one_spelling(here, root):
    root = root.format(here=here)
    for settings in (Experiment.catalogue_settings, Experiment.reading_settings):
        assert settings(experiment(root)) == settings(experiment("data"))
    assert '"root": "data"' in experiment(root).catalogue_settings()


def test_a_root_outside_the_working_folder_is_its_real_path(here, tmp_path):
    (here / "data").rename(tmp_path / "moved")
    (here / "data").symlink_to(tmp_path / "moved")
    assert f'"root": "{tmp_path}/moved"' in experiment("data").catalogue_settings()


@pytest.mark.parametrize("file", ["./truth.txt", "{here}/truth.txt", "data/../truth.txt"])
def test_a_file_has_one_spelling(here, file):
    (here / "truth.txt").write_text("")
    (here / "T.csv").write_text("")
    file = file.format(here=here)
    matrix = {"kind": "asymmetric", "matrix": file.replace("truth.txt", "T.csv")}

    def texts(measuring: str, noise: dict, weights: str) -> tuple[str, str]:
        keys = {"measuring_labels": measuring, "synthetic_noise": noise}
        one = experiment(dataset=keys, model={"initial_weights": weights})
        return one.catalogue_settings(), one.settings.training("pretrain_primary", "0", "4")

    plain = texts("truth.txt", {"kind": "asymmetric", "matrix": "T.csv"}, "truth.txt")
    assert texts(file, matrix, file) == plain


def test_a_files_ending_stays_where_the_file_is_a_link(here):
    """Weights are read by their ending, and a cache's links lead to files without one."""
    (here / "blob").write_text("")
    (here / "weights.safetensors").symlink_to("blob")
    assert experiment(model={"initial_weights": "./weights.safetensors"}).initial_weights() == [
        "weights.safetensors"
    ]


@pytest.mark.parametrize(
    ("layout", "key"), [("webvision", "clean_root"), ("food101n", "test_root")]
)
def test_a_second_root_has_one_spelling(tmp_path, monkeypatch, layout, key):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "second").symlink_to("other")
    texts = set()
    for path in ("other", "./other/", "second", f"{tmp_path}/other"):
        dataset = {"name": "made", "layout": layout, "root": ".", "noise_rate": 0.3, key: path}
        texts.add(Experiment({**GIVEN, "dataset": dataset}).catalogue_settings())
    assert len(texts) == 1


def test_a_table_below_the_root_has_one_spelling(tmp_path, monkeypatch):
    monkeypatch.chdir(TREES["table"](tmp_path))
    dataset = {"name": "made", "layout": "table", "root": ".", "noise_rate": 0.3}
    plain = Experiment({**GIVEN, "dataset": {**dataset, "table": "a/t.csv"}})
    other = Experiment({**GIVEN, "dataset": {**dataset, "table": "./a//t.csv"}})
    assert plain.catalogue_settings() == other.catalogue_settings()


@pytest.mark.parametrize("results", ["results/", "./results", "{here}/results", "{here}//results/"])
def test_results_have_one_spelling(here, results):
    assert Experiment({"results": results.format(here=here)}).folder == "results/digits"


def test_a_link_to_results_keeps_its_name(here, tmp_path):
    (tmp_path / "scratch").mkdir()
    (here / "results").symlink_to(tmp_path / "scratch")
    for results in ("results", f"{here}/results"):
        one = Experiment({"results": results})
        one.check_paths()
        assert one.folder == "results/digits"
    assert Experiment({"results": f"{tmp_path}/scratch"}).folder == f"{tmp_path}/scratch/digits"


@pytest.mark.parametrize("place", ["results", "results/digits"])
def test_results_behind_a_link_that_leads_nowhere_are_refused_in_the_plan(here, place):
    (here / place).parent.mkdir(exist_ok=True)
    (here / place).symlink_to("gone")
    with pytest.raises(UserError, match=f"results: {place} is a link to gone, which is not there"):
        Experiment({}).check_paths()


def clothing_digest(root: Path) -> str:
    return source_digest(open_layout(dataset_settings(layout="clothing1m", root=str(root))))


def test_line_ends_of_a_list_change_nothing_and_labels_and_keys_do(tmp_path):
    root = TREES["clothing1m"](tmp_path / "data")
    plain = clothing_digest(root)
    for path in root.glob("*.txt"):
        path.write_bytes(path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n")
    assert clothing_digest(root) == plain
    labels = root / "noisy_label_kv.txt"
    lines = labels.read_text().splitlines()
    labels.write_text("\n".join(reversed(lines)))
    assert clothing_digest(root) == plain
    key, label = lines[0].split()
    labels.write_text("\n".join([f"{key} {(int(label) + 1) % 3}", *lines[1:]]))
    assert clothing_digest(root) != plain


@pytest.mark.parametrize(
    ("old", "new", "is_same"),
    [
        ("\n", "\r\n", True),
        ("pictures/1.jpg,", '"pictures/1.jpg",', True),
        (",train\n", ",train \n", True),
        ("pictures/1.jpg,bars,bars", "pictures/1.jpg,stripes,bars", False),
        ("pictures/7.jpg", "pictures/6.jpg", False),
        ("path,label,true_label,split", "path,label,true_label,split,more", True),
    ],
    ids=["line ends", "quotes", "spaces", "label", "path", "another column"],
)
def test_what_a_table_says_is_its_source_and_not_its_bytes(tmp_path, old, new, is_same):
    root = TREES["table"](tmp_path)
    table = root / "table.csv"
    settings = dataset_settings(layout="table", root=str(root))
    plain, text = source_digest(open_layout(settings)), table.read_text()
    assert old in text
    table.write_bytes(text.replace(old, new).encode())
    assert (source_digest(open_layout(settings)) == plain) == is_same


def test_a_matrix_of_noise_is_compared_by_its_numbers(tmp_path):
    from mct.labels.settings import NoiseSettings

    matrix = tmp_path / "T.csv"
    noise = NoiseSettings(kind="asymmetric", matrix=str(matrix))
    layout = open_layout(dataset_settings(synthetic_noise=noise))
    rows = [["1" if row == column else "0" for column in range(10)] for row in range(10)]
    digests = []
    for separator, end in ((",", "\n"), (", ", "\r\n")):
        matrix.write_text("".join(separator.join(row) + end for row in rows), newline="")
        digests.append(source_digest(layout))
    assert digests[0] == digests[1]
